//! The tests of the migrations. Each has a file beside this one, written by `cargo xtask new-migration` or
//! `cargo xtask new-test`.

lockgate_harness::migration_tests!({{folder}});
