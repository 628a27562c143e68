//! Dumps of every `pg_dump` and `pg_dumpall` on this machine restore to the same as with the `psql` beside it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use lockgate::{Database, Databases, DatabasesMigrator, read_schema};
use lockgate_harness::server::{Options, Postgres, locate};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::psql::{restores_as_with_psql, rows};
use crate::support::postgres::{self, client};
use crate::support::set::databases;

/// A folder with the clients of each major release on this machine.
fn releases() -> Vec<PathBuf> {
    let mut of_major: BTreeMap<String, PathBuf> = BTreeMap::new();
    for folder in locate::all_folders() {
        let has = |client: &str| folder.join(client).is_file();
        if !["pg_dump", "pg_dumpall", "psql"].into_iter().all(has) {
            continue;
        }
        let output = Command::new(folder.join("pg_dump")).arg("--version").output();
        let version = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        let number = version.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
        let major = number.and_then(|number| number.split(|c: char| !c.is_ascii_digit()).next()).map(str::to_owned);
        if let Some(major) = major {
            of_major.entry(major).or_insert(folder);
        }
    }
    if of_major.is_empty() {
        // Says why, or fails where a server is required.
        let _ = postgres::folder_with("pg_dump");
    }
    of_major.into_values().collect()
}

/// The schemas of fifteen programs, each in a namespace of its own.
const PROGRAMS: [(&str, &str); 15] = [
    (
        "shop",
        "CREATE TYPE state AS ENUM ('open', 'paid', 'it''s sent');
CREATE TABLE customer (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, mail text NOT NULL, CHECK (mail LIKE '%@%'));
CREATE UNIQUE INDEX customer_mail ON customer (lower(mail));
CREATE TABLE \"order\" (id bigserial PRIMARY KEY, customer bigint NOT NULL REFERENCES customer ON DELETE RESTRICT,
    state state DEFAULT 'open' NOT NULL, at timestamptz DEFAULT now() NOT NULL);
CREATE TABLE line (\"order\" bigint REFERENCES \"order\" ON DELETE CASCADE, no smallint, amount numeric(10,2), vat numeric(4,2)
    DEFAULT 19.00, gross numeric GENERATED ALWAYS AS (amount * (1 + vat / 100)) STORED, PRIMARY KEY (\"order\", no));
CREATE VIEW revenue AS SELECT date_trunc('month', at) AS month, sum(gross) FROM \"order\" o JOIN line l ON l.\"order\" = o.id GROUP BY 1;
INSERT INTO customer (mail) SELECT 'c' || n || '@x' FROM generate_series(1, 5) n;
INSERT INTO \"order\" (customer, at) SELECT id, '2026-01-01 10:00+00' FROM customer;
INSERT INTO line SELECT id, 1, id * 9.99 FROM \"order\";",
    ),
    (
        "bank",
        "CREATE TABLE account (iban char(22) PRIMARY KEY, balance numeric(20,4) DEFAULT 0 NOT NULL CHECK (balance >= 0));
CREATE TABLE transfer (id uuid DEFAULT gen_random_uuid() PRIMARY KEY, source char(22) REFERENCES account, target char(22)
    REFERENCES account DEFERRABLE INITIALLY DEFERRED, amount numeric(20,4) CHECK (amount > 0), CHECK (source <> target));
CREATE FUNCTION book() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    UPDATE account SET balance = balance - NEW.amount WHERE iban = NEW.source; -- :'not' a variable
    UPDATE account SET balance = balance + NEW.amount WHERE iban = NEW.target;
    RETURN NEW;
END
$body$;
CREATE TRIGGER book AFTER INSERT ON transfer FOR EACH ROW WHEN (NEW.amount > 0) EXECUTE FUNCTION book();
INSERT INTO account VALUES ('DE01', 100), ('DE02', 0);",
    ),
    (
        "forum",
        "CREATE TABLE post (id int PRIMARY KEY, parent int REFERENCES post, path int[] NOT NULL, body text, words tsvector);
CREATE INDEX post_words ON post USING gin (words);
CREATE INDEX post_path ON post USING gin (path);
CREATE TRIGGER words BEFORE INSERT ON post FOR EACH ROW EXECUTE FUNCTION tsvector_update_trigger(words, 'pg_catalog.english', body);
CREATE RECURSIVE VIEW thread (id, depth) AS SELECT id, 0 FROM post WHERE parent IS NULL UNION ALL
    SELECT p.id, t.depth + 1 FROM post p JOIN thread t ON p.parent = t.id;
INSERT INTO post VALUES (1, NULL, '{1}', E'a \\\\. b\\n\\\\\\\\c'), (2, 1, '{1,2}', 'it''s :here');",
    ),
    (
        "tickets",
        "CREATE SEQUENCE number START 1000 INCREMENT 10 CACHE 5 CYCLE MAXVALUE 99990;
CREATE DOMAIN priority AS smallint DEFAULT 3 NOT NULL CHECK (VALUE BETWEEN 1 AND 5);
CREATE TABLE ticket (no bigint DEFAULT nextval('number') PRIMARY KEY, p priority, tags text[] DEFAULT '{}', closed boolean
    DEFAULT false, meta jsonb);
CREATE INDEX open_tickets ON ticket (p, no DESC NULLS LAST) WHERE NOT closed;
CREATE INDEX meta_path ON ticket USING gin (meta jsonb_path_ops);
COMMENT ON COLUMN ticket.meta IS 'a ; b'' \\\\x';
INSERT INTO ticket (tags, meta) VALUES ('{a,\"b c\",NULL}', '{\"k\": [1, null, \"\\\\u00e4\"]}');",
    ),
    (
        "wiki",
        "CREATE TABLE page (id int PRIMARY KEY, title text UNIQUE DEFERRABLE, html xml, data bytea, bits bit varying(9));
CREATE TABLE page_old (LIKE page INCLUDING ALL, at timestamptz);
CREATE RULE keep AS ON UPDATE TO page DO ALSO INSERT INTO page_old VALUES (OLD.id, OLD.title, OLD.html, OLD.data, OLD.bits);
ALTER TABLE page REPLICA IDENTITY FULL;
INSERT INTO page VALUES (1, E'tab\\tnew\\nline', NULL, '\\\\x00ff5c', B'101'), (2, '\\\\N', NULL, '', B'');",
    ),
    (
        "booking",
        "CREATE TABLE room (id int PRIMARY KEY, seats int4range);
CREATE TABLE stay (room int REFERENCES room, during tsrange NOT NULL, EXCLUDE USING gist (during WITH &&) WHERE (room = 1));
CREATE FUNCTION free(wanted tsrange, VARIADIC rooms int[] DEFAULT '{}') RETURNS SETOF room LANGUAGE sql STABLE PARALLEL SAFE
    AS 'SELECT r.* FROM room r WHERE NOT EXISTS (SELECT FROM stay s WHERE s.room = r.id AND s.during && wanted)';
INSERT INTO room VALUES (1, '[1,4)'), (2, 'empty');
INSERT INTO stay VALUES (1, '[2026-01-01, 2026-01-03)'), (2, '(,)');",
    ),
    (
        "hr",
        "CREATE TYPE address AS (street text, zip varchar(5), town text COLLATE \"C\");
CREATE TABLE person (id int PRIMARY KEY, name text NOT NULL, home address, boss int REFERENCES person);
CREATE TABLE employee (salary money, since date) INHERITS (person);
ALTER TABLE person ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY mine ON person USING (name = current_user) WITH CHECK (true);
CREATE MATERIALIZED VIEW head_count AS SELECT count(*) FROM employee WITH NO DATA;
INSERT INTO person VALUES (1, 'Ada', '(\"a, b\",12345,\"x\"\"y\")', NULL);
INSERT INTO employee VALUES (2, 'Bob', NULL, 1, '12.5', '2020-02-29');",
    ),
    (
        "iot",
        "CREATE TABLE reading (sensor int, at timestamptz, value double precision, PRIMARY KEY (sensor, at)) PARTITION BY HASH (sensor);
CREATE TABLE reading_0 PARTITION OF reading FOR VALUES WITH (MODULUS 2, REMAINDER 0) WITH (fillfactor = 90);
CREATE TABLE reading_1 PARTITION OF reading FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE INDEX reading_at ON reading USING brin (at) WITH (pages_per_range = 16);
ALTER TABLE reading ALTER COLUMN value SET STATISTICS 300;
CREATE AGGREGATE last_value (double precision) (sfunc = float8larger, stype = double precision, parallel = safe);
INSERT INTO reading SELECT n, '2026-01-01 00:00+00', CASE n WHEN 1 THEN 'NaN' WHEN 2 THEN '-Infinity' ELSE n / 3.0 END FROM generate_series(1, 9) n;",
    ),
    (
        "chat",
        "CREATE UNLOGGED TABLE presence (who text PRIMARY KEY, seen timestamptz);
CREATE TABLE message (id bigint GENERATED BY DEFAULT AS IDENTITY (START WITH 100 INCREMENT BY 5), body text);
ALTER TABLE message ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE FUNCTION notify() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
    'BEGIN PERFORM pg_notify(''chat'', NEW.id::text); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER told AFTER INSERT ON message DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION notify();
ALTER TABLE message DISABLE TRIGGER told;
INSERT INTO message (body) VALUES ('\\\\.'), (E'\\\\connect other'), ('größe 🚢');",
    ),
    (
        "cms",
        "CREATE TABLE article (id int, lang char(2), title text, PRIMARY KEY (id, lang));
CREATE TABLE link (id int, lang char(2), url text, FOREIGN KEY (id, lang) REFERENCES article ON UPDATE CASCADE);
CREATE VIEW german WITH (security_barrier) AS SELECT * FROM article WHERE lang = 'de' WITH CASCADED CHECK OPTION;
CREATE FUNCTION edit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER edit INSTEAD OF UPDATE ON german FOR EACH ROW EXECUTE FUNCTION edit();
CREATE STATISTICS langs (dependencies, ndistinct) ON id, lang FROM article;
INSERT INTO article VALUES (1, 'de', 'eins'), (1, 'en', NULL);",
    ),
    (
        "auth",
        "CREATE TABLE login (name name PRIMARY KEY, secret text, net cidr, host inet, mac macaddr, tries oid);
REVOKE ALL ON login FROM PUBLIC;
GRANT SELECT (name, net) ON login TO PUBLIC;
CREATE FUNCTION may(text) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT LEAKPROOF COST 5 AS 'SELECT $1 <> '''' ';
REVOKE EXECUTE ON FUNCTION may(text) FROM PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA auth GRANT SELECT ON TABLES TO PUBLIC;
INSERT INTO login VALUES ('a', '*', '10/8', '::1', '08:00:2b:01:02:03', 7);",
    ),
    (
        "queue",
        "CREATE TABLE job (id bigserial, payload jsonb NOT NULL, run_at timestamptz, kind \"char\", CONSTRAINT \"odd; name\" CHECK (run_at > '-infinity'));
CREATE INDEX job_next ON job (run_at) INCLUDE (kind) WHERE kind = 'n';
CREATE PROCEDURE work(INOUT done int) LANGUAGE plpgsql AS $$ BEGIN done := done + 1; COMMIT; END $$;
CREATE FUNCTION split(job, OUT a text, OUT b text) LANGUAGE sql AS $$ SELECT ($1).payload->>'a', ($1).payload->>'b' $$;
INSERT INTO job (payload, run_at, kind) VALUES ('\"\\\\\\\\x\"', 'infinity', 'n');",
    ),
    (
        "stock",
        "CREATE TABLE part (no text COLLATE \"POSIX\" PRIMARY KEY, at point, area box, shape polygon, CHECK (length(no) < 20) NO INHERIT);
CREATE INDEX part_area ON part USING gist (area);
CREATE OPERATOR <-?-> (leftarg = point, rightarg = point, function = point_distance, commutator = <-?->);
CREATE TABLE moved (part text REFERENCES part ON DELETE SET NULL, n int) WITH (autovacuum_enabled = false);
INSERT INTO part VALUES ('a b', '(1,2)', '(3,4),(1,2)', '((0,0),(1,1),(2,0))');",
    ),
    (
        "survey",
        "CREATE TABLE answer (q int, a int, CONSTRAINT one_each UNIQUE (q, a)) PARTITION BY LIST (q);
CREATE TABLE answer_1 PARTITION OF answer FOR VALUES IN (1, 2);
CREATE TABLE answer_x (extra text, a int, q int);
ALTER TABLE answer_x DROP COLUMN extra;
ALTER TABLE answer ATTACH PARTITION answer_x DEFAULT;
CREATE VIEW ranks AS SELECT q, rank() OVER w, count(*) FILTER (WHERE a > 1) OVER w FROM answer WINDOW w AS (PARTITION BY q ORDER BY a);
INSERT INTO answer VALUES (1, 1), (2, 2), (9, 3);",
    ),
    (
        "ledger",
        "CREATE TABLE entry (id int PRIMARY KEY, at date DEFAULT CURRENT_DATE, debit numeric, credit numeric, valid daterange
    GENERATED ALWAYS AS (daterange(at, NULL)) STORED);
ALTER TABLE entry ADD CONSTRAINT balanced CHECK (debit = credit) NOT VALID;
CREATE CAST (daterange AS text) WITH INOUT;
CREATE TEXT SEARCH CONFIGURATION plain (COPY = simple);
CREATE AGGREGATE product (numeric) (sfunc = numeric_mul, stype = numeric, initcond = '1');
CREATE VIEW \"Sum (all)\" AS SELECT product(debit) AS \"p%\" FROM entry;
INSERT INTO entry (id, at, debit, credit) VALUES (1, '2026-01-01', 1.50, 1.50), (2, '0044-03-15 BC', NULL, 3);",
    ),
];

#[tokio::test]
async fn the_dumps_of_every_release_restore_to_the_same_as_with_psql() {
    let programs: Vec<String> = PROGRAMS
        .iter()
        .map(|(name, sql)| format!("CREATE SCHEMA {name};\nSET search_path = {name};\n{sql}\n"))
        .collect();
    for (index, folder) in releases().iter().enumerate() {
        let Some(server) = postgres::cluster(&Options::default().bin(folder)) else { return };
        restores_as_with_psql(folder, &server, 100 + index, &programs.concat()).await;
    }
}

/// What `pg_dumpall` writes. It connects to each database, with a password that is not in its arguments.
fn dump_all(folder: &Path, server: &Postgres, options: &[&str]) -> String {
    let port = server.port().to_string();
    let place = ["--host=127.0.0.1", "--username=postgres", "--no-password", "--port", &port];
    let mut command = Command::new(folder.join("pg_dumpall"));
    let output = command.args(place).args(options).env("PGPASSWORD", server.password()).output().unwrap();
    assert!(output.status.success(), "pg_dumpall: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A server with its roles and two databases moves to another one, as one bootstrap.
#[tokio::test]
async fn a_whole_server_moves_by_pg_dumpall() {
    for folder in releases() {
        let options = Options::default().bin(&folder);
        let servers = [postgres::cluster(&options), postgres::cluster(&options), postgres::cluster(&options)];
        let [Some(from), Some(by_psql), Some(by_us)] = servers else { return };
        let mut admin = PgConnection::connect(&from.url("postgres")).await.unwrap();
        let roles =
            "CREATE ROLE keeper LOGIN PASSWORD 'it''s \\ :x'; GRANT pg_monitor TO keeper; CREATE TABLE here (id int)";
        admin.execute(roles).await.unwrap();
        for name in ["shop", "\"odd \"\"one\""] {
            admin
                .execute(AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE template0 OWNER keeper")))
                .await
                .unwrap();
        }
        admin.execute("ALTER DATABASE shop SET work_mem = '7MB'").await.unwrap();
        for (name, sql) in [("shop", PROGRAMS[0].1), ("odd \"one", PROGRAMS[2].1)] {
            PgConnection::connect(&from.url(name)).await.unwrap().execute(sql).await.unwrap();
        }
        let dump = dump_all(&folder, &from, &[]);
        // This role exists on each server.
        let dump: String = dump
            .lines()
            .filter(|line| !line.starts_with("CREATE ROLE postgres;") && !line.starts_with("ALTER ROLE postgres WITH"))
            .map(|line| format!("{line}\n"))
            .collect();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &dump).unwrap();
        let (path, url) = (file.path().to_str().unwrap(), by_psql.url("postgres"));
        client(&folder, "psql", &["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file", path, "--dbname", &url]);
        let script = format!("-- lockgate: psql\n-- lockgate: no-transaction\n{dump}");
        let patches: &'static Databases = databases(&[
            (
                "migrations.toml",
                "numbering = \"encoded\"\ndialects = [\"postgres\"]\n[lint]\nplpgsql-syntax = \"allow\"\n",
            ),
            ("shop.00000000.0001.postgres.whole_server.sql", &script),
            ("shop.00000001.0001.postgres.nothing.sql", "SELECT 1;"),
        ]);
        let migrator = DatabasesMigrator::new(patches).set_role();
        migrator.apply(&by_us.url("postgres")).await.unwrap_or_else(|error| panic!("{}: {error:?}", folder.display()));
        for name in ["postgres", "shop", "odd \"one"] {
            let (ours, theirs) = (by_us.url(name), by_psql.url(name));
            assert_eq!(rows(&ours).await, rows(&theirs).await, "{name} {}", folder.display());
            let mut schemas = Vec::new();
            for url in [&ours, &theirs] {
                let mut database = Database::connect(url).await.unwrap();
                // Where Lockgate has a history, its owner counts as the owner of the database.
                let text = read_schema(&mut database).await.unwrap().to_text();
                schemas.push(text.replace("  owner postgres\n", ""));
            }
            assert_eq!(schemas[0], schemas[1], "{name} {}", folder.display());
        }
        // The keys of two lines are random, and this role has a password of its own on each server.
        let roles = |server: &Postgres| -> Vec<String> {
            let text = dump_all(&folder, server, &["--roles-only"]);
            let is_the_same =
                |line: &&str| !line.contains("restrict ") && !line.starts_with("ALTER ROLE postgres WITH");
            text.lines().filter(is_the_same).map(str::to_owned).collect()
        };
        assert_eq!(roles(&by_us), roles(&by_psql));
        assert!(migrator.apply(&by_us.url("postgres")).await.unwrap().is_empty());
    }
}
