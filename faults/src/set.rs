//! Makes random sets of migrations from a seed. Each statement comes with its effect on the database, so that the oracle
//! knows what must be there.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use fastrand::Rng;
use serde::{Deserialize, Serialize};

use crate::Backend;

/// What a set has put into the database: how often each thing is there.
pub(crate) type Things = BTreeMap<String, i64>;

/// One statement, and what it adds and takes away.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Statement {
    pub(crate) sql: String,
    pub(crate) effects: Vec<(String, i64)>,
    /// It cannot run in a transaction, so it can be unknown whether it took effect.
    pub(crate) alone: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Migration {
    pub(crate) version: i64,
    pub(crate) id: String,
    pub(crate) transactional: bool,
    pub(crate) rust: bool,
    /// Further lines at the head of its scripts.
    pub(crate) head: String,
    pub(crate) up: Vec<Statement>,
    pub(crate) down: Option<Vec<Statement>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Set {
    pub(crate) backend: Backend,
    pub(crate) migrations: Vec<Migration>,
}

/// The kinds of migrations in a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// Only migrations that can run in one transaction.
    Transactional,
    /// All kinds.
    All,
}

/// The statements of a transactional migration in a calm set, which change nothing in their session.
const CALM: u8 = 25;

/// The versions that can be Rust steps, as these are compiled in.
pub(crate) const fn is_rust(version: i64) -> bool {
    version % 10 == 7
}

pub(crate) fn plain(sql: impl Into<String>) -> Statement {
    Statement { sql: sql.into(), effects: Vec::new(), alone: false }
}

pub(crate) fn does(sql: impl Into<String>, effects: &[(&str, i64)]) -> Statement {
    let effects = effects.iter().map(|(key, by)| ((*key).to_owned(), *by)).collect();
    Statement { sql: sql.into(), effects, alone: false }
}

pub(crate) fn alone(sql: impl Into<String>, effects: &[(&str, i64)]) -> Statement {
    Statement { alone: true, ..does(sql, effects) }
}

/// Writes the statements of one migration.
struct Writer<'a> {
    backend: Backend,
    version: i64,
    rng: &'a mut Rng,
    up: Vec<Statement>,
    down: Vec<Statement>,
}

impl Writer<'_> {
    fn postgres(&self) -> bool {
        self.backend == Backend::Postgres
    }

    /// The schema in front of a name, if the database has schemas.
    fn public(&self) -> &'static str {
        if self.postgres() { "public." } else { "" }
    }

    /// Writes what every migration does: it increments the counter, and adds its mark and a row in the first table of the
    /// search path.
    fn signs(&mut self, place: &str) {
        let (v, s) = (self.version, self.public());
        self.count();
        self.mark(1);
        self.up.push(does(format!("INSERT INTO place VALUES ({v})"), &[(&format!("place:{place}:{v}"), 1)]));
        let from = if self.postgres() { format!("{place}.place") } else { "place".to_owned() };
        self.down.insert(0, does(format!("DELETE FROM {from} WHERE v = {v}"), &[(&format!("place:{place}:{v}"), -1)]));
        let _ = s;
    }

    fn count(&mut self) {
        let s = self.public();
        self.up.push(does(format!("UPDATE {s}counter SET n = n + 1"), &[("count", 1)]));
        self.down.insert(0, does(format!("UPDATE {s}counter SET n = n - 1"), &[("count", -1)]));
    }

    fn mark(&mut self, part: u32) {
        let (v, s) = (self.version, self.public());
        let key = format!("mark:{v}:{part}");
        self.up.push(does(format!("INSERT INTO {s}marks VALUES ({v}, {part})"), &[(&key, 1)]));
        self.down.insert(0, does(format!("DELETE FROM {s}marks WHERE v = {v} AND p = {part}"), &[(&key, -1)]));
    }

    /// Writes an index that is built outside a transaction, and is found by its path or by its schema.
    fn concurrently(&mut self, owner: &str, on_place: bool) {
        let v = self.version;
        self.table(owner);
        self.mark(2);
        let key = format!("index:i{v}");
        if on_place {
            self.up.push(plain("SET search_path = app, public"));
            self.up.push(alone(format!("CREATE INDEX CONCURRENTLY i{v} ON place (v)"), &[(&key, 1)]));
            self.down.insert(0, alone(format!("DROP INDEX CONCURRENTLY i{v}"), &[(&key, -1)]));
            self.down.insert(0, plain("SET search_path = app"));
            self.signs("app");
        } else {
            self.up.push(alone(format!("CREATE INDEX CONCURRENTLY i{v} ON public.t{v} (a)"), &[(&key, 1)]));
            self.down.insert(0, alone(format!("DROP INDEX CONCURRENTLY public.i{v}"), &[(&key, -1)]));
            self.signs("public");
        }
    }

    /// Writes statements outside a transaction that must not run twice.
    fn outside(&mut self) {
        let v = self.version;
        self.count();
        self.slow();
        self.mark(1);
        if !self.postgres() && self.rng.bool() {
            self.up.push(alone("VACUUM", &[]));
        }
        self.slow();
        self.mark(2);
        self.signs("public");
        // The first part has already written the mark.
        let key = format!("mark:{v}:1");
        let at = self.up.iter().rposition(|s| s.effects.iter().any(|(k, _)| *k == key)).expect("it is signed");
        self.up.remove(at);
        let at = self.down.iter().position(|s| s.effects.iter().any(|(k, _)| *k == key)).expect("it is signed");
        self.down.remove(at);
    }

    fn table(&mut self, owner: &str) {
        let (v, s) = (self.version, self.public());
        let key = if self.postgres() { format!("table:t{v}:{owner}") } else { format!("table:t{v}") };
        self.up.push(does(format!("CREATE TABLE {s}t{v} (id int PRIMARY KEY, a text)"), &[(&key, 1)]));
        self.down.insert(0, does(format!("DROP TABLE {s}t{v}"), &[(&key, -1)]));
    }

    /// Sometimes writes a slow statement, so that a fault can hit it.
    fn slow(&mut self) {
        if self.rng.u8(..100) < 30 {
            let sql = if self.postgres() {
                format!("SELECT pg_sleep(0.{:03})", self.rng.u32(4..16))
            } else {
                let most = self.rng.u32(5_000..40_000);
                format!(
                    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {most}) SELECT max(i) FROM n"
                )
            };
            self.up.push(plain(sql));
        }
    }

    /// Writes a statement that fails while the table `closed` has this version.
    fn gate(&mut self) {
        let (v, s) = (self.version, self.public());
        let gate = |n: i64| plain(format!("INSERT INTO {s}gate SELECT count(*) FROM {s}closed WHERE v = {n}"));
        // It comes before the statement that turns its check off.
        let most = self.up.iter().position(|s| s.sql.contains("ignore_check_constraints")).unwrap_or(self.up.len());
        let at = self.rng.usize(..=most);
        self.up.insert(at, gate(v));
        if !self.down.is_empty() {
            let at = self.rng.usize(..=self.down.len());
            self.down.insert(at, gate(-v));
        }
    }
}

/// Statements that change the session of a script.
const LEAVES: [&str; 9] = [
    "SELECT pg_advisory_unlock_all()",
    "DO $$ BEGIN PERFORM pg_advisory_unlock_all(); END $$",
    "RESET ALL",
    "LISTEN faults",
    "PREPARE faults_# AS SELECT 1",
    "CREATE TEMPORARY TABLE scratch_# (id int)",
    "DECLARE faults_# CURSOR WITH HOLD FOR SELECT 1",
    "SET lock_timeout = '800ms'; SET statement_timeout = '2h'",
    "SET default_transaction_read_only = on",
];

/// Makes a set of this many migrations.
pub(crate) fn make(backend: Backend, flavour: Flavour, calm: bool, count: usize, seed: u64) -> Set {
    let mut rng = Rng::with_seed(seed);
    let migrations = (1..=count)
        .map(|version| {
            let version = i64::try_from(version).expect("a set is small");
            one(backend, flavour, calm, version, &mut rng)
        })
        .collect();
    Set { backend, migrations }
}

fn one(backend: Backend, flavour: Flavour, calm: bool, version: i64, rng: &mut Rng) -> Migration {
    let v = version;
    let mut draw = rng.u8(..100);
    let changes = match backend {
        Backend::Postgres => draw < 7 || (38..61).contains(&draw) || (74..79).contains(&draw),
        Backend::Sqlite => (30..55).contains(&draw),
    };
    if calm && changes {
        draw = CALM;
    }
    let mut w = Writer { backend, version, rng, up: Vec::new(), down: Vec::new() };
    let (mut transactional, mut down, mut head) = (true, true, String::new());
    let rust = is_rust(v);
    let kind = match (backend, flavour) {
        _ if rust => {
            w.table("runner");
            w.signs("public");
            "rust"
        }
        (Backend::Postgres, _) if draw < 7 && !calm => {
            let leaves = *w.rng.choice(&LEAVES).expect("some");
            w.up.push(plain(leaves.replace('#', &v.to_string())));
            w.table("runner");
            w.signs("public");
            "leaves"
        }
        (_, _) if draw < 30 => {
            w.table("runner");
            w.slow();
            w.signs("public");
            "plain"
        }
        (Backend::Postgres, _) if draw < 38 => {
            w.table("runner");
            let rows: String = (0..w.rng.u32(1..200)).map(|n| format!("{n}\ta value\n")).collect();
            w.up.push(plain(format!("COPY public.t{v} FROM stdin;\n{rows}\\.")));
            w.signs("public");
            "copy"
        }
        (Backend::Postgres, _) if draw < 46 => {
            let set =
                *w.rng.choice(&["SET search_path = app, public", "SET LOCAL search_path = app, public"]).expect("some");
            w.up.push(plain(set));
            w.slow();
            w.signs("app");
            "session"
        }
        (Backend::Postgres, _) if draw < 50 => {
            w.up.push(plain("SELECT set_config('search_path', 'app, public', false)"));
            w.signs("app");
            "config"
        }
        (Backend::Postgres, _) if draw < 54 => {
            let set = *w.rng.choice(&["SET ROLE faults_owner", "SET LOCAL ROLE faults_owner"]).expect("some");
            w.up.push(plain(set));
            w.table("faults_owner");
            w.signs("public");
            "role"
        }
        (Backend::Postgres, _) if draw < 57 => {
            head = "-- lockgate: role faults_owner\n".to_owned();
            w.table("faults_owner");
            w.signs("public");
            "directive"
        }
        (Backend::Postgres, _) if draw < 61 => {
            w.up.push(plain(
                "DO $$ BEGIN PERFORM set_config('search_path', 'app, public', false); PERFORM pg_advisory_lock(77, 7); END $$",
            ));
            w.signs("app");
            "block"
        }
        (Backend::Sqlite, _) if draw < 45 => {
            w.up.push(plain("CREATE TEMP TABLE scratch (x int)"));
            w.slow();
            w.signs("public");
            "temporary"
        }
        (Backend::Sqlite, _) if draw < 55 => {
            w.up.push(plain("PRAGMA ignore_check_constraints = ON"));
            w.table("runner");
            w.signs("public");
            "pragma"
        }
        (_, Flavour::Transactional) => {
            down = !draw.is_multiple_of(4);
            w.slow();
            w.signs("public");
            "data"
        }
        (Backend::Postgres, Flavour::All) if draw < 70 => {
            transactional = false;
            let on_place = w.rng.bool();
            w.concurrently("runner", on_place);
            "concurrently"
        }
        (Backend::Postgres, Flavour::All) if draw < 74 => {
            transactional = false;
            down = false;
            w.count();
            w.up.push(alone(format!("ALTER TYPE public.mood ADD VALUE 'm{v}'"), &[(&format!("value:m{v}"), 1)]));
            w.mark(1);
            "value"
        }
        (Backend::Postgres, Flavour::All) if draw < 79 => {
            transactional = false;
            w.mark(1);
            w.up.push(plain("SET search_path = app, public"));
            w.mark(2);
            w.up.push(does(format!("INSERT INTO place VALUES ({v})"), &[(&format!("place:app:{v}"), 1)]));
            w.down.insert(0, does(format!("DELETE FROM app.place WHERE v = {v}"), &[(&format!("place:app:{v}"), -1)]));
            w.count();
            "outside_session"
        }
        (Backend::Postgres, Flavour::All) if draw < 83 => {
            transactional = false;
            w.mark(1);
            w.up.push(alone(format!("CALL public.bump({v})"), &[("count", 1), (&format!("mark:{v}:9"), 1)]));
            w.down.insert(0, alone(format!("CALL public.unbump({v})"), &[("count", -1), (&format!("mark:{v}:9"), -1)]));
            w.mark(3);
            "call"
        }
        (_, Flavour::All) if draw < 90 => {
            // The script's own block is one unit: what it does is there at its COMMIT.
            transactional = false;
            w.mark(1);
            let begin = w.up.len();
            w.count();
            w.mark(2);
            let inside: Vec<(String, i64)> =
                w.up[begin..].iter_mut().flat_map(|s| std::mem::take(&mut s.effects)).collect();
            w.up.insert(begin, plain("BEGIN"));
            w.up.push(Statement { sql: "COMMIT".to_owned(), effects: inside, alone: false });
            w.mark(3);
            "own_block"
        }
        (_, Flavour::All) => {
            transactional = false;
            w.outside();
            "outside"
        }
    };
    if !rust {
        w.gate();
    }
    let (up, statements) = (w.up, w.down);
    let down = (down && !statements.is_empty()).then_some(statements);
    Migration { version, id: format!("{v:04}_{kind}"), transactional, rust, head, up, down }
}

/// Makes a patch of PostgreSQL that runs as this role.
pub(crate) fn patch(version: i64, id: String, role: &str, rng: &mut Rng) -> Migration {
    let draw = rng.u8(..100);
    let mut w = Writer { backend: Backend::Postgres, version, rng, up: Vec::new(), down: Vec::new() };
    let transactional = draw < 65;
    match draw {
        0..=29 => {
            w.table(role);
            w.slow();
            w.signs("public");
        }
        30..=44 => {
            w.up.push(plain("SET search_path = app, public"));
            w.slow();
            w.signs("app");
        }
        45..=64 => {
            let leaves = *w.rng.choice(&LEAVES).expect("some");
            w.up.push(plain(leaves.replace('#', &version.to_string())));
            w.signs("public");
        }
        65..=79 => w.concurrently(role, false),
        _ => w.outside(),
    }
    w.gate();
    Migration { version, id, transactional, rust: false, head: String::new(), up: w.up, down: None }
}

impl Set {
    pub(crate) fn is_transactional(&self) -> bool {
        self.migrations.iter().all(|migration| migration.transactional)
    }

    pub(crate) fn of(&self, version: i64) -> Option<&Migration> {
        self.migrations.iter().find(|migration| migration.version == version)
    }

    /// Estimates how many pages the set adds to a SQLite database.
    pub(crate) fn pages(&self) -> u64 {
        let statements = self.migrations.iter().flat_map(|migration| &migration.up);
        let tables = statements.filter(|statement| statement.sql.starts_with("CREATE TABLE")).count();
        // A table has a page, and one for its key.
        (tables + self.migrations.len() / 8 + 6) as u64
    }

    /// Returns the newest version that cannot be reverted.
    pub(crate) fn floor(&self) -> i64 {
        let fixed = self.migrations.iter().rev().find(|migration| migration.down.is_none());
        fixed.map_or(0, |migration| migration.version)
    }

    /// Writes the set as a folder of migrations, with these further lines in its policy.
    pub(crate) fn write(&self, folder: &Path, policy: &str) {
        fs::create_dir_all(folder).expect("a folder for a set can be made");
        let dialect = match self.backend {
            Backend::Sqlite => "sqlite",
            Backend::Postgres => "postgres",
        };
        fs::write(folder.join("migrations.toml"), format!("dialects = [\"{dialect}\"]\n{policy}"))
            .expect("a policy can be written");
        for migration in &self.migrations {
            let name = |end: &str| folder.join(format!("{}.{end}", migration.id));
            if migration.rust {
                let function = |name| {
                    format!(
                        "pub async fn {name}(tx: &mut lockgate::Transaction<'_>) -> lockgate::StepResult {{\n    Ok(())\n}}\n"
                    )
                };
                let down = migration.down.as_ref().map(|_| function("down")).unwrap_or_default();
                fs::write(name("rs"), function("up") + &down).expect("a step can be written");
                continue;
            }
            let marker = if migration.transactional { "" } else { "-- lockgate: no-transaction\n" };
            let text = |statements: &[Statement]| {
                let body: String = statements
                    .iter()
                    .map(|s| if s.sql.ends_with("\\.") { format!("{}\n", s.sql) } else { format!("{};\n", s.sql) })
                    .collect();
                format!("{marker}{}{body}", migration.head)
            };
            match &migration.down {
                Some(down) => {
                    fs::write(name("up.sql"), text(&migration.up)).expect("a script can be written");
                    fs::write(name("down.sql"), text(down)).expect("a script can be written");
                }
                None => fs::write(name("sql"), text(&migration.up)).expect("a script can be written"),
            }
        }
    }
}

/// Adds the effects of some statements.
pub(crate) fn add<'a>(things: &mut Things, statements: impl IntoIterator<Item = &'a Statement>) {
    for (key, by) in statements.into_iter().flat_map(|statement| &statement.effects) {
        *things.entry(key.clone()).or_default() += by;
    }
}
