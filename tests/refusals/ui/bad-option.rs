static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/bad-option", strict = true);

fn main() {
    println!("{}", MIGRATIONS.len());
}
