static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/bad-value/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
