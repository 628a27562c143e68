static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/several-databases/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
