static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/delimiter-too-long/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
