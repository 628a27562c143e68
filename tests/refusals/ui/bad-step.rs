static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/bad-step/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
