//! Reports errors and warnings in the migrations, and rebuilds when one is added, deleted or moved.

fn main() {
    lockgate_build::check();
}
