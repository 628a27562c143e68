//! No two modules of a crate use each other, so that each can be read after the modules that it uses.
//!
//! A module may use the modules inside it; that is not a circle. A name that a module re-exports with
//! `pub use` counts as used where it is defined.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::{self, Visit};

use crate::support::tree::{rust_files, text};

/// A module by its path in the crate; the path of the crate itself is empty.
type Module = Vec<String>;

/// The folders of the crates whose modules are checked.
const CRATES: &[&str] = &[
    "core", "sql", "source", "schema", "tables", "macros", "replay", "build", "runtime", "backup", "testing",
    "harness", "cli", "xtask", "faults",
];

#[test]
fn no_two_modules_of_a_crate_need_each_other() {
    let mut found = Vec::new();
    for krate in CRATES {
        let folder = format!("{krate}/src");
        let files: Vec<(Module, syn::File)> = rust_files(&folder)
            .map(|file| {
                let parsed = text(file).and_then(|text| syn::parse_file(&text).ok());
                (module_of(&file[folder.len() + 1..]), parsed.unwrap_or_else(|| panic!("{file} is not Rust")))
            })
            .collect();
        assert!(!files.is_empty(), "{folder} has no file");
        found.extend(circles(files).into_iter().map(|circle| format!("{krate}: {circle}")));
    }
    assert!(found.is_empty(), "modules that need each other:\n{}", found.join("\n"));
}

#[test]
fn a_circle_is_found_and_a_reexport_is_allowed() {
    let circles = |files: &[(&str, &str)]| {
        let parsed = files.iter().map(|(file, text)| (module_of(file), syn::parse_file(text).unwrap()));
        circles(parsed.collect())
    };
    let face = "mod a; mod b; pub use a::A; fn f() { b::g() }";
    assert_eq!(circles(&[("lib.rs", face), ("a.rs", "pub struct A;"), ("b.rs", "use crate::A;")]), [""; 0]);
    let back = circles(&[("lib.rs", face), ("a.rs", "use super::b::B;"), ("b.rs", "use crate::{A as Other};")]);
    assert_eq!(back, ["a, b"]);
    let by_a_path = circles(&[("lib.rs", face), ("a.rs", "fn f() { crate::b::g() }"), ("b.rs", "use crate::a;")]);
    assert_eq!(by_a_path, ["a, b"]);
    let deep = circles(&[
        ("lib.rs", "mod a; mod d;"),
        ("a/mod.rs", "pub mod b; pub mod c; pub use b::B;"),
        ("a/b.rs", "use super::c::{self, C};"),
        ("a/c.rs", "use crate::d;"),
        ("d.rs", "use crate::a::B;"),
    ]);
    assert_eq!(deep, ["a::b, a::c, d"]);
    let in_tests = "#[cfg(test)] mod tests { use crate::b::B; }";
    assert_eq!(circles(&[("lib.rs", "mod a; mod b;"), ("a.rs", in_tests), ("b.rs", "use crate::a::A;")]), [""; 0]);
}

/// The module of a file: `a/mod.rs` and `a.rs` are `a`.
fn module_of(file: &str) -> Module {
    let mut module: Module = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        module.pop();
    }
    module
}

/// How a file uses other modules.
#[derive(Default)]
struct Said {
    /// Paths that begin with a module: `crate::a::B`, `super::b::f`.
    uses: Vec<Vec<String>>,
    /// The names that it re-exports, and the paths where they are defined.
    hands_on: BTreeMap<String, Vec<String>>,
    /// Modules that are built only for unit tests.
    of_tests: Vec<String>,
}

impl Said {
    fn tree(&mut self, tree: &syn::UseTree, before: &[String], is_public: bool) {
        let with = |ident: &syn::Ident| [before, &[ident.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.tree(&path.tree, &with(&path.ident), is_public),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(tree, before, is_public)),
            syn::UseTree::Name(name) => self.name(with(&name.ident), &name.ident.to_string(), is_public),
            syn::UseTree::Rename(name) => self.name(with(&name.ident), &name.rename.to_string(), is_public),
            syn::UseTree::Glob(_) => self.uses.push(before.to_vec()),
        }
    }

    fn name(&mut self, mut path: Vec<String>, name: &str, is_public: bool) {
        if path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        if is_public {
            self.hands_on.insert(name.to_owned(), path);
        } else {
            self.uses.push(path);
        }
    }
}

fn is_of_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let says_test = |list: &syn::MetaList| list.tokens.clone().into_iter().any(|token| mentions_test(&token));
        attribute.path().is_ident("cfg") && attribute.meta.require_list().is_ok_and(says_test)
    })
}

fn mentions_test(token: &proc_macro2::TokenTree) -> bool {
    match token {
        proc_macro2::TokenTree::Ident(ident) => ident == "test",
        proc_macro2::TokenTree::Group(group) => group.stream().into_iter().any(|token| mentions_test(&token)),
        _ => false,
    }
}

impl<'ast> Visit<'ast> for Said {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        match is_of_tests(&item.attrs) {
            true => self.of_tests.push(item.ident.to_string()),
            false => visit::visit_item_mod(self, item),
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&item.tree, &[], !matches!(item.vis, syn::Visibility::Inherited));
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            self.uses.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        }
        visit::visit_path(self, path);
    }
}

/// The circles among the modules of a crate, each as the names of its modules.
fn circles(files: Vec<(Module, syn::File)>) -> Vec<String> {
    let mut output: BTreeMap<Module, Said> = BTreeMap::new();
    for (module, file) in &files {
        let of_module = output.entry(module.clone()).or_default();
        of_module.visit_file(file);
    }
    let of_tests: Vec<Module> = output
        .iter()
        .flat_map(|(module, output)| {
            output.of_tests.iter().map(|name| [module.as_slice(), std::slice::from_ref(name)].concat())
        })
        .collect();
    output.retain(|module, _| !of_tests.iter().any(|tests| module.starts_with(tests)));
    let needs: BTreeMap<&Module, BTreeSet<Module>> = output
        .iter()
        .map(|(module, of_module)| {
            let used = of_module.uses.iter().filter_map(|path| resolved(module, path, &output, 0));
            // Modules inside a module belong to it.
            (module, used.filter(|used| !used.starts_with(module)).collect())
        })
        .collect();
    let reached = |from: &Module| {
        let (mut reached, mut left) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(module) = left.pop() {
            for next in needs.get(&module).into_iter().flatten() {
                if reached.insert(next.clone()) {
                    left.push(next.clone());
                }
            }
        }
        reached
    };
    let reach: BTreeMap<&Module, BTreeSet<Module>> = output.keys().map(|module| (module, reached(module))).collect();
    let circle_of = |module: &Module| -> BTreeSet<&Module> {
        let others = reach.iter().filter(|(other, back)| reach[module].contains(**other) && back.contains(module));
        others.map(|(other, _)| *other).collect()
    };
    let circles: BTreeSet<BTreeSet<&Module>> = output.keys().map(circle_of).filter(|circle| circle.len() > 1).collect();
    let shown =
        |circle: &BTreeSet<&Module>| circle.iter().map(|module| module.join("::")).collect::<Vec<_>>().join(", ");
    circles.iter().map(shown).collect()
}

/// The module in which the item of a path is defined; `None` if the path leaves the crate.
fn resolved(module: &Module, path: &[String], output: &BTreeMap<Module, Said>, handed_on: usize) -> Option<Module> {
    let inside = |module: &Module, name: &String| [module.as_slice(), std::slice::from_ref(name)].concat();
    let first = path.first()?;
    let (mut at, mut rest) = match first.as_str() {
        "crate" => (Module::new(), &path[1..]),
        "self" => (module.clone(), &path[1..]),
        "super" => {
            let ups = path.iter().take_while(|part| *part == "super").count();
            (module[..module.len().checked_sub(ups)?].to_vec(), &path[ups..])
        }
        _ if output.contains_key(&inside(module, first)) => (module.clone(), path),
        _ => return None,
    };
    while let Some((name, behind)) = rest.split_first() {
        let deeper = inside(&at, name);
        if !output.contains_key(&deeper) {
            break;
        }
        (at, rest) = (deeper, behind);
    }
    // No crate re-exports a name through that many modules.
    let elsewhere = rest.first().filter(|_| handed_on < 8).and_then(|name| output.get(&at)?.hands_on.get(name));
    elsewhere.and_then(|path| resolved(&at, path, output, handed_on + 1)).or(Some(at))
}
