static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/empty-script/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
