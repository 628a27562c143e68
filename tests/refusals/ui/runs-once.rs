static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/runs-once/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
