static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/vanished-draft/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
