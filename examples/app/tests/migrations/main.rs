//! The tests of the migrations in `/migrations`, on SQLite and PostgreSQL: a file for each stands beside
//! this one. `cargo test --test migrations`, or `cargo xtask test --migration 9` for one of them.
//!
//! The rows that a `fill` puts in stay for the migrations behind it. Theirs begin at 100, so that they
//! are not in the way of what the library opened with.

lockgate_harness::migration_tests!("../../migrations");
