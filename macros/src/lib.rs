//! The macros of Lockgate: `embed_migrations!` checks a folder of migrations at compile time and embeds it as a constant;
//! `migration_tests!` makes a test for each migration; `#[test]` gives a test its own database; `#[derive(Table)]` checks a
//! struct that describes a table.
//!
//! Use them through the crates `lockgate` and `lockgate-harness`. `lockgate-source` reads and checks the folder. This crate
//! only turns the result into code: `args` parses the arguments, `expand` emits the embedded migrations, `tests` the tests,
//! `attribute` a single test, and `fallback` the output after an error. `lockgate-tables` reads structs, for `table`.

#![deny(missing_docs)]

mod args;
mod attribute;
mod expand;
mod fallback;
mod table;
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};

use proc_macro::TokenStream;

/// Embeds a folder of migrations as a constant that can initialize a `static`.
///
/// ```ignore
/// use lockgate::{Migrations, embed_migrations};
///
/// static MIGRATIONS: Migrations = embed_migrations!();               // ./migrations of this crate
/// static OTHERS: Migrations = embed_migrations!("../db/migrations"); // relative to this crate's Cargo.toml
/// ```
///
/// Options follow the path, by name:
///
/// * `crate = ::some::path`: the path of the crate `lockgate`, if it is not `::lockgate`.
/// * `database = "billing"`: the database whose migrations are embedded, if a folder with `numbering = "encoded"` has
///   the migrations of several.
/// * `databases`, without a value: embeds all of a folder with `numbering = "encoded"`. The result is a
///   `lockgate::Databases` with the migrations of each database.
/// * `tests = "path"`: the folder with the tests of the migrations, if it is not `tests/migrations`.
///
/// # Errors
///
/// Each problem in the folder is a compile error with file, line and column, the line itself, and what to do. All
/// problems are reported at once. After an error, the result is an empty set, so that the error does not cause further
/// errors where it is used.
///
/// # Rebuilding
///
/// Cargo rebuilds the crate after an edit of an embedded file, of `migrations.toml` or of `migrations.lock`. It notices a
/// new file if the crate has a build script that calls `lockgate_build::watch()`, or if the lockfile has changed too, as
/// with `cargo xtask new-migration`.
///
/// Cargo compares modification times. A file that is replaced by one with an older time (`cp -p`, a cache that is restored
/// in CI) does not cause a rebuild, even with a build script. After such a copy, run
/// `find migrations -type f -exec touch {} +`. The test `embedded_is_what_is_on_disk` of
/// `lockgate_harness::migration_tests!` compares the contents.
#[proc_macro]
pub fn embed_migrations(input: TokenStream) -> TokenStream {
    // A panic is a bug of this macro. The user gets the same output as after any other error.
    catch_unwind(AssertUnwindSafe(|| expand::embed(input.into()))).unwrap_or_else(fallback::after_panic).into()
}

/// Makes the tests of a folder of migrations: one for each migration and kind of database, and some for all migrations
/// together.
///
/// Call it in `tests/migrations/main.rs`, next to a file for each migration:
///
/// ```ignore
/// lockgate_harness::migration_tests!();                       // ./migrations of this crate
/// lockgate_harness::migration_tests!("../db/migrations");     // relative to this crate's Cargo.toml
/// ```
///
/// Options follow the path, by name:
///
/// * `dialects = ["sqlite"]`: the kinds of databases to test on, if `migrations.toml` names none, or some of those that
///   it names.
/// * `database = "billing"`: the database whose migrations are tested, if the folder has the migrations of several.
/// * `empty_tables = ["sessions"]`: tables that are meant to be empty after the last migration.
/// * `tolerate = [ColumnOrder]`: classes of differences between schemas that a test accepts, such as those that a down
///   script leaves.
/// * `tests = "path"`: the folder of the tests, if it is not `tests/migrations`.
/// * `crate = ::some::path`: the path of the crate `lockgate_harness`.
///
/// The documentation of `lockgate-harness` says how to write a test.
///
/// # Errors
///
/// As for [`embed_migrations!`], and for each problem in a test file. All problems are reported at once.
#[proc_macro]
pub fn migration_tests(input: TokenStream) -> TokenStream {
    catch_unwind(AssertUnwindSafe(|| tests::tests(input.into()))).unwrap_or_else(fallback::items_after_panic).into()
}

/// Makes a test of an async function that takes a database: see `lockgate_harness::test`.
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    catch_unwind(AssertUnwindSafe(|| attribute::test(arguments.into(), item.into())))
        .unwrap_or_else(fallback::after_panic_in_attribute)
        .into()
}

/// Describes a table of the desired schema by a struct.
///
/// ```ignore
/// #[derive(lockgate::Table)]
/// #[lockgate(table = "users", was = "members")]
/// struct User {
///     #[lockgate(primary_key, identity)]
///     id: i64,
///     #[lockgate(unique, was = "mail", check = "email LIKE '%@%'")]
///     email: String,
///     #[lockgate(references = "teams(id)", on_delete = "set null", index)]
///     team: Option<i64>,
///     #[lockgate(default = "now()")]
///     created_at: chrono::DateTime<chrono::Utc>,
///     #[lockgate(skip)]
///     is_online: bool,
/// }
/// ```
///
/// The derive macro adds nothing to the program. It finds mistakes while your program compiles.
/// `cargo xtask schema --structs` reads the structs in the source, in every file below `src/`, so that none can be
/// forgotten, and prints the tables that they describe. Write what structs cannot describe, such as views, functions
/// and enums, in SQL files in `schema/`.
///
/// # Above the struct
///
/// * `table = "users"`: the name of the table. By default it is the name of the struct in snake case, without forming a
///   plural: `BlogPost` becomes `blog_post`.
/// * `schema = "app"`: the schema of the table, on PostgreSQL.
/// * `database = "billing"`: the database of the table, if the migrations are for several databases of a server.
/// * `was = "members"`: the name that the table had before, so that a draft renames it.
/// * `check = "starts_at < ends_at"`: a condition on several columns. It may be written several times.
/// * `constraint = "CONSTRAINT once EXCLUDE USING gist (room WITH =, during WITH &&)"`: any constraint of a table, as
///   it is written in SQL, such as a foreign key of several columns. It may be written several times.
/// * `options = "STRICT"`: the text after the closing parenthesis of `CREATE TABLE`, such as `WITH (fillfactor = 70)`.
/// * `comment = "people who can sign in"`: the comment on the table. SQLite has no comments.
///
/// # Above a field
///
/// * `column = "type"`: the name of the column. By default it is that of the field.
/// * `primary_key`: the primary key. If several fields have it, they form the key together.
/// * `identity`: the database numbers the rows. With `identity = "always"`, statements may not set the number
///   themselves. On SQLite, `identity` is `AUTOINCREMENT`.
/// * `unique`: no two rows have the same value. Fields with the same `unique = "name"` are unique together.
/// * `index`: an index named `table_column_idx`. Fields with the same `index = "name"` share one index.
/// * `references = "users(id)"`: a foreign key, with `on_delete` and `on_update`: `cascade`, `restrict`, `set null`,
///   `set default` or `no action`. The names are those of tables and columns, not those of structs and fields.
/// * `check = "price > 0"`: a condition. It may be written several times.
/// * `default = "now()"`: an SQL expression. A string needs SQL quotes: `default = "'new'"`. Numbers, `true` and
///   `false` need none: `default = 0`.
/// * `generated = "lower(email)"`: a column that the database computes when the row is written, or with `virtual` when it
///   is read.
/// * `sql_type = "varchar(40)"`: the SQL type, if it is not the one in the list below. It may include a collation.
/// * `was = "mail"`: the name that the column had before.
/// * `comment = "in cents"`: the comment.
/// * `skip`: the field is not a column.
///
/// # Types
///
/// A column is `NOT NULL` unless its type is `Option<…>`. The derive macro sees only the name of a type: an alias, or a
/// type of your own, needs `sql_type`, and a bare `Uuid`, `Value` or `Date` is assumed to be the one in this list.
///
/// | Rust | PostgreSQL | SQLite |
/// |---|---|---|
/// | `i16`, `i32`, `i64` | `smallint`, `integer`, `bigint` | `INTEGER` |
/// | `f32`, `f64` | `real`, `double precision` | `REAL` |
/// | `bool` | `boolean` | `BOOLEAN` |
/// | `String`, `&str`, `Box<str>`, `Cow<str>` | `text` | `TEXT` |
/// | `Vec<u8>`, `&[u8]`, `[u8; 32]` | `bytea` | `BLOB` |
/// | `uuid::Uuid` | `uuid` | `BLOB` |
/// | `chrono::DateTime<Utc>`, `time::OffsetDateTime` | `timestamptz` | `DATETIME` |
/// | `chrono::NaiveDateTime`, `time::PrimitiveDateTime` | `timestamp` | `DATETIME` |
/// | `chrono::NaiveDate`, `time::Date` | `date` | `DATE` |
/// | `chrono::NaiveTime`, `time::Time` | `time` | `TIME` |
/// | `serde_json::Value`, `sqlx::types::Json<T>` | `jsonb` | `TEXT` |
/// | `rust_decimal::Decimal`, `bigdecimal::BigDecimal` | `numeric` | needs `sql_type` |
/// | `IpNetwork`, `IpNet`, `MacAddress`, `PgInterval` | `inet`, `inet`, `macaddr`, `interval` | needs `sql_type` |
/// | `Vec<T>`, `&[T]`, `[T; 3]` | `T[]` | needs `sql_type` |
///
/// # Errors
///
/// Each mistake is a compile error at its place, and all are reported at once. If `lockgate` is built for only one kind
/// of database, options that only the other kind has are errors.
#[proc_macro_derive(Table, attributes(lockgate))]
pub fn table(input: TokenStream) -> TokenStream {
    catch_unwind(AssertUnwindSafe(|| table::table(input.into()))).unwrap_or_else(fallback::after_panic_in_derive).into()
}
