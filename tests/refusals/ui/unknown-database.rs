static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/unknown-database/migrations", database = "biling");

fn main() {
    println!("{}", MIGRATIONS.len());
}
