static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/lossy-down/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
