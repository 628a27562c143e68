//! Backups of databases that Lockgate migrates, restores, and copying of their rows.
//!
//! `lockgate-cli` uses this crate if its feature `backup` is on. Other programs do not contain it.
//!
//! A [`Store`] is the place where backups are kept: a folder, or with the features `s3`, `gcs` and `azure` a bucket. A
//! [`Subject`] is a database together with its migrator and the store of its backups. Every command is a function that
//! takes a subject: [`create`], [`list`](list::list), [`fetch`].
//!
//! ```
//! # #[cfg(feature = "sqlite")]
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! use lockgate::{Migrations, Migrator};
//! use lockgate_backup::{BackupChoice, Purpose, Store, Subject, create, verify};
//!
//! # static MIGRATIONS: Migrations = Migrations::EMPTY;
//! # let folder = tempfile::tempdir().unwrap();
//! # let url = &format!("sqlite://{}?mode=rwc", folder.path().join("library.db").display());
//! # lockgate::Database::connect(url).await.unwrap();
//! let store = Store::open(folder.path().to_str().unwrap())?; // a folder on another disk
//! let migrator = Migrator::new(&MIGRATIONS);
//! let subject = Subject { url, migrator: &migrator, store: &store, on_event: &|_| () };
//!
//! let made = create(&subject, Purpose::Asked).await?;
//! assert!(made.key.starts_with("library/unmarked/"));
//! assert_eq!(verify(&subject, &BackupChoice::default()).await?.meta, made);
//! # Ok::<(), lockgate_backup::Error>(()) }).unwrap();
//! ```

#![deny(missing_docs)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(all(feature = "sqlite", feature = "postgres")),
    allow(dead_code, unused_imports, unused_variables, reason = "code for one backend is unused without it")
)]

#[cfg(feature = "postgres")]
mod client;
mod create;
pub mod data;
pub mod deploy;
mod error;
mod event;
mod fetch;
pub mod list;
pub mod meta;
mod names;
#[cfg(feature = "postgres")]
mod postgres;
pub mod prune;
pub mod refresh;
pub mod restore;
pub mod schedule;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod schema;
#[cfg(feature = "sqlite")]
mod sqlite;
mod store;
mod subject;
pub mod tunnel;
mod verify;

pub use create::create;
pub use error::Error;
pub use event::{Event, Phase};
pub use fetch::{Fetched, fetch};
pub use meta::{Meta, Purpose};
pub use store::Store;
pub use subject::{BackupChoice, BackupStage, Subject};
pub use verify::{Verified, verify};

/// The release of `object_store` whose stores [`Store::over`] accepts.
pub use object_store;
