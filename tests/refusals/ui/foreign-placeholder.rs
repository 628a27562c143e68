static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/foreign-placeholder/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
