static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/blocking-constraint/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
