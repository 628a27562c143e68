static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/unanswered-question/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
