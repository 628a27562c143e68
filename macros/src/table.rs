//! Expands `#[derive(Table)]`, which only finds mistakes. The xtask reads the struct itself, in the source.

use lockgate_source::core::Dialects;
use lockgate_tables::Table;
use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Error};

use crate::expand::built;

/// Returns nothing, or every mistake in the struct.
pub(crate) fn table(input: TokenStream) -> TokenStream {
    match syn::parse2(input) {
        Ok(input) => {
            let errors = mistakes(&input, built());
            let errors = errors.iter().map(Error::to_compile_error);
            quote! { #(#errors)* }
        }
        Err(error) => error.to_compile_error(),
    }
}

/// Returns the mistakes in a struct. What one of these databases does not have is only a mistake if no other has it: a
/// program for both may have a table on one of them alone.
fn mistakes(input: &DeriveInput, built: Dialects) -> Vec<Error> {
    let table = match Table::of(input) {
        Ok(table) => table,
        Err(errors) => return errors,
    };
    let mut first = Vec::new();
    for dialect in built.iter() {
        match table.statements(dialect) {
            Ok(_) => return Vec::new(),
            Err(errors) if first.is_empty() => first = errors,
            Err(_) => {}
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use lockgate_source::core::Dialect;

    use super::*;

    #[test]
    fn one_database_that_has_it_is_enough() {
        let input: DeriveInput = syn::parse_quote! { struct Tag { names: Vec<String> } };
        let found = |built: &[Dialect]| {
            let errors = mistakes(&input, built.iter().copied().collect());
            errors.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(found(&[]), [""; 0]);
        assert_eq!(found(&[Dialect::Postgres]), [""; 0]);
        assert_eq!(found(&[Dialect::Postgres, Dialect::Sqlite]), [""; 0]);
        let errors = found(&[Dialect::Sqlite]);
        assert!(matches!(&*errors, [error] if error.starts_with("SQLite has no arrays: write how it is stored")));
    }

    #[test]
    fn a_good_struct_adds_nothing_to_the_program() {
        let input = quote! { struct Tag { #[lockgate(primary_key)] name: String } };
        assert!(table(input).is_empty());
    }
}
