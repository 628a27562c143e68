static PATCHES: lockgate::Databases = lockgate::embed_migrations!("ui/databases-not-encoded/migrations", databases);

fn main() {
    println!("{}", PATCHES.len());
}
