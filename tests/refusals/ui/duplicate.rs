static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/duplicate/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
