//! Names: the one that a struct's table has by default, and how names are checked and written.

use proc_macro2::Span;
use syn::Error;

/// Returns the name of a struct in snake case: `HTTPRequest` is `http_request`, and `Page2Tag` is `page2_tag`.
pub(crate) fn snake_case(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut snake = String::new();
    for (index, &c) in chars.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| chars[before]);
        let starts_a_word = c.is_uppercase()
            && before.is_some_and(|before| {
                let ends_an_acronym =
                    before.is_uppercase() && chars.get(index + 1).is_some_and(|next| next.is_lowercase());
                before != '_' && (!before.is_uppercase() || ends_an_acronym)
            });
        if starts_a_word {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}

/// Writes a name in quotes, so that no word is mistaken for a keyword and capitals stay.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Says what is wrong with a name that is given by an option.
pub(crate) fn check(option: &str, name: &str, span: Span) -> Result<(), Error> {
    let wrong = |what: &str| Err(Error::new(span, what));
    if name.is_empty() {
        return wrong(&format!("the name in `{option}` is empty: write one, or delete the option"));
    }
    if name.trim() != name {
        return wrong(&format!("the name in `{option}` begins or ends with a space: delete it"));
    }
    if name.chars().any(char::is_control) {
        return wrong(&format!("the name in `{option}` has a line break or a control character: delete it"));
    }
    Ok(())
}

/// Returns the word that was probably meant.
pub(crate) fn nearest<'a>(wrong: &str, known: &[&'a str]) -> Option<&'a str> {
    let distance = |word: &&str| strsim::damerau_levenshtein(wrong, word);
    let nearest = known.iter().copied().min_by_key(distance)?;
    (distance(&nearest) <= 1 + wrong.len() / 4).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_struct_has_a_table_in_snake_case() {
        for (name, snake) in [
            ("User", "user"),
            ("BlogPost", "blog_post"),
            ("HTTPRequest", "http_request"),
            ("Page2Tag", "page2_tag"),
            ("UserID", "user_id"),
            ("Already_Split", "already_split"),
            ("Ärger", "ärger"),
        ] {
            assert_eq!(snake_case(name), snake);
        }
    }

    #[test]
    fn a_quote_in_a_name_is_doubled() {
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
    }

    #[test]
    fn a_typing_mistake_is_recognized() {
        assert_eq!(nearest("primary_kay", &["unique", "primary_key"]), Some("primary_key"));
        assert_eq!(nearest("autoincrement", &["unique", "primary_key"]), None);
    }
}
