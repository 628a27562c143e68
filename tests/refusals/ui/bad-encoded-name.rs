static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/bad-encoded-name/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
