static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/edited/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
