static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/psql-include/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
