//! Drafts for PostgreSQL: each change of a schema that the other tests make is drafted back and there again, and the
//! server ends with the wanted schema.

use lockgate::schema::draft::{Draft, Mode, Step, draft};
use lockgate::schema::{Class, Schema, compare};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::changes::{CODE, CONSTRAINTS, META, TABLES, TYPES};
use super::kinds::KINDS;
use super::{for_release, read, release, run};
use crate::support::postgres;

/// Runs the scripts of a draft as Lockgate would.
pub(super) async fn apply(connection: &mut PgConnection, draft: &Draft) -> Result<(), String> {
    for script in &draft.scripts {
        if !script.outside_transaction {
            send(connection, "BEGIN").await?;
        }
        for step in &script.steps {
            match step {
                Step::Statement(statement) => send(connection, &statement.sql).await?,
                Step::Open { what, why } => return Err(format!("{what}: {why}")),
            }
        }
        if !script.outside_transaction {
            send(connection, "COMMIT").await?;
        }
    }
    Ok(())
}

async fn send(connection: &mut PgConnection, sql: &str) -> Result<(), String> {
    let sent = connection.execute(AssertSqlSafe(sql.to_owned())).await;
    sent.map(drop).map_err(|error| format!("{sql}: {error}"))
}

/// What is left to change, but for the order of columns, which no statement changes.
pub(super) fn left(wanted: &Schema, found: &Schema) -> Vec<String> {
    let minded = compare(wanted, found).into_iter().filter(|difference| difference.class != Class::ColumnOrder);
    minded.map(|difference| difference.to_string()).collect()
}

/// The draft as a text: each script, its statements and what they can do.
pub(super) fn shown(draft: &Draft) -> String {
    let mut text = String::new();
    for script in &draft.scripts {
        text.push_str(if script.outside_transaction { "-- outside a transaction\n" } else { "-- in a transaction\n" });
        for step in &script.steps {
            match step {
                Step::Statement(statement) => {
                    text.push_str(&format!("{};", statement.sql));
                    text.extend(statement.hazards.iter().map(|hazard| format!(" -- {hazard}")));
                    text.extend(statement.question.iter().map(|question| format!(" -- ? {question}")));
                }
                Step::Open { what, why } => text.push_str(&format!("{what}: {why}")),
            }
            text.push('\n');
        }
    }
    text
}

/// Runs the steps one after another. After each, the database is drafted back to the schema before it and forward again.
async fn there_and_back(steps: impl Iterator<Item = &'static str>) {
    let Some(database) = postgres::database() else { return };
    let url = database.url();
    let mut connection = database.connect().await;
    let release = release(&mut connection).await;
    let mut before = read(&url).await;
    let mut done = 0;
    for text in steps {
        let Some(step) = for_release(text, release) else { continue };
        // The connection of a subscription and passwords are never read, so a person must write them.
        if step.sql.contains("SUBSCRIPTION") {
            continue;
        }
        let sql = step.sql.replace(", password 'hidden1'", "").replace(", password 'hidden2'", "");
        let sql = ["same: ", "ours: "].iter().find_map(|mark| sql.strip_prefix(mark)).unwrap_or(&sql);
        run(&mut connection, sql).await;
        let after = read(&url).await;
        for (from, to, mode) in [(&after, &before, Mode::Offline), (&before, &after, Mode::Online)] {
            let now = read(&url).await;
            assert_eq!(left(from, &now), [""; 0], "the database is not where it should be: {sql}");
            let draft_of_it = draft(&now, to, mode);
            let ran = apply(&mut connection, &draft_of_it).await;
            let found = read(&url).await;
            let (residue, again) = (left(to, &found), draft(&found, to, mode));
            let direction = if mode == Mode::Offline { "back" } else { "there" };
            assert!(
                ran.is_ok() && residue.is_empty() && again.is_empty(),
                "{direction}: {sql}\n{}{ran:?}\nleft: {residue:#?}\nagain:\n{}",
                shown(&draft_of_it),
                shown(&again)
            );
        }
        before = read(&url).await;
        done += 1;
    }
    assert!(done > 20, "{done} steps");
    connection.close().await.unwrap();
}

#[tokio::test]
async fn changes_of_tables_are_drafted_there_and_back() {
    there_and_back(TABLES.iter().copied()).await;
}

#[tokio::test]
async fn changes_of_constraints_and_indexes_are_drafted_there_and_back() {
    there_and_back(CONSTRAINTS.iter().copied()).await;
}

#[tokio::test]
async fn changes_of_types_and_rare_objects_are_drafted_there_and_back() {
    there_and_back(TYPES.iter().copied()).await;
}

#[tokio::test]
async fn changes_of_code_are_drafted_there_and_back() {
    there_and_back(CODE.iter().copied()).await;
}

#[tokio::test]
async fn changes_of_owners_privileges_and_comments_are_drafted_there_and_back() {
    there_and_back(META.iter().copied()).await;
}

#[tokio::test]
async fn every_kind_of_object_is_drafted_there_and_back() {
    there_and_back(KINDS.iter().map(|(sql, _)| *sql)).await;
}

/// A schema before and after a change, rows, and what a query returns afterwards.
struct Case {
    before: &'static str,
    rows: &'static str,
    after: &'static str,
    query: &'static str,
    answer: &'static str,
}

/// Rows must outlive each draft, in both modes.
const ROWS: &[Case] = &[
    Case {
        before: "CREATE TABLE t (id int PRIMARY KEY, a text)",
        rows: "INSERT INTO t VALUES (1, 'x'), (2, NULL)",
        after: "CREATE TABLE t (id bigint PRIMARY KEY, a varchar(9), b int DEFAULT 7 NOT NULL)",
        query: "SELECT string_agg(t::text, ' ' ORDER BY id) FROM t",
        answer: "(1,x,7) (2,,7)",
    },
    Case {
        before: "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TABLE t (m mood DEFAULT 'ok', l mood[]); CREATE VIEW v AS SELECT m FROM t \
                 WHERE m = 'ok'; CREATE INDEX i ON t (m) WHERE m <> 'sad'",
        rows: "INSERT INTO t VALUES ('sad', '{ok,sad}'), (DEFAULT, NULL)",
        after: "CREATE TYPE mood AS ENUM ('ok', 'great', 'sad'); CREATE TABLE t (m mood DEFAULT 'ok', l mood[]); CREATE VIEW v AS SELECT m \
                FROM t WHERE m = 'ok'; CREATE INDEX i ON t (m) WHERE m <> 'sad'",
        query: "SELECT string_agg(t::text, ' ' ORDER BY m) FROM t",
        answer: "(ok,) (sad,\"{ok,sad}\")",
    },
    Case {
        before: "CREATE TABLE t (id int PRIMARY KEY, day date NOT NULL)",
        rows: "INSERT INTO t VALUES (1, '2020-05-05'), (2, '2021-05-05')",
        after: "CREATE TABLE t (id int, day date NOT NULL, PRIMARY KEY (id, day)) PARTITION BY RANGE (day); \
                CREATE TABLE t20 PARTITION OF t FOR VALUES FROM ('2020-01-01') TO ('2021-01-01'); \
                CREATE TABLE later PARTITION OF t DEFAULT",
        query: "SELECT string_agg(tableoid::regclass || ' ' || id, ', ' ORDER BY id) FROM t",
        answer: "t20 1, later 2",
    },
    Case {
        before: "CREATE TABLE u (id int PRIMARY KEY); CREATE TABLE t (u int REFERENCES u); CREATE VIEW a AS SELECT u FROM t; \
                 CREATE VIEW b AS SELECT u FROM a; CREATE MATERIALIZED VIEW c AS SELECT u FROM b",
        rows: "INSERT INTO u VALUES (1); INSERT INTO t VALUES (1); REFRESH MATERIALIZED VIEW c",
        after: "CREATE TABLE u (id bigint PRIMARY KEY); CREATE TABLE t (u bigint NOT NULL REFERENCES u); CREATE VIEW a AS SELECT u FROM t; \
                CREATE VIEW b AS SELECT u FROM a; CREATE MATERIALIZED VIEW c AS SELECT u FROM b",
        query: "SELECT string_agg(c::text, ' ') FROM c",
        answer: "(1)",
    },
    Case {
        before: "CREATE TABLE t (id serial PRIMARY KEY, a int)",
        rows: "INSERT INTO t (a) VALUES (5), (6)",
        after: "CREATE TABLE t (id serial PRIMARY KEY, a int, double int GENERATED ALWAYS AS (a * 2) STORED, CHECK (a > 0), UNIQUE (a))",
        query: "INSERT INTO t (a) VALUES (9) RETURNING id::text || ' ' || double",
        answer: "3 18",
    },
    Case {
        before: "CREATE TABLE t (id int PRIMARY KEY, a int)",
        rows: "INSERT INTO t VALUES (7, 1)",
        after: "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int)",
        query: "INSERT INTO t (a) VALUES (9) RETURNING id::text",
        answer: "8",
    },
    Case {
        before: "CREATE TABLE t (id int PRIMARY KEY, a int)",
        rows: "SELECT 1",
        after: "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY (START WITH 3) PRIMARY KEY, a int)",
        query: "INSERT INTO t (a) VALUES (9) RETURNING id::text",
        answer: "3",
    },
    Case {
        before: "CREATE TABLE t (id int PRIMARY KEY, a int)",
        rows: "INSERT INTO t VALUES (7, 1)",
        after: "CREATE TABLE t (id serial PRIMARY KEY, a int)",
        query: "INSERT INTO t (a) VALUES (9) RETURNING id::text",
        answer: "8",
    },
    Case {
        before: "CREATE TABLE t (id serial PRIMARY KEY, a int)",
        rows: "INSERT INTO t (a) VALUES (1), (2), (3); DELETE FROM t WHERE id > 1",
        after: "CREATE TABLE t (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, a int)",
        query: "INSERT INTO t (a) VALUES (9) RETURNING id::text",
        answer: "4",
    },
    Case {
        before: "CREATE SEQUENCE s START 100; CREATE TABLE t (id int DEFAULT nextval('s') PRIMARY KEY, a int)",
        rows: "INSERT INTO t (a) VALUES (1), (2); INSERT INTO t VALUES (200, 3)",
        after: "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int)",
        query: "INSERT INTO t (a) VALUES (9) RETURNING id::text",
        answer: "201",
    },
    Case {
        before: "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int)",
        rows: "INSERT INTO t (a) VALUES (1), (2), (3); DELETE FROM t WHERE id > 1",
        after: "CREATE TABLE t (id serial PRIMARY KEY, a int)",
        query: "INSERT INTO t (a) VALUES (9) RETURNING id::text",
        answer: "4",
    },
    Case {
        before: "CREATE TABLE t (id int PRIMARY KEY, a text); \
                 CREATE FUNCTION g() RETURNS text LANGUAGE sql AS 'SELECT max(a) FROM t'; CREATE VIEW v AS SELECT g() AS g",
        rows: "INSERT INTO t VALUES (1, 'x')",
        after: "CREATE TABLE t (id int PRIMARY KEY, a text, b text); \
                CREATE FUNCTION g() RETURNS text LANGUAGE sql AS 'SELECT max(coalesce(b, a)) FROM t'; \
                CREATE VIEW v AS SELECT g() AS g; CREATE TABLE u (z text DEFAULT g())",
        query: "SELECT g FROM v",
        answer: "x",
    },
    Case {
        before: "CREATE TABLE t (id int, d date) PARTITION BY RANGE (d); CREATE TABLE a PARTITION OF t DEFAULT",
        rows: "INSERT INTO t VALUES (1, '2020-05-05')",
        after: "CREATE TABLE t (id int, d date)",
        query: "SELECT count(*)::text FROM t",
        answer: "1",
    },
    Case {
        before: "CREATE TABLE t (id int, d date, PRIMARY KEY (id, d)) PARTITION BY RANGE (d); \
                 CREATE TABLE t_d PARTITION OF t DEFAULT PARTITION BY RANGE (id); \
                 CREATE TABLE a PARTITION OF t_d DEFAULT; CREATE VIEW v AS SELECT id FROM a",
        rows: "INSERT INTO t VALUES (1, '2020-05-05')",
        after: "CREATE TABLE t (id int PRIMARY KEY, d date)",
        query: "SELECT count(*)::text FROM t",
        answer: "1",
    },
];

#[tokio::test]
async fn rows_outlive_a_draft() {
    for case in ROWS {
        for mode in [Mode::Online, Mode::Offline] {
            let (Some(one), Some(other)) = (postgres::database(), postgres::database()) else { return };
            let (mut connection, mut wanted) = (one.connect().await, other.connect().await);
            run(&mut connection, case.before).await;
            run(&mut connection, case.rows).await;
            run(&mut wanted, case.after).await;
            let (before, after) = (read(&one.url()).await, read(&other.url()).await);
            let drafted = draft(&before, &after, mode);
            let ran = apply(&mut connection, &drafted).await;
            let residue = left(&after, &read(&one.url()).await);
            assert!(ran.is_ok() && residue.is_empty(), "{}{ran:?}\n{residue:#?}", shown(&drafted));
            let found: Option<String> = sqlx::query_scalar(case.query).fetch_one(&mut connection).await.unwrap();
            assert_eq!(found.as_deref(), Some(case.answer), "{}", shown(&drafted));
            connection.close().await.unwrap();
            wanted.close().await.unwrap();
        }
    }
}

/// What a busy table gets is divided into steps that block nobody for long.
#[tokio::test]
async fn a_draft_is_online_by_default() {
    let (Some(one), Some(other)) = (postgres::database(), postgres::database()) else { return };
    let (mut connection, mut wanted) = (one.connect().await, other.connect().await);
    let before = "CREATE TABLE u (id int PRIMARY KEY); CREATE TABLE t (id int, u int, mail text)";
    let after = "CREATE TABLE u (id int PRIMARY KEY); CREATE TABLE t (id int NOT NULL, u int REFERENCES u, mail text UNIQUE, \
                 CHECK (id > 0)); CREATE INDEX t_u ON t (u)";
    run(&mut connection, before).await;
    run(&mut wanted, after).await;
    let (before, after) = (read(&one.url()).await, read(&other.url()).await);
    let online = draft(&before, &after, Mode::Online);
    assert_eq!(
        shown(&online),
        "-- in a transaction\n\
         ALTER TABLE public.t ADD CONSTRAINT t_id_not_null CHECK (id IS NOT NULL) NOT VALID; -- ? the value of t.id where it is NULL\n\
         ALTER TABLE public.t ADD CONSTRAINT t_id_check CHECK ((id > 0)) NOT VALID;\n\
         ALTER TABLE public.t ADD CONSTRAINT t_u_fkey FOREIGN KEY (u) REFERENCES public.u(id) NOT VALID;\n\
         -- outside a transaction\n\
         CREATE UNIQUE INDEX CONCURRENTLY t_mail_key ON public.t (mail); -- fails if two rows have the same values\n\
         CREATE INDEX CONCURRENTLY t_u ON public.t USING btree (u);\n\
         -- in a transaction\n\
         ALTER TABLE public.t VALIDATE CONSTRAINT t_id_not_null; -- fails if the column contains NULL\n\
         ALTER TABLE public.t ALTER COLUMN id SET NOT NULL;\n\
         ALTER TABLE public.t DROP CONSTRAINT t_id_not_null;\n\
         ALTER TABLE public.t VALIDATE CONSTRAINT t_id_check; -- fails if a row does not pass the check\n\
         ALTER TABLE public.t ADD CONSTRAINT t_mail_key UNIQUE USING INDEX t_mail_key;\n\
         ALTER TABLE public.t VALIDATE CONSTRAINT t_u_fkey; -- fails if a row refers to one that does not exist\n"
    );
    let offline = draft(&before, &after, Mode::Offline);
    assert_eq!(offline.scripts.len(), 1, "{}", shown(&offline));
    apply(&mut connection, &online).await.unwrap();
    assert_eq!(left(&after, &read(&one.url()).await), [""; 0]);
    connection.close().await.unwrap();
    wanted.close().await.unwrap();
}

/// A primary key makes its columns NOT NULL, which is done without a long lock too.
#[tokio::test]
async fn a_primary_key_of_a_busy_table_is_added_online() {
    let (Some(one), Some(other)) = (postgres::database(), postgres::database()) else { return };
    let (mut connection, mut wanted) = (one.connect().await, other.connect().await);
    run(&mut connection, "CREATE TABLE t (id int)").await;
    run(&mut wanted, "CREATE TABLE t (id int PRIMARY KEY)").await;
    let (before, after) = (read(&one.url()).await, read(&other.url()).await);
    if before.tables.iter().chain(&after.tables).any(|table| table.constraints.len() > 1) {
        // Since PostgreSQL 18, NOT NULL is a constraint of its own.
        return;
    }
    let online = draft(&before, &after, Mode::Online);
    assert_eq!(
        shown(&online),
        "-- in a transaction\n\
         ALTER TABLE public.t ADD CONSTRAINT t_id_not_null CHECK (id IS NOT NULL) NOT VALID; -- ? the value of t.id where it is NULL\n\
         -- outside a transaction\n\
         CREATE UNIQUE INDEX CONCURRENTLY t_pkey ON public.t (id); -- fails if two rows have the same values\n\
         -- in a transaction\n\
         ALTER TABLE public.t VALIDATE CONSTRAINT t_id_not_null; -- fails if the column contains NULL\n\
         ALTER TABLE public.t ALTER COLUMN id SET NOT NULL;\n\
         ALTER TABLE public.t DROP CONSTRAINT t_id_not_null;\n\
         ALTER TABLE public.t ADD CONSTRAINT t_pkey PRIMARY KEY USING INDEX t_pkey;\n"
    );
    apply(&mut connection, &online).await.unwrap();
    assert_eq!(left(&after, &read(&one.url()).await), [""; 0]);
    connection.close().await.unwrap();
    wanted.close().await.unwrap();
}

/// What cannot be read is asked for, and never left out.
#[tokio::test]
async fn a_secret_is_left_to_a_person() {
    let (Some(one), Some(other)) = (postgres::database(), postgres::database()) else { return };
    let mut wanted = other.connect().await;
    run(
        &mut wanted,
        "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; \
         CREATE USER MAPPING FOR PUBLIC SERVER s OPTIONS (user 'u', password 'hidden')",
    )
    .await;
    let drafted = draft(&read(&one.url()).await, &read(&other.url()).await, Mode::Online);
    assert_eq!(
        shown(&drafted),
        "-- in a transaction\n\
         CREATE FOREIGN DATA WRAPPER w;\n\
         CREATE SERVER s FOREIGN DATA WRAPPER w;\n\
         CREATE USER MAPPING FOR PUBLIC SERVER s OPTIONS (\"user\" 'u');\n\
         an option of user mapping for public server s: it has a secret, which is never read: write `ALTER … OPTIONS (ADD …)` with its value\n"
    );
    wanted.close().await.unwrap();
}
