static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/set-not-null/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
