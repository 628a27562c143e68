static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/bad-version/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
