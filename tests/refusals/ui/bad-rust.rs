static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/bad-rust/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
