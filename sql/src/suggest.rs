//! Finds the known word that a misspelt word probably means.

/// Returns the nearest of the known words, if it is close enough to be a typing mistake.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    near(word, known).first().copied()
}

/// Returns the known words that are close enough to be a typing mistake, nearest first.
pub fn near<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let word = word.to_lowercase();
    let length = word.chars().count();
    let most = (length / 3).clamp(1, 3);
    let mut near: Vec<(usize, &str)> = known
        .into_iter()
        .filter(|candidate| candidate.chars().count().abs_diff(length) <= most)
        .map(|candidate| (strsim::osa_distance(&word, candidate), candidate))
        .filter(|(distance, _)| *distance <= most)
        .collect();
    near.sort_by_key(|(distance, _)| *distance);
    near.into_iter().map(|(_, candidate)| candidate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_mistakes_find_their_word() {
        let known = ["no-transaction", "irreversible", "role", "allow"];
        assert_eq!(nearest("no-transation", known), Some("no-transaction"));
        assert_eq!(nearest("no_transaction", known), Some("no-transaction"));
        assert_eq!(nearest("Irreversible", known), Some("irreversible"));
        assert_eq!(nearest("roel", known), Some("role"));
        assert_eq!(nearest("vacuum", known), None);
        assert_eq!(nearest("", known), None);
    }
}
