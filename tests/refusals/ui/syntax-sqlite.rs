static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/syntax-sqlite/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
