static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/broken-chain/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
