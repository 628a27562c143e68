//! The users' guide, one module a chapter.
//!
#![doc = links!()]
#![doc = ""]
#![doc = include_str!("../guide/README.md")]

/// Where the links between chapters lead in this documentation. The first definition of a link counts.
macro_rules! links {
    () => {
        "[getting-started]: crate::guide::getting_started
[files]: crate::guide::files
[lockfile]: crate::guide::lockfile
[directives]: crate::guide::directives
[lints]: crate::guide::lints
[testing]: crate::guide::testing
[rust]: crate::guide::rust
[operating]: crate::guide::operating
[production]: crate::guide::production
[deploying]: crate::guide::deploying
[problems]: crate::guide::problems
[coming-from]: crate::guide::coming_from
[commands]: crate::guide::commands
[glossary]: crate::guide::glossary
"
    };
}

macro_rules! chapters {
    ($($(#[$attribute:meta])* $name:ident $page:literal)*) => {
        $(#[doc = links!()]
        #[doc = ""]
        #[doc = include_str!(concat!("../guide/", $page, ".md"))]
        $(#[$attribute])*
        pub mod $name {})*
    };
}

chapters! {
    getting_started "getting-started"
    files "files"
    lockfile "lockfile"
    directives "directives"
    lints "lints"
    // Its code is compiled by the harness, which this crate cannot name.
    #[cfg(not(doctest))]
    testing "testing"
    rust "rust"
    operating "operating"
    production "production"
    deploying "deploying"
    problems "problems"
    coming_from "coming-from"
    commands "commands"
    glossary "glossary"
}
