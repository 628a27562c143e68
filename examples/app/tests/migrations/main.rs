//! Tests the migrations in `/migrations` on SQLite and PostgreSQL. Each migration has a file next to this one. Run them
//! with `cargo test --test migrations`, or one of them with `cargo xtask test --migration 9`.
//!
//! The rows of a `fill` stay for the later migrations. Their ids start at 100, so that they do not collide with the
//! library's opening stock.

lockgate_harness::migration_tests!("../../migrations");
