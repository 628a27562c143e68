static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/unknown-key/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
