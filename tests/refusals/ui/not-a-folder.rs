static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/not-a-folder/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
