static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/no-such-folder/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
