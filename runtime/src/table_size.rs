//! The sizes of the tables that a plan touches, as the database estimates them.

/// The size of a table, from the statistics of the database. No row is counted and no lock is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableSize {
    /// The table, as the scripts name it.
    pub table: String,
    /// About how many rows it has. `None` if the database does not know: the table was never analyzed.
    pub rows: Option<u64>,
    /// About how many bytes it takes, without its indexes. `None` if the database does not know that cheaply.
    pub bytes: Option<u64>,
}
