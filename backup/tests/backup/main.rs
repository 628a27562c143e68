//! Backups on real databases: a folder as the store, and stores that fail.

mod faults;
mod keep;
mod restore;
mod round_trip;
mod support;
