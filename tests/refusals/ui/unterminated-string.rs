static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/unterminated-string/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
