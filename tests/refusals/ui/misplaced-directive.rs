static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/misplaced-directive/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
