static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/stray-folder/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
