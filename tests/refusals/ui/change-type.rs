static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/change-type/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
