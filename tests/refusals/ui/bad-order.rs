static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/bad-order/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
