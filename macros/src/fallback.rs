//! What stands in the macro's place after an error: the errors, and an empty set of the right type,
//! so that one mistake is not reported again wherever the value is used.

use std::any::Any;

use proc_macro2::TokenStream;
use quote::quote;
use syn::Path;

/// A block of these errors and an empty set.
pub(crate) fn after(krate: &Path, messages: &[String]) -> TokenStream {
    after_errors(krate, quote! { #(::core::compile_error! { #messages })* })
}

/// A block of these errors, which point at what they are about, and an empty set.
pub(crate) fn after_errors(krate: &Path, errors: TokenStream) -> TokenStream {
    quote! {
        {
            #errors
            #krate::Migrations::EMPTY
        }
    }
}

/// The output after a panic, which is a mistake of this macro and not of its user.
pub(crate) fn after_panic(payload: Box<dyn Any + Send>) -> TokenStream {
    after(&crate::args::lockgate(), &[of_panic("embed_migrations!", payload.as_ref())])
}

/// The output of `migration_tests!` after a panic.
pub(crate) fn items_after_panic(payload: Box<dyn Any + Send>) -> TokenStream {
    items_after(&[of_panic("migration_tests!", payload.as_ref())])
}

/// The output of an attribute after a panic, in place of the item.
pub(crate) fn after_panic_in_attribute(payload: Box<dyn Any + Send>) -> TokenStream {
    items_after(&[of_panic("#[lockgate_harness::test]", payload.as_ref())])
}

/// What stands in the place of items: these errors.
pub(crate) fn items_after(messages: &[String]) -> TokenStream {
    quote! { #(::core::compile_error! { #messages })* }
}

fn of_panic(macro_name: &str, payload: &(dyn Any + Send)) -> String {
    let cause =
        payload.downcast_ref::<String>().map(String::as_str).or_else(|| payload.downcast_ref::<&str>().copied());
    format!(
        "{macro_name} failed by a mistake of its own: {}\nplease report it at {}/issues, with the folder if you can",
        cause.unwrap_or("no reason was given"),
        env!("CARGO_PKG_REPOSITORY"),
    )
}
