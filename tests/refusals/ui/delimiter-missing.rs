static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/delimiter-missing/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
