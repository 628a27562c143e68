static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/nul-byte/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
