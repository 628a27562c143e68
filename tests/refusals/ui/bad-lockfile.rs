static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/bad-lockfile/migrations");

fn main() {
    println!("{}", MIGRATIONS.len());
}
