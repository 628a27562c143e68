//! MySQL and MariaDB: no grammar of theirs is to be had here. What the splitter does not find wrong
//! (quotes, comments, `DELIMITER`, bodies) is looked at for its brackets alone.

use std::ops::Range;

use lockgate_core::Dialect;

use super::{Fact, Wrong};
use crate::lexer::{Kind, Lexer};

/// A bracket without its partner.
pub(super) fn wrong(text: &str, range: Range<usize>) -> Option<Wrong> {
    let mut lexer = Lexer::new(Dialect::Mysql, &text[..range.end], range.start);
    let mut open = Vec::new();
    loop {
        let token = lexer.next();
        match token.kind {
            Kind::Open => open.push(token),
            Kind::Close if open.pop().is_none() => {
                return Some(Wrong::new(token.start..token.end, Fact::Refused("this `)` closes nothing".to_owned())));
            }
            Kind::End => break,
            _ => {}
        }
    }
    let open = open.pop()?;
    Some(Wrong::new(open.start..open.end, Fact::Refused("this `(` is not closed".to_owned())))
}
