static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/unterminated-comment/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
