//! `drift --schema`: a live database is compared with the schema that the migrations make.

use lockgate::schema::snapshot::{self, ChangeKind};
use lockgate::{Database, Dialect, Drift, Migrations, Migrator, SchemaDrift, SchemaVerdict};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::app::{Answer, Place};
use crate::support::wire::Wire;
use crate::support::{postgres, set};

const USERS: (&str, &str) = ("0001_users.sql", "CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT NOT NULL);");
const NAMES: (&str, &str) = ("0002_names.sql", "ALTER TABLE users ADD COLUMN name TEXT;");
const VIEW: (&str, &str) =
    ("0003_view.sql", "CREATE VIEW named AS SELECT id, name FROM users WHERE name IS NOT NULL AND id IN (1, 2);");

const BOTH: (&str, &str) = ("migrations.toml", "dialects = [\"sqlite\", \"postgres\"]\n");

/// A database of one kind.
struct Live {
    database: Database,
    dialect: Dialect,
    _postgres: Option<postgres::Database>,
}

impl Live {
    async fn sqlite() -> Self {
        let database = Database::connect("sqlite::memory:").await.unwrap();
        Self { database, dialect: Dialect::Sqlite, _postgres: None }
    }

    async fn postgres() -> Option<Self> {
        let made = postgres::database()?;
        let database = Database::connect(&made.url()).await.unwrap();
        Some(Self { database, dialect: Dialect::Postgres, _postgres: Some(made) })
    }

    /// One of each kind that this machine has.
    async fn each() -> Vec<Self> {
        [Some(Self::sqlite().await), Self::postgres().await].into_iter().flatten().collect()
    }

    async fn execute(&mut self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        match self.dialect {
            Dialect::Sqlite => sqlx::raw_sql(sql).execute(self.database.sqlite().unwrap()).await.map(drop).unwrap(),
            _ => sqlx::raw_sql(sql).execute(self.database.postgres().unwrap()).await.map(drop).unwrap(),
        }
    }

    /// The snapshot of what these migrations make, as `cargo xtask schema --write` writes it.
    async fn snapshot(&self, files: &[(&str, &str)]) -> String {
        let mut scratch = match self.dialect {
            Dialect::Sqlite => Self::sqlite().await,
            _ => Self::postgres().await.unwrap(),
        };
        let migrator = Migrator::new(set::migrations(files));
        migrator.apply(&mut scratch.database).await.unwrap();
        let (schema, release) = lockgate::__private::read_with_release(&migrator, &mut scratch.database).await.unwrap();
        assert_eq!(release.is_some(), self.dialect == Dialect::Postgres);
        snapshot::text(&schema, release)
    }

    /// These migrations with their snapshot beside them.
    async fn set(&self, files: &[(&str, &str)]) -> &'static Migrations {
        let text = self.snapshot(files).await;
        with_snapshot(files, self.dialect, &text)
    }
}

fn with_snapshot(files: &[(&str, &str)], dialect: Dialect, text: &str) -> &'static Migrations {
    let file = format!("schema.{dialect}.txt");
    set::migrations(&[files, &[(file.as_str(), text)]].concat())
}

/// The same set in a program that embeds the digest alone.
fn without_text(migrations: &Migrations) -> &'static Migrations {
    Box::leak(Box::new(migrations.with_set(migrations.set().with_schemas(&[]))))
}

fn objects(drift: &SchemaDrift) -> Vec<(&str, &str)> {
    let kind = |kind: &ChangeKind| match kind {
        ChangeKind::New => "new",
        ChangeKind::Gone => "gone",
        ChangeKind::Changed { .. } => "changed",
    };
    drift.changes.as_ref().unwrap().iter().map(|change| (change.object.as_str(), kind(&change.kind))).collect()
}

#[tokio::test]
async fn what_was_changed_by_hand_is_listed_object_by_object() {
    for mut live in Live::each().await {
        let set = live.set(&[USERS, NAMES, BOTH]).await;
        let migrator = Migrator::new(set);
        migrator.apply(&mut live.database).await.unwrap();
        let drift = migrator.schema_drift(&mut live.database).await.unwrap();
        assert_eq!((&drift.verdict, &drift.changes), (&SchemaVerdict::Same, &None));
        assert_eq!(drift.to_string(), "the schema is the one that the program was built for");

        live.execute("ALTER TABLE users RENAME COLUMN name TO nick; CREATE TABLE notes (note TEXT);").await;
        let drift = migrator.schema_drift(&mut live.database).await.unwrap();
        assert_eq!(drift.verdict, SchemaVerdict::Differs, "{drift}");
        let (users, notes) = match live.dialect {
            Dialect::Sqlite => ("table users", "table notes"),
            _ => ("table public.users", "table public.notes"),
        };
        assert_eq!(objects(&drift), [(users, "changed"), (notes, "new")]);
        assert_eq!(drift.to_string(), "the schema differs from the one that the migrations make, in 2 objects");
        let ChangeKind::Changed { gone, new } = &drift.changes.as_ref().unwrap()[0].kind else { panic!("{drift:?}") };
        assert!(gone[0].starts_with("  column name ") && new[0].starts_with("  column nick "), "{drift:?}");

        // A program that knows the digest alone says that something differs, and how to see what.
        let drift = Migrator::new(without_text(set)).schema_drift(&mut live.database).await.unwrap();
        assert_eq!((&drift.verdict, &drift.changes), (&SchemaVerdict::Differs, &None));
        assert!(drift.help().unwrap().contains("build the program with the feature `schema-snapshot`"), "{drift:?}");

        live.execute("ALTER TABLE users RENAME COLUMN nick TO name; DROP TABLE notes;").await;
        assert!(Migrator::new(without_text(set)).schema_drift(&mut live.database).await.unwrap().is_same());
    }
}

#[tokio::test]
async fn a_database_that_is_not_at_head_is_not_compared() {
    for mut live in Live::each().await {
        let head = live.set(&[USERS, NAMES, BOTH]).await;
        let older = live.set(&[USERS, BOTH]).await;
        let (head, older) = (Migrator::new(head), Migrator::new(older));
        let pending = head.schema_drift(&mut live.database).await.unwrap();
        let expected = SchemaVerdict::NotAtHead {
            pending: vec!["0001_users".to_owned(), "0002_names".to_owned()],
            drift: Vec::new(),
        };
        assert_eq!(pending.verdict, expected);
        assert_eq!(
            pending.to_string(),
            "the schema cannot be compared, because 2 migrations are pending, from `0001_users` to `0002_names`"
        );

        older.apply(&mut live.database).await.unwrap();
        let behind = head.schema_drift(&mut live.database).await.unwrap();
        assert_eq!(behind.to_string(), "the schema cannot be compared, because `0002_names` is pending");
        assert_eq!(behind.help().unwrap(), "first apply what is pending, with `apply`");
        assert!(older.schema_drift(&mut live.database).await.unwrap().is_same());

        head.apply(&mut live.database).await.unwrap();
        let ahead = older.schema_drift(&mut live.database).await.unwrap();
        let SchemaVerdict::NotAtHead { pending, drift } = &ahead.verdict else { panic!("{ahead:?}") };
        assert!(pending.is_empty() && matches!(drift[..], [Drift::Ahead { .. }]), "{ahead:?}");
        assert_eq!(ahead.help().unwrap(), "ask the program that has migrated the database last");
    }
}

#[tokio::test]
async fn without_a_snapshot_nothing_is_compared() {
    let mut live = Live::sqlite().await;
    let migrator = Migrator::new(set::migrations(&[USERS, BOTH]));
    migrator.apply(&mut live.database).await.unwrap();
    let drift = migrator.schema_drift(&mut live.database).await.unwrap();
    assert_eq!(drift.verdict, SchemaVerdict::NoSnapshot);
    assert_eq!(drift.to_string(), "the schema cannot be compared: the program embeds no snapshot of it for SQLite");
    assert_eq!(
        drift.help().unwrap(),
        "run `cargo xtask schema --write migrations/schema.sqlite.txt --dialect sqlite`, check the file in, and build the \
         program again"
    );
}

#[tokio::test]
async fn lockgates_own_tables_are_left_out_whatever_they_are_called() {
    for mut live in Live::each().await {
        let migrator = Migrator::new(live.set(&[USERS, BOTH]).await).history_table("our_migrations");
        migrator.apply(&mut live.database).await.unwrap();
        let drift = migrator.schema_drift(&mut live.database).await.unwrap();
        assert!(drift.is_same(), "{:?}", drift.changes);
    }
}

#[tokio::test]
async fn a_migration_that_no_chosen_profile_has_is_no_drift() {
    let rare = ("0002_rare.sql", "-- lockgate: profile rare\nCREATE TABLE rare (id INTEGER);");
    let mut live = Live::sqlite().await;
    let everything = live.set(&[USERS, ("0002_rare.sql", "CREATE TABLE rare (id INTEGER);"), BOTH]).await;
    let text = everything.set().schema(Dialect::Sqlite).unwrap();
    let migrator = Migrator::new(with_snapshot(&[USERS, rare, BOTH], Dialect::Sqlite, text));
    migrator.apply(&mut live.database).await.unwrap();
    let drift = migrator.schema_drift(&mut live.database).await.unwrap();
    assert_eq!(drift.verdict, SchemaVerdict::OtherProfiles { skipped: vec!["0002_rare".to_owned()] });
    let migrator = migrator.profile("rare");
    migrator.apply(&mut live.database).await.unwrap();
    assert!(migrator.schema_drift(&mut live.database).await.unwrap().is_same());
}

/// A snapshot of another release is compared, and its differences are never taken for drift.
#[tokio::test]
async fn the_snapshot_of_another_release_is_no_proof_of_drift() {
    let Some(mut live) = Live::postgres().await else { return };
    let files = [USERS, NAMES, VIEW, BOTH];
    let own = live.snapshot(&files).await;
    let (first, rest) = own.split_once("-- made by PostgreSQL ").unwrap();
    let (release, rest) = rest.split_once('\n').unwrap();
    let release: u32 = release.parse().unwrap();
    let by = |release: &str, rest: &str| with_snapshot(&files, Dialect::Postgres, &format!("{first}{release}{rest}"));

    let same = Migrator::new(by("-- made by PostgreSQL 9\n", rest));
    same.apply(&mut live.database).await.unwrap();
    assert!(same.schema_drift(&mut live.database).await.unwrap().is_same());

    // PostgreSQL 19 may write the view like this.
    let rewritten = rest.replace("users.id", "id").replace("= ANY (ARRAY[1, 2])", "IN (1, 2)");
    assert_ne!(rewritten, rest);
    for (origin, made_by) in [("-- made by PostgreSQL 9\n", Some(9)), ("", None)] {
        let drift = Migrator::new(by(origin, &rewritten)).schema_drift(&mut live.database).await.unwrap();
        assert_eq!(drift.verdict, SchemaVerdict::OtherRelease { made_by, server: release });
        assert_eq!(objects(&drift), [("view public.named", "changed")]);
        let who = made_by.map_or("an unknown release".to_owned(), |release| release.to_string());
        assert_eq!(
            drift.to_string(),
            format!(
                "whether the schema differs is not known: `migrations/schema.postgres.txt` was made by PostgreSQL {who}, \
                 this is {release}, and the two texts differ"
            )
        );
    }
}

/// In production the database, its tables and `public` seldom have one owner, and extensions are made by an administrator.
#[tokio::test]
async fn who_owns_what_by_the_way_a_server_is_run_is_no_drift() {
    let Some(made) = postgres::database() else { return };
    let mut administrator = made.connect().await;
    let role = format!("{}_app", made.name());
    let prepare = format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'x'; GRANT CREATE, USAGE ON SCHEMA public TO {role}; \
         GRANT CREATE ON DATABASE {} TO {role};",
        made.name()
    );
    sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut administrator).await.unwrap();
    let schema = ("0002_shop.sql", "CREATE SCHEMA shop; CREATE TABLE shop.items (id INTEGER PRIMARY KEY);");
    let files = [USERS, schema, ("migrations.toml", "dialects = [\"postgres\"]\n")];
    let live = Live::postgres().await.unwrap();
    let set = live.set(&files).await;
    let url = lockgate::__private::with_parts(
        &made.url(),
        &lockgate::DatabaseParts {
            user: Some(role.clone()),
            password: Some("x".to_owned()),
            ..lockgate::DatabaseParts::default()
        },
    );
    let mut as_app = Database::connect(&url.unwrap()).await.unwrap();
    let migrator = Migrator::new(set);
    migrator.apply(&mut as_app).await.unwrap();
    let drift = migrator.schema_drift(&mut as_app).await.unwrap();
    assert!(drift.is_same(), "{:#?}", drift.changes);
    // Whoever asks: the answer is the same.
    let drift = migrator.schema_drift(&mut administrator).await.unwrap();
    assert!(drift.is_same(), "{:#?}", drift.changes);
    as_app.close().await.unwrap();
    let clear = format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}");
    sqlx::raw_sql(AssertSqlSafe(clear)).execute(&mut administrator).await.unwrap();
}

#[tokio::test]
async fn this_is_the_schema_i_was_built_for_is_one_round_trip() {
    let Some(made) = postgres::database() else { return };
    let live = Live::postgres().await.unwrap();
    let migrator = Migrator::new(without_text(live.set(&[USERS, NAMES, VIEW, BOTH]).await));
    migrator.apply(&mut made.connect().await).await.unwrap();

    let wire = Wire::in_front_of(&made.url()).await;
    let mut own = Database::connect(&wire.url()).await.unwrap();
    wire.reset();
    assert!(migrator.schema_drift(&mut own).await.unwrap().is_same());
    assert_eq!(wire.counts().round_trips, 1, "{:#?}", wire.counts().sql);

    // A connection that someone else has had may be inside a transaction: it is asked first.
    let mut lent = PgConnection::connect(&wire.url()).await.unwrap();
    wire.reset();
    assert!(migrator.schema_drift(&mut lent).await.unwrap().is_same());
    assert_eq!(wire.counts().round_trips, 2, "{:#?}", wire.counts().sql);
    sqlx::raw_sql("BEGIN; CREATE TABLE mine (id INT)").execute(own.postgres().unwrap()).await.unwrap();
    let refused = migrator.schema_drift(&mut own).await.unwrap_err();
    assert!(refused.to_string().contains("the schema cannot be read"), "{refused:?}");
    sqlx::raw_sql("INSERT INTO mine VALUES (1); ROLLBACK").execute(own.postgres().unwrap()).await.unwrap();
    assert!(migrator.schema_drift(&mut own).await.unwrap().is_same());
}

fn places() -> impl Iterator<Item = Place> {
    [Some(Place::sqlite()), Place::postgres()].into_iter().flatten()
}

#[track_caller]
fn json(answer: &Answer) -> Value {
    let last = answer.out.lines().last().unwrap_or_else(|| panic!("{answer:?}"));
    serde_json::from_str(last).unwrap()
}

/// What an operator types. The program is the example, whose snapshots are beside its migrations.
#[test]
fn the_command_line_says_whether_and_what_differs() {
    for place in places() {
        let answer = place.app(&["drift", "--schema"]);
        assert_eq!(answer.code, Some(3), "{answer:?}");
        let begin = "unknown[not-at-head]: the schema cannot be compared, because 12 migrations are pending";
        assert!(answer.out.starts_with(begin), "{answer:?}");
        assert!(answer.out.contains("\n  = help: first apply what is pending, with `up`\n"), "{answer:?}");
        assert!(!place.is_sqlite() || !place.file().exists(), "reading creates no file");
        place.ok(&["up"]);
        let same = place.app(&["drift", "--schema"]);
        let other_release = same.out.starts_with("unknown[other-release]");
        if other_release && !place.is_sqlite() {
            // The snapshot is of PostgreSQL 15, and this is another one.
            assert_eq!(same.code, Some(3), "{same:?}");
            continue;
        }
        assert_eq!(same.out, "the schema is the one that the program was built for\n", "{same:?}");
        assert_eq!(same.code, Some(0));

        place.rows("CREATE INDEX by_hand ON books (title)");
        let differs = place.app(&["drift", "--schema"]);
        assert_eq!(differs.code, Some(9), "{differs:?}");
        let table = if place.is_sqlite() { "table books" } else { "table public.books" };
        let index = if place.is_sqlite() { "index by_hand (title)" } else { "index by_hand USING btree (title)" };
        for part in [
            "drift[differs]: the schema differs from the one that the migrations make, in 1 object\n",
            &format!("\n{table}:\n+   {index}\n"),
        ] {
            assert!(differs.out.contains(part), "`{part}` is missing: {}", differs.out);
        }
        let value = json(&place.app(&["drift", "--schema", "--format", "json"]));
        assert_eq!(value["exit_code"], 9);
        let drift = &value["schema-drift"];
        assert_eq!((&drift["verdict"], &drift["changes"][0]["object"]), (&"differs".into(), &table.into()), "{value}");
        assert_eq!(drift["changes"][0]["new"][0], format!("  {index}"));
        // The history has no drift.
        assert_eq!(place.app(&["drift"]).code, Some(0));
    }
}
