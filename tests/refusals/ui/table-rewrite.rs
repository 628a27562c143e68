static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/table-rewrite/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
