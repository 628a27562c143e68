static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/unterminated-name/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
