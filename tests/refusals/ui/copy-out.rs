static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/copy-out/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
