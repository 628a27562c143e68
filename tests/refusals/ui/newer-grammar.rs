static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/newer-grammar/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
