//! Packages in a few lines each, and what is found in them.

use super::*;

/// Reads a package whose files are written one after the other, each after a line `== path`.
fn read_text(text: &str) -> Found {
    let mut sources = Sources { roots: vec!["src/lib.rs".to_owned()], ..Sources::default() };
    sources.other_crates.insert("tabular".to_owned());
    let mut outside = BTreeMap::new();
    for part in text.split("== ").skip(1) {
        let (path, text) = part.split_once('\n').unwrap();
        let files = if path.starts_with("src/") { &mut sources.files } else { &mut outside };
        files.insert(path.trim().to_owned(), text.to_owned());
    }
    read(&sources, Dialect::Postgres, &mut |path| outside.get(path).cloned())
}

/// Lists what was found, a line each: tables, problems and notes.
fn listed(text: &str) -> Vec<String> {
    let found = read_text(text);
    let table = |sql: &str| sql.split('"').nth(1).unwrap_or_default().to_owned();
    let tables =
        found.statements.iter().map(|placed| format!("{} {}:{}", table(&placed.sql), placed.file, placed.line));
    let problems = found.problems.iter().map(|problem| format!("error: {problem}"));
    let notes = found.notes.iter().map(|note| format!("note: {note}"));
    tables.chain(problems).chain(notes).collect()
}

#[test]
fn structs_are_found_wherever_they_are() {
    let found = listed(
        "
== src/lib.rs
mod models;
#[path = \"odd/place.rs\"] mod placed;
include!(\"included.rs\");
mod inline { mod deep; #[derive(lockgate::Table)] struct B { a: i64 } mod inner { use lockgate::Table; #[derive(Debug, Table)] struct C { a: i64 } } }
fn function() { #[derive(lockgate::Table)] struct D { a: i64 } { #[derive(lockgate::Table)] struct E { a: i64 } } }
impl X { fn method() { let f = || { #[derive(lockgate::Table)] struct F { a: i64 } }; } }
== src/models.rs
pub mod user;
pub(crate) mod r#type;
== src/models/user.rs
#[derive(::lockgate::Table)] pub struct G { a: i64 }
== src/models/type/mod.rs
mod more;
== src/models/type/more.rs
#[cfg_attr(feature = \"db\", derive(lockgate::Table))] struct H { a: i64 }
== src/odd/place.rs
mod beside;
#[derive(lockgate::Table)] struct I { a: i64 }
== src/odd/beside.rs
#[derive(lockgate::Table)] struct J { a: i64 }
== src/included.rs
#[derive(lockgate::Table)] struct K { a: i64 }
== src/inline/deep.rs
#[path = \"../../shared/l.rs\"] mod l;
== shared/l.rs
#[derive(lockgate::Table)] struct L { a: i64 }
",
    );
    assert_eq!(
        found,
        [
            "l shared/l.rs:1",
            "k src/included.rs:1",
            "b src/lib.rs:4",
            "c src/lib.rs:4",
            "d src/lib.rs:5",
            "e src/lib.rs:5",
            "f src/lib.rs:6",
            "h src/models/type/more.rs:1",
            "g src/models/user.rs:1",
            "j src/odd/beside.rs:1",
            "i src/odd/place.rs:2",
        ]
        .map(str::to_owned)
    );
}

#[test]
fn a_file_that_no_mod_names_is_reported_by_name() {
    let found = listed(
        "
== src/lib.rs
mod models;
== src/models/mod.rs
== src/models/tag.rs
use lockgate::Table;
#[derive(Table)]
pub struct Tag { name: String }
== src/notes.rs
This is a note on models, and not Rust.
== src/old.rs
#[derive(lockgate::Table)] struct {}
",
    );
    assert_eq!(
        found,
        [
            "error: src/models/tag.rs:3:12: `Tag` is not compiled, so its table would be forgotten: no `mod` names \
             `src/models/tag.rs`: add `mod tag;` to `src/models/mod.rs`, or delete the file",
            "error: src/old.rs:1:35: this is not Rust that can be read: expected identifier",
        ]
        .map(str::to_owned)
    );
}

#[test]
fn what_is_compiled_for_tests_only_is_left_out_and_said() {
    let found = listed(
        "
== src/lib.rs
#[cfg(test)] mod tests;
#[cfg(all(test, unix))] mod inline { #[derive(lockgate::Table)] struct A { a: i64 } }
#[cfg(not(test))] #[derive(lockgate::Table)] struct B { a: i64 }
#[cfg(any(test, feature = \"db\"))] #[derive(lockgate::Table)] struct C { a: i64 }
#[tokio::test] async fn checks() { #[derive(lockgate::Table)] struct D { a: i64 } }
#[cfg(test)] mod both;
#[cfg(not(test))] mod both;
== src/tests.rs
mod more;
== src/tests/more.rs
#[derive(lockgate::Table)] struct E { a: i64 }
== src/both.rs
#[derive(lockgate::Table)] struct F { a: i64 }
",
    );
    assert_eq!(
        found,
        [
            "f src/both.rs:1",
            "b src/lib.rs:3",
            "c src/lib.rs:4",
            "note: `A` (src/lib.rs:2) is left out: it is compiled for tests only",
            "note: `B` (src/lib.rs:3) is counted, whether or not `#[cfg(not (test))]` holds",
            "note: `C` (src/lib.rs:4) is counted, whether or not `#[cfg(any (test , feature = \"db\"))]` holds",
            "note: `D` (src/lib.rs:5) is left out: it is compiled for tests only",
            "note: `E` (src/tests/more.rs:1) is left out: it is compiled for tests only",
        ]
        .map(str::to_owned)
    );
}

#[test]
fn a_renamed_derive_is_found_and_that_of_another_crate_is_not() {
    let found = listed(
        "
== src/lib.rs
mod prelude; mod a; mod b; mod c; mod d;
== src/prelude.rs
pub use lockgate::Table as Model;
== src/a.rs
use crate::prelude::*;
#[derive(Model)] struct A { a: i64 }
== src/b.rs
use tabular::Table;
#[derive(Table)] struct B { a: i64 }
#[derive(tabular::Table)] struct C { a: i64 }
#[derive(lockgate::Table)] struct D { a: i64 }
== src/c.rs
use lockgate as db;
#[derive(db::Table)] struct E { a: i64 }
== src/d.rs
use crate::prelude::Model as M;
#[derive(M)] struct F { a: i64 }
",
    );
    assert_eq!(found, ["a src/a.rs:2", "d src/b.rs:4", "e src/c.rs:2", "f src/d.rs:2"].map(str::to_owned));
}

#[test]
fn a_struct_that_a_macro_writes_is_refused() {
    let found = listed(
        "
== src/lib.rs
macro_rules! model { ($name:ident) => { #[derive(Debug, lockgate::Table)] struct $name { id: i64 } } }
model!(User);
wrapped! { #[derive(Table)] struct Post { id: i64 } }
other! { derive }
",
    );
    assert_eq!(found.len(), 2, "{found:#?}");
    for (error, place) in found.iter().zip(["src/lib.rs:1:", "src/lib.rs:3:"]) {
        assert!(error.starts_with(&format!("error: {place}")), "{error}");
        assert!(error.contains("a macro writes this struct"), "{error}");
    }
}

#[test]
fn mistakes_have_places_and_two_structs_are_not_one_table() {
    let found = listed(
        "
== src/lib.rs
#[derive(lockgate::Table)]
struct A {
    name: Status,
}
#[derive(lockgate::Table)]
#[lockgate(table = \"tags\")]
struct B { name: String }
#[derive(lockgate::Table)]
#[lockgate(table = \"Tags\")]
struct C { name: String }
#[derive(lockgate::Table)]
enum D { A }
",
    );
    assert_eq!(found[0], "tags src/lib.rs:7");
    assert!(found[1].starts_with("error: src/lib.rs:3:11: `Status` has no SQL type"), "{found:#?}");
    assert!(found[2].starts_with("error: src/lib.rs:10:8: `B` (src/lib.rs:7) is the table `Tags` too"), "{found:#?}");
    assert!(found[3].starts_with("error: src/lib.rs:12:6: a table is a struct"), "{found:#?}");
}
