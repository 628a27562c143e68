//! What a comparison says, in its own words.

use lockgate_core::Dialect;
use lockgate_schema::{
    Class, Column, Constraint, Detail, Difference, Identity, Index, Meta, Name, ObjectKind, Owner, Persistence,
    Privilege, Schema, SequenceOptions, Table, compare, report,
};

use crate::build::{column, constraint, counting, index, made_type, object, schema, sequence, table, values, view};

/// What is said of two schemas, this way and the other way round.
#[track_caller]
fn says(before: Schema, after: Schema, there: &str, back: &str) -> Vec<Difference> {
    let found = compare(&before, &after);
    assert_eq!(report(&found), there);
    assert_eq!(report(&compare(&after, &before)), back);
    found
}

fn on(tables: impl IntoIterator<Item = Table>) -> Schema {
    Schema { tables: tables.into_iter().collect(), ..schema() }
}

fn columns(columns: impl IntoIterator<Item = Column>) -> Schema {
    on([table("t", columns)])
}

fn constraints(constraints: impl IntoIterator<Item = Constraint>) -> Schema {
    on([Table { constraints: constraints.into_iter().collect(), ..table("t", []) }])
}

fn indexes(indexes: impl IntoIterator<Item = Index>) -> Schema {
    on([Table { indexes: indexes.into_iter().collect(), ..table("t", []) }])
}

#[test]
fn whole_objects_come_and_go() {
    let found = says(
        Schema { sequences: vec![sequence("s")], ..on([table("a", []), table("b", [])]) },
        Schema { views: vec![view("v", "SELECT 1")], ..on([table("b", []), table("c", [])]) },
        "sequence public.s: is gone (real)\n\
         table public.a: is gone (real)\n\
         table public.c: is new (real)\n\
         view public.v: is new (real)\n",
        "table public.c: is gone (real)\n\
         view public.v: is gone (real)\n\
         sequence public.s: is new (real)\n\
         table public.a: is new (real)\n",
    );
    assert_eq!((found[0].before.as_deref(), found[0].after.as_deref()), (Some("sequence public.s AS bigint"), None));
    assert_eq!((found[2].before.as_deref(), found[2].after.as_deref()), (None, Some("table public.c")));
}

#[test]
fn a_column_loses_what_it_had() {
    let full = Column { not_null: true, default: Some("1".to_owned()), ..column("a", "bigint") };
    let found = says(
        columns([full]),
        columns([column("a", "integer")]),
        "table public.t: column a: DEFAULT 1 is lost (real)\n\
         table public.t: column a: NOT NULL is lost (real)\n\
         table public.t: column a: type was bigint, is integer (real)\n",
        "table public.t: column a: DEFAULT 1 is new (real)\n\
         table public.t: column a: NOT NULL is new (real)\n\
         table public.t: column a: type was integer, is bigint (real)\n",
    );
    assert_eq!((found[1].before.as_deref(), found[1].after.as_deref()), (Some(""), None));
    assert_eq!((found[2].before.as_deref(), found[2].after.as_deref()), (Some("bigint"), Some("integer")));
}

#[test]
fn a_column_comes_and_goes() {
    let found = says(
        columns([column("a", "text"), column("b", "text")]),
        columns([column("b", "text"), column("c", "text")]),
        "table public.t: column a is gone (real)\ntable public.t: column c is new (real)\n",
        "table public.t: column c is gone (real)\ntable public.t: column a is new (real)\n",
    );
    assert_eq!((found[0].before.as_deref(), found[0].after.as_deref()), (Some("column a text"), None));
    assert_eq!((found[1].before.as_deref(), found[1].after.as_deref()), (None, Some("column c text")));
}

#[test]
fn a_column_at_another_place_is_one_difference() {
    let of = |names: &[&str]| columns(names.iter().map(|name| column(name, "text")));
    let found = says(
        of(&["a", "b", "c", "d"]),
        of(&["a", "c", "d", "b"]),
        "table public.t: column b stands at another place (column-order)\n",
        "table public.t: column b stands at another place (column-order)\n",
    );
    assert_eq!(found[0].before.as_deref(), Some("a, b, c, d"));
    assert_eq!(found[0].after.as_deref(), Some("a, c, d, b"));
    says(
        of(&["a", "b", "c", "d", "e"]),
        of(&["d", "b", "c", "a", "e"]),
        "table public.t: column d, a stand at another place (column-order)\n",
        "table public.t: column a, d stand at another place (column-order)\n",
    );
    // What is new or gone moves nothing.
    let found = says(
        of(&["x", "a", "b"]),
        of(&["a", "y", "b"]),
        "table public.t: column x is gone (real)\ntable public.t: column y is new (real)\n",
        "table public.t: column y is gone (real)\ntable public.t: column x is new (real)\n",
    );
    assert_eq!(found.len(), 2);
    let found = says(
        of(&["x", "a", "b"]),
        of(&["b", "y", "a"]),
        "table public.t: column x is gone (real)\n\
         table public.t: column y is new (real)\n\
         table public.t: column a stands at another place (column-order)\n",
        "table public.t: column y is gone (real)\n\
         table public.t: column x is new (real)\n\
         table public.t: column b stands at another place (column-order)\n",
    );
    assert_eq!(found[2].before.as_deref(), Some("a, b"));
    assert_eq!(found[2].after.as_deref(), Some("b, a"));
}

#[test]
fn an_enum_value_at_the_end_is_its_order() {
    let of = |names: &[&str]| Schema { types: vec![made_type("mood", values(names))], ..schema() };
    says(
        of(&["sad", "ok", "glad"]),
        of(&["sad", "glad", "ok"]),
        "enum public.mood: value 'ok' stands at another place (enum-order)\n",
        "enum public.mood: value 'glad' stands at another place (enum-order)\n",
    );
    says(
        of(&["sad", "ok"]),
        of(&["sad"]),
        "enum public.mood: value 'ok' is gone (real)\n",
        "enum public.mood: value 'ok' is new (real)\n",
    );
}

#[test]
fn a_constraint_by_another_name_is_one_difference() {
    let found = says(
        constraints([constraint(Some("a"), "UNIQUE (x)"), constraint(Some("p"), "PRIMARY KEY (y)")]),
        constraints([constraint(Some("b"), "UNIQUE (x)"), constraint(Some("p"), "PRIMARY KEY (y)")]),
        "table public.t: constraint a is now called b (constraint-name)\n",
        "table public.t: constraint b is now called a (constraint-name)\n",
    );
    assert_eq!((found[0].before.as_deref(), found[0].after.as_deref()), (Some("a"), Some("b")));
    says(
        constraints([constraint(None, "UNIQUE (x)")]),
        constraints([constraint(Some("b"), "UNIQUE (x)")]),
        "table public.t: constraint UNIQUE (x) has a name now: b (constraint-name)\n",
        "table public.t: constraint b has no name any more (constraint-name)\n",
    );
    says(
        constraints([constraint(Some("a_not_null"), "NOT NULL a NO INHERIT")]),
        constraints([constraint(Some("b_not_null"), "NOT NULL a NO INHERIT")]),
        "table public.t: constraint a_not_null is now called b_not_null (constraint-name)\n",
        "table public.t: constraint b_not_null is now called a_not_null (constraint-name)\n",
    );
}

#[test]
fn another_name_does_not_hide_another_comment() {
    let constraint =
        |name, comment: &str| Constraint { comment: Some(comment.to_owned()), ..constraint(Some(name), "UNIQUE (x)") };
    says(
        constraints([constraint("a", "one")]),
        constraints([constraint("b", "two")]),
        "table public.t: constraint a is now called b (constraint-name)\n\
         table public.t: constraint b: comment was one, is two (comment)\n",
        "table public.t: constraint b is now called a (constraint-name)\n\
         table public.t: constraint a: comment was two, is one (comment)\n",
    );
    // Those of which the same is said belong together.
    says(
        constraints([constraint("a", "one"), constraint("b", "two")]),
        constraints([constraint("c", "two"), constraint("d", "one")]),
        "table public.t: constraint a is now called d (constraint-name)\n\
         table public.t: constraint b is now called c (constraint-name)\n",
        "table public.t: constraint c is now called b (constraint-name)\n\
         table public.t: constraint d is now called a (constraint-name)\n",
    );
}

#[test]
fn a_lost_unique_is_real() {
    says(
        constraints([constraint(Some("a"), "UNIQUE (x)")]),
        constraints([constraint(Some("b"), "UNIQUE (y)")]),
        "table public.t: constraint a is gone (real)\ntable public.t: constraint b is new (real)\n",
        "table public.t: constraint b is gone (real)\ntable public.t: constraint a is new (real)\n",
    );
    says(
        constraints([constraint(Some("a"), "UNIQUE (x)")]),
        constraints([constraint(Some("a"), "UNIQUE (x, y)")]),
        "table public.t: constraint a: definition was UNIQUE (x), is UNIQUE (x, y) (real)\n",
        "table public.t: constraint a: definition was UNIQUE (x, y), is UNIQUE (x) (real)\n",
    );
    says(
        constraints([constraint(None, "CHECK (a > 0)"), constraint(None, "CHECK (b > 0)")]),
        constraints([constraint(None, "CHECK (b > 0)")]),
        "table public.t: constraint CHECK (a > 0) is gone (real)\n",
        "table public.t: constraint CHECK (a > 0) is new (real)\n",
    );
    // SQLite lets several constraints have one name.
    says(
        constraints([constraint(Some("c"), "CHECK (a > 0)"), constraint(Some("c"), "CHECK (b > 0)")]),
        constraints([constraint(Some("c"), "CHECK (b > 0)"), constraint(Some("c"), "CHECK (c > 0)")]),
        "table public.t: constraint c: definition was CHECK (a > 0), is CHECK (c > 0) (real)\n",
        "table public.t: constraint c: definition was CHECK (c > 0), is CHECK (a > 0) (real)\n",
    );
}

#[test]
fn an_index_by_another_name_is_one_difference() {
    says(
        indexes([index("a", "USING btree (x)"), index("c", "USING hash (x)")]),
        indexes([index("b", "USING btree (x)"), index("c", "USING hash (x)")]),
        "table public.t: index a is now called b (index-name)\n",
        "table public.t: index b is now called a (index-name)\n",
    );
    says(
        indexes([Index { unique: true, ..index("a", "(x)") }]),
        indexes([Index { valid: false, ..index("a", "(x)") }]),
        "table public.t: index a: UNIQUE is lost (real)\ntable public.t: index a: invalid is new (real)\n",
        "table public.t: index a: UNIQUE is new (real)\ntable public.t: index a: invalid is lost (real)\n",
    );
    says(
        indexes([Index { unique: true, ..index("a", "(x)") }]),
        indexes([index("b", "(x)")]),
        "table public.t: index a is gone (real)\ntable public.t: index b is new (real)\n",
        "table public.t: index b is gone (real)\ntable public.t: index a is new (real)\n",
    );
}

#[test]
fn comments_and_privileges_have_their_own_classes() {
    let may =
        |grantee: &str, grantable| Privilege { grantee: grantee.to_owned(), privilege: "SELECT".to_owned(), grantable };
    let with = |meta| on([Table { meta, ..table("t", []) }]);
    says(
        with(Meta {
            owner: Some(Owner::Role("app".to_owned())),
            privileges: vec![may("reader", false), may("clerk", false)],
            comment: Some("one\ntwo".to_owned()),
            details: vec![Detail { name: "label".to_owned(), value: "x".to_owned() }],
        }),
        with(Meta {
            owner: Some(Owner::Database),
            privileges: vec![may("reader", true)],
            comment: Some("one\n2".to_owned()),
            details: vec![Detail { name: "label".to_owned(), value: "y".to_owned() }],
        }),
        "table public.t: comment is another (comment)\n    - two\n    + 2\n\
         table public.t: grant SELECT to clerk is lost (privileges)\n\
         table public.t: grant SELECT to reader was without more, is with grant option (privileges)\n\
         table public.t: owner app is lost (owner)\n\
         table public.t: with label was x, is y (real)\n",
        "table public.t: comment is another (comment)\n    - 2\n    + two\n\
         table public.t: grant SELECT to clerk is new (privileges)\n\
         table public.t: grant SELECT to reader was with grant option, is without more (privileges)\n\
         table public.t: owner app is new (owner)\n\
         table public.t: with label was y, is x (real)\n",
    );
    // The same privilege from two roles: one way is left.
    says(
        with(Meta { privileges: vec![may("reader", false), may("reader", true)], ..Meta::default() }),
        with(Meta { privileges: vec![may("reader", true)], ..Meta::default() }),
        "table public.t: grant SELECT to reader is lost (privileges)\n",
        "table public.t: grant SELECT to reader is new (privileges)\n",
    );
    let defaults = |definition| Schema {
        objects: vec![object(ObjectKind::DefaultPrivileges, "app", None, definition)],
        ..schema()
    };
    says(
        defaults("a"),
        defaults("b"),
        "default privileges public.app: definition was a, is b (privileges)\n",
        "default privileges public.app: definition was b, is a (privileges)\n",
    );
    says(
        defaults("a"),
        schema(),
        "default privileges public.app: is gone (privileges)\n",
        "default privileges public.app: is new (privileges)\n",
    );
}

#[test]
fn a_long_text_is_shown_by_its_lines() {
    let of = |text: &str| Schema { views: vec![view("v", text)], ..schema() };
    says(
        of("SELECT a\nFROM t"),
        of("SELECT b\nFROM t"),
        "view public.v: definition is another (real)\n    - SELECT a\n    + SELECT b\n",
        "view public.v: definition is another (real)\n    - SELECT b\n    + SELECT a\n",
    );
    let (short, long) = ("x".repeat(200), "x".repeat(201));
    let found = compare(&of(&short), &of("x"));
    assert_eq!(found[0].what, format!("definition was {short}, is x"));
    let found = compare(&of(&long), &of("x"));
    assert_eq!(found[0].what, "definition is another");
    let found = compare(&of("x"), &of(&long));
    assert_eq!(found[0].what, "definition is another");
    let with = |default: &str| columns([Column { default: Some(default.to_owned()), ..column("a", "text") }]);
    let found = compare(&with(&short), &columns([column("a", "text")]));
    assert_eq!(found[0].what, format!("column a: DEFAULT {short} is lost"));
    let found = compare(&with(&long), &columns([column("a", "text")]));
    assert_eq!(found[0].what, "column a: DEFAULT is lost");
    let found = compare(&columns([column("a", "text")]), &with("a\nb"));
    assert_eq!(found[0].what, "column a: DEFAULT is new");
}

#[test]
fn a_sequence_changes() {
    says(
        Schema {
            sequences: vec![lockgate_schema::Sequence {
                owned_by: Some((Name::plain("t"), "a".to_owned())),
                ..sequence("s")
            }],
            ..schema()
        },
        Schema {
            sequences: vec![lockgate_schema::Sequence {
                options: SequenceOptions { cycle: true, ..counting() },
                persistence: Persistence::Unlogged,
                ..sequence("s")
            }],
            ..schema()
        },
        "sequence public.s: AS was bigint, is bigint CYCLE (real)\n\
         sequence public.s: UNLOGGED is new (real)\n\
         sequence public.s: owned by t.a is lost (real)\n",
        "sequence public.s: AS was bigint CYCLE, is bigint (real)\n\
         sequence public.s: UNLOGGED is lost (real)\n\
         sequence public.s: owned by t.a is new (real)\n",
    );
    let counted = |always| Column { identity: Some(Identity { always, options: counting() }), ..column("a", "bigint") };
    says(
        columns([counted(true)]),
        columns([counted(false)]),
        "table public.t: column a: IDENTITY was ALWAYS, is BY DEFAULT (real)\n",
        "table public.t: column a: IDENTITY was BY DEFAULT, is ALWAYS (real)\n",
    );
}

#[test]
fn two_databases_are_not_one() {
    let found = says(
        schema(),
        Schema::empty(Dialect::Sqlite),
        "database: speaks sqlite and spoke postgres (real)\n",
        "database: speaks postgres and spoke sqlite (real)\n",
    );
    assert_eq!((found[0].before.as_deref(), found[0].after.as_deref()), (Some("postgres"), Some("sqlite")));
    assert_eq!(found[0].class, Class::Real);
}
