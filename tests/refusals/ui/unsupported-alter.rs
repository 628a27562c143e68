static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/unsupported-alter/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
