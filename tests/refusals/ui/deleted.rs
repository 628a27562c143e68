static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/deleted/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
