static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/merge-conflict/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
