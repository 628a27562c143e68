static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/not-utf8/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
