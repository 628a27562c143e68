static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/unclosed-parenthesis/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
