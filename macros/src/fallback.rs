//! The output of the macros after an error: the errors, and an empty set of the right type, so that the error does not
//! cause others where the value is used.

use std::any::Any;

use proc_macro2::TokenStream;
use quote::quote;
use syn::Path;

use crate::args::{self, Given};

/// Emits these errors and an empty set.
pub(crate) fn after(krate: &Path, given: Given, messages: &[String]) -> TokenStream {
    after_errors(krate, given, quote! { #(::core::compile_error! { #messages })* })
}

/// Emits these errors, with their spans, and an empty set.
pub(crate) fn after_errors(krate: &Path, given: Given, errors: TokenStream) -> TokenStream {
    let empty = match given {
        Given::One => quote! { #krate::Migrations::EMPTY },
        Given::Each => quote! { #krate::Databases::EMPTY },
    };
    quote! {
        {
            #errors
            #empty
        }
    }
}

/// The output of `embed_migrations!` after a panic, which is a bug of the macro.
pub(crate) fn after_panic(payload: Box<dyn Any + Send>) -> TokenStream {
    after(&args::lockgate(), Given::One, &[of_panic("embed_migrations!", payload.as_ref())])
}

/// The output of `migration_tests!` after a panic.
pub(crate) fn items_after_panic(payload: Box<dyn Any + Send>) -> TokenStream {
    items_after(&[of_panic("migration_tests!", payload.as_ref())])
}

/// The output of an attribute after a panic, in place of the item.
pub(crate) fn after_panic_in_attribute(payload: Box<dyn Any + Send>) -> TokenStream {
    items_after(&[of_panic("#[lockgate_harness::test]", payload.as_ref())])
}

/// The output of `#[derive(Table)]` after a panic, beside the struct.
pub(crate) fn after_panic_in_derive(payload: Box<dyn Any + Send>) -> TokenStream {
    items_after(&[of_panic("#[derive(lockgate::Table)]", payload.as_ref())])
}

/// Emits these errors instead of items.
pub(crate) fn items_after(messages: &[String]) -> TokenStream {
    quote! { #(::core::compile_error! { #messages })* }
}

fn of_panic(macro_name: &str, payload: &(dyn Any + Send)) -> String {
    let cause =
        payload.downcast_ref::<String>().map(String::as_str).or_else(|| payload.downcast_ref::<&str>().copied());
    format!(
        "{macro_name} failed because of a bug: {}\nplease report it at {}/issues, with the folder if you can",
        cause.unwrap_or("no reason was given"),
        env!("CARGO_PKG_REPOSITORY"),
    )
}
