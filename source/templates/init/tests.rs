//! The tests of the migrations: one module for each, added by `cargo xtask new-migration`.
