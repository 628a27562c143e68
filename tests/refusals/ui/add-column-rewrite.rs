static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/add-column-rewrite/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
