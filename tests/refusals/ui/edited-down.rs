static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/edited-down/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
