static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/unlocked/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
