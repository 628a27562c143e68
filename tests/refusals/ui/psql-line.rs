static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/psql-line/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
