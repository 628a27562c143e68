static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/transaction-control/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
