//! The sizes of the tables that a plan touches, as the database estimates them; and how sizes are shown.

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

/// A size for people, in powers of 1,024: `16 kB`, `1.2 GB`.
pub fn readable_size(bytes: u64) -> String {
    let units = ["kB", "MB", "GB", "TB", "PB"];
    let mut size = bytes as f64 / 1024.0;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < units.len() {
        size /= 1024.0;
        unit += 1;
    }
    if size < 10.0 && unit > 0 { format!("{size:.1} {}", units[unit]) } else { format!("{size:.0} {}", units[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_easy_to_read() {
        let sizes = [0, 8_192, 1 << 20, 5 << 30, 300 << 20].map(readable_size);
        assert_eq!(sizes, ["0 kB", "8 kB", "1.0 MB", "5.0 GB", "300 MB"]);
    }
}
