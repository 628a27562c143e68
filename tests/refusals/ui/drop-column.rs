static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/drop-column/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
