static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/outside-transaction/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
