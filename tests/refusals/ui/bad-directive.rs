static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/bad-directive/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
