static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/missing-down/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
