static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/blocking-index/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
