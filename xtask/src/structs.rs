//! The tables that the structs of a package describe: finds its files, and reads the structs in them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use lockgate_source::core::Dialect;
use lockgate_source::desired::mentions_structs;
use lockgate_source::folder::normal;
use lockgate_tables::read::{self, Placed, Sources};

use crate::failure::Failure;
use crate::project::{Package, Project};

/// The statements that make the tables of structs, and what was left out.
#[derive(Debug)]
pub(crate) struct Structs {
    /// In the order of files and lines. They may refer to tables of later ones.
    pub(crate) statements: Vec<Placed>,
    /// Sentences about structs that were left out, or counted under a condition.
    pub(crate) notes: Vec<String>,
    /// The folders in which structs were looked for, as messages name them.
    pub(crate) folders: Vec<String>,
}

impl Structs {
    /// Keeps the tables of one database, if the folder is for several.
    ///
    /// # Errors
    ///
    /// If a struct names no database, or one that does not exist.
    pub(crate) fn keep_those_of(&mut self, all: &[&str], database: Option<&str>) -> Result<(), Failure> {
        let several = all.len() > 1;
        let names: Vec<String> = all.iter().map(|name| format!("`{name}`")).collect();
        let mut lines = Vec::new();
        for placed in &self.statements {
            let place = format!("{}:{}: `{}`", placed.file, placed.line, placed.of);
            match &placed.database {
                Some(named) if all.contains(&named.as_str()) => continue,
                Some(named) if all.is_empty() => lines.push(format!(
                    "{place} names the database `{named}`, but these migrations are for one database: delete \
                     `database = \"{named}\"`"
                )),
                Some(named) => lines
                    .push(format!("{place} names the database `{named}`, but the folder has {}", names.join(" and "))),
                None if several => lines.push(format!(
                    "{place} does not name the database of its table: write `#[lockgate(database = \"{}\")]`, or {}",
                    all[0],
                    names[1..].join(" or ")
                )),
                None => continue,
            }
            // A struct may have several statements.
            lines.dedup();
        }
        if !lines.is_empty() {
            let lines: Vec<String> = lines.iter().map(|line| format!("\n  {line}")).collect();
            return Err(Failure::refused(format!("the structs do not describe a schema:{}", lines.concat())));
        }
        if several {
            self.statements.retain(|placed| placed.database.as_deref() == database);
        }
        Ok(())
    }
}

/// Reads the structs with `#[derive(lockgate::Table)]` that describe the tables of this package's migrations.
///
/// # Errors
///
/// `Refused` with every mistake in them, and `Impossible` if a file cannot be read.
pub(crate) fn of_package(project: &Project, package: &Package, dialect: Dialect) -> Result<Structs, Failure> {
    let mut found = Structs { statements: Vec::new(), notes: Vec::new(), folders: Vec::new() };
    let mut problems = Vec::new();
    for package in project.with_structs_of(package) {
        let folder = package.directory.join("src");
        found.folders.push(project.shown(&folder));
        let mut sources = Sources {
            files: BTreeMap::new(),
            roots: package.roots.iter().map(|root| project.shown(root)).collect(),
            other_crates: package.other_crates.iter().cloned().collect(),
        };
        collect(project, &folder, &mut sources.files)?;
        // Parsing all of a program's source is not worth it for a word that is nowhere in it.
        if !sources.files.values().any(|text| mentions_structs(text)) {
            continue;
        }
        let mut load = |path: &str| fs::read_to_string(normal(&project.root.join(path))).ok();
        let in_package = read::read(&sources, dialect, &mut load);
        found.statements.extend(in_package.statements);
        found.notes.extend(in_package.notes);
        problems.extend(in_package.problems);
    }
    if problems.is_empty() {
        return Ok(found);
    }
    let lines: Vec<String> = problems.iter().map(|problem| format!("\n  {problem}")).collect();
    Err(Failure::refused(format!("the structs do not describe a schema:{}", lines.concat())))
}

/// Reads every `.rs` file below a folder.
fn collect(project: &Project, folder: &Path, files: &mut BTreeMap<String, String>) -> Result<(), Failure> {
    let impossible = |path: &Path, error: std::io::Error| {
        Failure::impossible(format!("{} cannot be read: {error}", project.shown(path)))
    };
    let mut open: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(impossible(&folder, error)),
        };
        for entry in entries {
            let entry = entry.map_err(|error| impossible(&folder, error))?;
            let path = entry.path();
            let kind = entry.file_type().map_err(|error| impossible(&path, error))?;
            if kind.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") && path.is_file() {
                let text = fs::read_to_string(&path).map_err(|error| impossible(&path, error))?;
                files.insert(project.shown(&path), text);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn structs(of: &[(&str, Option<&str>)]) -> Structs {
        let placed = |(of, database): &(&str, Option<&str>)| Placed {
            sql: format!("CREATE TABLE \"{of}\" (\"id\" bigint);"),
            file: "src/models.rs".to_owned(),
            line: 3,
            column: 1,
            of: (*of).to_owned(),
            database: database.map(str::to_owned),
        };
        Structs { statements: of.iter().map(placed).collect(), notes: Vec::new(), folders: Vec::new() }
    }

    #[test]
    fn of_several_databases_each_has_its_own_tables() {
        let all = ["billing", "catalog"];
        let mut found = structs(&[("Invoice", Some("billing")), ("Book", Some("catalog"))]);
        found.keep_those_of(&all, Some("catalog")).unwrap();
        assert_eq!(found.statements.iter().map(|placed| placed.of.as_str()).collect::<Vec<_>>(), ["Book"]);
        let mut found = structs(&[("Invoice", None), ("Book", Some("catalogue"))]);
        assert_eq!(
            found.keep_those_of(&all, Some("catalog")).unwrap_err().to_string(),
            "the structs do not describe a schema:\n  src/models.rs:3: `Invoice` does not name the database of its table: \
             write `#[lockgate(database = \"billing\")]`, or `catalog`\n  src/models.rs:3: `Book` names the database \
             `catalogue`, but the folder has `billing` and `catalog`"
        );
    }

    #[test]
    fn where_there_is_one_database_no_struct_needs_to_name_it() {
        let mut found = structs(&[("Invoice", None)]);
        found.keep_those_of(&[], None).unwrap();
        found.keep_those_of(&["billing"], Some("billing")).unwrap();
        assert_eq!(found.statements.len(), 1);
        let mut found = structs(&[("Invoice", Some("billing"))]);
        let refused = found.keep_those_of(&[], None).unwrap_err().to_string();
        assert!(refused.contains("delete `database = \"billing\"`"), "{refused}");
    }
}
