//! Two runs on one PostgreSQL database always see the same history, whatever their role, search path or settings. A
//! hidden history is not taken for an empty one, and an ambiguous one is an error.

use lockgate::{Database, DownTo, ErrorKind, Migrations, Migrator, UpTo, Version};
use lockgate_cli::clap; // for the derives
use lockgate_harness::server::Options;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::reports;
use crate::support::database::Db;
use crate::support::postgres;
use crate::support::set::migrations;

const A: (&str, &str) = ("0001_a.sql", "CREATE TABLE a (id INTEGER);");

#[derive(clap::Parser)]
struct Arguments {
    #[command(flatten)]
    options: lockgate_cli::Options,
    #[command(subcommand)]
    verb: lockgate_cli::Verb,
}

/// Runs the command line with these arguments.
async fn typed(set: &'static Migrations, url: &str, words: &[&str]) -> lockgate_cli::Exit {
    let cli = lockgate_cli::Cli::new(set);
    let arguments: Arguments = cli.parse_from([&["app", "--database-url", url], words].concat()).unwrap();
    cli.run(&arguments.options, &arguments.verb).await
}

fn name_of(db: &Db) -> String {
    db.url().rsplit('/').next().unwrap().split('?').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_permanent_search_path_does_not_lead_to_another_history() {
    for (what, outside) in [("DATABASE", false), ("ROLE postgres IN DATABASE", false), ("DATABASE", true)] {
        let Some(db) = Db::postgres() else { return };
        let head = if outside { "-- lockgate: no-transaction\n" } else { "" };
        let first = format!(
            "{head}CREATE SCHEMA app;\nALTER {what} {} SET search_path = app;\nCREATE TABLE public.n (n INTEGER);\n\
             INSERT INTO public.n VALUES (1);",
            name_of(&db)
        );
        let two = ("0002_b.sql", "CREATE TABLE b (id INTEGER);");
        let set = migrations(&[("0001_first.sql", &first), two]);
        for round in 0..3 {
            let report = Migrator::new(set).apply(&mut db.open().await).await.unwrap();
            assert_eq!(report.steps.len(), if round == 0 { 2 } else { 0 }, "{what}");
        }
        let histories = "SELECT schemaname::text FROM pg_tables WHERE tablename = 'lockgate_history'";
        assert_eq!(db.texts(histories).await, ["public"], "{what}");
        assert_eq!(db.texts("SELECT count(*)::text FROM public.n").await, ["1"], "{what}");
        // Another search path shows the same.
        let url = format!("{}?options[search_path]=app", db.url());
        let mut elsewhere = Database::connect(&url).await.unwrap();
        assert!(Migrator::new(set).status(&mut elsewhere).await.unwrap().is_up_to_date(), "{what}");
        assert!(Migrator::new(set).apply(&mut elsewhere).await.unwrap().is_empty(), "{what}");
    }
}

/// Ways to hide rows of the history from a role, and whether each hides them from the owner too.
#[tokio::test]
async fn a_history_that_is_hidden_is_refused_by_name() {
    let Some(server) = postgres::cluster(&Options::default()) else { return };
    let url = server.url("postgres");
    let mut admin = PgConnection::connect(&url).await.unwrap();
    let common = "CREATE FUNCTION guard() RETURNS event_trigger LANGUAGE plpgsql AS $$ DECLARE r record; BEGIN \
                  FOR r IN SELECT * FROM pg_event_trigger_ddl_commands() WHERE command_tag = 'CREATE TABLE' LOOP \
                  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', r.object_identity); END LOOP; END $$; \
                  CREATE EVENT TRIGGER guard ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION guard()";
    for (number, by_event, force) in [(0, true, false), (1, false, false), (2, false, true)] {
        let name = format!("hidden_{number}");
        let make = format!("CREATE DATABASE {name}; CREATE ROLE {name} LOGIN PASSWORD 'r'");
        for sql in make.split("; ") {
            admin.execute(AssertSqlSafe(sql.to_owned())).await.unwrap();
        }
        let url = server.url(&name);
        let mut owner = PgConnection::connect(&url).await.unwrap();
        if by_event {
            owner.execute(common).await.unwrap();
        }
        let set = migrations(&[A, ("0002_b.sql", "CREATE TABLE b (id INTEGER);")]);
        Migrator::new(migrations(&[A])).apply(&mut owner).await.unwrap();
        if !by_event {
            owner.execute("ALTER TABLE lockgate_history ENABLE ROW LEVEL SECURITY").await.unwrap();
        }
        if force {
            owner.execute("ALTER TABLE lockgate_history FORCE ROW LEVEL SECURITY").await.unwrap();
        }
        let grant = format!("GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}; GRANT ALL ON SCHEMA public TO {name}");
        owner.execute(AssertSqlSafe(grant)).await.unwrap();
        let as_role = format!("postgres://{name}:r@127.0.0.1:{}/{name}", server.port());
        let mut role = Database::connect(&as_role).await.unwrap();
        for set in [migrations(&[A]), set] {
            let migrator = Migrator::new(set);
            for error in [
                migrator.status(&mut role).await.unwrap_err(),
                migrator.apply(&mut role).await.unwrap_err(),
                migrator.plan(&mut role, UpTo::Latest).await.unwrap_err(),
                migrator.baseline(&mut role, Version::new(1).unwrap()).await.unwrap_err(),
                migrator.revert(&mut role, DownTo::Empty).await.unwrap_err(),
            ] {
                let says = format!("row-level security hides rows of public.lockgate_history from the role {name}");
                reports(&error, ErrorKind::Denied, &[&says, "DISABLE ROW LEVEL SECURITY"]);
            }
        }
        // It does not apply to superusers and roles with BYPASSRLS, and the suggested fix works.
        assert_eq!(Migrator::new(set).apply(&mut owner).await.unwrap().steps.len(), 1);
        let off = "ALTER TABLE lockgate_history DISABLE ROW LEVEL SECURITY; ALTER TABLE lockgate_log DISABLE ROW LEVEL SECURITY";
        owner.execute(off).await.unwrap();
        assert!(Migrator::new(set).apply(&mut role).await.unwrap().is_empty());
    }
}

/// A table that its owner may not read, and one that a policy shows in part.
#[tokio::test]
async fn a_history_of_which_its_owner_sees_a_part_is_refused() {
    let Some(db) = Db::postgres() else { return };
    let role = format!("own_{}", name_of(&db));
    db.execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'r'; GRANT ALL ON SCHEMA public TO {role}")).await;
    let url = db.url();
    let as_role = format!("postgres://{role}:r{}", &url[url.find('@').unwrap()..]);
    let mut own = Database::connect(&as_role).await.unwrap();
    Migrator::new(migrations(&[A])).apply(&mut own).await.unwrap();
    db.execute(
        "ALTER TABLE lockgate_history ENABLE ROW LEVEL SECURITY; ALTER TABLE lockgate_history FORCE ROW LEVEL SECURITY; \
         CREATE POLICY later ON lockgate_history USING (version > 1)",
    )
    .await;
    let error = Migrator::new(migrations(&[A])).apply(&mut own).await.unwrap_err();
    reports(&error, ErrorKind::Denied, &["row-level security hides rows of public.lockgate_history"]);
    own.close().await.unwrap();
    db.execute(&format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}")).await;
}

#[tokio::test]
async fn several_histories_views_and_strange_tables_are_refused_with_advice_that_works() {
    let Some(db) = Db::postgres() else { return };
    let set = migrations(&[A, ("0002_b.sql", "CREATE TABLE b (id INTEGER);")]);
    Migrator::new(migrations(&[A])).apply(&mut db.open().await).await.unwrap();
    db.execute("CREATE SCHEMA app; CREATE TABLE app.lockgate_history (LIKE public.lockgate_history INCLUDING ALL)")
        .await;
    for path in ["public", "app", "app,public", "pg_catalog"] {
        let mut database = Database::connect(&format!("{}?options[search_path]={path}", db.url())).await.unwrap();
        let error = Migrator::new(set).apply(&mut database).await.unwrap_err();
        let says = [
            "2 history tables: ",
            "app.lockgate_history",
            "public.lockgate_history",
            "history_table(\"public.lockgate_history\")",
        ];
        reports(&error, ErrorKind::HistoryFormat, &says);
    }
    let words = ["--history-table", "public.lockgate_history", "up"];
    assert_eq!(typed(set, &db.url(), &words).await, lockgate_cli::Exit::Done);
    assert_eq!(db.texts("SELECT count(*)::text FROM public.lockgate_history").await, ["2"]);

    for strange in [
        "CREATE VIEW lockgate_history AS SELECT 1 AS version",
        "CREATE MATERIALIZED VIEW lockgate_history AS SELECT 1 AS version",
        "CREATE TABLE lockgate_history (version bigint) PARTITION BY LIST (version)",
        "CREATE TABLE lockgate_history (version bigint)",
        "CREATE TYPE state AS ENUM ('applied'); CREATE FUNCTION f(state) RETURNS text LANGUAGE SQL AS 'SELECT 1 / 0; SELECT NULL::text'; \
         CREATE CAST (state AS text) WITH FUNCTION f(state) AS IMPLICIT; CREATE TABLE lockgate_history (set_name text, \
         version bigint, name text, checksum text, state state, statements_done integer, finished_checksum text, \
         applied_at timestamptz, elapsed_ms bigint, applied_by text, application text, lockgate text)",
    ] {
        let Some(db) = Db::postgres() else { return };
        db.execute(strange).await;
        let mut database = db.open().await;
        for error in [
            Migrator::new(set).status(&mut database).await.unwrap_err(),
            Migrator::new(set).apply(&mut database).await.unwrap_err(),
        ] {
            reports(&error, ErrorKind::HistoryFormat, &["lockgate_history", "history_table"]);
        }
        let words = ["--history-table", "ops.lockgate_history", "up"];
        assert_eq!(typed(set, &db.url(), &words).await, lockgate_cli::Exit::Done, "{strange}");
        assert_eq!(typed(set, &db.url(), &words).await, lockgate_cli::Exit::Done, "{strange}");
    }
}

/// A temporary table, and another user's table in an unrelated schema, do not count as a history.
#[tokio::test]
async fn a_temporary_table_of_its_name_is_not_a_history() {
    let Some(db) = Db::postgres() else { return };
    let set = migrations(&[A]);
    Migrator::new(set).apply(&mut db.open().await).await.unwrap();
    let mut lent = PgConnection::connect(&db.url()).await.unwrap();
    lent.execute("CREATE TEMP TABLE lockgate_history (version bigint); CREATE TEMP TABLE lockgate_log (id bigint)")
        .await
        .unwrap();
    assert!(Migrator::new(set).apply(&mut lent).await.unwrap().is_empty());
    let more = migrations(&[A, ("0002_b.sql", "CREATE TABLE b (id INTEGER);")]);
    assert_eq!(Migrator::new(more).apply(&mut lent).await.unwrap().steps.len(), 1);
    assert_eq!(db.history().await, ["1:applied", "2:applied"]);
}

/// A superuser does not write into just anyone's table.
#[tokio::test]
async fn a_history_that_somebody_may_have_planted_is_refused() {
    let Some(db) = Db::postgres() else { return };
    let role = format!("planter_{}", name_of(&db));
    Migrator::new(migrations(&[A])).apply(&mut db.open().await).await.unwrap();
    db.execute(&format!("CREATE ROLE {role}; ALTER TABLE lockgate_history OWNER TO {role}")).await;
    let more = migrations(&[A, ("0002_b.sql", "CREATE TABLE b (id INTEGER);")]);
    let error = Migrator::new(more).apply(&mut db.open().await).await.unwrap_err();
    reports(&error, ErrorKind::Denied, &[&format!("belongs to the role {role}"), "triggers on it would run"]);
    db.execute(&format!("ALTER TABLE lockgate_history OWNER TO postgres; ALTER TABLE lockgate_log OWNER TO {role}"))
        .await;
    let error = Migrator::new(more).apply(&mut db.open().await).await.unwrap_err();
    reports(&error, ErrorKind::Denied, &["lockgate_log", &format!("belongs to the role {role}")]);
    db.execute("ALTER TABLE lockgate_log OWNER TO postgres").await;
    assert_eq!(Migrator::new(more).apply(&mut db.open().await).await.unwrap().steps.len(), 1);
    db.execute(&format!("DROP ROLE {role}")).await;
}

#[tokio::test]
async fn a_database_of_another_tool_is_refused_until_a_baseline() {
    let seeds = "CREATE TABLE IF NOT EXISTS seed (n INTEGER); INSERT INTO seed VALUES (1);";
    for (table, tool) in lockgate_core::other_tools::OTHER_TOOLS {
        let Some(db) = Db::postgres() else { return };
        db.execute(&format!("CREATE TABLE \"{table}\" (version text); {seeds}")).await;
        let set = migrations(&[("0001_seed.sql", seeds), ("0002_b.sql", "CREATE TABLE b (id INTEGER);")]);
        let error = Migrator::new(set).apply(&mut db.open().await).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
        for says in [table, tool, "baseline", "nothing was changed"] {
            assert!(error.report().to_string().contains(says), "no «{says}» in: {error:?}");
        }
        assert_eq!(typed(set, &db.url(), &["up"]).await, lockgate_cli::Exit::Refused, "{table}");
        assert_eq!(db.texts("SELECT count(*)::text FROM seed").await, ["1"], "{table}");
        let shown = error.report().to_string();
        let ran = Migrator::new(set).baseline(&mut db.open().await, Version::new(1).unwrap()).await;
        assert_eq!(ran.unwrap().steps.len(), 1, "{table}");
        assert_eq!(typed(set, &db.url(), &["up"]).await, lockgate_cli::Exit::Done, "{table}");
        assert_eq!(db.texts("SELECT count(*)::text FROM seed").await, ["1"], "{table}");

        let Some(db) = Db::postgres() else { return };
        db.execute(&format!("CREATE SCHEMA other; CREATE TABLE other.\"{table}\" (version text)")).await;
        assert!(shown.contains("`Migrator::allow_other_tools`"), "{shown}");
        assert_eq!(typed(set, &db.url(), &["up", "--allow-other-tools"]).await, lockgate_cli::Exit::Done, "{table}");
        assert_eq!(typed(set, &db.url(), &["up"]).await, lockgate_cli::Exit::Done, "{table}");
        assert_eq!(db.texts("SELECT count(*)::text FROM seed").await, ["1"], "{table}");
    }
}

/// A table that a crash of the server empties, and one that may have duplicate rows.
#[tokio::test]
async fn a_history_that_cannot_be_relied_on_is_refused_and_the_way_out_works() {
    let set = migrations(&[A, ("0002_b.sql", "CREATE TABLE b (id INTEGER);")]);
    for (makes, says, way_out) in [
        (
            "ALTER TABLE lockgate_history SET UNLOGGED",
            "public.lockgate_history is UNLOGGED: after a crash of the server it is empty",
            "ALTER TABLE \"public\".\"lockgate_history\" SET LOGGED",
        ),
        (
            "CREATE TABLE copy AS SELECT * FROM lockgate_history; DROP TABLE lockgate_history; \
             ALTER TABLE copy RENAME TO lockgate_history",
            "public.lockgate_history has no primary key: it is a copy of a history table",
            "ALTER TABLE \"public\".\"lockgate_history\" ADD PRIMARY KEY (set_name, version)",
        ),
    ] {
        let Some(db) = Db::postgres() else { return };
        db.apply(migrations(&[A])).await;
        db.execute(makes).await;
        // Even if everything is applied.
        for set in [set, migrations(&[A])] {
            let migrator = Migrator::new(set);
            for error in [
                migrator.status(&mut db.open().await).await.unwrap_err(),
                migrator.apply(&mut db.open().await).await.unwrap_err(),
            ] {
                reports(&error, ErrorKind::HistoryFormat, &["cannot be relied on", says, &format!("run `{way_out}`")]);
            }
        }
        db.execute(way_out).await;
        assert_eq!(db.apply(set).await.steps.len(), 1);
    }
}
