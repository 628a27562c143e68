static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/bad-policy/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
