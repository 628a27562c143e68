static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/rename/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
