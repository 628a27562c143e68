//! Texts of schemas as they stand in files: what one is of, and in what two differ. A file is a text and
//! no schema; what differs is told block by block, line by line.

use lockgate_core::Dialect;

/// What the database spoke of which this is the text, if it is one.
pub fn dialect(text: &str) -> Option<Dialect> {
    let first = text.lines().next()?.strip_prefix("-- lockgate schema ")?;
    let (_, dialect) = first.split_once(" (")?;
    dialect.strip_suffix(')')?.parse().ok()
}

/// In what one text differs from another, for someone to read: nothing, if they are equal.
pub fn differences(before: &str, after: &str) -> String {
    let (before, after) = (blocks(before), blocks(after));
    let mut told = String::new();
    for block in &before {
        let head = head(block);
        match after.iter().find(|other| self::head(other) == head) {
            None => told.push_str(&format!("{head}: is not there any more\n")),
            Some(other) if other == block => {}
            Some(other) => {
                told.push_str(&format!("{head}:\n"));
                let (gone, new) = (without(block, other), without(other, block));
                if gone.is_empty() && new.is_empty() {
                    told.push_str("  the lines are the same in another order\n");
                }
                gone.iter().for_each(|line| told.push_str(&format!("- {line}\n")));
                new.iter().for_each(|line| told.push_str(&format!("+ {line}\n")));
            }
        }
    }
    for block in &after {
        let head = head(block);
        if !before.iter().any(|other| self::head(other) == head) {
            told.push_str(&format!("{head}: is new\n"));
        }
    }
    if told.is_empty() && before != after {
        told.push_str("the same blocks stand in another order\n");
    }
    told
}

fn blocks(text: &str) -> Vec<Vec<&str>> {
    let blocks = text.split("\n\n").map(|block| block.lines().filter(|line| !line.is_empty()).collect::<Vec<_>>());
    blocks.filter(|block| !block.is_empty()).collect()
}

/// How a block is called: its first line, which of the first block has version and dialect.
fn head<'a>(block: &[&'a str]) -> &'a str {
    block.first().copied().unwrap_or_default()
}

/// The lines of one that the other does not have, as often as it has them.
fn without<'a>(lines: &[&'a str], other: &[&str]) -> Vec<&'a str> {
    let mut other = other.to_vec();
    let mut left = Vec::new();
    for line in lines {
        match other.iter().position(|own| own == line) {
            Some(index) => drop(other.remove(index)),
            None => left.push(*line),
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_says_what_it_is_of() {
        assert_eq!(dialect("-- lockgate schema 1 (sqlite)\n\ntable t\n"), Some(Dialect::Sqlite));
        assert_eq!(dialect("-- lockgate schema 2 (postgres)"), Some(Dialect::Postgres));
        assert_eq!(dialect("table t\n"), None);
        assert_eq!(dialect(""), None);
    }

    #[test]
    fn differences_are_told_block_by_block() {
        let before = "-- x\n\ntable a\n  column a\n  column b\n\ntable b\n\ntable c\n  1\n  2\n";
        let after = "-- x\n\ntable a\n  column a\n  column c\n\ntable c\n  2\n  1\n\ntable d\n";
        assert_eq!(
            differences(before, after),
            "table a:\n-   column b\n+   column c\ntable b: is not there any more\n\
             table c:\n  the lines are the same in another order\ntable d: is new\n"
        );
        assert_eq!(differences(before, before), "");
        assert_eq!(differences("a\n\nb\n", "b\n\na\n"), "the same blocks stand in another order\n");
        assert_eq!(differences("a\n  x\n  x\n", "a\n  x\n"), "a:\n-   x\n");
        assert_eq!(differences("a\n", "a\n\n\n"), "", "an empty line at the end is no difference");
    }
}
