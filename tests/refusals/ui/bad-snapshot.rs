static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/bad-snapshot/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
