static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!(migrations);

fn main() {
    println!("{}", MIGRATIONS.len());
}
