//! What the names in a derive stand for, as far as the `use` lines of a package say.

use std::collections::BTreeSet;

use syn::visit::{self, Visit};
use syn::{ItemUse, Path, UseTree};

/// A name that a `use` brings: `use lockgate::Table as Model`.
#[derive(Debug)]
pub(super) struct Import {
    pub(super) alias: String,
    pub(super) path: Vec<String>,
}

/// Returns the names by which the derive is called anywhere in the package: `Table`, and what it is renamed to.
pub(super) fn derives<'a>(
    files: impl Iterator<Item = &'a syn::File>,
    other_crates: &BTreeSet<String>,
) -> BTreeSet<String> {
    let renamed = files.flat_map(imports).filter(|import| {
        let [first, .., last] = &import.path[..] else { return false };
        last == "Table" && !other_crates.contains(first)
    });
    renamed.map(|import| import.alias).chain(["Table".to_owned()]).collect()
}

/// Returns what the `use` lines of a file bring, wherever in it they are.
pub(super) fn imports(file: &syn::File) -> Vec<Import> {
    struct Imports(Vec<Import>);
    impl<'ast> Visit<'ast> for Imports {
        fn visit_item_use(&mut self, item: &'ast ItemUse) {
            add(&item.tree, &mut Vec::new(), &mut self.0);
            visit::visit_item_use(self, item);
        }
    }
    let mut imports = Imports(Vec::new());
    imports.visit_file(file);
    imports.0
}

fn add(tree: &UseTree, path: &mut Vec<String>, found: &mut Vec<Import>) {
    let mut leaf = |path: &[String], name: &syn::Ident, alias: &syn::Ident| {
        let mut path = path.to_vec();
        if name != "self" {
            path.push(name.to_string());
        }
        found.push(Import { alias: alias.to_string(), path });
    };
    match tree {
        UseTree::Path(part) => {
            path.push(part.ident.to_string());
            add(&part.tree, path, found);
            path.pop();
        }
        UseTree::Name(name) => leaf(path, &name.ident, &name.ident),
        UseTree::Rename(rename) => leaf(path, &rename.ident, &rename.rename),
        UseTree::Group(group) => group.items.iter().for_each(|tree| add(tree, path, found)),
        UseTree::Glob(_) => {}
    }
}

/// Whether a path in a derive is this one. If the file does not say otherwise, it is: a struct too many is seen, and one
/// that is forgotten is not.
pub(super) fn is_the_derive(
    path: &Path,
    imports: &[Import],
    names: &BTreeSet<String>,
    other_crates: &BTreeSet<String>,
) -> bool {
    let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    let [first, ..] = &segments[..] else { return false };
    let brought: Vec<&Import> = imports.iter().filter(|import| import.alias == *first).collect();
    let is_foreign = |name: &String| other_crates.contains(name);
    if segments.len() == 1 {
        let is_ours = |import: &&Import| {
            let renamed = import.path.last().is_some_and(|last| names.contains(last));
            renamed && !import.path.first().is_some_and(is_foreign)
        };
        return match brought.is_empty() {
            true => names.contains(first),
            false => brought.iter().any(is_ours),
        };
    }
    let home = brought.first().and_then(|import| import.path.first()).unwrap_or(first);
    segments.last().is_some_and(|last| names.contains(last)) && !is_foreign(home)
}
