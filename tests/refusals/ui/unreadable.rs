static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/unreadable/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
