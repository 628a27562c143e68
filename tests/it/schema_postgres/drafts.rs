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
    // Values of a type inside of arrays and other types.
    Case {
        before: "CREATE TYPE addr AS (street text, no int); CREATE TABLE t (a addr, l addr[])",
        rows: "INSERT INTO t VALUES (('x', 1), ARRAY[('y', 2)::addr]), (NULL, NULL)",
        after: "CREATE TYPE addr AS (street varchar, no bigint); CREATE TABLE t (a addr, l addr[])",
        query: "SELECT string_agg(t::text, ' ' ORDER BY a) FROM t",
        answer: "(\"(x,1)\",\"{\"\"(y,2)\"\"}\") (,)",
    },
    Case {
        before: "CREATE TYPE addr AS (street text, no int); CREATE TABLE t (a addr)",
        rows: "INSERT INTO t VALUES (('x', 1)), (NULL), (ROW(NULL, NULL))",
        after: "CREATE TYPE addr AS (no bigint, city text, street text); CREATE TABLE t (a addr)",
        query: "SELECT string_agg(coalesce(a::text, 'NULL'), ' ' ORDER BY a::text) FROM t",
        answer: "(,,) (1,,x) NULL",
    },
    Case {
        before: "CREATE DOMAIN pos AS int; CREATE DOMAIN small AS pos CHECK (VALUE < 9); CREATE TABLE t (a pos[], b small, c small[])",
        rows: "INSERT INTO t VALUES ('{1,2}', 3, '{4}')",
        after: "CREATE DOMAIN pos AS int NOT NULL CHECK (VALUE > 0); CREATE DOMAIN small AS pos CHECK (VALUE < 9); \
                CREATE TABLE t (a pos[], b small, c small[])",
        query: "SELECT t::text FROM t",
        answer: "(\"{1,2}\",3,{4})",
    },
    Case {
        before: "CREATE DOMAIN pos AS int CHECK (VALUE > 0); CREATE DOMAIN small AS pos CHECK (VALUE < 9); \
                 CREATE TABLE t (a pos PRIMARY KEY, b small, c small[], CHECK (b < 8)); CREATE INDEX i ON t (b)",
        rows: "INSERT INTO t VALUES (1, 3, '{4}')",
        after: "CREATE DOMAIN pos AS bigint CHECK (VALUE > 0); CREATE DOMAIN small AS pos CHECK (VALUE < 9); \
                CREATE TABLE t (a pos PRIMARY KEY, b small, c small[], CHECK (b < 8)); CREATE INDEX i ON t (b)",
        query: "SELECT t::text FROM t",
        answer: "(1,3,{4})",
    },
    // The keys of two tables get another type together.
    Case {
        before: "CREATE TABLE u (id int PRIMARY KEY); CREATE TABLE t (u int REFERENCES u ON DELETE CASCADE)",
        rows: "INSERT INTO u VALUES (1); INSERT INTO t VALUES (1)",
        after: "CREATE TABLE u (id text PRIMARY KEY); CREATE TABLE t (u text REFERENCES u ON DELETE CASCADE)",
        query: "SELECT u FROM t",
        answer: "1",
    },
    Case {
        before: "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TABLE u (m mood PRIMARY KEY); CREATE TABLE t (m mood REFERENCES u)",
        rows: "INSERT INTO u VALUES ('ok'); INSERT INTO t VALUES ('ok')",
        after: "CREATE TYPE mood AS ENUM ('ok', 'sad'); CREATE TABLE u (m mood PRIMARY KEY); CREATE TABLE t (m mood REFERENCES u)",
        query: "SELECT m::text FROM t",
        answer: "ok",
    },
    // An expression does not name the cast that it uses.
    Case {
        before: "CREATE TABLE t (a int)",
        rows: "INSERT INTO t VALUES (1)",
        after: "CREATE TYPE k AS (a int); CREATE FUNCTION k(int) RETURNS k LANGUAGE sql IMMUTABLE AS 'SELECT ROW($1)::public.k'; \
                CREATE CAST (int AS k) WITH FUNCTION k(int); CREATE TABLE t (a int, CHECK (a::k IS NOT NULL)); \
                CREATE TABLE u (a int, CHECK (a::k IS NOT NULL))",
        query: "SELECT a::k::text FROM t",
        answer: "(1)",
    },
    // A table becomes a partition as it is, and none again.
    Case {
        before: "CREATE TABLE p (id int PRIMARY KEY, a text) PARTITION BY RANGE (id); CREATE TABLE c (id int PRIMARY KEY, a text); \
                 CREATE INDEX c_a ON c (a)",
        rows: "INSERT INTO c VALUES (1, 'x')",
        after: "CREATE TABLE p (id int PRIMARY KEY, a text) PARTITION BY RANGE (id); \
                CREATE TABLE c PARTITION OF p FOR VALUES FROM (0) TO (9); CREATE INDEX c_a ON c (a)",
        query: "SELECT tableoid::regclass || ' ' || a FROM p",
        answer: "c x",
    },
    Case {
        before: "CREATE TABLE p (id int PRIMARY KEY, a text) PARTITION BY RANGE (id); CREATE INDEX p_a ON p (a); \
                 CREATE TABLE c PARTITION OF p FOR VALUES FROM (0) TO (9)",
        rows: "INSERT INTO p VALUES (1, 'x')",
        after: "CREATE TABLE p (id int PRIMARY KEY, a text) PARTITION BY RANGE (id); CREATE INDEX p_a ON p (a); \
                CREATE TABLE c (id int PRIMARY KEY, a text)",
        query: "SELECT a || (SELECT count(*) FROM p) FROM c",
        answer: "x0",
    },
    // A function computes something else, in a session that has used the old one.
    Case {
        before: "CREATE FUNCTION f(a text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower(a)'; \
                 CREATE TABLE t (a text, g text GENERATED ALWAYS AS (f(a)) STORED); CREATE INDEX i ON t (f(a)); \
                 CREATE MATERIALIZED VIEW v AS SELECT a, f(a) AS f FROM t; CREATE INDEX v_i ON v (f(a)); \
                 CREATE VIEW w AS SELECT g FROM t; CREATE MATERIALIZED VIEW vv AS SELECT g FROM w; COMMENT ON INDEX i IS 'x'",
        rows: "INSERT INTO t VALUES ('x'); REFRESH MATERIALIZED VIEW v; REFRESH MATERIALIZED VIEW vv; SET enable_seqscan = off",
        after: "CREATE FUNCTION f(a text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT upper(a)'; \
                CREATE TABLE t (a text, g text GENERATED ALWAYS AS (f(a)) STORED); CREATE INDEX i ON t (f(a)); \
                CREATE MATERIALIZED VIEW v AS SELECT a, f(a) AS f FROM t; CREATE INDEX v_i ON v (f(a)); \
                CREATE VIEW w AS SELECT g FROM t; CREATE MATERIALIZED VIEW vv AS SELECT g FROM w; COMMENT ON INDEX i IS 'y'",
        query: "SELECT concat((SELECT g FROM t WHERE f(a) = 'X'), (SELECT f FROM v WHERE f(a) = 'X'), (SELECT g FROM vv))",
        answer: "XXX",
    },
    Case {
        before: "CREATE FUNCTION f(a text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower(a)'; \
                 CREATE FUNCTION g(a text) RETURNS text LANGUAGE sql IMMUTABLE RETURN f(a) || '!'; \
                 CREATE TABLE p (id int, a text) PARTITION BY LIST (id); CREATE TABLE one PARTITION OF p FOR VALUES IN (1); \
                 CREATE INDEX i ON p (g(a))",
        rows: "INSERT INTO p VALUES (1, 'x'); SET enable_seqscan = off",
        after: "CREATE FUNCTION f(a text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT upper(a)'; \
                CREATE FUNCTION g(a text) RETURNS text LANGUAGE sql IMMUTABLE RETURN f(a) || '!'; \
                CREATE TABLE p (id int, a text) PARTITION BY LIST (id); CREATE TABLE one PARTITION OF p FOR VALUES IN (1); \
                CREATE INDEX i ON p (g(a))",
        query: "SELECT a FROM p WHERE g(a) = 'X!'",
        answer: "x",
    },
    Case {
        before: "CREATE TEXT SEARCH CONFIGURATION c (COPY = simple); \
                 CREATE TABLE t (a text, v tsvector GENERATED ALWAYS AS (to_tsvector('c', a)) STORED)",
        rows: "INSERT INTO t VALUES ('dogs')",
        after: "CREATE TEXT SEARCH CONFIGURATION c (COPY = simple); ALTER TEXT SEARCH CONFIGURATION c \
                ALTER MAPPING FOR asciiword WITH english_stem; \
                CREATE TABLE t (a text, v tsvector GENERATED ALWAYS AS (to_tsvector('c', a)) STORED)",
        query: "SELECT v::text FROM t",
        answer: "'dog':1",
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

/// Returns the draft from one schema to another, and a database that has the first with these rows.
async fn drafted(before: &str, rows: &str, after: &str, mode: Mode) -> Option<(postgres::Database, Draft)> {
    let (one, other) = (postgres::database()?, postgres::database()?);
    let (mut connection, mut wanted) = (one.connect().await, other.connect().await);
    run(&mut connection, before).await;
    run(&mut connection, rows).await;
    run(&mut wanted, after).await;
    let drafted = draft(&read(&one.url()).await, &read(&other.url()).await, mode);
    connection.close().await.unwrap();
    wanted.close().await.unwrap();
    Some((one, drafted))
}

/// Rows that passed the old function may not pass the new one, and nothing else would ever find them.
#[tokio::test]
async fn rows_that_do_not_pass_a_changed_function_stop_the_draft() {
    for (table, message) in [
        ("CREATE TABLE t (a int, CONSTRAINT c CHECK (ok(a)))", "constraint \"c\" of relation \"t\" is violated"),
        ("CREATE DOMAIN d AS int CONSTRAINT c CHECK (ok(VALUE)); CREATE TABLE t (a d)", "violate the new constraint"),
        (
            "CREATE TABLE t (a int, CONSTRAINT c EXCLUDE USING btree (ok(a) WITH =))",
            "could not create exclusion constraint",
        ),
        (
            "CREATE TABLE t (a int, b bool GENERATED ALWAYS AS (ok(a)) STORED, CONSTRAINT c CHECK (b))",
            "violates check constraint \"c\"",
        ),
        ("CREATE TABLE t (a int); CREATE UNIQUE INDEX c ON t (ok(a))", "could not create unique index"),
    ] {
        for mode in [Mode::Online, Mode::Offline] {
            let ok = |at: u32| {
                let unlike = table.contains("EXCLUDE") || table.contains("UNIQUE");
                let body = if unlike { format!("a > {at} AND a < 6") } else { format!("a > {at}") };
                format!("CREATE FUNCTION ok(a int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT {body}'; {table}")
            };
            let rows = "INSERT INTO t VALUES (5), (9)";
            let (before, after) = (ok(4), ok(5));
            let Some((one, found)) = drafted(&before, rows, &after, mode).await else { return };
            let mut connection = one.connect().await;
            let ran = apply(&mut connection, &found).await;
            let said = ran.as_ref().is_err_and(|why| why.contains(message));
            assert!(said, "{}{ran:?}", shown(&found));
            connection.close().await.unwrap();
        }
    }
}

/// Each statement has its own lock, and what cannot be known is asked.
#[tokio::test]
async fn what_a_changed_function_has_computed_is_computed_again() {
    let before = "CREATE FUNCTION f(a text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower(a)'; \
                  CREATE FUNCTION g(a text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT f(a)'; \
                  CREATE TABLE t (a text, b text GENERATED ALWAYS AS (f(a)) STORED, c text CHECK (f(c) <> '')); \
                  CREATE INDEX i ON t (f(a)); CREATE INDEX j ON t (g(a)); CREATE INDEX k ON t (c) WHERE f(c) > 'a'; \
                  CREATE FUNCTION now() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; \
                  CREATE TRIGGER x BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION public.now()";
    let after = before.replace("lower", "upper");
    let Some((_, online)) = drafted(before, "", &after, Mode::Online).await else { return };
    let again = "computes stored values again, as what they are computed with changes";
    let function = "CREATE OR REPLACE FUNCTION public.f(a text)\n RETURNS text\n LANGUAGE sql\n IMMUTABLE\nAS \
                    $function$SELECT upper(a)$function$;\n\
                    index j of public.t may keep what was computed before function public.f(text) changes: function \
                    public.g(text) names function public.f(text) in its text\n";
    let question = "whether this may write every row of public.t, although trigger x on public.t is there";
    assert_eq!(
        shown(&online),
        format!(
            "-- outside a transaction\n{function}\
             ALTER TABLE public.t DROP CONSTRAINT t_c_check, ADD CONSTRAINT t_c_check CHECK ((public.f(c) <> ''::text)) NOT VALID; -- {again}\n\
             ALTER TABLE public.t VALIDATE CONSTRAINT t_c_check; -- fails if a row does not pass the check -- {again}\n\
             UPDATE public.t SET a = a; -- fails if a new value does not fit -- {again} -- ? {question}\n\
             REINDEX INDEX CONCURRENTLY public.i; -- {again}\n\
             REINDEX INDEX CONCURRENTLY public.k; -- {again}\n"
        )
    );
    let Some((_, offline)) = drafted(before, "", &after, Mode::Offline).await else { return };
    assert_eq!(
        shown(&offline),
        format!(
            "-- in a transaction\nDROP INDEX public.i;\nDROP INDEX public.k;\n{function}\
             CREATE INDEX i ON public.t USING btree (public.f(a));\n\
             CREATE INDEX k ON public.t USING btree (c) WHERE (public.f(c) > 'a'::text);\n\
             ALTER TABLE public.t DROP CONSTRAINT t_c_check, ADD CONSTRAINT t_c_check CHECK ((public.f(c) <> ''::text)); \
             -- fails if a row does not pass the check -- {again}\n\
             UPDATE public.t SET a = a; -- fails if a new value does not fit -- {again} -- ? {question}\n"
        )
    );
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

/// Queries have an index, and rows a constraint, at every moment.
#[tokio::test]
async fn the_old_index_goes_when_the_new_one_is_there() {
    let before = "CREATE TABLE t (id int NOT NULL, tenant int NOT NULL, a text, CONSTRAINT k UNIQUE (id)); CREATE INDEX i ON t (a); \
                  CREATE INDEX old ON t (tenant); CREATE TABLE u (t int CONSTRAINT f REFERENCES t (id))";
    let after = "CREATE TABLE t (id int NOT NULL, tenant int NOT NULL, a text, CONSTRAINT k UNIQUE (id) INCLUDE (a)); \
                 CREATE INDEX i ON t (a, id); CREATE INDEX new ON t (tenant, a); CREATE TABLE u (t int CONSTRAINT f REFERENCES t (id))";
    let Some((one, online)) =
        drafted(before, "INSERT INTO t VALUES (1, 1); INSERT INTO u VALUES (1)", after, Mode::Online).await
    else {
        return;
    };
    assert_eq!(
        shown(&online),
        "-- outside a transaction\n\
         CREATE UNIQUE INDEX CONCURRENTLY k_new ON public.t (id) INCLUDE (a); -- fails if two rows have the same values\n\
         CREATE INDEX CONCURRENTLY i_new ON public.t USING btree (a, id);\n\
         DROP INDEX CONCURRENTLY public.i;\n\
         ALTER INDEX public.i_new RENAME TO i;\n\
         CREATE INDEX CONCURRENTLY new ON public.t USING btree (tenant, a);\n\
         DROP INDEX CONCURRENTLY public.old;\n\
         -- in a transaction\n\
         ALTER TABLE public.u DROP CONSTRAINT f;\n\
         ALTER TABLE public.t DROP CONSTRAINT k, ADD CONSTRAINT k UNIQUE USING INDEX k_new;\n\
         ALTER TABLE public.u ADD CONSTRAINT f FOREIGN KEY (t) REFERENCES public.t(id) NOT VALID;\n\
         -- in a transaction\n\
         ALTER TABLE public.u VALIDATE CONSTRAINT f; -- fails if a row refers to one that does not exist\n"
    );
    let mut connection = one.connect().await;
    apply(&mut connection, &online).await.unwrap();
    connection.close().await.unwrap();
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
