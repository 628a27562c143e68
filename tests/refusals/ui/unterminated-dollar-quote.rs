static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/unterminated-dollar-quote/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
