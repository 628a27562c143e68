static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/repeated-directive/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
