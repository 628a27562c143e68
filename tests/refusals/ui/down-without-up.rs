static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/down-without-up/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
