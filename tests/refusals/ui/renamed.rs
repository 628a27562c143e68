static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/renamed/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
