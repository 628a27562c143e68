static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/blocking-unique/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
