static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/undeclared-dialects/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
