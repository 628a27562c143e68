static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/unterminated-copy-data/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
