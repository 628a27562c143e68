static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/repeatable-circle/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
