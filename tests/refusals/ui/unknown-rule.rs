static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/unknown-rule/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
