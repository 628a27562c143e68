//! Runs each statement in a lint's help on a real server, with names of every kind.

use lockgate_source::folder;
use sqlx::{AssertSqlSafe, Connection, Executor, SqliteConnection};

use crate::support::postgres;

/// Names of every kind: of a table, two columns, another object, and their schema.
struct Names {
    table: &'static str,
    column: &'static str,
    other: &'static str,
    thing: &'static str,
    schema: &'static str,
}

const POSTGRES: [Names; 5] = [
    Names { table: "users", column: "name", other: "email", thing: "thing", schema: "" },
    Names { table: "\"TaskRun\"", column: "\"createdAt\"", other: "\"Mail\"", thing: "\"Thing\"", schema: "" },
    Names { table: "\"order\"", column: "\"user\"", other: "\"select\"", thing: "\"table\"", schema: "" },
    Names { table: "things", column: "name", other: "email", thing: "thing", schema: "app." },
    Names {
        table: "\"Two  \"\"Words\"\"\"",
        column: "\"of a-b\"",
        other: "\"1st\"",
        thing: "\"it's\"",
        schema: "\"My App\".",
    },
];

const SQLITE: [Names; 4] = [
    Names { table: "users", column: "name", other: "email", thing: "thing", schema: "" },
    Names { table: "\"TaskRun\"", column: "\"createdAt\"", other: "\"Mail\"", thing: "\"Thing\"", schema: "" },
    Names { table: "[order]", column: "`user`", other: "[select]", thing: "`table`", schema: "" },
    Names {
        table: "\"Two  \"\"Words\"\"\"",
        column: "\"of a-b\"",
        other: "\"1st\"",
        thing: "\"it's\"",
        schema: "main.",
    },
];

impl Names {
    fn put(&self, sql: &str) -> String {
        let named = sql.replace("{c}", self.column).replace("{d}", self.other).replace("{i}", self.thing);
        let named = named.replace("{s}", self.schema).replace("{bare}", self.table);
        named.replace("{t}", &format!("{}{}", self.schema, self.table))
    }
}

/// A rule, the existing schema, the draft, and the part of the draft that must run before the help makes sense.
struct Case {
    rule: &'static str,
    before: &'static str,
    draft: &'static str,
    done: &'static str,
    /// How many statements the help has.
    statements: usize,
}

const fn case(rule: &'static str, before: &'static str, draft: &'static str, statements: usize) -> Case {
    Case { rule, before, draft, done: "", statements }
}

const TABLE: &str = "CREATE TABLE {t} (id bigint, {c} varchar(20), n integer)";
const KEYS: &str =
    "CREATE TABLE {t} (id bigint PRIMARY KEY, {c} varchar(20), n integer); CREATE TABLE {s}keys (id int PRIMARY KEY)";

const ON_POSTGRES: [Case; 38] = [
    case("blocking-index", TABLE, "CREATE UNIQUE INDEX {i} ON {t} ({c} DESC)", 1),
    case(
        "blocking-index",
        TABLE,
        "CREATE INDEX ON {t} (lower({c})) -- why\n WHERE {c} <> 'a  b `c' AND n NOT IN (1000001, 1000002, 1000003, 1000004, 1000005)",
        1,
    ),
    case("blocking-index", "CREATE TABLE {t} ({c} int); CREATE INDEX {i} ON {t} ({c})", "REINDEX INDEX {s}{i}", 1),
    case("blocking-index", TABLE, "REINDEX TABLE {t}", 1),
    case(
        "blocking-drop-index",
        "CREATE TABLE {t} ({c} int); CREATE INDEX {i} ON {t} ({c})",
        "DROP INDEX IF EXISTS {s}{i}",
        1,
    ),
    case(
        "blocking-drop-index",
        "CREATE TABLE {t} ({c} int); CREATE INDEX {i} ON {t} ({c}); CREATE INDEX second ON {t} ({c})",
        "DROP INDEX {s}{i}, {s}second",
        1,
    ),
    case(
        "blocking-refresh",
        "CREATE MATERIALIZED VIEW {s}{i} AS SELECT 1 AS {c}; CREATE UNIQUE INDEX ON {s}{i} ({c})",
        "REFRESH MATERIALIZED VIEW {s}{i}",
        1,
    ),
    case("blocking-constraint", TABLE, "ALTER TABLE {t} ADD CHECK ({c} <> '' AND n > 0)", 2),
    case(
        "blocking-constraint",
        TABLE,
        "ALTER TABLE ONLY {t} ADD CONSTRAINT {i} CHECK ({c} NOT IN ('one and only', 'two of a kind', 'three is company', 'four'))",
        2,
    ),
    case("blocking-constraint", KEYS, "ALTER TABLE {t} ADD FOREIGN KEY (n) REFERENCES {s}keys ON DELETE CASCADE", 2),
    case(
        "blocking-constraint",
        KEYS,
        "ALTER TABLE {t} ADD CONSTRAINT {i} FOREIGN KEY (n) REFERENCES {s}keys (id) DEFERRABLE",
        2,
    ),
    case("blocking-unique", TABLE, "ALTER TABLE {t} ADD UNIQUE ({c}, n)", 2),
    case(
        "blocking-unique",
        TABLE,
        "ALTER TABLE {t} ADD CONSTRAINT {i} UNIQUE ({c}) INCLUDE (n) WITH (fillfactor = 70) DEFERRABLE INITIALLY DEFERRED",
        2,
    ),
    case("blocking-unique", TABLE, "ALTER TABLE {t} ADD PRIMARY KEY (id, {c})", 6),
    case(
        "set-not-null",
        "CREATE TABLE {t} (id bigint, {c} varchar(20)); CREATE UNIQUE INDEX {i} ON {t} (id, {c})",
        "ALTER TABLE {t} ADD CONSTRAINT {i} PRIMARY KEY USING INDEX {i}",
        4,
    ),
    case(
        "blocking-constraint",
        TABLE,
        "ALTER TABLE {t} ADD CHECK (n > 0), ADD CHECK (n < 9), ADD CHECK ({c} <> '')",
        6,
    ),
    case(
        "add-column-rewrite",
        TABLE,
        "ALTER TABLE {t} ADD COLUMN {d} text COMPRESSION pglz COLLATE \"C\" NOT NULL DEFAULT md5(random()::text)",
        2,
    ),
    case(
        "blocking-drop-index",
        "CREATE TABLE {t} ({c} int); CREATE INDEX {i} ON {t} ({c}); CREATE INDEX second ON {t} ({c})",
        "DROP INDEX CONCURRENTLY {s}{i}, {s}second",
        1,
    ),
    Case {
        done: "ALTER TABLE {t} ADD COLUMN {d} text",
        ..case("blocking-unique", TABLE, "ALTER TABLE {t} ADD COLUMN {d} text UNIQUE", 2)
    },
    Case {
        done: "ALTER TABLE {t} ADD COLUMN {d} int NOT NULL DEFAULT 1",
        ..case("blocking-unique", TABLE, "ALTER TABLE {t} ADD COLUMN {d} int PRIMARY KEY DEFAULT 1", 2)
    },
    case("add-column-rewrite", TABLE, "ALTER TABLE {t} ADD COLUMN {d} bigserial", 3),
    case("add-column-rewrite", TABLE, "ALTER TABLE {t} ADD {d} serial", 3),
    case("add-column-rewrite", TABLE, "ALTER TABLE {t} ADD COLUMN {d} bigint GENERATED ALWAYS AS IDENTITY", 3),
    case(
        "add-column-rewrite",
        TABLE,
        "ALTER TABLE {t} ADD COLUMN {d} int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
        3,
    ),
    case("add-column-rewrite", TABLE, "ALTER TABLE {t} ADD COLUMN {d} numeric(9, 2) DEFAULT (random() * 7)", 2),
    Case {
        done: "ALTER TABLE {t} ADD CONSTRAINT {i} CHECK (n > 0) NOT VALID",
        ..case(
            "blocking-constraint",
            TABLE,
            "ALTER TABLE {t} ADD CONSTRAINT {i} CHECK (n > 0) NOT VALID; ALTER TABLE {t} VALIDATE CONSTRAINT {i}",
            1,
        )
    },
    case("set-not-null", TABLE, "ALTER TABLE {t} ALTER COLUMN {c} SET NOT NULL", 3),
    Case { done: "ALTER TABLE {t} RENAME TO {i}", ..case("rename", TABLE, "ALTER TABLE {t} RENAME TO {i}", 1) },
    Case {
        done: "ALTER TABLE {t} ADD COLUMN {d} text",
        ..case("filled-table", TABLE, "ALTER TABLE {t} ADD COLUMN {d} text NOT NULL", 1)
    },
    Case {
        done: "ALTER TABLE {t} ADD COLUMN {d} int",
        ..case("filled-table", TABLE, "ALTER TABLE {t} ADD COLUMN {d} int PRIMARY KEY", 1)
    },
    Case {
        done: "ALTER TABLE {t} ADD COLUMN {d} text",
        ..case("filled-table", TABLE, "ALTER TABLE {t} ADD COLUMN {d} text NOT NULL UNIQUE", 1)
    },
    Case {
        done: "ALTER TABLE {t} SET SCHEMA moved",
        ..case(
            "rename",
            "DROP SCHEMA IF EXISTS moved CASCADE; CREATE SCHEMA moved; CREATE TABLE {t} ({c} int)",
            "ALTER TABLE {t} SET SCHEMA moved",
            1,
        )
    },
    case(
        "enum-value-used",
        "CREATE TYPE {s}{i} AS ENUM ('sad')",
        "ALTER TYPE {s}{i} ADD VALUE 'it''s ok' BEFORE 'sad'; SELECT 'it''s ok'::{s}{i}",
        1,
    ),
    case(
        "change-type",
        "CREATE TABLE {t} ({c} varchar(9)); CREATE INDEX {i} ON {t} (lower({c}))",
        "ALTER TABLE {t} ALTER {c} TYPE text",
        1,
    ),
    case("set-not-null", TABLE, "ALTER TABLE IF EXISTS ONLY {t} ALTER {c} SET NOT NULL, ALTER n SET DEFAULT 1", 3),
    case("blocking-unique", TABLE, "ALTER TABLE {t} ADD CONSTRAINT {i} UNIQUE ({c}, id)", 2),
    case("blocking-index", TABLE, "CREATE INDEX IF NOT EXISTS {i} ON {t} USING btree ({c} varchar_pattern_ops)", 1),
    case(
        "blocking-constraint",
        KEYS,
        "ALTER TABLE {t} ADD CONSTRAINT {i} FOREIGN KEY (n) REFERENCES {s}keys MATCH FULL ON UPDATE SET NULL",
        2,
    ),
];

/// SQL that must run first, and the object that the help of `incomplete-down` then drops.
const MADE_ON_POSTGRES: [(&str, &str); 9] = [
    ("", TABLE),
    (TABLE, "ALTER TABLE {t} ADD COLUMN {d} text"),
    (TABLE, "CREATE INDEX {i} ON {t} ({c})"),
    ("", "CREATE VIEW {s}{i} AS SELECT 1 AS a"),
    ("", "CREATE MATERIALIZED VIEW {s}{i} AS SELECT 1 AS a"),
    ("", "CREATE TYPE {s}{i} AS ENUM ()"),
    ("", "CREATE SEQUENCE {s}{i}"),
    ("", "CREATE FUNCTION {s}{i}(a int) RETURNS int LANGUAGE sql AS 'SELECT 1'"),
    (
        "CREATE TABLE {t} ({c} int); CREATE FUNCTION {s}run() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE TRIGGER {i} AFTER INSERT ON {t} FOR EACH ROW EXECUTE FUNCTION {s}run()",
    ),
];

const MADE_ON_SQLITE: [(&str, &str); 5] = [
    ("", TABLE),
    (TABLE, "ALTER TABLE {t} ADD COLUMN {d} text"),
    (TABLE, "CREATE INDEX {s}{i} ON {bare} ({c})"),
    (TABLE, "CREATE VIEW {s}{i} AS SELECT 1 AS a"),
    (TABLE, "CREATE TRIGGER {s}{i} AFTER INSERT ON {bare} BEGIN SELECT 1; END"),
];

/// The statements in the helps of a rule, for a folder of these scripts.
fn helps(dialect: &str, rule: &str, scripts: &[(&str, &str)]) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| std::fs::write(directory.path().join(file), text).unwrap();
    write("migrations.toml", &format!("dialects = [\"{dialect}\"]\n\n[lint]\n{rule} = \"warn\"\n"));
    scripts.iter().for_each(|(file, text)| write(file, &format!("{text};\n")));
    let found = folder::load(directory.path(), "migrations").diagnostics.into_iter();
    let helps: Vec<String> = found.filter(|found| found.code == rule).flat_map(|found| found.help).collect();
    let marked: Vec<&str> = helps.iter().flat_map(|help| statements(help)).collect();
    marked.into_iter().map(str::to_owned).collect()
}

/// Returns the statements between backticks. A string in them may contain a backtick too.
fn statements(help: &str) -> Vec<&str> {
    const VERBS: [&str; 5] = ["ALTER ", "CREATE ", "DROP ", "REFRESH ", "REINDEX "];
    let starts = help.match_indices('`').map(|(at, _)| at + 1);
    let mut found: Vec<&str> = Vec::new();
    let mut end = 0;
    for start in starts {
        let rest = &help[start..];
        if start < end
            || !VERBS.iter().any(|verb| rest.starts_with(verb))
            || rest.starts_with("CREATE INDEX CONCURRENTLY`")
        {
            continue;
        }
        let close = closing(rest).expect("a statement of a help ends");
        end = start + close;
        if !rest.starts_with("CREATE UNIQUE INDEX CONCURRENTLY`") {
            found.push(&rest[..close]);
        }
    }
    found
}

/// The first backtick outside of quotes.
fn closing(text: &str) -> Option<usize> {
    let mut within = None;
    text.char_indices().find_map(|(at, c)| {
        match (within, c) {
            (None, '`') => return Some(at),
            (None, '\'' | '"') => within = Some(c),
            (Some(quote), _) if quote == c => within = None,
            _ => {}
        }
        None
    })
}

#[test]
fn every_help_runs_on_postgres_with_any_names() {
    let Some(database) = postgres::database() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = database.connect().await;
        for names in &POSTGRES {
            for case in &ON_POSTGRES {
                let (before, draft) = (names.put(case.before), names.put(case.draft));
                let scripts = [("1_before.sql", before.as_str()), ("2_draft.sql", draft.as_str())];
                let helps = helps("postgres", case.rule, &scripts);
                assert_eq!(helps.len(), case.statements, "{draft}: {helps:?}");
                run(&mut connection, names, &[&before, &names.put(case.done)], &helps).await;
            }
            for (before, made) in MADE_ON_POSTGRES {
                let (before, made) = (names.put(before), names.put(made));
                let scripts =
                    [("1_before.sql", before.as_str()), ("2_x.up.sql", &made), ("2_x.down.sql", "VALUES (1)")];
                let helps = helps("postgres", "incomplete-down", &scripts);
                assert_eq!(helps.len(), 1, "{made}: {helps:?}");
                run(&mut connection, names, &[&before, &made], &helps).await;
            }
        }
    });
}

/// An index that is built before the script must not have the name of one that the script drops, nor name a column that
/// only the script adds.
#[tokio::test]
async fn an_index_can_be_built_first_as_the_help_advises() {
    let Some(database) = postgres::database() else { return };
    let mut connection = database.connect().await;
    let key =
        "CREATE TABLE {t} (id bigint PRIMARY KEY, {c} text NOT NULL, n integer NOT NULL, CONSTRAINT {i} UNIQUE (n))";
    // The existing schema, the draft, and the parts of the draft that remain if the help is followed: before the index
    // is built and after it.
    let cases = [
        (key, "ALTER TABLE {t} DROP COLUMN id, ADD PRIMARY KEY ({c}, n)", "", "ALTER TABLE {t} DROP COLUMN id"),
        (
            key,
            "ALTER TABLE {t} DROP CONSTRAINT {i}; ALTER TABLE {t} ADD CONSTRAINT {i} UNIQUE ({c}, n)",
            "",
            "ALTER TABLE {t} DROP CONSTRAINT {i}",
        ),
        (
            "CREATE TABLE {t} ({c} text, n integer); CREATE UNIQUE INDEX {i} ON {t} (n)",
            "DROP INDEX {s}{i}; ALTER TABLE {t} ADD CONSTRAINT {i} UNIQUE ({c})",
            "",
            "DROP INDEX {s}{i}",
        ),
        (
            TABLE,
            "ALTER TABLE {t} ADD COLUMN {d} text; ALTER TABLE {t} ADD UNIQUE ({d}, {c})",
            "ALTER TABLE {t} ADD COLUMN {d} text",
            "",
        ),
        (
            TABLE,
            "ALTER TABLE {t} ADD COLUMN {d} text, ADD COLUMN e text, ADD UNIQUE ({d}, e)",
            "ALTER TABLE {t} ADD COLUMN {d} text, ADD COLUMN e text",
            "",
        ),
    ];
    for names in &POSTGRES {
        for (before, draft, first, then) in cases {
            let [before, draft, first, then] = [before, draft, first, then].map(|sql| names.put(sql));
            let scripts = [("1_before.sql", before.as_str()), ("2_draft.sql", draft.as_str())];
            let helps = helps("postgres", "blocking-unique", &scripts);
            assert_eq!(helps.len(), 2, "{draft}: {helps:?}");
            run(&mut connection, names, &[&before, &first, &helps[0], &then, &helps[1]], &[]).await;
        }
    }
}

async fn run(connection: &mut sqlx::PgConnection, names: &Names, before: &[&str], helps: &[String]) {
    let schema = names.schema.trim_end_matches('.');
    let mut all = vec!["DROP SCHEMA IF EXISTS public, app, \"My App\" CASCADE; CREATE SCHEMA public".to_owned()];
    all.extend(Some(schema).filter(|schema| !schema.is_empty()).map(|schema| format!("CREATE SCHEMA {schema}")));
    all.extend(before.iter().filter(|text| !text.is_empty()).map(|text| (*text).to_owned()));
    // One statement at a time, because `CONCURRENTLY` refuses a transaction.
    let typed = helps.iter().flat_map(|help| match help.starts_with("DROP INDEX CONCURRENTLY") {
        true => help.split("; ").map(str::to_owned).collect(),
        false => vec![help.clone()],
    });
    for statement in all.into_iter().chain(typed) {
        if let Err(e) = connection.execute(AssertSqlSafe(statement.clone())).await {
            panic!("{statement}: {e}");
        }
    }
}

#[tokio::test]
async fn every_help_runs_on_sqlite_with_any_names() {
    for names in &SQLITE {
        let unique = (TABLE, "ALTER TABLE {t} ADD COLUMN {d} text UNIQUE", "ALTER TABLE {t} ADD COLUMN {d} text");
        let made = MADE_ON_SQLITE.map(|(before, made)| ("incomplete-down", before, made, made));
        for (rule, before, draft, done) in [("unsupported-alter", unique.0, unique.1, unique.2)].into_iter().chain(made)
        {
            let (before, draft, done) = (names.put(before), names.put(draft), names.put(done));
            let mut scripts = vec![("1_before.sql", before.as_str()), ("2_x.up.sql", draft.as_str())];
            scripts.extend((rule == "incomplete-down").then_some(("2_x.down.sql", "VALUES (1)")));
            let helps = helps("sqlite", rule, &scripts);
            assert_eq!(helps.len(), 1, "{draft}: {helps:?}");
            let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
            for statement in [&before, &done, &helps[0]] {
                if let Err(e) = connection.execute(AssertSqlSafe(statement.clone())).await {
                    panic!("{statement}: {e}");
                }
            }
        }
    }
}
