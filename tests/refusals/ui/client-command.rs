static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/client-command/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
