//! A migration that is added, deleted or moved rebuilds the program; one that is edited does so anyway.

fn main() {
    lockgate_build::watch_folder("../../migrations");
}
