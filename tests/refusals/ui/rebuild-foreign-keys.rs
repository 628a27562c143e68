static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/rebuild-foreign-keys/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
