static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/unterminated-body/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
