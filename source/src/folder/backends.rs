//! Which databases a package uses, read from its `Cargo.toml`: the features of its dependency `lockgate`, or of `sqlx`
//! if that has none. The macro, the build script and the xtask all use this, so they agree whatever else of the
//! workspace is built.

use std::path::Path;

use lockgate_core::{Dialect, Dialects};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::model::Folder;
use super::{policy, read};
use crate::sql::LintLevel;
use crate::{Code, Diagnostic};

/// The manifest of a package.
pub(super) const MANIFEST: &str = "Cargo.toml";

/// Returns the databases that the package in this directory uses, as far as its manifest names them.
pub fn of_package(directory: &Path) -> Dialects {
    let manifest = |directory: &Path| read::text(&directory.join(MANIFEST), MANIFEST).unwrap_or_default();
    let own = manifest(directory);
    let is_inherited = own.contains("workspace");
    let root =
        directory.ancestors().skip(1).filter(|_| is_inherited).map(manifest).find(|text| text.contains("[workspace"));
    asked_for(&own, root.as_deref().unwrap_or(&own))
}

/// Returns the databases that a manifest names; `root` is the manifest of its workspace.
fn asked_for(manifest: &str, root: &str) -> Dialects {
    let (manifest, _) = DeTable::parse_recoverable(manifest);
    let (root, _) = DeTable::parse_recoverable(root);
    let shared = table(root.get_ref(), "workspace").and_then(|workspace| table(workspace, "dependencies"));
    let mut of = ["lockgate", "sqlx"].into_iter().map(|package| features(manifest.get_ref(), shared, package));
    of.find(|dialects| *dialects != Dialects::NONE).unwrap_or(Dialects::NONE)
}

type Table<'i> = DeTable<'i>;

fn features(manifest: &Table<'_>, shared: Option<&Table<'_>>, package: &str) -> Dialects {
    const SECTIONS: [&str; 2] = ["dependencies", "dev-dependencies"];
    let of_targets = table(manifest, "target").into_iter().flat_map(|targets| targets.values());
    let of_targets = of_targets.filter_map(|target| target.get_ref().as_table());
    let mut dialects = Dialects::NONE;
    for place in std::iter::once(manifest).chain(of_targets) {
        for dependencies in SECTIONS.into_iter().filter_map(|section| table(place, section)) {
            for (key, value) in dependencies {
                let key: &str = key.get_ref();
                let Some(value) = value.get_ref().as_table() else { continue };
                let inherited =
                    shared.and_then(|shared| table(shared, key)).filter(|_| value.contains_key("workspace"));
                let name = |value: &Table<'_>| {
                    value.get("package").and_then(|name| name.get_ref().as_str().map(str::to_owned))
                };
                if name(value).or_else(|| inherited.and_then(name)).as_deref().unwrap_or(key) != package {
                    continue;
                }
                let named = [Some(value), inherited].into_iter().flatten().flat_map(|value| list(value, "features"));
                // `postgres = ["lockgate/postgres"]` in the features of the package itself.
                let own = table(manifest, "features")
                    .into_iter()
                    .flat_map(|own| own.keys().flat_map(|feature| list(own, feature.get_ref())));
                let forwarded = own.filter_map(|feature| {
                    let rest = feature.strip_prefix(key)?;
                    rest.strip_prefix('/').or_else(|| rest.strip_prefix("?/"))
                });
                for dialect in named.chain(forwarded).filter_map(dialect) {
                    dialects = dialects.with(dialect);
                }
            }
        }
    }
    dialects
}

/// The database that a feature of lockgate or sqlx is for.
fn dialect(feature: &str) -> Option<Dialect> {
    // Several databases of one server are those of PostgreSQL: this feature brings `postgres` along.
    if feature == "databases" {
        return Some(Dialect::Postgres);
    }
    feature.strip_suffix("-unbundled").unwrap_or(feature).parse().ok()
}

fn table<'t, 'i>(table: &'t Table<'i>, key: &str) -> Option<&'t Table<'i>> {
    table.get(key)?.get_ref().as_table()
}

fn list<'t>(table: &'t Table<'_>, key: &str) -> impl Iterator<Item = &'t str> {
    let array = table.get(key).and_then(|value| value.get_ref().as_array());
    array.into_iter().flatten().filter_map(|item: &Spanned<DeValue<'_>>| item.get_ref().as_str())
}

/// Sets the dialect to the package's only database, if the policy names none.
pub(super) fn assume(folder: &mut Folder, backends: Dialects) {
    if folder.policy.dialects.is_none() && backends.iter().count() == 1 {
        folder.policy.dialects = Some(backends);
    }
}

/// Warns about a folder that does not say which of several databases it is for.
pub(super) fn check(folder: &Folder, backends: Dialects) -> Option<Diagnostic> {
    let is_checked = folder.policy.dialects.is_some() || folder.migrations.iter().all(|migration| migration.frozen);
    if is_checked || backends.iter().count() < 2 {
        return None;
    }
    let severity = folder.policy.severity(Code::UndeclaredDialects, LintLevel::Warn)?;
    let policy = folder.show(policy::FILE);
    let products: Vec<&str> = backends.iter().map(Dialect::product).collect();
    let message = format!(
        "the SQL of `{}` is hardly checked: it could be for {}, and only SQL that is invalid in all of them is refused",
        folder.shown,
        products.join(" or ")
    );
    let line = |dialects: &[Dialect]| {
        let quoted: Vec<String> = dialects.iter().map(|dialect| format!("\"{dialect}\"")).collect();
        format!("`dialects = [{}]`", quoted.join(", "))
    };
    let each: Vec<Dialect> = backends.iter().collect();
    let alone: Vec<String> = each.iter().map(|dialect| line(&[*dialect])).collect();
    let help = format!(
        "write {} into `{policy}`, above any `[lint]`; or write {} if each script is for all of them",
        alone.join(" or "),
        line(&each)
    );
    Some(Diagnostic { severity, ..Diagnostic::error(Code::UndeclaredDialects, policy, message).help(help) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(manifest: &str, root: &str, expected: &str) {
        assert_eq!(asked_for(manifest, root).to_string(), expected, "{manifest}");
    }

    #[test]
    fn a_manifest_says_what_the_package_is_for() {
        check("[dependencies]\nlockgate = { version = \"1\", features = [\"sqlite\", \"schema\"] }\n", "", "sqlite");
        check("[dependencies.lockgate]\nversion = \"1\"\nfeatures = [\"postgres\"]\n", "", "postgres");
        check("dependencies.db = { package = \"lockgate\", features = [\"postgres\"] }\n", "", "postgres");
        check("[target.'cfg(unix)'.dependencies]\nlockgate = { features = [\"sqlite\"] }\n", "", "sqlite");
        let both = "[dependencies]\nlockgate = { features = [\"sqlite\"] }\n[dev-dependencies]\nlockgate = { features = [\"postgres\"] }\n";
        check(both, "", "postgres, sqlite");
        let forwarded = "[features]\nlite = [\"lockgate/sqlite\"]\n[dependencies]\nlockgate = { optional = true }\n";
        check(forwarded, "", "sqlite");
        check(&forwarded.replace("lockgate/", "lockgate?/"), "", "sqlite");
        let root = "[workspace.dependencies]\nlockgate = { version = \"1\", features = [\"postgres\"] }\n";
        check("[dependencies]\nlockgate = { workspace = true }\n", root, "postgres");
        check("[dependencies]\nlockgate.workspace = true\n", root, "postgres");
        check("[dependencies]\nlockgate = { workspace = true, features = [\"sqlite\"] }\n", root, "postgres, sqlite");
        check("[dependencies]\nlockgate = \"1\"\n", root, "");
        check("[dependencies]\nlockgate = { features = [\"sqlite\", \"databases\"] }\n", "", "postgres, sqlite");
    }

    #[test]
    fn the_features_of_sqlx_count_if_lockgate_has_none() {
        check("[dependencies]\nsqlx = { version = \"0.9\", features = [\"mysql\", \"macros\"] }\n", "", "mysql");
        check("[dependencies]\nsqlx = { features = [\"sqlite-unbundled\"] }\nlockgate = \"1\"\n", "", "sqlite");
        check(
            "[dependencies]\nsqlx = { features = [\"mysql\"] }\nlockgate = { features = [\"sqlite\"] }\n",
            "",
            "sqlite",
        );
        check("[dependencies]\nserde = \"1\"\nsqlx = \"0.9\"\n", "", "");
        check("not toml [", "", "");
    }
}
