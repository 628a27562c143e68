static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/gap/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
