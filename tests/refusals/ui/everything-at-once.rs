static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/everything-at-once/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
