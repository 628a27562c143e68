static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/syntax/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
