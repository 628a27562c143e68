//! Repeatable scripts and profiles: names, directives, the order of the scripts, and what a program embeds of them.

use lockgate_source::core::{CompanionKind, Version};

use crate::support::{Project, check};

const POLICY: (&str, &str) = ("migrations.toml", "dialects = [\"postgres\"]\n");
const USERS: (&str, &str) = ("0001_create_users.sql", "CREATE TABLE users (id BIGINT PRIMARY KEY, left_at BIGINT);\n");

fn order(files: &[(&str, &str)]) -> Vec<String> {
    let project = Project::new(files);
    project.check("");
    let set = project.load().folder.leak("app 1.2.3");
    set.repeatables().iter().map(|script| script.id().to_owned()).collect()
}

#[test]
fn each_runs_after_what_it_mentions_and_otherwise_by_name() {
    let order = order(&[
        POLICY,
        USERS,
        ("R__accounts.sql", "CREATE OR REPLACE VIEW accounts AS SELECT u.id, rank_of(u.id) FROM app.users_now u;\n"),
        ("R__grants.sql", "GRANT SELECT ON accounts, users_now TO reader;\n"),
        (
            "sub/R__roles.sql",
            "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'reader') THEN\nCREATE ROLE reader; END IF; END $$;\n",
        ),
        ("R__rank.sql", "CREATE OR REPLACE FUNCTION rank_of(id bigint) RETURNS int LANGUAGE sql AS $$ SELECT 1 $$;\n"),
        (
            "R__users_now.sql",
            "-- lockgate: after zz_last\nCREATE OR REPLACE VIEW app.users_now AS SELECT id FROM users;\n",
        ),
        ("R__zz_last.sql", "SELECT 1;\n"),
        ("R__apart.sql", "SELECT 2;\n"),
    ]);
    assert_eq!(order, ["R__apart", "R__rank", "R__roles", "R__zz_last", "R__users_now", "R__accounts", "R__grants"]);
}

#[test]
fn a_circle_is_named() {
    check(
        &[
            POLICY,
            USERS,
            ("R__a.sql", "CREATE OR REPLACE VIEW a AS SELECT id FROM b;\n"),
            ("R__b.sql", "CREATE OR REPLACE VIEW b AS SELECT id FROM c;\n"),
            ("R__c.sql", "CREATE OR REPLACE VIEW c AS SELECT id FROM a;\n"),
            ("R__d.sql", "CREATE OR REPLACE VIEW d AS SELECT id FROM a;\n"),
        ],
        "\
migrations/R__a.sql:1:1 repeatable-circle: repeatable scripts need each other: `R__a` needs `R__b`, `R__b` needs `R__c`, `R__c` needs `R__a`
  put what belongs together into one script, in the right order; or move a part into a script of its own
",
    );
}

#[test]
fn bad_names_and_directives_are_refused() {
    check(
        &[
            POLICY,
            USERS,
            ("0002_seed.up.sql", "-- lockgate: after R__views\nSELECT 1;\n"),
            ("0002_seed.down.sql", "-- lockgate: profile testnet\nSELECT 1;\n"),
            ("0003_late.sql", "-- lockgate: profile test net\nSELECT 1;\n"),
            ("R__.sql", "SELECT 1;\n"),
            ("R__a b.sql", "SELECT 1;\n"),
            ("R__code.rs", "fn main() {}\n"),
            ("R__up.up.sql", "SELECT 1;\n"),
            ("R__up.down.sql", "SELECT 1;\n"),
            ("r__small.sql", "SELECT 1;\n"),
            ("R__concurrent.sql", "-- lockgate: no-transaction\n-- lockgate: irreversible \"x\"\nSELECT 1;\n"),
            (
                "R__views.sql",
                "-- lockgate: after views\n-- lockgate: after R__veiws\n-- lockgate: after concurent\nSELECT 1;\n",
            ),
            ("a/R__twice.sql", "SELECT 1;\n"),
            ("b/R__twice.sql", "SELECT 1;\n"),
            ("R__broken.sql", "DROP VIEW IF EXISTS broken;\nCREATE VIEW broken AS SELEC 1;\n"),
        ],
        "\
migrations/0002_seed.down.sql:1:14 bad-directive: a down script has no profile: it runs wherever its up script has run
  delete this line, or move it to the up script
migrations/0002_seed.up.sql:1:14 bad-directive: `after` is only for repeatable scripts: migrations run in the order of their versions
  delete this line, or give the migration another number
migrations/0003_late.sql:1:22 bad-directive: `profile` needs one name of letters, digits, `_` and `-`
  write it like `-- lockgate: profile testnet`
migrations/R__.sql bad-name: `R__.sql` has a name that is not letters, digits, `_` and `-`
  rename it to `R__<name>.sql`
migrations/R__a b.sql bad-name: `R__a b.sql` has a name that is not letters, digits, `_` and `-`
  rename it to `R__a_b.sql`
migrations/R__broken.sql:2:23 syntax: expected `SELECT`, found `SELEC`
  did you mean `SELECT`?
migrations/R__code.rs bad-name: `R__code.rs` is named like a repeatable script, and those are SQL
  rename it to `R__code.sql`
migrations/R__concurrent.sql:1:14 bad-directive: `R__concurrent` is repeatable, and runs in a transaction together with its history row
  delete this line; what cannot run in a transaction belongs in a migration
migrations/R__concurrent.sql:2:14 bad-directive: `R__concurrent` is repeatable, and nothing reverts it
  delete this line
migrations/R__up.down.sql bad-name: `R__up.down.sql` is the down script of a repeatable one, and nothing reverts those
  delete it
migrations/R__up.up.sql bad-name: `R__up.up.sql` is a repeatable script with a direction, and those have none
  rename it to `R__up.sql`
migrations/R__views.sql:1:14 bad-directive: `R__views` cannot run after itself
  name another script of this folder that begins with `R__`, or delete this line
migrations/R__views.sql:2:14 bad-directive: there is no repeatable script `R__veiws`
  name another script of this folder that begins with `R__`, or delete this line
migrations/R__views.sql:3:14 bad-directive: there is no repeatable script `R__concurent`
  did you mean `R__concurrent`?
migrations/b/R__twice.sql:1:1 duplicate: `R__twice` exists twice: as `migrations/a/R__twice.sql` and as `migrations/b/R__twice.sql`
  folder names do not matter: delete or rename one of the two
migrations/r__small.sql bad-name: `r__small.sql` is not named `<version>_<name>.sql`
  a repeatable script begins with a capital `R`; rename it to `R__small.sql`, or type `cargo xtask adopt`: it shows how it would split and rename the files of this folder, and changes nothing before you add `--write`
",
    );
}

#[test]
fn a_patch_folder_has_none() {
    check(
        &[
            ("migrations.toml", "numbering = \"encoded\"\ndialects = [\"postgres\"]\n"),
            ("billing.00000001.0001.owner.create.sql", "SELECT 1;\n"),
            ("R__views.sql", "SELECT 1;\n"),
        ],
        "\
migrations/R__views.sql bad-name: `R__views.sql` is a repeatable script, and its name has no database
  write each change as a patch, `database.MAJOR.MINOR.user.description.sql`; scripts that run again have a folder and a program of their own
",
    );
}

#[test]
fn a_program_embeds_them_with_their_profiles() {
    let project = Project::new(&[
        POLICY,
        USERS,
        ("0002_seed.sql", "-- lockgate: profile testnet\nINSERT INTO users VALUES (1);\n"),
        ("R__demo.sql", "-- lockgate: profile demo\n-- lockgate: profile testnet\nSELECT 1;\n"),
        ("R__views.sql", "CREATE OR REPLACE VIEW v AS SELECT id FROM users;\n"),
        ("R__more.sql", "CREATE OR REPLACE VIEW more AS SELECT id FROM v;\n"),
    ]);
    project.check("");
    let folder = project.load().folder;
    assert_eq!(folder.profiles, ["demo", "testnet"]);
    let set = folder.leak("app 1.2.3");
    assert_eq!((set.len(), set.profiles()), (2, vec!["demo", "testnet"]));
    let chosen = set.with_profiles(&["testnet"]).unwrap();
    let skipped = |set: &lockgate_source::core::Set| {
        let scripts = set.iter().chain(set.repeatables()).filter(|one| one.is_skipped());
        scripts.map(|one| one.id().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(skipped(&set), ["0002_seed", "R__demo"]);
    assert_eq!(skipped(&chosen), [""; 0]);
    assert_eq!(skipped(&set.with_profiles(&["demo"]).unwrap()), ["0002_seed"]);
    assert_ne!(set.applied_digest(), chosen.applied_digest());
    let known = set.with_profiles(&["prod"]).unwrap_err();
    assert_eq!(
        (known.to_string(), known.help()),
        ("no file in migrations names the profile `prod`".to_owned(), "the profiles are `demo`, `testnet`".to_owned(),)
    );
    let views = set.companion(CompanionKind::Repeatable).unwrap().find(Version::of_name("R__views")).unwrap();
    assert_eq!(
        (views.id(), views.name(), views.up().path()),
        ("R__views", "R__views", "migrations/R__views.sql".to_owned())
    );
    assert!(set.find_any(views.version()).is_some() && set.find(views.version()).is_none());

    // What needs something that has changed has changed, too; the rest has not.
    let before = checksums(&project);
    project.write("R__views.sql", "CREATE OR REPLACE VIEW v AS SELECT id, left_at FROM users;\n");
    let after = checksums(&project);
    let changed: Vec<&str> =
        before.iter().zip(&after).filter(|(a, b)| a != b).map(|((id, _), _)| id.as_str()).collect();
    assert_eq!(changed, ["R__views", "R__more"]);
}

fn checksums(project: &Project) -> Vec<(String, String)> {
    let set = project.load().folder.leak("app 1.2.3");
    set.repeatables().iter().map(|script| (script.id().to_owned(), script.checksum().to_string())).collect()
}
