static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/missing-up/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
