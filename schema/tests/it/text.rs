//! What the text form looks like, and that no two schemas share one.

use lockgate_core::Dialect;
use lockgate_schema::snapshot::read;
use lockgate_schema::{
    Attribute, Column, Constraint, Detail, Generated, Generation, Identity, Index, Meta, Name, Namespace, ObjectKind,
    Owner, Partition, Persistence, Privilege, RowSecurity, Schema, SequenceOptions, Table, TableKind, TypeKind,
    compare,
};

use crate::build::{column, constraint, counting, index, made_type, object, schema, sequence, table, values, view};

fn detail(name: &str, value: &str) -> Detail {
    Detail { name: name.to_owned(), value: value.to_owned() }
}

fn may(grantee: &str, privilege: &str, grantable: bool) -> Privilege {
    Privilege { grantee: grantee.to_owned(), privilege: privilege.to_owned(), grantable }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn every_kind_of_thing_has_its_lines() {
    let meta = Meta {
        owner: Some(Owner::Role("app".to_owned())),
        privileges: vec![may("reader", "SELECT", false), may("PUBLIC", "SELECT", true)],
        comment: some("all who\nmay log in"),
        details: vec![detail("security label", "'secret'")],
    };
    let users = Table {
        persistence: Persistence::Unlogged,
        constraints: vec![
            Constraint { comment: some("young"), ..constraint(Some("users_age"), "CHECK ((age > 0))") },
            Constraint { inherited: true, ..constraint(None, "CHECK (true)") },
            constraint(Some("users_pkey"), "PRIMARY KEY (id)"),
        ],
        indexes: vec![
            Index { unique: true, valid: false, ..index("users_email", "USING btree (email)") },
            Index {
                options: vec![detail("clustered", "")],
                comment: some("fast"),
                ..index("users_age", "USING btree (age)")
            },
        ],
        row_security: RowSecurity::Forced,
        options: vec![detail("toast", "x"), detail("fillfactor", "70")],
        meta,
        ..table(
            "users",
            [
                Column {
                    not_null: true,
                    identity: Some(Identity { always: true, options: counting() }),
                    ..column("id", "bigint")
                },
                Column {
                    not_null: true,
                    collation: some("\"C\""),
                    default: some("''::text"),
                    options: vec![detail("storage", "external")],
                    privileges: vec![may("Clerk", "UPDATE", false)],
                    comment: some("where we write to"),
                    ..column("email", "text")
                },
                Column {
                    generated: Some(Generated { generation: Generation::Stored, expression: "age + 1".to_owned() }),
                    ..column("next age", "integer")
                },
                Column {
                    identity: Some(Identity {
                        always: false,
                        options: SequenceOptions { start: 5, cycle: true, ..counting() },
                    }),
                    inherited: true,
                    ..column("n", "integer")
                },
            ],
        )
    };
    let part = Table {
        kind: TableKind::Partitioned { key: "RANGE (at)".to_owned() },
        partition_of: Some(Partition {
            parent: Name::qualified("public", "events"),
            bound: "FOR VALUES FROM (1) TO (2)".to_owned(),
        }),
        ..table("part", [])
    };
    let child = Table { inherits: vec![Name::plain("b"), Name::plain("a")], ..table("child", []) };
    let far = Table {
        kind: TableKind::Foreign { server: "Far".to_owned() },
        row_security: RowSecurity::Enabled,
        ..table("far", [])
    };
    let fts = Table {
        name: Name::plain("fts"),
        kind: TableKind::Virtual { module: "fts5(body)".to_owned() },
        persistence: Persistence::Temporary,
        ..table("", [])
    };
    let address = TypeKind::Composite(vec![
        Attribute {
            name: "street".to_owned(),
            data_type: "text".to_owned(),
            collation: some("\"C\""),
            comment: some("and number"),
        },
        Attribute { name: "City".to_owned(), data_type: "text".to_owned(), collation: None, comment: None },
    ]);
    let email = TypeKind::Domain {
        base: "text".to_owned(),
        not_null: true,
        default: some("'a@b'"),
        collation: None,
        constraints: vec![constraint(Some("at"), "CHECK (VALUE ~ '@')")],
    };
    let range = TypeKind::Defined { what: "range", details: vec![detail("subtype", "date")] };
    let written = Schema {
        namespaces: vec![Namespace { name: "public".to_owned(), meta: Meta::default() }],
        types: vec![
            made_type("mood", values(&["sad", "it's ok"])),
            made_type("address", address),
            made_type("email", email),
            made_type("days", range),
        ],
        sequences: vec![
            lockgate_schema::Sequence {
                owned_by: Some((Name::qualified("public", "users"), "id".to_owned())),
                persistence: Persistence::Unlogged,
                ..sequence("users_id")
            },
            lockgate_schema::Sequence {
                options: SequenceOptions {
                    data_type: "smallint".to_owned(),
                    start: -1,
                    increment: -2,
                    min: -32768,
                    max: -1,
                    cache: 3,
                    cycle: false,
                },
                ..sequence("down")
            },
        ],
        tables: vec![users, part, far, fts, child],
        views: vec![
            lockgate_schema::View {
                columns: vec![column("id", "bigint")],
                options: vec![detail("security_barrier", "true")],
                ..view("grown", " SELECT id\n\n   FROM users;")
            },
            lockgate_schema::View {
                materialized: true,
                indexes: vec![index("kept_id", "USING btree (id)")],
                ..view("kept", "SELECT 1")
            },
        ],
        objects: vec![
            object(ObjectKind::Trigger, "audit", Some("users"), "BEFORE INSERT"),
            object(ObjectKind::Function, "add(integer, integer)", None, "CREATE FUNCTION …\nAS 'x'"),
            object(ObjectKind::Extension, "uuid-ossp", None, "version 1.1"),
        ],
        ..schema()
    };
    let expected = r#"-- lockgate schema 1 (postgres)

schema public

extension public.uuid-ossp
  | version 1.1

composite public.address
  attribute street text COLLATE "C"
    comment and number
  attribute "City" text

domain public.email text NOT NULL DEFAULT 'a@b'
  constraint at CHECK (VALUE ~ '@')

enum public.mood
  value 'sad'
  value 'it''s ok'

type public.days AS range
  with subtype = date

sequence public.down AS smallint INCREMENT -2 CACHE 3

sequence public.users_id AS bigint UNLOGGED
  owned by public.users.id

table fts TEMPORARY
  virtual, using fts5(body)

table public.child
  inherits b, a

table public.far
  foreign server "Far"
  row level security enabled

table public.part
  partition by RANGE (at)
  partition of public.events
  partition bound FOR VALUES FROM (1) TO (2)

table public.users UNLOGGED
  with fillfactor = 70
  with toast = x
  row level security forced
  with security label = 'secret'
  comment:
    | all who
    | may log in
  owner app
  grant SELECT to PUBLIC with grant option
  grant SELECT to reader
  column id bigint NOT NULL IDENTITY ALWAYS
  column email text COLLATE "C" NOT NULL DEFAULT ''::text
    with storage = external
    grant UPDATE to "Clerk"
    comment where we write to
  column "next age" integer GENERATED AS (age + 1) STORED
  column n integer INHERITED IDENTITY BY DEFAULT (bigint START 5 CYCLE)
  constraint users_pkey PRIMARY KEY (id)
  constraint CHECK (true)
    inherited
  constraint users_age CHECK ((age > 0))
    comment young
  index users_age USING btree (age)
    with clustered
    comment fast
  index users_email UNIQUE USING btree (email)
    invalid

materialized view public.kept
  | SELECT 1
  index kept_id USING btree (id)

view public.grown
  |  SELECT id
  |
  |    FROM users;
  with security_barrier = true
  column id bigint

function public.add(integer, integer)
  | CREATE FUNCTION …
  | AS 'x'

trigger audit on public.users
  | BEFORE INSERT
"#;
    assert_eq!(written.to_text(), expected);
    let again = read(expected).unwrap();
    assert_eq!((again.to_text().as_str(), compare(&written, &again)), (expected, Vec::new()));
    let with_other_ends = read(&expected.replace('\n', "\r\n")).unwrap();
    assert_eq!(with_other_ends, again);
}

/// What a reader may make of a hand-edited text, and where the message says that it is wrong.
#[test]
fn a_line_that_is_not_understood_is_refused_with_its_place() {
    let head = "-- lockgate schema 1 (postgres)\n\n";
    for (text, message) in [
        ("tabel t\n", "3:1: `tabel t` is not an object that this release knows"),
        ("table\n", "3:1: `table` is not an object that this release knows"),
        ("table public.t UNLOGED\n", "3:16: `UNLOGED` is not understood here"),
        ("table T\n", "3:1: `table T` has no name that can be read"),
        ("table t\n  colum a text\n", "4:3: `colum a text` is not a line of a table that this release knows"),
        ("table t\n  column a text NOT NULL now\n", "4:26: `now` is not understood here"),
        (
            "table t\n  column a text\n    coment x\n",
            "5:5: `coment x` is not a line of a column that this release knows",
        ),
        ("table t\n  column a text IDENTITY SOMETIMES\n", "4:26: `SOMETIMES` is not understood here"),
        (
            "table t\n  column a text GENERATED (a)\n",
            "4:3: a generated column must be `AS (expression) STORED` or `AS (expression) VIRTUAL`",
        ),
        (
            "table t\n   column a text\n",
            "4:4: a line must be indented by two blanks more than the line that it belongs to",
        ),
        (
            "table t\n      column a text\n",
            "4:7: a line must be indented by two blanks more than the line that it belongs to",
        ),
        ("table t\n  constraint a NO CHECK (b)\n", "4:3: `NO CHECK (b)` is not a constraint that this release knows"),
        ("table t\n  constraint a\n", "4:3: a constraint must have a definition, as in `CHECK (a > 0)`"),
        ("table t\n  comment a\n  comment b\n", "5:3: `comment b` appears twice"),
        ("table t\n  comment:\n", "4:3: `comment:` has no line below it that begins with `|`"),
        ("table t\n  comment a\n    | b\n", "4:3: `comment a` has no lines that begin with `|`"),
        ("table t\n  |b\n", "4:3: a line that begins with `|` and a blank must follow the line that it belongs to"),
        ("| b\n", "3:1: a line that begins with `|` must have a line above it"),
        ("view v\n", "3:1: `view v` has no definition: lines below it that begin with `|`"),
        ("table t\n  partition of p\n", "3:1: a partition must have both `partition of` and `partition bound`"),
        ("enum e\n  value sad\n", "4:3: `value sad` has no name that can be read"),
        ("type t AS wave\n", "3:1: a type must be `AS range`, `AS base` or `AS shell`"),
        ("sequence s\n", "3:1: a sequence must have a type, as in `sequence public.s AS bigint`"),
        ("trigger a on \n  | x\n", "3:1: `trigger a on ` has no name that can be read"),
    ] {
        let wrong = read(&format!("{head}{text}")).unwrap_err();
        assert_eq!(wrong.to_string(), message, "{text}");
    }
    let wrong = read("CREATE TABLE t (a text);\n").unwrap_err().to_string();
    assert!(wrong.starts_with("1:1: this is not the text of a schema"), "{wrong}");
    let wrong = read("-- lockgate schema 2 (sqlite)\n").unwrap_err().to_string();
    assert_eq!(wrong, "1:1: the text has format 2, and this release reads formats up to 1: use a newer release");
}

#[test]
fn default_options_of_a_sequence_are_left_out() {
    let rendered = |options: SequenceOptions| {
        let schema = Schema { sequences: vec![lockgate_schema::Sequence { options, ..sequence("s") }], ..schema() };
        schema.to_text().lines().last().expect("there is a line").to_owned()
    };
    let of = |data_type: &str, min: i64, max: i64, start: i64, increment: i64| SequenceOptions {
        data_type: data_type.to_owned(),
        min,
        max,
        start,
        increment,
        ..counting()
    };
    for (options, line) in [
        (of("smallint", 1, 32767, 1, 1), "smallint"),
        (of("integer", 1, 2147483647, 1, 1), "integer"),
        (of("bigint", 1, i64::MAX, 1, 1), "bigint"),
        (of("smallint", -32768, -1, -1, -1), "smallint INCREMENT -1"),
        (of("integer", -2147483648, -1, -1, -1), "integer INCREMENT -1"),
        (of("bigint", i64::MIN, -1, -1, -1), "bigint INCREMENT -1"),
        (of("bigint", 0, 9, 4, 2), "bigint INCREMENT 2 MINVALUE 0 MAXVALUE 9 START 4"),
        (of("bigint", 3, i64::MAX, 3, 1), "bigint MINVALUE 3"),
        (of("bigint", i64::MIN, 7, 7, -1), "bigint INCREMENT -1 MAXVALUE 7"),
        // No server makes one: it is said like those that count up.
        (of("bigint", 1, i64::MAX, 1, 0), "bigint INCREMENT 0"),
    ] {
        assert_eq!(rendered(options), format!("sequence public.s AS {line}"));
    }
}

#[test]
fn the_order_in_which_things_were_read_does_not_matter() {
    let mut one = Schema {
        namespaces: ["b", "a"].map(|name| Namespace { name: name.to_owned(), meta: Meta::default() }).into(),
        types: vec![made_type("b", values(&["x"])), made_type("a", values(&["y"]))],
        sequences: vec![sequence("b"), sequence("a")],
        tables: vec![
            Table {
                constraints: vec![constraint(Some("b"), "CHECK (a)"), constraint(Some("a"), "CHECK (b)")],
                indexes: vec![index("b", "x"), index("a", "x")],
                options: vec![detail("b", "1"), detail("a", "2")],
                ..table("b", [])
            },
            table("a", []),
        ],
        views: vec![view("b", "x"), view("a", "x")],
        objects: vec![
            object(ObjectKind::Trigger, "a", Some("a"), ""),
            object(ObjectKind::Function, "b()", None, ""),
            object(ObjectKind::Function, "a()", None, ""),
        ],
        ..schema()
    };
    let text = one.to_text();
    one.namespaces.reverse();
    one.types.reverse();
    one.sequences.reverse();
    one.views.reverse();
    one.objects.reverse();
    one.tables[0].constraints.reverse();
    one.tables[0].indexes.reverse();
    one.tables[0].options.reverse();
    one.tables.reverse();
    assert_eq!(one.to_text(), text);
}

/// Each would have the text of the other if values stood where they could be taken for something else.
#[test]
fn no_two_schemas_share_a_text() {
    let with = |column: Column| Schema { tables: vec![table("t", [column])], ..schema() };
    let on = |table: Table| Schema { tables: vec![table], ..schema() };
    let of_type = |kind: TypeKind| Schema { types: vec![made_type("t", kind)], ..schema() };
    let constraints = |constraint: Constraint| on(Table { constraints: vec![constraint], ..table("t", []) });
    let indexes = |index: Index| on(Table { indexes: vec![index], ..table("t", []) });
    let options = |options: Vec<Detail>| on(Table { options, ..table("t", []) });
    let commented = |text: &str| on(Table { meta: Meta { comment: some(text), ..Meta::default() }, ..table("t", []) });
    let by = |expression: &str| Some(Generated { generation: Generation::Stored, expression: expression.to_owned() });
    let generated = |expression: &str, default: Option<&str>| {
        with(Column { generated: by(expression), default: default.map(str::to_owned), ..column("a", "b") })
    };
    let numbered = |data_type: &str, column: Column| {
        let options = SequenceOptions { data_type: data_type.to_owned(), ..counting() };
        with(Column { identity: Some(Identity { always: true, options }), ..column })
    };
    let pairs = [
        (with(column("a", "b NOT NULL")), with(Column { not_null: true, ..column("a", "b") })),
        (with(column("a", "NOT NULL")), with(Column { not_null: true, ..column("a", "") })),
        (with(column("a", "b DEFAULT 1")), with(Column { default: some("1"), ..column("a", "b") })),
        (with(column("a", "b COLLATE c")), with(Column { collation: some("c"), ..column("a", "b") })),
        (with(column("a", "b INHERITED")), with(Column { inherited: true, ..column("a", "b") })),
        (
            with(Column { collation: some("c NOT NULL"), ..column("a", "b") }),
            with(Column { collation: some("c"), not_null: true, ..column("a", "b") }),
        ),
        (
            numbered("x) GENERATED AS (1) STORED DEFAULT (2", column("a", "b")),
            numbered("x", Column { generated: by("1"), default: some("(2)"), ..column("a", "b") }),
        ),
        (
            numbered("x) DEFAULT (2", column("a", "b")),
            numbered("x", Column { default: some("(2)"), ..column("a", "b") }),
        ),
        (
            with(column("a", "b IDENTITY ALWAYS (bigint)")),
            with(Column { identity: Some(Identity { always: true, options: counting() }), ..column("a", "b") }),
        ),
        (with(column("a", "b GENERATED AS (c) STORED")), generated("c", None)),
        (generated("c) STORED DEFAULT (d", None), generated("c", some("(d) STORED").as_deref())),
        (
            with(Column {
                identity: Some(Identity {
                    always: true,
                    options: SequenceOptions { data_type: "x) GENERATED AS (c) STORED".to_owned(), ..counting() },
                }),
                ..column("a", "b")
            }),
            with(Column {
                identity: Some(Identity {
                    always: true,
                    options: SequenceOptions { data_type: "x".to_owned(), ..counting() },
                }),
                generated: Some(Generated { generation: Generation::Stored, expression: "c) STORED".to_owned() }),
                ..column("a", "b")
            }),
        ),
        (with(column("a", " b")), with(column("a", "b"))),
        (with(column("a", "b ")), with(column("a", "b"))),
        (with(column("a", "b\n    comment c")), with(Column { comment: some("c"), ..column("a", "b") })),
        (with(Column { default: some(""), ..column("a", "b") }), with(column("a", "b"))),
        (
            with(Column { default: some("\n"), ..column("a", "b") }),
            with(Column { default: some(""), ..column("a", "b") }),
        ),
        (with(column("a b", "c")), with(column("a", "b c"))),
        (constraints(constraint(None, "a CHECK (b)")), constraints(constraint(Some("a"), "CHECK (b)"))),
        (constraints(constraint(None, "")), on(table("t", []))),
        (indexes(index("a", "UNIQUE b")), indexes(Index { unique: true, ..index("a", "b") })),
        (options(vec![detail("a", "= b")]), options(vec![detail("a =", "b")])),
        (options(vec![detail("a", "b"), detail("c", "d")]), options(vec![detail("a", "b\n  with c = d")])),
        (commented("a\nowner b"), commented("a")),
        (
            commented("a\n  owner b"),
            on(Table {
                meta: Meta { comment: some("a"), owner: Some(Owner::Role("b".to_owned())), ..Meta::default() },
                ..table("t", [])
            }),
        ),
        (commented("a\r"), commented("a")),
        (commented("a\u{b}b"), commented("a\nb")),
        (commented(":"), commented("")),
        (
            on(Table { meta: Meta { privileges: vec![may("b", "a", true)], ..Meta::default() }, ..table("t", []) }),
            on(Table {
                meta: Meta { privileges: vec![may("b with grant option", "a", false)], ..Meta::default() },
                ..table("t", [])
            }),
        ),
        (
            on(Table {
                meta: Meta { privileges: vec![may("c", "a to b", true)], ..Meta::default() },
                ..table("t", [])
            }),
            on(Table {
                meta: Meta { privileges: vec![may("b to c", "a", true)], ..Meta::default() },
                ..table("t", [])
            }),
        ),
        (of_type(values(&["a", "b"])), of_type(values(&["a'\n  value 'b"]))),
        (of_type(values(&["a\\nb"])), of_type(values(&["a\nb"]))),
        (
            of_type(TypeKind::Domain {
                base: "a".to_owned(),
                not_null: true,
                default: None,
                collation: None,
                constraints: vec![],
            }),
            of_type(TypeKind::Domain {
                base: "a NOT NULL".to_owned(),
                not_null: false,
                default: None,
                collation: None,
                constraints: vec![],
            }),
        ),
        (
            Schema {
                sequences: vec![lockgate_schema::Sequence {
                    persistence: Persistence::Unlogged,
                    options: SequenceOptions { data_type: "a".to_owned(), ..counting() },
                    ..sequence("s")
                }],
                ..schema()
            },
            Schema {
                sequences: vec![lockgate_schema::Sequence {
                    options: SequenceOptions { data_type: "a UNLOGGED".to_owned(), ..counting() },
                    ..sequence("s")
                }],
                ..schema()
            },
        ),
        (
            Schema { objects: vec![object(ObjectKind::Trigger, "a", Some("b"), "")], ..schema() },
            Schema {
                objects: vec![lockgate_schema::Object {
                    name: Name::plain("a on public.b"),
                    ..object(ObjectKind::Trigger, "", None, "")
                }],
                ..schema()
            },
        ),
        (
            Schema { views: vec![view("v", "a\n  column b c")], ..schema() },
            Schema {
                views: vec![lockgate_schema::View { columns: vec![column("b", "c")], ..view("v", "a") }],
                ..schema()
            },
        ),
        (schema(), Schema::empty(Dialect::Sqlite)),
    ];
    for (one, other) in pairs {
        assert_ne!(one.to_text(), other.to_text());
        assert_ne!(compare(&one, &other), [], "{}", one.to_text());
    }
}

#[test]
fn the_owner_of_the_database_is_left_out() {
    let owned = |owner| {
        let meta = Meta { owner, ..Meta::default() };
        Schema { tables: vec![Table { meta, ..table("t", []) }], ..schema() }
    };
    assert_eq!(owned(Some(Owner::Database)).to_text(), owned(None).to_text());
    assert_eq!(compare(&owned(Some(Owner::Database)), &owned(None)), []);
}
