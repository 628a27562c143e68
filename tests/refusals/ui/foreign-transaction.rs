static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/foreign-transaction/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
