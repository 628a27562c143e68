static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/missing-test/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
