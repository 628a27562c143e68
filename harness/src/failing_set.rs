//! Adds a migration that always fails to a set, to test that a run in one transaction is rolled back as a whole.

use lockgate::{Atomicity, Body, Dialect, Migrations, Migrator};
use lockgate_core::patch::{self, Patch};
use lockgate_core::table::{self, BodyData, MigrationData, Names, Reading, ScriptData, ScriptOptions};
use lockgate_core::{Checksum, Set, Statement, StatementFlags, StatementKind, Version};

/// A table that does not exist.
pub(crate) const TABLE: &str = "lockgate_there_is_no_such_table";
const NAME: &str = "fails_on_purpose";

/// Returns a migrator that runs everything in one transaction and whose last migration fails, and the id of that
/// migration. Returns `None` for an empty set.
///
/// The set is leaked, as sets are `'static`.
pub(crate) fn with_failing_migration(migrations: &'static Migrations, dialect: Dialect) -> Option<(Migrator, String)> {
    let set = migrations.set();
    let last = set.last()?;
    let (version, id) = match Patch::parse(last.id()).filter(|_| set.names() == Names::Free) {
        Some(newest) => {
            let version = patch::next(last.version())?;
            (version, format!("{}.{}.{}.{NAME}", newest.database(), patch::numbers(version), newest.user()))
        }
        None => {
            let version = Version::new(last.version().get().checked_add(1)?)?;
            (version, format!("{}_{NAME}", version.get()))
        }
    };
    // The name of a patch is its whole file name.
    let name_of = |id: &str, name: &str| if set.names() == Names::Free { id.to_owned() } else { name.to_owned() };
    let sql = format!("SELECT * FROM {TABLE}");

    let mut texts = String::new();
    let mut data = Vec::with_capacity(set.len() + 1);
    for migration in set.iter() {
        let up = migration.up();
        let shown = up.path();
        let path = shown.strip_prefix(set.folder()).unwrap_or(&shown).trim_start_matches('/').to_owned();
        let body = match up.body() {
            Body::Sql(text) => {
                texts.push_str(text);
                let finished = if up.is_transactional() { Vec::new() } else { up.finished(dialect) };
                let reading = Reading { finished, ..Reading::new(set.dialects(), up.statements(dialect)) };
                BodyData::Sql { len: text.len(), readings: vec![reading] }
            }
            Body::Rust => BodyData::Rust,
        };
        let options = ScriptOptions {
            transactional: up.is_transactional(),
            foreign_keys_off: up.foreign_keys_off(),
            lock_timeout: up.lock_timeout(),
            statement_timeout: up.statement_timeout(),
            role: up.role().map(str::to_owned),
            psql: up.psql(),
        };
        data.push(MigrationData {
            version: migration.version(),
            name: name_of(migration.id(), migration.name()),
            frozen: false,
            amended: Vec::new(),
            irreversible: None,
            profiles: Vec::new(),
            rank: None,
            up: ScriptData { path, checksum: up.checksum(), body, options },
            down: None,
        });
    }
    let statement =
        Statement { range: 0..sql.len(), kind: StatementKind::Select, flags: StatementFlags::NONE, data: None };
    data.push(MigrationData {
        version,
        name: name_of(&id, NAME),
        frozen: false,
        amended: Vec::new(),
        irreversible: None,
        profiles: Vec::new(),
        rank: None,
        up: ScriptData {
            path: format!("{id}.sql"),
            checksum: Checksum::v1([0; 32]),
            body: BodyData::Sql { len: sql.len(), readings: vec![Reading::new(set.dialects(), vec![statement])] },
            options: ScriptOptions::default(),
        },
        down: None,
    });
    texts.push_str(&sql);
    let encoded = table::encode(set.dialects(), set.names(), &data);
    let set =
        Set::from_parts("migrations", "lockgate-harness", texts.leak(), encoded.paths.leak(), encoded.table.leak());
    let migrations = Box::leak(Box::new(migrations.with_set(set)));
    Some((Migrator::new(migrations).atomicity(Atomicity::WholeRun).stand_in_for_variables(), id))
}
