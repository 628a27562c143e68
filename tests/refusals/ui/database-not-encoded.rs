static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/database-not-encoded/migrations", database = "billing");

fn main() {
    println!("{}", MIGRATIONS.len());
}
