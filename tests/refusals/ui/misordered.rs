static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/misordered/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
