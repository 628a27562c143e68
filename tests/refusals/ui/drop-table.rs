static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/drop-table/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
