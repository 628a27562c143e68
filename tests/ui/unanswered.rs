static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/unanswered/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
