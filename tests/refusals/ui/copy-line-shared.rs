static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/copy-line-shared/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
