//! Pairs of schemas of the kinds on which tools that compare schemas are tried: several changes at once, where single ones
//! are in `changes`.

/// A name, and the schemas before and after. Each is drafted in both directions.
pub(super) const PAIRS: &[(&str, &str, &str)] = &[
    (
        "a column in the middle and one at the end",
        "CREATE TABLE t (a INT, c INT)",
        "CREATE TABLE t (a INT, b TEXT, c INT, d TEXT)",
    ),
    (
        "a column and its index",
        "CREATE TABLE t (a INT)",
        "CREATE TABLE t (a INT, b TEXT); CREATE INDEX i ON t (b, a DESC)",
    ),
    (
        "a column, its check and its default",
        "CREATE TABLE t (a INT)",
        "CREATE TABLE t (a INT, b TEXT NOT NULL DEFAULT 'x' CHECK (b != ''))",
    ),
    (
        "a type and NOT NULL",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER NOT NULL DEFAULT 0)",
    ),
    (
        "a primary key of two columns",
        "CREATE TABLE t (a INT, b INT, PRIMARY KEY (a))",
        "CREATE TABLE t (a INT, b INT, PRIMARY KEY (a, b))",
    ),
    (
        "AUTOINCREMENT of a table with a reference to it",
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE t (p INT REFERENCES p)",
        "CREATE TABLE p (id INTEGER PRIMARY KEY AUTOINCREMENT); CREATE TABLE t (p INT REFERENCES p)",
    ),
    (
        "a reference and ON DELETE",
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE t (id INTEGER PRIMARY KEY, p INT)",
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE t (id INTEGER PRIMARY KEY, p INT REFERENCES p ON DELETE CASCADE ON UPDATE CASCADE)",
    ),
    (
        "a reference to another table",
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE q (id INTEGER PRIMARY KEY); CREATE TABLE t (p INT REFERENCES p)",
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE q (id INTEGER PRIMARY KEY); CREATE TABLE t (p INT REFERENCES q)",
    ),
    (
        "a middle table of a chain",
        "CREATE TABLE a (id INTEGER PRIMARY KEY, x TEXT); CREATE TABLE b (id INTEGER PRIMARY KEY, a INT REFERENCES a); CREATE TABLE c (b INT REFERENCES b)",
        "CREATE TABLE a (id INTEGER PRIMARY KEY, x INT); CREATE TABLE b (id INTEGER PRIMARY KEY, y TEXT, a INT REFERENCES a); CREATE TABLE c (b INT REFERENCES b)",
    ),
    (
        "the table under a view and a trigger",
        "CREATE TABLE t (a INT, b INT); CREATE TABLE l (a INT); CREATE VIEW v AS SELECT a FROM t; CREATE TRIGGER g AFTER INSERT ON t BEGIN INSERT INTO l VALUES (NEW.a); END",
        "CREATE TABLE t (a TEXT, b INT NOT NULL DEFAULT 1); CREATE TABLE l (a INT); CREATE VIEW v AS SELECT a FROM t; CREATE TRIGGER g AFTER INSERT ON t BEGIN INSERT INTO l VALUES (NEW.a); END",
    ),
    (
        "a column that a view reads",
        "CREATE TABLE t (a INT, b INT); CREATE VIEW v AS SELECT a, b FROM t",
        "CREATE TABLE t (a INT); CREATE VIEW v AS SELECT a FROM t",
    ),
    (
        "views on views",
        "CREATE TABLE t (a INT); CREATE VIEW x AS SELECT a FROM t; CREATE VIEW y AS SELECT a FROM x",
        "CREATE TABLE t (a INT, b INT); CREATE VIEW x AS SELECT a, b FROM t; CREATE VIEW y AS SELECT b FROM x",
    ),
    ("a view becomes a table", "CREATE VIEW v AS SELECT 1 AS a", "CREATE TABLE v (a INT)"),
    (
        "a trigger on a view",
        "CREATE TABLE t (a INT); CREATE VIEW v AS SELECT a FROM t",
        "CREATE TABLE t (a INT); CREATE VIEW v AS SELECT a FROM t; CREATE TRIGGER g INSTEAD OF INSERT ON v BEGIN INSERT INTO t VALUES (NEW.a); END",
    ),
    (
        "another event of a trigger",
        "CREATE TABLE t (a INT); CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END",
        "CREATE TABLE t (a INT); CREATE TRIGGER g BEFORE UPDATE OF a ON t WHEN NEW.a > 1 BEGIN SELECT RAISE(ABORT, 'no'); END",
    ),
    (
        "an index becomes unique and partial",
        "CREATE TABLE t (a INT, b INT); CREATE INDEX i ON t (a)",
        "CREATE TABLE t (a INT, b INT); CREATE UNIQUE INDEX i ON t (a) WHERE b IS NULL",
    ),
    (
        "an index of an expression with a collation",
        "CREATE TABLE t (a TEXT)",
        "CREATE TABLE t (a TEXT); CREATE INDEX i ON t (lower(a), a COLLATE NOCASE)",
    ),
    (
        "an index moves to another table",
        "CREATE TABLE s (a INT); CREATE TABLE t (a INT); CREATE INDEX i ON s (a)",
        "CREATE TABLE s (a INT); CREATE TABLE t (a INT); CREATE INDEX i ON t (a)",
    ),
    (
        "unique at the column and of the table",
        "CREATE TABLE t (a INT UNIQUE, b INT)",
        "CREATE TABLE t (a INT, b INT, UNIQUE (a, b))",
    ),
    (
        "a generated column that an index uses",
        "CREATE TABLE t (a INT)",
        "CREATE TABLE t (a INT, b INT GENERATED ALWAYS AS (a * 2) VIRTUAL); CREATE INDEX i ON t (b)",
    ),
    (
        "stored and virtual",
        "CREATE TABLE t (a INT, b INT GENERATED ALWAYS AS (a * 2) VIRTUAL)",
        "CREATE TABLE t (a INT, b INT GENERATED ALWAYS AS (a * 2) STORED)",
    ),
    ("STRICT with other types", "CREATE TABLE t (a VARCHAR(10), b DATETIME)", "CREATE TABLE t (a TEXT, b TEXT) STRICT"),
    (
        "WITHOUT ROWID with an index",
        "CREATE TABLE t (a TEXT PRIMARY KEY, b INT); CREATE INDEX i ON t (b)",
        "CREATE TABLE t (a TEXT PRIMARY KEY, b INT) WITHOUT ROWID; CREATE INDEX i ON t (b)",
    ),
    (
        "keywords as names",
        "CREATE TABLE \"order\" (\"group\" INT)",
        "CREATE TABLE \"order\" (\"group\" INT NOT NULL DEFAULT 0, \"index\" TEXT); CREATE INDEX \"table\" ON \"order\" (\"group\")",
    ),
    (
        "a collation and a default",
        "CREATE TABLE t (a TEXT DEFAULT 'x')",
        "CREATE TABLE t (a TEXT COLLATE NOCASE DEFAULT (lower('Y')))",
    ),
    (
        "a full text table and its triggers",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); CREATE VIRTUAL TABLE f USING fts5(a, content='t', content_rowid='id'); CREATE TRIGGER g AFTER INSERT ON t BEGIN INSERT INTO f (rowid, a) VALUES (NEW.id, NEW.a); END",
    ),
    (
        "everything at once",
        "CREATE TABLE u (id INTEGER PRIMARY KEY, n TEXT, o TEXT); CREATE VIEW v AS SELECT id, n FROM u; CREATE INDEX i ON u (n); CREATE TABLE w (u INT REFERENCES u)",
        "CREATE TABLE u (id INTEGER PRIMARY KEY AUTOINCREMENT, n TEXT NOT NULL DEFAULT '' UNIQUE, m INT CHECK (m > 0)); CREATE VIEW v AS SELECT id, n, m FROM u; CREATE UNIQUE INDEX i ON u (n, m); CREATE TABLE w (u INT NOT NULL REFERENCES u ON DELETE CASCADE, x INT)",
    ),
];
