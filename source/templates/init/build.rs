//! Builds again when a migration is added, deleted or moved.

fn main() {
    lockgate_build::watch();
}
