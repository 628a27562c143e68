static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/empty-table/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
