//! Which files of a package the compiler reads: those that can be reached from its roots by `mod`, `#[path]` and
//! `include!`.

use std::collections::BTreeMap;

use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, ExprLit, Item, ItemMod, Lit, Meta, Token};

use super::Sources;
use super::find::is_only_for_tests;

/// Whether a file is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    No,
    /// Only for tests.
    Test,
    Program,
}

/// A file of the package.
pub(super) struct File {
    pub(super) parsed: syn::Result<syn::File>,
    pub(super) reach: Reach,
    /// Whether the text names the derive, wherever that is.
    pub(super) mentions_the_derive: bool,
}

/// Parses all files, and finds out which of them are compiled.
pub(super) fn parse(sources: &Sources, load: &mut dyn FnMut(&str) -> Option<String>) -> BTreeMap<String, File> {
    let file = |text: &str| File {
        parsed: syn::parse_file(text),
        reach: Reach::No,
        mentions_the_derive: text.contains("derive") && (text.contains("Table") || text.contains("lockgate")),
    };
    let mut files: BTreeMap<String, File> =
        sources.files.iter().map(|(path, text)| (path.clone(), file(text))).collect();
    let mut open: Vec<(String, Reach, bool)> =
        sources.roots.iter().map(|root| (root.clone(), Reach::Program, true)).collect();
    while let Some((path, reach, owns_its_folder)) = open.pop() {
        if !files.contains_key(&path) {
            // What the compiler does not find either is not for us to report.
            let Some(text) = load(&path) else { continue };
            files.insert(path.clone(), file(&text));
        }
        let known = files.get_mut(&path).expect("it was inserted above");
        if known.reach >= reach {
            continue;
        }
        known.reach = reach;
        let Ok(parsed) = &known.parsed else { continue };
        let mut children = Children::new(&path, owns_its_folder, reach);
        children.visit_file(parsed);
        open.extend(children.found.into_iter().filter_map(|Child { candidates, reach, is_placed }| {
            let mut exists = |path: &String| files.contains_key(path) || load(path).is_some();
            let path = candidates.into_iter().find(&mut exists)?;
            // The modules of a file that a path names are beside it, as those of a `mod.rs`.
            let owns_its_folder = is_placed || path.ends_with("/mod.rs");
            Some((path, reach, owns_its_folder))
        }));
    }
    files
}

/// Says why a struct in this file would be forgotten.
pub(super) fn not_compiled(name: &str, path: &str, sources: &Sources) -> String {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let stem = file.trim_end_matches(".rs");
    let (module, folder) = match stem {
        "mod" => folder.rsplit_once('/').map_or((folder, ""), |(above, last)| (last, above)),
        stem => (stem, folder),
    };
    let parents =
        [format!("{folder}.rs"), format!("{folder}/mod.rs"), format!("{folder}/lib.rs"), format!("{folder}/main.rs")];
    let parent = parents.into_iter().find(|parent| sources.files.contains_key(parent));
    let to = parent.map(|parent| format!(" to `{parent}`")).unwrap_or_default();
    format!(
        "`{name}` is not compiled, so its table would be forgotten: no `mod` names `{path}`: add `mod {module};`{to}, or \
         delete the file"
    )
}

/// A file that another one names.
struct Child {
    /// The paths at which it can be.
    candidates: Vec<String>,
    reach: Reach,
    /// Whether a `#[path]` or an `include!` names it.
    is_placed: bool,
}

/// The files that a file names.
struct Children {
    found: Vec<Child>,
    /// The folder of the file.
    beside: String,
    /// The folder of its modules.
    below: String,
    is_inline: bool,
    reach: Reach,
}

impl Children {
    fn new(path: &str, owns_its_folder: bool, reach: Reach) -> Self {
        let (beside, file) = path.rsplit_once('/').unwrap_or(("", path));
        let below = match owns_its_folder {
            true => beside.to_owned(),
            false => join(beside, file.trim_end_matches(".rs")),
        };
        Self { found: Vec::new(), beside: beside.to_owned(), below, is_inline: false, reach }
    }
}

impl<'ast> Visit<'ast> for Children {
    fn visit_item(&mut self, item: &'ast Item) {
        let before = self.reach;
        if is_only_for_tests(super::find::attributes(item)) {
            self.reach = self.reach.min(Reach::Test);
        }
        visit::visit_item(self, item);
        self.reach = before;
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        use syn::ext::IdentExt;

        let name = module.ident.unraw().to_string();
        let paths = paths(&module.attrs);
        if module.content.is_none() {
            let reach = self.reach;
            // A path inside of an inline module begins at the folder of that module, all others at that of the file.
            let from = if self.is_inline { &self.below } else { &self.beside };
            // Paths with conditions may all be compiled, and so may the usual place.
            self.found.extend(paths.iter().map(|path| {
                let candidates = vec![join(from, path)];
                Child { candidates, reach, is_placed: true }
            }));
            if !module.attrs.iter().any(|attribute| attribute.path().is_ident("path")) {
                let usual = ["", "/mod"].map(|file| join(&self.below, &format!("{name}{file}.rs")));
                self.found.push(Child { candidates: usual.to_vec(), reach, is_placed: false });
            }
            return;
        }
        let below = join(&self.below, paths.first().unwrap_or(&name));
        let before = (std::mem::replace(&mut self.below, below), std::mem::replace(&mut self.is_inline, true));
        visit::visit_item_mod(self, module);
        (self.below, self.is_inline) = before;
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if call.path.segments.last().is_some_and(|last| last.ident == "include")
            && let Ok(Lit::Str(path)) = syn::parse2::<Lit>(call.tokens.clone())
        {
            let candidates = vec![join(&self.beside, &path.value())];
            self.found.push(Child { candidates, reach: self.reach, is_placed: true });
        }
    }
}

/// Returns the paths in `#[path = "…"]`, also those with a condition.
fn paths(attributes: &[Attribute]) -> Vec<String> {
    let mut found = Vec::new();
    for attribute in attributes {
        add_paths(&attribute.meta, &mut found);
    }
    found
}

fn add_paths(meta: &Meta, found: &mut Vec<String>) {
    match meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => {
            if let Expr::Lit(ExprLit { lit: Lit::Str(path), .. }) = &pair.value {
                found.push(path.value());
            }
        }
        Meta::List(list) if list.path.is_ident("cfg_attr") => {
            let metas = Punctuated::<Meta, Token![,]>::parse_terminated.parse2(list.tokens.clone());
            metas.iter().flatten().skip(1).for_each(|meta| add_paths(meta, found));
        }
        _ => {}
    }
}

/// Joins two paths, and resolves `..`.
fn join(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    let path = path.replace('\\', "/");
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}
