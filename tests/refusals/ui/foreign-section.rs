static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/foreign-section/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
