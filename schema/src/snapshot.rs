//! Texts of schemas in files: the dialect of a text, and the differences between two. They are compared as text, block
//! by block and line by line.

use lockgate_core::Dialect;

/// Returns the dialect in the first line, if this is the text of a schema.
pub fn dialect(text: &str) -> Option<Dialect> {
    let first = text.lines().next()?.strip_prefix("-- lockgate schema ")?;
    let (_, dialect) = first.split_once(" (")?;
    dialect.strip_suffix(')')?.parse().ok()
}

/// Describes the differences between two texts for people. The result is empty if they are equal.
pub fn differences(before: &str, after: &str) -> String {
    let (before, after) = (blocks(before), blocks(after));
    let mut text = String::new();
    for block in &before {
        let head = head(block);
        match after.iter().find(|other| self::head(other) == head) {
            None => text.push_str(&format!("{head}: is gone\n")),
            Some(other) if other == block => {}
            Some(other) => {
                text.push_str(&format!("{head}:\n"));
                let (gone, new) = (without(block, other), without(other, block));
                if gone.is_empty() && new.is_empty() {
                    text.push_str("  the lines are the same in another order\n");
                }
                gone.iter().for_each(|line| text.push_str(&format!("- {line}\n")));
                new.iter().for_each(|line| text.push_str(&format!("+ {line}\n")));
            }
        }
    }
    for block in &after {
        let head = head(block);
        if !before.iter().any(|other| self::head(other) == head) {
            text.push_str(&format!("{head}: is new\n"));
        }
    }
    if text.is_empty() && before != after {
        text.push_str("the blocks are the same in another order\n");
    }
    text
}

fn blocks(text: &str) -> Vec<Vec<&str>> {
    let blocks = text.split("\n\n").map(|block| block.lines().filter(|line| !line.is_empty()).collect::<Vec<_>>());
    blocks.filter(|block| !block.is_empty()).collect()
}

/// Returns the first line of a block, which names the object. In the first block it is version and dialect.
fn head<'a>(block: &[&'a str]) -> &'a str {
    block.first().copied().unwrap_or_default()
}

/// Returns the lines that `other` lacks; a line that occurs more often here is returned for each extra time.
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
    fn the_first_line_names_the_dialect() {
        assert_eq!(dialect("-- lockgate schema 1 (sqlite)\n\ntable t\n"), Some(Dialect::Sqlite));
        assert_eq!(dialect("-- lockgate schema 2 (postgres)"), Some(Dialect::Postgres));
        assert_eq!(dialect("table t\n"), None);
        assert_eq!(dialect(""), None);
    }

    #[test]
    fn differences_are_shown_block_by_block() {
        let before = "-- x\n\ntable a\n  column a\n  column b\n\ntable b\n\ntable c\n  1\n  2\n";
        let after = "-- x\n\ntable a\n  column a\n  column c\n\ntable c\n  2\n  1\n\ntable d\n";
        assert_eq!(
            differences(before, after),
            "table a:\n-   column b\n+   column c\ntable b: is gone\n\
             table c:\n  the lines are the same in another order\ntable d: is new\n"
        );
        assert_eq!(differences(before, before), "");
        assert_eq!(differences("a\n\nb\n", "b\n\na\n"), "the blocks are the same in another order\n");
        assert_eq!(differences("a\n  x\n  x\n", "a\n  x\n"), "a:\n-   x\n");
        assert_eq!(differences("a\n", "a\n\n\n"), "", "an empty line at the end is no difference");
    }
}
