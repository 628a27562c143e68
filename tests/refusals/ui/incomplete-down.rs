static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/incomplete-down/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
