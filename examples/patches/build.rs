//! Rebuilds the program when a patch is added, deleted or moved. Cargo notices edits by itself.

fn main() {
    lockgate_build::watch_folder("patches");
}
