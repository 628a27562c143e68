//! Backups, restores and data for databases that Lockgate migrates.
//!
//! The command line uses this crate behind its feature `backup`. A program that does not ask for it has nothing of it.

#![deny(missing_docs)]
#![forbid(unsafe_code)]
