//! `cargo xtask schema --docs FOLDER`: writes the documentation of the schema, or says what of it is out of date.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anstream::{eprintln, println};
use lockgate_schema::Schema;
use lockgate_schema::docs::{self, FOLDERS, History, MARK, Page, pages};
use lockgate_source::core::Dialect;
use lockgate_testing::request::Request;

use super::{Arguments, Runnable, existing, failure, needs_a_program};
use crate::changes::Changes;
use crate::failure::Failure;
use crate::program;
use crate::project::Project;
use crate::schema::step_by_step;

pub(super) fn run(folder: &Path, arguments: &Arguments) -> Result<(), Failure> {
    let shown = folder.display();
    let is_check = match &arguments.check {
        None => false,
        Some(file) if file.as_os_str().is_empty() => true,
        Some(file) => {
            return Err(Failure::impossible(format!(
                "`--check` compares all pages in {shown} and takes no file: leave out `{}`",
                file.display()
            )));
        }
    };
    let (pages, dialect) = wanted(arguments)?;
    let before = written(folder)?;
    let stale: Vec<(&Page, &str)> = pages.iter().filter_map(|page| Some((page, how_stale(page, &before)?))).collect();
    let is_wanted = |path: &String| pages.iter().any(|page| page.path == *path);
    // What someone else put there stays.
    let left: Vec<&String> =
        before.iter().filter(|(path, text)| text.contains(MARK) && !is_wanted(path)).map(|(path, _)| path).collect();
    if stale.is_empty() && left.is_empty() {
        println!("{shown} is up to date");
        return Ok(());
    }
    if is_check {
        for (page, how) in &stale {
            eprintln!("{}: {how}", folder.join(&page.path).display());
        }
        for path in left {
            eprintln!("{}: describes what is gone", folder.join(path).display());
        }
        let options = arguments.options(arguments.dialect.map(|_| dialect));
        let command = format!("cargo xtask schema --docs {shown}{options}");
        return Err(Failure::refused(format!("{shown} is out of date: `{command}` updates it")));
    }
    let absolute = std::path::absolute(folder)
        .map_err(|error| Failure::impossible(format!("{shown} cannot be written: {error}")))?;
    let mut changes = Changes::default();
    for (page, _) in &stale {
        if before.get(&page.path).is_some_and(|text| !text.contains(MARK)) {
            return Err(Failure::refused(format!(
                "{} would be lost, as this command did not write it: move it, or name another folder",
                folder.join(&page.path).display()
            )));
        }
        changes.replace(absolute.join(&page.path), page.text.clone());
    }
    for path in &left {
        changes.remove(absolute.join(path));
    }
    let (written, removed) = (stale.len(), left.len());
    changes.make()?;
    let removed = if removed == 0 { String::new() } else { format!(", {removed} removed") };
    println!("{shown}: {written} of {} pages written{removed}", pages.len());
    Ok(())
}

/// Returns the pages as they should be.
fn wanted(arguments: &Arguments) -> Result<(Vec<Page>, Dialect), Failure> {
    if let Some(url) = &arguments.database_url {
        let schema = existing(url, arguments.table.as_deref())?.schema;
        return Ok((pages(&schema, "the database", &History::default()), schema.dialect));
    }
    let project = Project::find()?;
    let package = project.package(arguments.package.as_deref())?;
    let runnable = Runnable::load(&package, arguments, None)?;
    let title = match (&arguments.database, &*package.name) {
        (Some(database), _) => database,
        (None, "") => "the workspace",
        (None, name) => name,
    };
    let dialect = runnable.dialect;
    if let (Some(step), Some(last)) = (runnable.rust_step(), runnable.run().last()) {
        if !program::exists(&package) {
            return Err(needs_a_program(step, &package));
        }
        let request = Request::Docs { dialect, at: last.id.to_string(), title: title.to_owned() };
        let answer = program::ask(&package, &request, &[])?;
        let pages = docs::split(&answer).ok_or_else(|| {
            Failure::impossible(
                "the test program answered in another form: build it with this release of `lockgate-harness`",
            )
        })?;
        return Ok((pages, dialect));
    }
    let mut history = History::default();
    let mut record = |migration: &str, schema: &Schema| history.record(migration, schema);
    let schema = step_by_step(&runnable.folder, runnable.count, dialect, &mut record).map_err(failure)?;
    Ok((pages(&schema, title, &history), dialect))
}

/// Says how the file of a page differs from it, if it does.
fn how_stale(page: &Page, before: &BTreeMap<String, String>) -> Option<&'static str> {
    match before.get(&page.path) {
        None => Some("is missing"),
        // A checkout may have other line ends.
        Some(text) if text.replace("\r\n", "\n") == page.text => None,
        Some(_) => Some("is out of date"),
    }
}

/// Reads the files where pages are, by their paths below the folder.
fn written(folder: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let mut found = BTreeMap::new();
    for below in std::iter::once("").chain(FOLDERS) {
        let inner = if below.is_empty() { folder.to_owned() } else { folder.join(below) };
        let impossible =
            |error: std::io::Error| Failure::impossible(format!("{} cannot be read: {error}", inner.display()));
        let entries = match fs::read_dir(&inner) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(impossible(error)),
        };
        for entry in entries {
            let path = entry.map_err(impossible)?.path();
            let is_page = path.extension().is_some_and(|extension| extension == "md" || extension == "html");
            let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|_| is_page && path.is_file())
            else {
                continue;
            };
            let text = fs::read(&path)
                .map_err(|error| Failure::impossible(format!("{} cannot be read: {error}", path.display())))?;
            let key = if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
            found.insert(key, String::from_utf8_lossy(&text).into_owned());
        }
    }
    Ok(found)
}
