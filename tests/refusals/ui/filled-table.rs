static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/filled-table/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
