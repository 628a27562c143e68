static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/blocking-refresh/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
