static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/unknown-directive/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
