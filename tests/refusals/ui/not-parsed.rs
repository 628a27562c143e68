static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/not-parsed/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
