static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/bad-name/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
