//! Keywords that PostgreSQL refuses as names and the parser accepts. The parser's tree says of each name what it names, and
//! so which keywords it may be. `cargo xtask oracle --names` compares this with real servers.

use std::ops::Range;

use squawk_syntax::{SyntaxKind, SyntaxNode, SyntaxToken};

use super::keywords::{is_function_word, is_reserved, is_value_word};
use crate::check::{FindingKind, ParserFinding, repair};

use SyntaxKind as K;

/// What a name may be without quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    /// Columns, tables and most other objects.
    Object,
    /// Functions without a schema, and parameters.
    Function,
    /// Types without a schema.
    Type,
}

/// Returns the first keyword in a place for a name where the server refuses it.
pub(super) fn find(root: &SyntaxNode) -> Option<ParserFinding> {
    let tokens = root.descendants_with_tokens().filter_map(|part| part.into_token());
    let mut keywords = tokens.filter(|token| token.kind().is_keyword());
    keywords.find_map(|token| refused(&token))
}

fn refused(token: &SyntaxToken) -> Option<ParserFinding> {
    let names = place(token)?;
    let word = token.text().to_lowercase();
    // `FROM current_date` calls a function.
    let is_call = VALUES.split(' ').any(|value| value == word) && token.parent()?.kind() == K::PATH_SEGMENT_REF;
    let is_refused = is_reserved(&word) && !is_call
        || match names {
            Names::Object => is_function_word(&word) && !is_call,
            Names::Function => is_value_word(&word),
            Names::Type => is_value_word(&word) && !TYPES.split(' ').any(|name| name == word),
        };
    if !is_refused {
        return None;
    }
    Some(reserved(token.text(), super::bytes(token.text_range())))
}

/// A reserved word in the place of a name.
pub(super) fn reserved(word: &str, range: Range<usize>) -> ParserFinding {
    let kind = FindingKind::Refused(format!("expected a name, found `{word}`, which is a reserved word"));
    ParserFinding { range, kind, repair: Some(repair::quote(&word.to_lowercase())) }
}

/// Keywords that are functions by themselves.
const VALUES: &str = "current_catalog current_date current_role current_schema current_time current_timestamp current_user \
    localtime localtimestamp session_user user";

/// Keywords that name a type by themselves, and `none`, the missing operand of an operator.
const TYPES: &str = "bigint bit boolean char character dec decimal float int integer interval national nchar none numeric real \
    setof smallint time timestamp varchar json";

/// Returns what the token names, if it stands in a place for a name. A place that is not listed may be for any word.
fn place(token: &SyntaxToken) -> Option<Names> {
    let node = token.parent()?;
    let parent = node.parent()?;
    match node.kind() {
        K::COLUMN_NAME if parent.kind() == K::AS_NAME => None,
        K::COMPOSITE_FIELD_REF if parent.kind() == K::FIELD_ACCESSOR => None,
        K::DATABASE_REF if parent.kind() == K::DATABASE_OPTION_TEMPLATE => None,
        K::LANGUAGE_REF if !matches!(parent.kind(), K::DROP_LANGUAGE | K::OBJECT_LANGUAGE | K::PRIVILEGE_LANGUAGE) => {
            None
        }
        K::ACCESS_METHOD
        | K::ACCESS_METHOD_REF
        | K::CHANNEL
        | K::CHANNEL_REF
        | K::COLUMN_NAME
        | K::COLUMN_NAME_REF
        | K::COMPOSITE_FIELD
        | K::COMPOSITE_FIELD_REF
        | K::CONSTRAINT_NAME
        | K::CTE_NAME
        | K::CURSOR
        | K::CURSOR_REF
        | K::DATABASE
        | K::DATABASE_REF
        | K::EVENT_TRIGGER
        | K::EVENT_TRIGGER_REF
        | K::EXTENSION
        | K::EXTENSION_REF
        | K::FOREIGN_DATA_WRAPPER
        | K::FOREIGN_DATA_WRAPPER_REF
        | K::LANGUAGE
        | K::LANGUAGE_REF
        | K::POLICY
        | K::POLICY_REF
        | K::PREPARED_STATEMENT
        | K::PREPARED_STATEMENT_REF
        | K::PUBLICATION
        | K::PUBLICATION_REF
        | K::REMOTE_TABLE_NAME_REF
        | K::RULE
        | K::RULE_REF
        | K::SAVEPOINT
        | K::SAVEPOINT_REF
        | K::SCHEMA
        | K::SCHEMA_REF
        | K::SERVER
        | K::SERVER_REF
        | K::SUBSCRIPTION
        | K::SUBSCRIPTION_REF
        | K::TABLESPACE
        | K::TABLESPACE_REF
        | K::TABLE_ALIAS
        | K::TEXT_SEARCH_TOKEN_KIND
        | K::TRANSITION_RELATION_NAME
        | K::TRIGGER
        | K::TRIGGER_REF
        | K::WINDOW
        | K::WINDOW_REF => Some(Names::Object),
        K::PARAM_NAME | K::PARAM_NAME_REF => Some(Names::Function),
        K::PATH_SEGMENT | K::PATH_SEGMENT_REF => of_path(&node),
        _ => None,
    }
}

/// Returns what the first part of a path names. The others may be any word.
fn of_path(segment: &SyntaxNode) -> Option<Names> {
    let is_path = |node: &SyntaxNode| matches!(node.kind(), K::PATH | K::PATH_REF);
    let outermost = segment.ancestors().skip(1).take_while(is_path).last()?;
    if outermost.text_range().start() != segment.text_range().start() {
        return None;
    }
    let is_alone = outermost.text_range() == segment.text_range();
    let named = outermost.parent()?;
    let statement = named.parent().map(|node| node.kind());
    match named.kind() {
        K::COLLATION
        | K::COLLATION_REF
        | K::CONSTRAINT_NAME_REF
        | K::CONVERSION
        | K::CONVERSION_REF
        | K::DOMAIN
        | K::INDEX
        | K::INDEX_REF
        | K::OP_CLASS_NAME
        | K::OP_CLASS_REF
        | K::OP_FAMILY_NAME
        | K::OP_FAMILY_REF
        | K::RELATION_NAME_REF
        | K::SEQUENCE
        | K::SEQUENCE_REF
        | K::STATISTICS
        | K::STATISTICS_REF
        | K::TABLE_NAME
        | K::TABLE_NAME_REF
        | K::TEXT_SEARCH_CONFIGURATION
        | K::TEXT_SEARCH_CONFIGURATION_REF
        | K::TEXT_SEARCH_DICTIONARY
        | K::TEXT_SEARCH_DICTIONARY_REF
        | K::TYPE_NAME
        | K::VIEW
        | K::VIEW_REF => Some(Names::Object),
        K::AGGREGATE_NAME | K::FUNCTION_NAME | K::PROCEDURE_NAME | K::ROUTINE_NAME => {
            let is_rename = statement.is_some_and(|kind| format!("{kind:?}").ends_with("RENAME_TO"));
            if is_rename { Some(Names::Object) } else { is_alone.then_some(Names::Function) }
        }
        K::FUNCTION_NAME_REF if statement == Some(K::HANDLER_CLAUSE) => Some(Names::Object),
        // Without parameters it may be any name.
        K::AGGREGATE | K::FUNCTION_NAME_REF | K::PROCEDURE_NAME_REF | K::ROUTINE_NAME_REF => {
            (is_alone && named.next_sibling().is_some()).then_some(Names::Function)
        }
        K::PATH_TYPE if statement == Some(K::OF_TYPE) => Some(Names::Object),
        K::DOMAIN_REF | K::TYPE_NAME_REF
            if !matches!(statement?, K::DROP_DOMAIN | K::OBJECT_DOMAIN | K::DROP_TYPE | K::OBJECT_TYPE) =>
        {
            Some(Names::Object)
        }
        K::PATH_TYPE | K::DOMAIN_REF | K::TYPE_NAME_REF => is_alone.then_some(Names::Type),
        _ => None,
    }
}
