static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/copy-data/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
