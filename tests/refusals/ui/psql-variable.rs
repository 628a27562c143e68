static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/psql-variable/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
