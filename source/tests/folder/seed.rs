//! Seeds in `seeds/` beside the migrations: what of them is embedded, and everything that is wrong with them at once.

use lockgate_source::core::{CompanionKind, seed};

use crate::support::{Project, check};

const POLICY: (&str, &str) = ("migrations.toml", "dialects = [\"sqlite\"]\n");
const USERS: (&str, &str) = ("0001_users.sql", "CREATE TABLE users (id INTEGER PRIMARY KEY);\n");
const TAGS: (&str, &str) = ("0003_tags.sql", "CREATE TABLE tags (name TEXT);\n");
const ROW: &str = "INSERT INTO users (id) VALUES (1);\n";

#[test]
fn seeds_become_a_set_of_their_own() {
    let project = Project::new(&[
        POLICY,
        USERS,
        TAGS,
        ("../seeds/0001_first.sql", ROW),
        ("../seeds/0003_demo.sql", ROW),
        ("../seeds/0003_testnet.sql", "-- lockgate: profile testnet\nINSERT INTO users (id) VALUES (2);\n"),
        ("../seeds/README.md", "what this is"),
    ]);
    project.check("");
    let set = project.load().folder.leak("shop 1.0.0");
    let seeds = set.companion(CompanionKind::Seed).unwrap();
    let newest = |profiles: &[&str]| {
        let chosen = set.with_profiles(profiles).unwrap().companion(CompanionKind::Seed).unwrap();
        seed::newest(&chosen).map(|(at, seed)| (at.get(), seed.id()))
    };
    assert_eq!(newest(&[]), Some((3, "0003_demo")));
    assert_eq!(newest(&["testnet"]), Some((3, "0003_testnet")));
    let all: Vec<_> = seed::all(&seeds).into_iter().map(|(at, seed)| (at.get(), seed.up().path())).collect();
    let path = |name: &str| format!("seeds/{name}.sql");
    assert_eq!(all, [(1, path("0001_first")), (3, path("0003_demo")), (3, path("0003_testnet"))]);
    assert!(seeds.iter().all(|seed| seed.is_frozen()), "nobody freezes a seed");
}

#[test]
fn a_folder_without_seeds_embeds_nothing_of_them() {
    let project = Project::new(&[POLICY, USERS, ("../seeds/README.md", "none yet")]);
    project.check("");
    assert!(project.load().folder.leak("shop 1.0.0").companions().is_empty());
}

#[test]
fn all_defects_are_reported_at_once() {
    check(
        &[
            POLICY,
            USERS,
            TAGS,
            ("../seeds/0001_a.sql", ROW),
            ("../seeds/0001_b.sql", ROW),
            ("../seeds/0001_c.sql", "-- lockgate: profile x\nSELECT 1;\n"),
            ("../seeds/0001_d.sql", "-- lockgate: profile y\n-- lockgate: profile x\nSELECT 1;\n"),
            ("../seeds/0002_gone.sql", ROW),
            ("../seeds/0003_up.up.sql", ROW),
            ("../seeds/0003_rows.rs", "fn x() {}\n"),
            ("../seeds/0003_vacuum.sql", "-- lockgate: no-transaction\nVACUUM;\n"),
            ("../seeds/0003_typo.sql", "-- lockgate: profile z\nINSRT INTO users (id) VALUES (1);\n"),
            ("../seeds/users.csv", "1\n"),
            ("../seeds/users.sql", ROW),
            ("../seeds/R__users.sql", ROW),
        ],
        r"
seeds/0001_b.sql:1:1 duplicate: two seeds are for the migration 1: `seeds/0001_a.sql` and `seeds/0001_b.sql`
  merge them into one file, or give them different profiles: write `-- lockgate: profile <name>` in the first lines
seeds/0001_d.sql:3:1 duplicate: two seeds are for the migration 1 and the profile `x`: `seeds/0001_c.sql` and `seeds/0001_d.sql`
  merge them into one file, or give them different profiles: write `-- lockgate: profile <name>` in the first lines
seeds/0002_gone.sql:1:1 bad-name: `0002_gone` is loaded after the migration 2, which does not exist
  the newest earlier migration is `0001_users`: if the data fit it, rename the seed to `0001_gone.sql`
seeds/0003_rows.rs bad-name: `0003_rows.rs` is a Rust file, but seeds are SQL
  write it as SQL; computed rows belong in `tests/migrations/seed.rs`
seeds/0003_typo.sql:2:1 syntax: no statement begins with `INSRT`
  did you mean `INSERT`?
seeds/0003_up.up.sql bad-name: `0003_up.up.sql` is named like an up script, but a seed has no direction
  rename it to `0003_up.sql`
seeds/0003_vacuum.sql:1:14 bad-directive: `0003_vacuum` is a seed, which always runs in one transaction
  delete this line
seeds/R__users.sql bad-name: `R__users.sql` is named like a repeatable script, but a seed is loaded only once
  name it `<version>_<name>.sql`, with the version of the migration after which it is loaded, or move it out of `seeds/`
seeds/users.csv unknown-file: `users.csv` is not a seed, and no file is skipped silently
  name it `<version>_<name>.sql`, with the version of the migration after which it is loaded, or move it out of `seeds/`
seeds/users.sql bad-name: `users.sql` is not named `<version>_<name>.sql`
  name it `<version>_<name>.sql`, with the version of the migration after which it is loaded, or move it out of `seeds/`
",
    );
}

#[test]
fn patches_have_no_seeds() {
    check(
        &[
            ("migrations.toml", "dialects = [\"postgres\"]\nnumbering = \"encoded\"\n"),
            ("billing.00000001.0001.owner.users.sql", "CREATE TABLE users (id BIGINT PRIMARY KEY);\n"),
            ("../seeds/0001_users.sql", ROW),
        ],
        r"
seeds bad-name: `seeds` has seeds, but the names of these migrations have several parts
  seeds need migrations with plain numbers, such as `0004_add_tags.sql`; use a patch to load the data
",
    );
}
