static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/blocking-drop-index/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
