static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/enum-value-used/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
