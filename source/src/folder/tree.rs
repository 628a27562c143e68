//! Divides the files of a folder with `layout = "trees"`: the migrations in `deployment/`, the scripts in
//! `manual-deployment/`, and the files of `create/` in the order in which they run. Refuses by name what belongs to none of
//! them. The names in `deployment/` and `manual-deployment/` are checked where all migrations are.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

use super::model::Folder;
use super::name::{self, clean};
use super::order_json::{self, Listed};
use super::policy;
use super::read::{self, FolderFile, Listing};
use super::snapshot;
use crate::sql::suggest;
use crate::{Code, Diagnostic, lockfile};

/// The tree of the desired schema.
pub(crate) const CREATE: &str = "create";
/// The tree of the migrations.
pub const DEPLOYMENT: &str = "deployment";
/// The tree of the scripts that an operator runs.
pub const MANUAL: &str = "manual-deployment";

const TREES: [&str; 3] = [CREATE, DEPLOYMENT, MANUAL];

/// The files of each tree.
pub(super) struct Trees<'a> {
    pub(super) deployment: Vec<&'a FolderFile>,
    pub(super) manual: Vec<&'a FolderFile>,
    /// In the order in which they run.
    pub(super) create: Vec<&'a FolderFile>,
    /// The files that say the order.
    pub(super) orders: Vec<PathBuf>,
}

/// Divides the files of a folder.
pub(super) fn divide<'a>(folder: &Folder, listing: &'a Listing) -> (Trees<'a>, Vec<Diagnostic>) {
    let mut dividing = Dividing {
        folder,
        trees: Trees { deployment: Vec::new(), manual: Vec::new(), create: Vec::new(), orders: Vec::new() },
        stray: Vec::new(),
        folders: BTreeMap::new(),
        orders: Vec::new(),
        diagnostics: Vec::new(),
    };
    for directory in &listing.directories {
        let relative = directory.strip_prefix(&folder.root).unwrap_or(directory);
        let parts: Vec<&str> = relative.iter().filter_map(|part| part.to_str()).collect();
        if !parts.is_empty() {
            dividing.directory(&parts);
        }
    }
    for file in &listing.files {
        dividing.file(file);
    }
    dividing.numbers();
    dividing.order();
    (dividing.trees, dividing.diagnostics)
}

/// Whether this is the path of a file in a tree that no flat folder has.
pub(super) fn looks_like(path: &str) -> bool {
    path.split_once('/').is_some_and(|(tree, _)| matches!(tree, CREATE | MANUAL))
}

struct Dividing<'a, 'f> {
    folder: &'f Folder,
    trees: Trees<'a>,
    /// The folders that were refused, with all that is in them.
    stray: Vec<String>,
    /// The numbered folders of `create/`, by their names.
    folders: BTreeMap<String, Numbered<'a>>,
    /// Each `order.json`, with the folder that it is in: empty for the one of the whole tree.
    orders: Vec<(String, &'a FolderFile)>,
    diagnostics: Vec<Diagnostic>,
}

/// A folder of `create/`.
struct Numbered<'a> {
    number: u64,
    files: Vec<&'a FolderFile>,
    /// The files with a bad name, which have an error of their own.
    bad: BTreeSet<String>,
}

impl<'a> Dividing<'a, '_> {
    fn error(&mut self, code: Code, path: &str, message: String, help: impl Into<String>) {
        self.diagnostics.push(Diagnostic::error(code, self.folder.show(path), message).help(help));
    }

    fn is_stray(&self, path: &str) -> bool {
        self.stray.iter().any(|stray| path.strip_prefix(stray.as_str()).is_some_and(|rest| rest.starts_with('/')))
    }

    fn directory(&mut self, parts: &[&str]) {
        let path = parts.join("/");
        if self.is_stray(&path) {
            return;
        }
        let refused = match *parts {
            [tree] if TREES.contains(&tree) => return,
            [other] => {
                let help = match suggest::nearest(other, TREES) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("move it out of the folder: the trees are {}", list(&TREES)),
                };
                (format!("`{path}` is none of the trees"), help)
            }
            [CREATE, name] => match number(name) {
                Some(number) => {
                    let numbered = Numbered { number, files: Vec::new(), bad: BTreeSet::new() };
                    self.folders.insert(name.to_owned(), numbered);
                    return;
                }
                None => (
                    format!("`{path}` has no number, so it has no place in the order"),
                    format!("name it `{CREATE}/<number>-{}`", clean(name)),
                ),
            },
            [CREATE, ..] => (
                format!("`{path}` is a folder in a folder: `{CREATE}/` has numbered folders, and they have files"),
                format!("give it a number and move it up, to `{CREATE}/`"),
            ),
            [tree, ..] => {
                (format!("`{path}` is a folder: `{tree}/` has files alone"), format!("move its files up, to `{tree}/`"))
            }
            [] => return,
        };
        self.error(Code::StrayFolder, &path, refused.0, refused.1);
        self.stray.push(path);
    }

    fn file(&mut self, file: &'a FolderFile) {
        let path = file.path.as_str();
        let parts: Vec<&str> = path.split('/').collect();
        let name = parts.last().copied().unwrap_or_default();
        if name::is_ignored(name) || self.is_stray(path) {
            return;
        }
        match *parts {
            [policy::FILE | lockfile::FILE] => {}
            [name] if snapshot::is_named(name) => {}
            [_] => {
                let help = if name.ends_with(".sql") || name.ends_with(".rs") {
                    format!("if it is a migration, move it to `{DEPLOYMENT}/`; otherwise move it out of the folder")
                } else {
                    match suggest::nearest(name, [policy::FILE, lockfile::FILE]) {
                        Some(meant) => format!("did you mean `{meant}`?"),
                        None => "move it out of the folder".to_owned(),
                    }
                };
                self.error(Code::UnknownFile, path, format!("`{path}` is in none of the trees"), help);
            }
            [CREATE, order_json::FILE] => self.orders.push((String::new(), file)),
            [CREATE, name] => {
                let help = match suggest::nearest(name, [order_json::FILE]) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("move it into a numbered folder, such as `{CREATE}/1-tables/`"),
                };
                self.error(Code::UnknownFile, path, format!("`{path}` is in none of the numbered folders"), help);
            }
            [CREATE, within, order_json::FILE] => self.orders.push((within.to_owned(), file)),
            [CREATE, within, name] => {
                let bad = wrong_in_create(name);
                let Some(numbered) = self.folders.get_mut(within) else { return };
                match bad {
                    None => numbered.files.push(file),
                    Some((code, message, help)) => {
                        numbered.bad.insert(name.to_owned());
                        self.error(code, path, format!("`{path}` {message}"), help);
                    }
                }
            }
            [DEPLOYMENT, lockfile::FILE] => {
                let message = format!("`{path}` is not where the lockfile of `{DEPLOYMENT}/` is");
                self.error(Code::UnknownFile, path, message, "move it one folder up, beside `migrations.toml`");
            }
            [DEPLOYMENT, _] => self.trees.deployment.push(file),
            [MANUAL, lockfile::FILE] => {}
            [MANUAL, name] if name.ends_with(".rs") || name.ends_with(".down.sql") => {
                let what = if name.ends_with(".rs") { "a Rust step" } else { "a down script" };
                let help = "write it as one SQL script, or move it out of the folder";
                self.error(Code::BadName, path, format!("`{path}` is {what}: manual scripts are SQL, one way"), help);
            }
            [MANUAL, _] => self.trees.manual.push(file),
            _ => {}
        }
    }

    /// Checks that the numbers of the folders of `create/` follow each other.
    fn numbers(&mut self) {
        let mut numbered: Vec<(u64, String)> =
            self.folders.iter().map(|(name, folder)| (folder.number, name.clone())).collect();
        numbered.sort();
        let mut expected = numbered.first().map_or(0, |(number, _)| (*number).min(1));
        let mut before: Option<&(u64, String)> = None;
        for one in &numbered {
            let (number, name) = one;
            let path = format!("{CREATE}/{name}");
            match before {
                Some((same, other)) if same == number => {
                    let message = format!("`{CREATE}/{other}` and `{path}` have the same number, {number}");
                    self.error(Code::Duplicate, &path, message, "give one of the two another number");
                }
                _ if *number > expected => {
                    let missing = match number - 1 {
                        last if last == expected => format!("the folder with the number {expected} is missing"),
                        last => format!("the folders with the numbers {expected} to {last} are missing"),
                    };
                    let message = match before {
                        Some((_, before)) => format!("{missing}: `{path}` follows `{CREATE}/{before}`"),
                        None => format!("{missing}: `{path}` is the first"),
                    };
                    self.error(
                        Code::Gap,
                        &path,
                        message,
                        "add what is missing, or close the gap: the numbers begin at 0 or 1",
                    );
                }
                _ => {}
            }
            expected = number.saturating_add(1);
            before = Some(one);
        }
    }

    /// Puts the files of `create/` in order.
    fn order(&mut self) {
        let of_all = self.orders.iter().find(|(within, _)| within.is_empty()).map(|(_, file)| *file);
        let mut each: HashMap<String, &'a FolderFile> = HashMap::new();
        for (within, file) in std::mem::take(&mut self.orders) {
            match of_all {
                Some(all) if all != file => {
                    let message = format!("`{}` and `{}` both say an order", all.path, file.path);
                    self.error(Code::BadOrder, &file.path, message, "delete one of the two");
                }
                _ => drop(each.insert(within, file)),
            }
        }
        self.trees.orders = each.values().map(|file| file.absolute.clone()).collect();
        self.trees.orders.sort();
        let mut folders: Vec<(String, Numbered<'a>)> = std::mem::take(&mut self.folders).into_iter().collect();
        folders.sort_by(|(a, of_a), (b, of_b)| (of_a.number, a).cmp(&(of_b.number, b)));
        if let Some(order) = each.get("").copied() {
            return self.order_of_all(order, &folders);
        }
        for (name, folder) in folders {
            let files = folder.files.into_iter().map(|file| (name_of(file).to_owned(), file)).collect();
            let files = match each.get(&name).copied() {
                Some(order) => self.listed(order, files, &folder.bad),
                None => files,
            };
            self.trees.create.extend(files.into_iter().map(|(_, file)| file));
        }
    }

    /// Puts the files in the order of the one list for all folders.
    fn order_of_all(&mut self, order: &'a FolderFile, folders: &[(String, Numbered<'a>)]) {
        let below = |path: &str| path.strip_prefix("create/").unwrap_or(path).to_owned();
        let files =
            folders.iter().flat_map(|(_, folder)| &folder.files).map(|file| (below(&file.path), *file)).collect();
        let bad = folders.iter().flat_map(|(name, folder)| folder.bad.iter().map(move |file| format!("{name}/{file}")));
        let files = self.listed(order, files, &bad.collect());
        let place = |path: &str| {
            let within = path.split('/').next().unwrap_or_default();
            folders.iter().position(|(name, _)| name == within)
        };
        for pair in files.windows(2) {
            let [(before, _), (path, file)] = pair else { continue };
            if place(before) > place(path) {
                let message = format!("`{path}` is listed after `{before}`, and its folder has the smaller number");
                let help = format!(
                    "folders run in the order of their numbers: list it before, or give its folder another number (in `{}`)",
                    order.path
                );
                self.error(Code::BadOrder, &file.path, message, help);
            }
        }
        self.trees.create.extend(files.into_iter().map(|(_, file)| file));
    }

    /// Puts files in the order that a list gives them. Each file has the name that the list knows it by.
    fn listed(
        &mut self,
        order: &'a FolderFile,
        files: Vec<(String, &'a FolderFile)>,
        bad: &BTreeSet<String>,
    ) -> Vec<(String, &'a FolderFile)> {
        let shown = self.folder.show(&order.path);
        let text = match read::text(&order.absolute, &shown) {
            Ok(text) => text,
            Err(problem) => {
                self.diagnostics.push(*problem);
                return files;
            }
        };
        let names = match order_json::parse(&text, &shown) {
            Ok(names) => names,
            Err(problems) => {
                self.diagnostics.extend(problems);
                return files;
            }
        };
        let mut left: BTreeMap<String, &'a FolderFile> = files.into_iter().collect();
        let mut in_order: Vec<(String, &'a FolderFile)> = Vec::with_capacity(left.len());
        let mut missing: Vec<Listed> = Vec::new();
        let at =
            |range, message: String| Diagnostic::error(Code::BadOrder, shown.clone(), message).at(&text, range, "");
        for listed in names {
            let with_ending = format!("{}.sql", listed.name);
            let name = if left.contains_key(&listed.name) { &listed.name } else { &with_ending };
            if let Some((name, file)) = left.remove_entry(name) {
                in_order.push((name, file));
            } else if in_order.iter().any(|(known, _)| *known == listed.name || *known == with_ending) {
                let problem = at(listed.range, format!("`{}` is listed twice", listed.name));
                self.diagnostics.push(problem.help("delete one of the two"));
            } else if !bad.contains(&listed.name) && !bad.contains(&with_ending) {
                missing.push(listed);
            }
        }
        for listed in missing {
            let problem = at(listed.range, format!("there is no file `{}`", listed.name));
            let in_a_folder = |path: &&String| path.rsplit('/').next() == Some(listed.name.as_str());
            let meant = suggest::nearest(&listed.name, left.keys().map(String::as_str)).map(str::to_owned);
            let meant = meant.or_else(|| left.keys().find(in_a_folder).cloned());
            self.diagnostics.push(match &meant {
                Some(meant) => problem.help(format!("did you mean `{meant}`?")),
                None => problem.help("add the file, or delete this name"),
            });
            // One mistake in a name is one problem: the file that was meant has a place.
            in_order.extend(meant.and_then(|meant| left.remove_entry(&meant)));
        }
        for (name, file) in left {
            let message = format!("`{}` is not listed in `{}`", file.path, order.path);
            self.error(Code::NotListed, &file.path, message, format!("write {name:?} at its place in the list"));
            in_order.push((name, file));
        }
        in_order
    }
}

fn name_of(file: &FolderFile) -> &str {
    file.path.rsplit('/').next().unwrap_or(&file.path)
}

/// The number at the beginning of a folder's name: `01-tables`, `1_tables`, `1.tables`, `1 tables` and `1`.
fn number(name: &str) -> Option<u64> {
    let digits = name.bytes().take_while(u8::is_ascii_digit).count();
    let rest = &name[digits..];
    let is_good = rest.is_empty() || (rest.len() > 1 && rest.starts_with(['-', '_', '.', ' ']));
    name[..digits].parse().ok().filter(|_| is_good)
}

/// Why this cannot be the name of a file in a folder of `create/`, and what to do about it.
fn wrong_in_create(name: &str) -> Option<(Code, String, String)> {
    let lower = name.to_lowercase();
    let bad = |code, message: &str, help: String| Some((code, message.to_owned(), help));
    let Some(stem) = name.strip_suffix(".sql") else {
        return if lower.ends_with(".sql") {
            let stem = &name[..name.len() - ".sql".len()];
            bad(Code::BadName, "has an ending in capital letters", format!("rename it to `{stem}.sql`"))
        } else if let Some(meant) = suggest::nearest(name, [order_json::FILE]) {
            bad(Code::UnknownFile, "is not a file that Lockgate knows", format!("did you mean `{meant}`?"))
        } else if lower.ends_with(".rs") {
            bad(
                Code::UnknownFile,
                "is not an SQL file",
                "a Rust step is a migration: move it to `deployment/`".to_owned(),
            )
        } else {
            let named = format!("if it is SQL, name it `{}.sql`; otherwise move it out of the folder", clean(name));
            bad(Code::UnknownFile, "is not an SQL file, and no file is skipped silently", named)
        };
    };
    if stem.ends_with(".down") || stem.ends_with(".up") {
        let help = match stem.strip_suffix(".up") {
            Some(stem) => format!("rename it to `{stem}.sql`"),
            None => "delete it, or move it out of the folder".to_owned(),
        };
        return bad(Code::BadName, "has a direction, and the desired schema has none", help);
    }
    if let Some(odd) = stem.chars().find(|c| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' '))) {
        let message = format!("has {odd:?} in its name: letters, digits, `_`, `-`, `.` and blanks make a name");
        return Some((Code::BadName, message, format!("rename it to `{}.sql`", clean(stem))));
    }
    if stem.is_empty() || stem.trim_matches([' ', '.']).len() != stem.len() {
        let better = if clean(stem).is_empty() { "<name>".to_owned() } else { clean(stem) };
        let message = "has a name that is empty, or begins or ends with a blank or a dot";
        return bad(Code::BadName, message, format!("rename it to `{better}.sql`"));
    }
    None
}

fn list(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}/`")).collect::<Vec<_>>().join(", ")
}
