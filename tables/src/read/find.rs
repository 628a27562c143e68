//! Finds the structs with the derive in a file, in every module, function and block.

use std::collections::BTreeSet;

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{
    Attribute, DeriveInput, ImplItemFn, Item, ItemEnum, ItemStruct, ItemUnion, Macro, Meta, Path, Token, TraitItemFn,
};

use super::imports::{Import, imports, is_the_derive};

/// A struct with the derive.
pub(super) struct Struct {
    pub(super) input: DeriveInput,
    pub(super) only_for_tests: bool,
    /// A `#[cfg(…)]` that decides whether it is compiled.
    pub(super) condition: Option<String>,
}

/// What a file has.
pub(super) struct InFile {
    pub(super) structs: Vec<Struct>,
    /// Where a macro writes such a struct.
    pub(super) in_macros: Vec<Span>,
}

/// Returns the structs of a file.
pub(super) fn structs(file: &syn::File, names: &BTreeSet<String>, other_crates: &BTreeSet<String>) -> InFile {
    let imports = imports(file);
    let mut finder = Finder {
        names,
        other_crates,
        imports: &imports,
        only_for_tests: is_only_for_tests(&file.attrs),
        condition: condition(&file.attrs),
        found: InFile { structs: Vec::new(), in_macros: Vec::new() },
    };
    finder.visit_file(file);
    finder.found
}

struct Finder<'a> {
    names: &'a BTreeSet<String>,
    other_crates: &'a BTreeSet<String>,
    imports: &'a [Import],
    only_for_tests: bool,
    condition: Option<String>,
    found: InFile,
}

impl Finder<'_> {
    /// Visits what has these attributes.
    fn within(&mut self, attributes: &[Attribute], visit: impl FnOnce(&mut Self)) {
        let before = (self.only_for_tests, self.condition.clone());
        self.only_for_tests |= is_only_for_tests(attributes);
        if let Some(condition) = condition(attributes) {
            self.condition = Some(condition);
        }
        visit(self);
        (self.only_for_tests, self.condition) = before;
    }

    fn consider(&mut self, input: DeriveInput) {
        let is_ours = |path: &Path| is_the_derive(path, self.imports, self.names, self.other_crates);
        if derived(&input.attrs).iter().any(is_ours) {
            let (only_for_tests, condition) = (self.only_for_tests, self.condition.clone());
            self.found.structs.push(Struct { input, only_for_tests, condition });
        }
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        self.within(attributes(item), |finder| visit::visit_item(finder, item));
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.within(&function.attrs, |finder| visit::visit_impl_item_fn(finder, function));
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        self.within(&function.attrs, |finder| visit::visit_trait_item_fn(finder, function));
    }

    fn visit_item_struct(&mut self, item: &'ast ItemStruct) {
        self.consider(item.clone().into());
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast ItemEnum) {
        self.consider(item.clone().into());
    }

    fn visit_item_union(&mut self, item: &'ast ItemUnion) {
        self.consider(item.clone().into());
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        let names = |word: &str| self.names.contains(word) || word == "lockgate";
        if !self.only_for_tests
            && let Some(place) = derive_in(call.tokens.clone(), &names)
        {
            self.found.in_macros.push(place);
        }
    }
}

/// Returns the paths in `#[derive(…)]`, also those with a condition.
fn derived(attributes: &[Attribute]) -> Vec<Path> {
    let mut found = Vec::new();
    for attribute in attributes {
        add_derived(&attribute.meta, &mut found);
    }
    found
}

fn add_derived(meta: &Meta, found: &mut Vec<Path>) {
    let Meta::List(list) = meta else { return };
    if list.path.is_ident("derive") {
        let paths = Punctuated::<Path, Token![,]>::parse_terminated.parse2(list.tokens.clone());
        found.extend(paths.into_iter().flatten());
    } else if list.path.is_ident("cfg_attr") {
        let metas = Punctuated::<Meta, Token![,]>::parse_terminated.parse2(list.tokens.clone());
        metas.iter().flatten().skip(1).for_each(|meta| add_derived(meta, found));
    }
}

/// Returns where these tokens have `derive(… Table …)`.
fn derive_in(tokens: TokenStream, names: &dyn Fn(&str) -> bool) -> Option<Span> {
    let mut after_derive = false;
    for token in tokens {
        let is_derive = matches!(&token, TokenTree::Ident(ident) if ident == "derive");
        if let TokenTree::Group(group) = token {
            let mut words = group.stream().into_iter().filter_map(|token| match token {
                TokenTree::Ident(ident) => Some(ident),
                _ => None,
            });
            if after_derive && let Some(word) = words.find(|word| names(&word.to_string())) {
                return Some(word.span());
            }
            if let Some(place) = derive_in(group.stream(), names) {
                return Some(place);
            }
        }
        after_derive = is_derive;
    }
    None
}

/// Whether what has these attributes is compiled for tests only.
pub(super) fn is_only_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let path = attribute.path();
        let is_a_test = path.segments.last().is_some_and(|last| last.ident == "test");
        is_a_test || path.is_ident("cfg") && attribute.parse_args::<Meta>().is_ok_and(|meta| needs_test(&meta))
    })
}

fn needs_test(predicate: &Meta) -> bool {
    let inner = |list: &syn::MetaList| -> Vec<Meta> {
        let metas = Punctuated::<Meta, Token![,]>::parse_terminated.parse2(list.tokens.clone());
        metas.into_iter().flatten().collect()
    };
    match predicate {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("all") => inner(list).iter().any(needs_test),
        Meta::List(list) if list.path.is_ident("any") => {
            let inner = inner(list);
            !inner.is_empty() && inner.iter().all(needs_test)
        }
        Meta::List(_) | Meta::NameValue(_) => false,
    }
}

/// Returns the first condition among these attributes, as it is written.
fn condition(attributes: &[Attribute]) -> Option<String> {
    let condition = attributes.iter().find(|attribute| attribute.path().is_ident("cfg"))?;
    let Meta::List(list) = &condition.meta else { return None };
    Some(format!("#[cfg({})]", list.tokens))
}

/// Returns the attributes of an item.
pub(super) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
