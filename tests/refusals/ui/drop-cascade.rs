static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/drop-cascade/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
