//! Rebuilds the program when a file is added to one of the trees, deleted or moved. Cargo notices edits by itself.

fn main() {
    lockgate_build::watch();
}
