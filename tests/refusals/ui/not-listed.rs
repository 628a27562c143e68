static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/not-listed/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
