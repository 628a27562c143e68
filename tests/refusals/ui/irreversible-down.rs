static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/irreversible-down/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
