//! Dump and load on real databases: what is loaded is what was dumped, or nothing is changed.

mod data {
    pub(crate) mod place;
    mod postgres;
    mod sqlite;
}
