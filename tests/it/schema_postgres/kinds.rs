//! Every kind of object: the SQL that creates it, and its lines in the text form.

use super::{for_release, read, release, run};
use crate::support::postgres;

/// Each on top of the ones before. The lines must not stand there before.
pub(super) const KINDS: &[(&str, &[&str])] = &[
    ("CREATE SCHEMA app; COMMENT ON SCHEMA app IS 'the app'", &["schema app", "  comment the app"]),
    (
        "CREATE TYPE app.mood AS ENUM ('sad', 'ok'); ALTER TYPE app.mood ADD VALUE 'mid' BEFORE 'ok'",
        &["enum app.mood", "  value 'sad'\n  value 'mid'\n  value 'ok'"],
    ),
    (
        "CREATE TYPE app.pair AS (a int, b text COLLATE \"C\"); COMMENT ON COLUMN app.pair.a IS 'left'",
        &["composite app.pair", "  attribute a integer\n    comment left\n  attribute b text COLLATE pg_catalog.\"C\""],
    ),
    (
        "CREATE DOMAIN app.email AS text COLLATE \"C\" DEFAULT 'x' NOT NULL CONSTRAINT has_at CHECK (VALUE LIKE '%@%')",
        &[
            "domain app.email text COLLATE pg_catalog.\"C\" NOT NULL DEFAULT 'x'::text",
            "  constraint has_at CHECK ((VALUE ~~ '%@%'::text))",
        ],
    ),
    (
        "CREATE TYPE app.span AS RANGE (subtype = float8, subtype_diff = float8mi)",
        &["type app.span AS range", "  with subtype = double precision"],
    ),
    (
        "14+ CREATE TYPE app.gap AS RANGE (subtype = int4, multirange_type_name = app.gaps)",
        &["  with multirange = app.gaps"],
    ),
    ("CREATE TYPE app.shell", &["type app.shell AS shell"]),
    (
        "CREATE TYPE app.num; CREATE FUNCTION app.num_in(cstring) RETURNS app.num LANGUAGE internal IMMUTABLE STRICT AS 'int4in'; \
         CREATE FUNCTION app.num_out(app.num) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out'; \
         CREATE TYPE app.num (INPUT = app.num_in, OUTPUT = app.num_out, LIKE = int4)",
        &["type app.num AS base", "  with input = app.num_in"],
    ),
    (
        "CREATE TABLE app.users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email app.email, \
         mood app.mood DEFAULT 'ok', \"We ird\" text, low text GENERATED ALWAYS AS (lower(\"We ird\")) STORED, n serial, \
         at timestamptz DEFAULT '2020-01-01 00:00:00+00', o text NOT NULL)",
        &[
            "table app.users",
            "  column id bigint NOT NULL IDENTITY ALWAYS",
            "  column email app.email",
            "  column mood app.mood DEFAULT 'ok'::app.mood",
            "  column low text GENERATED AS (lower(\"We ird\")) STORED",
            "  column at timestamp with time zone DEFAULT '2020-01-01 00:00:00+00'::timestamp with time zone",
            "  column o text NOT NULL",
            "  constraint users_pkey PRIMARY KEY (id)",
            "sequence app.users_n_seq AS integer",
            "  owned by app.users.n",
        ],
    ),
    (
        "18+ CREATE TABLE app.virtual (a int, b int GENERATED ALWAYS AS (a + 1) VIRTUAL)",
        &["  column b integer GENERATED AS ((a + 1)) VIRTUAL"],
    ),
    (
        "CREATE INDEX users_lower ON app.users (lower(\"We ird\")) WHERE n > 3",
        &["  index users_lower USING btree (lower(\"We ird\")) WHERE (n > 3)"],
    ),
    (
        "CREATE UNIQUE INDEX u2 ON app.users (n DESC, mood) INCLUDE (at) WITH (fillfactor = 70)",
        &["  index u2 UNIQUE USING btree (n DESC, mood) INCLUDE (at) WITH (fillfactor='70')"],
    ),
    (
        "COMMENT ON INDEX app.u2 IS 'why'; ALTER TABLE app.users CLUSTER ON u2",
        &["    with clustered = true\n    comment why"],
    ),
    ("ALTER INDEX app.users_lower ALTER COLUMN 1 SET STATISTICS 500", &["    with statistics = 1 to 500"]),
    (
        "CREATE TABLE app.posts (id int PRIMARY KEY WITH (fillfactor = 71), z text, u bigint CONSTRAINT to_user REFERENCES app.users \
         ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED, v int UNIQUE) WITH (fillfactor = 81, toast.autovacuum_enabled = false)",
        &[
            "  with fillfactor = 81",
            "  with toast.autovacuum_enabled = false",
            "  with \"index of posts_pkey: fillfactor\" = 71",
            "  constraint to_user FOREIGN KEY (u) REFERENCES app.users(id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED",
            "  constraint posts_v_key UNIQUE (v)",
        ],
    ),
    (
        "ALTER TABLE app.posts ADD CONSTRAINT positive CHECK (id > 0) NOT VALID; COMMENT ON CONSTRAINT positive ON app.posts IS 'later'",
        &["  constraint positive CHECK ((id > 0)) NOT VALID\n    comment later"],
    ),
    (
        "18+ ALTER TABLE app.posts ADD CHECK (v > 0) NOT ENFORCED",
        &["  constraint posts_v_check CHECK ((v > 0)) NOT ENFORCED"],
    ),
    ("18+ ALTER TABLE app.posts ADD CONSTRAINT by_hand NOT NULL v", &["  constraint by_hand NOT NULL v"]),
    (
        "ALTER TABLE app.posts ADD w int4range, ADD CONSTRAINT apart EXCLUDE USING gist (w WITH &&)",
        &["  constraint apart EXCLUDE USING gist (w WITH &&)"],
    ),
    ("ALTER TABLE app.posts REPLICA IDENTITY FULL", &["  with replica identity = full"]),
    ("ALTER TABLE app.posts DISABLE TRIGGER ALL", &["DEFERRABLE INITIALLY DEFERRED (its triggers are disabled)"]),
    (
        "CREATE TABLE app.store (a text, b text); ALTER TABLE app.store ALTER a SET STORAGE EXTERNAL, ALTER b SET STATISTICS 77, \
         ALTER b SET (n_distinct = 5)",
        &[
            "  column a text\n    with storage = external",
            "  column b text\n    with n_distinct = 5\n    with statistics = 77",
        ],
    ),
    ("14+ ALTER TABLE app.store ADD c text COMPRESSION pglz", &["  column c text\n    with compression = pglz"]),
    (
        "CREATE TABLE app.parts (d date, v int) PARTITION BY RANGE (d); CREATE TABLE app.parts1 PARTITION OF app.parts \
         FOR VALUES FROM ('2020-01-01') TO ('2021-01-01'); ALTER TABLE app.parts ADD PRIMARY KEY (d); CREATE INDEX parts_v ON app.parts (v)",
        &[
            "  partition by RANGE (d)",
            "  partition of app.parts",
            "  partition bound FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')",
            "  constraint parts1_pkey PRIMARY KEY (d)\n    inherited",
            "  index parts1_v_idx USING btree (v)\n    with partition of = app.parts_v",
        ],
    ),
    (
        "CREATE TABLE app.refers (d date REFERENCES app.parts)",
        &["  constraint refers_d_fkey FOREIGN KEY (d) REFERENCES app.parts(d)"],
    ),
    (
        "CREATE TABLE app.kid (extra int) INHERITS (app.store)",
        &["  inherits app.store", "  column a text INHERITED", "  column extra integer"],
    ),
    ("CREATE UNLOGGED TABLE app.loose (a int)", &["table app.loose UNLOGGED"]),
    ("CREATE TABLE app.typed OF app.pair", &["  with of type = app.pair"]),
    (
        "CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler; CREATE TABLE app.other (a int) USING heap2",
        &["access method heap2", "  with access method = heap2"],
    ),
    (
        "CREATE VIEW app.seen WITH (security_barrier) AS SELECT id, email FROM app.users; ALTER VIEW app.seen ALTER id SET DEFAULT 3; \
         COMMENT ON COLUMN app.seen.id IS 'shown'",
        &["view app.seen", "  with security_barrier = true", "  column id bigint DEFAULT 3\n    comment shown"],
    ),
    (
        "CREATE MATERIALIZED VIEW app.kept AS SELECT id FROM app.users WITH NO DATA; CREATE UNIQUE INDEX kept_id ON app.kept (id)",
        &["materialized view app.kept", "  with populated = false", "  index kept_id UNIQUE USING btree (id)"],
    ),
    (
        "CREATE SEQUENCE app.counter AS smallint START 5 INCREMENT BY 3 CACHE 7 CYCLE",
        &["sequence app.counter AS smallint"],
    ),
    ("15+ CREATE UNLOGGED SEQUENCE app.lost", &["sequence app.lost AS bigint UNLOGGED"]),
    (
        "CREATE FUNCTION app.twice(a int, OUT b int) LANGUAGE sql STABLE AS 'SELECT a * 2'",
        &["function app.twice(integer)", "  |  STABLE"],
    ),
    ("CREATE PROCEDURE app.go() LANGUAGE plpgsql AS 'BEGIN END'", &["procedure app.go()"]),
    (
        "CREATE FUNCTION app.rank() RETURNS bigint LANGUAGE internal WINDOW AS 'window_row_number'",
        &["window function app.rank()"],
    ),
    (
        "CREATE AGGREGATE app.total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0')",
        &["aggregate app.total(integer)", "  | CREATE AGGREGATE app.total(integer) (SFUNC = int4pl, STYPE = integer,"],
    ),
    (
        "CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; \
         CREATE TRIGGER touched BEFORE INSERT ON app.users FOR EACH ROW EXECUTE FUNCTION app.touch(); \
         ALTER TABLE app.users DISABLE TRIGGER touched",
        &["trigger touched on app.users", "  with enabled = false"],
    ),
    (
        "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON app.users DEFERRABLE FOR EACH ROW EXECUTE FUNCTION app.touch()",
        &["trigger late on app.users", "  | CREATE CONSTRAINT TRIGGER late AFTER INSERT ON app.users DEFERRABLE"],
    ),
    (
        "CREATE TRIGGER below AFTER INSERT ON app.parts FOR EACH ROW EXECUTE FUNCTION app.touch()",
        &["trigger below on app.parts\n"],
    ),
    ("ALTER TABLE app.parts1 DISABLE TRIGGER below", &["trigger below on app.parts1\n"]),
    (
        "CREATE TRIGGER instead INSTEAD OF INSERT ON app.seen FOR EACH ROW EXECUTE FUNCTION app.touch()",
        &["trigger instead on app.seen"],
    ),
    ("CREATE RULE quiet AS ON DELETE TO app.seen DO INSTEAD NOTHING", &["rule quiet on app.seen"]),
    (
        "ALTER TABLE app.users FORCE ROW LEVEL SECURITY; CREATE POLICY own ON app.users AS RESTRICTIVE FOR UPDATE TO pg_monitor \
         USING (n > 1) WITH CHECK (n < 9)",
        &[
            "policy own on app.users",
            "  | CREATE POLICY own ON app.users AS RESTRICTIVE FOR UPDATE TO pg_monitor USING ((n > 1)) WITH CHECK ((n < 9))",
        ],
    ),
    ("CREATE STATISTICS app.both (dependencies) ON mood, n FROM app.users", &["statistics app.both on app.users"]),
    (
        "CREATE FUNCTION app.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; \
         CREATE EVENT TRIGGER watched ON ddl_command_end WHEN TAG IN ('DROP TABLE') EXECUTE FUNCTION app.on_ddl()",
        &["event trigger watched", "WHEN TAG IN ('DROP TABLE') EXECUTE FUNCTION app.on_ddl()"],
    ),
    (
        "CREATE PUBLICATION news FOR TABLE app.refers, app.store WITH (publish = 'insert')",
        &["publication news", "FOR TABLE app.kid, TABLE app.refers, TABLE app.store WITH (publish = 'insert')"],
    ),
    (
        "15+ CREATE PUBLICATION filtered FOR TABLE ONLY app.store WHERE (a IS NOT NULL), TABLES IN SCHEMA public",
        &["FOR TABLE app.store WHERE (a IS NOT NULL), TABLES IN SCHEMA public WITH"],
    ),
    ("CREATE PUBLICATION everything FOR ALL TABLES", &["publication everything", "FOR ALL TABLES WITH"]),
    (
        "CREATE SUBSCRIPTION away CONNECTION 'host=nowhere password=s3cret' PUBLICATION a, b WITH (connect = false, slot_name = NONE)",
        &["subscription away", "  | CREATE SUBSCRIPTION away PUBLICATION a, b"],
    ),
    (
        "CREATE CAST (int8 AS app.mood) WITH INOUT AS ASSIGNMENT",
        &["  | CREATE CAST (bigint AS app.mood) WITH INOUT AS ASSIGNMENT"],
    ),
    // No object here depends on another, so the catalogue of dependencies has no entry.
    ("CREATE CAST (int8 AS oid[]) WITH INOUT", &["cast (bigint AS oid[])"]),
    (
        "CREATE OPERATOR app.=== (FUNCTION = int4eq, LEFTARG = int, RIGHTARG = int, COMMUTATOR = OPERATOR(app.===), HASHES)",
        &["operator app.===(integer, integer)", "COMMUTATOR = app.===(integer,integer), HASHES)"],
    ),
    (
        "CREATE OPERATOR CLASS app.backwards FOR TYPE int USING btree AS OPERATOR 1 >, OPERATOR 3 =, FUNCTION 1 btint4cmp(int, int)",
        &[
            "operator class app.backwards USING btree",
            "operator family app.backwards USING btree",
            "AS OPERATOR 1 >(integer,integer), OPERATOR 3 =(integer,integer), FUNCTION 1 (integer, integer) btint4cmp(integer,integer)",
        ],
    ),
    (
        "CREATE OPERATOR FAMILY app.several USING hash; ALTER OPERATOR FAMILY app.several USING hash ADD OPERATOR 1 = (int4, int8)",
        &["  | CREATE OPERATOR FAMILY app.several USING hash; ADD OPERATOR 1 =(integer,bigint)"],
    ),
    ("CREATE COLLATION app.plain (LOCALE = 'C')", &["collation app.plain", "LC_COLLATE = 'C', LC_CTYPE = 'C')"]),
    ("CREATE CONVERSION app.latin FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8", &["conversion app.latin"]),
    (
        "CREATE TEXT SEARCH DICTIONARY app.words (TEMPLATE = simple, ACCEPT = false)",
        &["text search dictionary app.words", "(TEMPLATE = pg_catalog.simple, accept = 'false')"],
    ),
    (
        "CREATE TEXT SEARCH CONFIGURATION app.search (COPY = simple); \
         ALTER TEXT SEARCH CONFIGURATION app.search ALTER MAPPING FOR word WITH app.words, simple",
        &["text search configuration app.search", "; ADD MAPPING FOR word WITH app.words, pg_catalog.simple"],
    ),
    (
        "CREATE TEXT SEARCH PARSER app.parser (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype)",
        &["text search parser app.parser"],
    ),
    (
        "CREATE TEXT SEARCH TEMPLATE app.template (LEXIZE = dsimple_lexize, INIT = dsimple_init)",
        &["text search template app.template"],
    ),
    (
        "CREATE FOREIGN DATA WRAPPER wrapper OPTIONS (a 'b', password 'hidden1'); CREATE SERVER far TYPE 't' VERSION '1' \
         FOREIGN DATA WRAPPER wrapper OPTIONS (host 'h'); \
         CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (user 'u', password 'hidden2')",
        &[
            "foreign data wrapper wrapper",
            "  | CREATE FOREIGN DATA WRAPPER wrapper OPTIONS (a 'b', password '***')",
            "  | CREATE SERVER far TYPE 't' VERSION '1' FOREIGN DATA WRAPPER wrapper OPTIONS (host 'h')",
            "  | CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (password '***', \"user\" 'u')",
        ],
    ),
    (
        "CREATE FOREIGN TABLE app.there (a int OPTIONS (c 'd')) SERVER far OPTIONS (t 'u')",
        &["  foreign server far\n  with options = t 'u'\n  column a integer\n    with options = c 'd'"],
    ),
    ("CREATE LANGUAGE plother HANDLER plpgsql_call_handler", &["language plother"]),
    (
        "CREATE TRANSFORM FOR app.pair LANGUAGE plother (FROM SQL WITH FUNCTION prsd_lextype(internal))",
        &["  | CREATE TRANSFORM FOR app.pair LANGUAGE plother (FROM SQL WITH FUNCTION prsd_lextype(internal))"],
    ),
    (
        "ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO pg_monitor; \
         ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
        &["IN SCHEMA app ON TABLES\n  grant SELECT to pg_monitor", "ON FUNCTIONS\n  grant no EXECUTE to PUBLIC"],
    ),
    (
        "GRANT SELECT (o), UPDATE ON app.users TO pg_monitor WITH GRANT OPTION",
        &[
            "  grant UPDATE to pg_monitor with grant option",
            "  column o text NOT NULL\n    grant SELECT to pg_monitor with grant option",
        ],
    ),
    ("ALTER TABLE app.store OWNER TO pg_monitor", &["table app.store\n  owner pg_monitor"]),
];

#[tokio::test]
async fn every_kind_of_object_is_read() {
    let Some(database) = postgres::database() else { return };
    let mut connection = database.connect().await;
    let release = release(&mut connection).await;
    let mut before = read(&database.url()).await.to_text();
    let mut wrong = Vec::new();
    for (text, lines) in KINDS {
        let Some(step) = for_release(text, release) else { continue };
        run(&mut connection, step.sql).await;
        let after = read(&database.url()).await.to_text();
        for line in lines.iter() {
            let (was, is) = (before.contains(line), after.contains(line));
            if was || !is {
                wrong.push(format!("{line:?} {}: {}", if is { "was there before" } else { "is not told" }, step.sql));
            }
        }
        before = after;
    }
    // No database with one can be dropped.
    run(&mut connection, "DROP SUBSCRIPTION away").await;
    assert!(wrong.is_empty(), "{before}\n{}", wrong.join("\n"));
    for secret in ["hidden1", "hidden2", "s3cret"] {
        assert!(!before.contains(secret), "{secret}");
    }
}
