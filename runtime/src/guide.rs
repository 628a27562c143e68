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
[psql]: crate::guide::psql
[repeatables]: crate::guide::repeatables
[lints]: crate::guide::lints
[generate]: crate::guide::generate
[testing]: crate::guide::testing
[rust]: crate::guide::rust
[operating]: crate::guide::operating
[production]: crate::guide::production
[schema-file]: crate::guide::testing#the-schema-as-a-file
[schema-drift]: crate::guide::operating#a-schema-that-was-changed-by-hand
[databases]: crate::guide::databases
[mirror]: crate::guide::databases#a-mirror-of-the-histories
[bootstrapping]: crate::guide::bootstrapping
[trees]: crate::guide::trees
[structs]: crate::guide::structs
[deploying]: crate::guide::deploying
[backups]: crate::guide::backups
[data]: crate::guide::data
[dev]: crate::guide::data#development-databases
[problems]: crate::guide::problems
[coming-from]: crate::guide::coming_from
[coming]: crate::guide::coming_from
[takeover]: crate::guide::coming_from#taking-over-a-live-database
[coming-from-sqlx]: crate::guide::coming_from_sqlx
[coming-from-refinery]: crate::guide::coming_from_refinery
[coming-from-diesel]: crate::guide::coming_from_diesel
[coming-from-sea-orm]: crate::guide::coming_from_sea_orm
[coming-from-rusqlite-migration]: crate::guide::coming_from_rusqlite_migration
[coming-from-flyway]: crate::guide::coming_from_flyway
[coming-from-alembic]: crate::guide::coming_from_alembic
[coming-from-golang-migrate]: crate::guide::coming_from_golang_migrate
[coming-from-goose]: crate::guide::coming_from_goose
[coming-from-dbmate]: crate::guide::coming_from_dbmate
[coming-from-others]: crate::guide::coming_from_others
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
    psql "psql"
    repeatables "repeatables"
    lints "lints"
    generate "generate"
    // Its code is compiled by the harness, which this crate cannot name.
    #[cfg(not(doctest))]
    testing "testing"
    rust "rust"
    operating "operating"
    production "production"
    // What it shows is there with PostgreSQL alone.
    #[cfg(any(doc, feature = "databases"))]
    databases "databases"
    bootstrapping "bootstrapping"
    trees "trees"
    backups "backups"
    data "data"
    structs "structs"
    deploying "deploying"
    problems "problems"
    coming_from "coming-from"
    coming_from_sqlx "coming-from-sqlx"
    coming_from_refinery "coming-from-refinery"
    coming_from_diesel "coming-from-diesel"
    coming_from_sea_orm "coming-from-sea-orm"
    coming_from_rusqlite_migration "coming-from-rusqlite-migration"
    coming_from_flyway "coming-from-flyway"
    coming_from_alembic "coming-from-alembic"
    coming_from_golang_migrate "coming-from-golang-migrate"
    coming_from_goose "coming-from-goose"
    coming_from_dbmate "coming-from-dbmate"
    coming_from_others "coming-from-others"
    commands "commands"
    glossary "glossary"
}
