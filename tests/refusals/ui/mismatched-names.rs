static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/mismatched-names/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
