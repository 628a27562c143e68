//! Whole folders, read from a disk: what is in them and everything that is wrong with them.

mod lockfile;
mod order;
mod reading;
mod renumber;
mod support;
mod transactions;
