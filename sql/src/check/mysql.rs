//! Checks the brackets of MySQL and MariaDB statements. There is no parser for these dialects; the splitter
//! has already checked quotes, comments, `DELIMITER` and bodies.

use std::ops::Range;

use lockgate_core::Dialect;

use super::{FindingKind, ParserFinding};
use crate::lexer::{Kind, Lexer};

/// Finds a bracket without a partner.
pub(super) fn wrong(text: &str, range: Range<usize>) -> Option<ParserFinding> {
    let mut lexer = Lexer::new(Dialect::Mysql, &text[..range.end], range.start);
    let mut open = Vec::new();
    loop {
        let token = lexer.next();
        match token.kind {
            Kind::Open => open.push(token),
            Kind::Close if open.pop().is_none() => {
                return Some(ParserFinding::new(
                    token.start..token.end,
                    FindingKind::Refused("this `)` closes nothing".to_owned()),
                ));
            }
            Kind::End => break,
            _ => {}
        }
    }
    let open = open.pop()?;
    Some(ParserFinding::new(open.start..open.end, FindingKind::Refused("this `(` is not closed".to_owned())))
}
