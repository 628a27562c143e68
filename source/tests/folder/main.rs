//! Whole folders, read from a disk: what is in them and everything that is wrong with them.

mod catalogue;
mod encoded;
mod grammar;
mod growth;
mod lint;
mod lockfile;
mod order;
mod psql;
mod random_scripts;
mod reading;
mod renumber;
mod repeatable;
mod seed;
mod support;
mod transactions;
mod trees;
