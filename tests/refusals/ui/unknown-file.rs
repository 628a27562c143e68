static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/unknown-file/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
