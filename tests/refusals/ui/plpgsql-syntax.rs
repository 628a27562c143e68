static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/plpgsql-syntax/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
