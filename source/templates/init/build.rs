//! Says what is wrong with the migrations, errors and warnings, and builds again when one is added, deleted
//! or moved.

fn main() {
    lockgate_build::check();
}
