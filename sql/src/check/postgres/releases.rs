//! Which syntax came with which release of PostgreSQL. The parser knows the newest grammar, but the folder's
//! servers may be older.

use std::ops::Range;

use lockgate_core::Dialect;
use squawk_syntax::{SyntaxKind, SyntaxNode};

use crate::check::{FindingKind, ParserFinding, Release};
use crate::lexer::Kind;
use crate::words::Words;

/// How a piece of syntax is recognized.
enum Mark {
    /// A node of the tree has this kind.
    Node(SyntaxKind),
    /// A node of the first kind is inside a node of the second kind.
    In(SyntaxKind, SyntaxKind),
    /// A node of this kind has these words in a row, outside of brackets and quotes.
    Words(SyntaxKind, &'static str),
    /// A node of this kind is this word.
    Word(SyntaxKind, &'static str),
    /// The function returns true for a node.
    Test(fn(&SyntaxNode) -> bool),
}

use Mark::{In, Node, Test, Word, Words as Says};
use SyntaxKind as K;

/// The syntax, the first release with it, and how it is recognized.
const ROWS: &[(&str, u16, Mark)] = &[
    ("REPACK", 19, Node(K::REPACK)),
    ("CREATE PROPERTY GRAPH", 19, Node(K::CREATE_PROPERTY_GRAPH)),
    ("GRAPH_TABLE", 19, Node(K::GRAPH_TABLE_FN)),
    ("FOR PORTION OF", 19, Node(K::FOR_PORTION_OF)),
    ("ON CONFLICT DO SELECT", 19, Node(K::CONFLICT_DO_SELECT)),
    ("MERGE PARTITIONS", 19, Node(K::MERGE_PARTITIONS)),
    ("SPLIT PARTITION", 19, Node(K::SPLIT_PARTITION)),
    ("IGNORE NULLS", 19, Node(K::IGNORE_NULLS)),
    ("RESPECT NULLS", 19, Node(K::RESPECT_NULLS)),
    ("WITHOUT OVERLAPS", 18, Node(K::WITHOUT_OVERLAPS)),
    ("PERIOD", 18, Node(K::PERIOD_COLUMN)),
    ("GENERATED ALWAYS AS … VIRTUAL", 18, Node(K::VIRTUAL)),
    ("GENERATED ALWAYS AS … VIRTUAL", 18, Test(generated_without_stored)),
    ("NOT ENFORCED", 18, Node(K::NOT_ENFORCED)),
    ("ENFORCED", 18, Node(K::ENFORCED)),
    ("RETURNING WITH (OLD AS …)", 18, Node(K::RETURNING_OPTION_LIST)),
    ("NOT NULL as a constraint of a table", 18, Test(table_not_null)),
    ("NOT NULL NO INHERIT", 18, In(K::NOT_NULL_CONSTRAINT, K::NO_INHERIT)),
    ("VACUUM ONLY, ANALYZE ONLY", 18, Test(only_maintained)),
    ("COPY (REJECT_LIMIT)", 18, Word(K::COPY_OPTION_KEY, "reject_limit")),
    ("COPY (ON_ERROR)", 17, Word(K::COPY_OPTION_KEY, "on_error")),
    ("COPY (LOG_VERBOSITY)", 17, Word(K::COPY_OPTION_KEY, "log_verbosity")),
    ("EVENT TRIGGER … ON login", 17, Word(K::EVENT_TRIGGER_EVENT, "login")),
    ("GRANT MAINTAIN", 17, Test(maintains)),
    ("SET STATISTICS DEFAULT", 17, Says(K::SET_STATISTICS, "statistics default")),
    ("AT LOCAL", 17, Node(K::AT_LOCAL)),
    ("SET ACCESS METHOD DEFAULT", 17, Says(K::SET_ACCESS_METHOD, "method default")),
    ("JSON_TABLE", 17, Node(K::JSON_TABLE)),
    ("JSON_EXISTS with clauses", 17, Test(|node| json_clauses(node, K::JSON_EXISTS_FN))),
    ("JSON_QUERY with clauses", 17, Test(|node| json_clauses(node, K::JSON_QUERY_FN))),
    ("JSON_VALUE with clauses", 17, Test(|node| json_clauses(node, K::JSON_VALUE_FN))),
    ("MERGE … RETURNING", 17, In(K::MERGE, K::RETURNING_CLAUSE)),
    ("WHEN NOT MATCHED BY SOURCE", 17, Node(K::MERGE_WHEN_NOT_MATCHED_SOURCE)),
    ("ALTER COLUMN … SET EXPRESSION", 17, Node(K::SET_EXPRESSION)),
    ("IS JSON", 16, Node(K::IS_JSON)),
    ("IS JSON", 16, Node(K::IS_JSON_ARRAY)),
    ("IS JSON", 16, Node(K::IS_JSON_OBJECT)),
    ("IS JSON", 16, Node(K::IS_JSON_SCALAR)),
    ("IS JSON", 16, Node(K::IS_JSON_VALUE)),
    ("IS NOT JSON", 16, Node(K::IS_NOT_JSON)),
    ("IS NOT JSON", 16, Node(K::IS_NOT_JSON_ARRAY)),
    ("IS NOT JSON", 16, Node(K::IS_NOT_JSON_OBJECT)),
    ("IS NOT JSON", 16, Node(K::IS_NOT_JSON_SCALAR)),
    ("IS NOT JSON", 16, Node(K::IS_NOT_JSON_VALUE)),
    ("JSON_OBJECT with keys or clauses", 16, Test(json_object)),
    ("SET STORAGE DEFAULT", 16, Says(K::SET_STORAGE, "storage default")),
    ("VACUUM (PROCESS_MAIN)", 16, Word(K::VACUUM_OPTION_NAME, "process_main")),
    ("VACUUM (BUFFER_USAGE_LIMIT)", 16, Word(K::VACUUM_OPTION_NAME, "buffer_usage_limit")),
    ("VACUUM (SKIP_DATABASE_STATS)", 16, Word(K::VACUUM_OPTION_NAME, "skip_database_stats")),
    ("VACUUM (ONLY_DATABASE_STATS)", 16, Word(K::VACUUM_OPTION_NAME, "only_database_stats")),
    ("JSON_ARRAY", 16, Node(K::JSON_ARRAY_FN)),
    ("JSON_ARRAYAGG", 16, Node(K::JSON_ARRAY_AGG_FN)),
    ("JSON_OBJECTAGG", 16, Node(K::JSON_OBJECT_AGG_FN)),
    ("GRANT … WITH INHERIT, SET or ADMIN TRUE", 16, Test(membership_option)),
    ("a number with `_`, `0x`, `0o` or `0b`", 16, Test(newer_number)),
    ("a subquery in FROM without an alias", 16, Test(subquery_without_alias)),
    ("CREATE STATISTICS without a name", 16, Says(K::CREATE_STATISTICS, "statistics on")),
    ("STORAGE in CREATE TABLE", 16, In(K::CREATE_TABLE, K::STORAGE)),
    ("MERGE", 15, Node(K::MERGE)),
    ("NULLS NOT DISTINCT", 15, Node(K::NULLS_NOT_DISTINCT)),
    ("NULLS DISTINCT", 15, Node(K::NULLS_DISTINCT)),
    ("ON DELETE SET NULL (…)", 15, Test(columns_set)),
    ("TABLES IN SCHEMA in a publication", 15, Node(K::PUBLICATION_OBJECT_TABLES_IN_SCHEMA)),
    ("GRANT … ON PARAMETER", 15, Node(K::PRIVILEGE_PARAMETER)),
    ("SET ACCESS METHOD", 15, In(K::ALTER_TABLE, K::SET_ACCESS_METHOD)),
    ("security_invoker", 15, Test(security_invoker)),
    ("the columns of a publication", 15, In(K::PUBLICATION_OBJECT_TABLE, K::COLUMN_REF_LIST)),
    ("WHERE in a publication", 15, In(K::PUBLICATION_OBJECT_TABLE, K::WHERE_CONDITION_CLAUSE)),
    ("ALTER SEQUENCE … SET LOGGED", 15, In(K::ALTER_SEQUENCE, K::SET_LOGGED)),
    ("ALTER SEQUENCE … SET UNLOGGED", 15, In(K::ALTER_SEQUENCE, K::SET_UNLOGGED)),
    ("UNLOGGED SEQUENCE", 15, Says(K::CREATE_SEQUENCE, "unlogged sequence")),
    ("CREATE OR REPLACE TRIGGER", 14, Says(K::CREATE_TRIGGER, "or replace")),
    ("COMPRESSION", 14, Node(K::COMPRESSION_METHOD)),
    ("SET COMPRESSION", 14, Node(K::SET_COMPRESSION)),
    ("DETACH PARTITION … CONCURRENTLY", 14, Node(K::DETACH_CONCURRENTLY)),
    ("DETACH PARTITION … FINALIZE", 14, Node(K::DETACH_FINALIZE)),
    ("REINDEX (CONCURRENTLY)", 14, Node(K::REINDEX_OPTION_CONCURRENTLY)),
    ("REINDEX (TABLESPACE)", 14, Node(K::REINDEX_OPTION_TABLESPACE)),
    ("SEARCH", 14, Node(K::SEARCH_CLAUSE)),
    ("CYCLE", 14, Node(K::CYCLE_CLAUSE)),
    ("BEGIN ATOMIC", 14, Node(K::ATOMIC_BODY)),
    ("a function's body as RETURN", 14, Says(K::CREATE_FUNCTION, "return")),
    ("GROUP BY DISTINCT", 14, Says(K::GROUP_BY_CLAUSE, "by distinct")),
    ("JOIN … USING (…) AS", 14, Test(join_alias)),
    ("DROP DATABASE … WITH (FORCE)", 13, Node(K::DROP_DATABASE_FORCE_CLAUSE)),
    ("FETCH FIRST … WITH TIES", 13, Node(K::WITH_TIES)),
    ("DROP EXPRESSION", 13, Node(K::DROP_EXPRESSION)),
    ("IS NORMALIZED", 13, Node(K::IS_NORMALIZED)),
    ("IS NOT NORMALIZED", 13, Node(K::IS_NOT_NORMALIZED)),
    ("GENERATED ALWAYS AS … STORED", 12, Node(K::STORED)),
    ("AS MATERIALIZED", 12, In(K::WITH_TABLE, K::MATERIALIZED)),
    ("AS NOT MATERIALIZED", 12, In(K::WITH_TABLE, K::NOT_MATERIALIZED)),
    ("REINDEX CONCURRENTLY", 12, Says(K::REINDEX, "concurrently")),
    ("COPY … FROM … WHERE", 12, In(K::COPY, K::WHERE_CLAUSE)),
    ("CREATE PROCEDURE", 11, Node(K::CREATE_PROCEDURE)),
    ("CALL", 11, Node(K::CALL)),
    ("INCLUDE", 11, Node(K::INDEX_INCLUDE_CLAUSE)),
    ("INCLUDE", 11, Node(K::CONSTRAINT_INCLUDE_CLAUSE)),
    ("PARTITION BY HASH", 11, Node(K::PARTITION_FOR_VALUES_WITH)),
    ("a default partition", 11, Node(K::PARTITION_DEFAULT)),
    ("EXCLUDE in a window", 11, Node(K::FRAME_EXCLUDE)),
    ("GROUPS in a window", 11, Node(K::FRAME_GROUPS)),
];

/// Every syntax in the table, with its first release.
#[cfg(test)]
pub(in crate::check) fn newer_names() -> impl Iterator<Item = (&'static str, u16)> {
    ROWS.iter().map(|(what, since, _)| (*what, *since))
}

/// Returns the first syntax in the statement that the server does not know yet.
pub(super) fn newer(root: &SyntaxNode, text: &str, server: Release) -> Option<ParserFinding> {
    let rows: Vec<_> = ROWS.iter().filter(|(_, since, _)| *since > server.major()).collect();
    if rows.is_empty() {
        return None;
    }
    root.descendants().find_map(|node| {
        rows.iter().find_map(|(what, since, mark)| {
            let range = found(&node, text, mark)?;
            let kind = FindingKind::Newer { what, since: Release::new(*since), server };
            Some(ParserFinding { range, kind, repair: None })
        })
    })
}

/// Returns the range of the node to point at.
fn found(node: &SyntaxNode, text: &str, mark: &Mark) -> Option<Range<usize>> {
    let kind = node.kind();
    let found = match mark {
        Node(wanted) => kind == *wanted,
        In(outer, wanted) => kind == *wanted && node.ancestors().skip(1).any(|node| node.kind() == *outer),
        Word(wanted, word) => kind == *wanted && is_word(node, word),
        Test(test) => test(node),
        Says(wanted, words) => {
            return if kind == *wanted { says(text, super::bytes(node.text_range()), words) } else { None };
        }
    };
    found.then(|| super::bytes(node.text_range()))
}

/// Finds these words in a row, outside of brackets.
fn says(text: &str, node: Range<usize>, words: &str) -> Option<Range<usize>> {
    let mut at = Words::new(Dialect::Postgres, &text[..node.end], node.start);
    let mut depth = 0_usize;
    while at.token.kind != Kind::End {
        match at.token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            _ if depth == 0 => {
                let mut here = at.clone();
                let start = here.token.start;
                let mut end = start;
                let all = words.split(' ').all(|word| {
                    end = here.token.end;
                    here.take(word)
                });
                if all {
                    return Some(start..end);
                }
            }
            _ => {}
        }
        at.next();
    }
    None
}

fn is_word(node: &SyntaxNode, word: &str) -> bool {
    node.text().to_string().trim().eq_ignore_ascii_case(word)
}

/// Whether this is a table with ONLY that VACUUM or ANALYZE names.
fn only_maintained(node: &SyntaxNode) -> bool {
    let is_maintained = || node.ancestors().any(|node| matches!(node.kind(), K::VACUUM | K::ANALYZE));
    node.kind() == K::TABLE_RELATION_NAME
        && node.children_with_tokens().any(|part| part.kind() == K::ONLY_KW)
        && is_maintained()
}

/// A role may be called `maintain`, too.
fn maintains(node: &SyntaxNode) -> bool {
    node.kind() == K::REVOKE_COMMAND
        && is_word(node, "maintain")
        && node.ancestors().any(|node| has_child(&node, K::ON_PRIVILEGE_OBJECTS_CLAUSE))
}

/// Without keys and clauses it is a function of older releases.
fn json_object(node: &SyntaxNode) -> bool {
    let parts = [K::JSON_KEY_VALUE, K::JSON_ABSENT_ON_NULL, K::JSON_NULL_ON_NULL, K::JSON_RETURNING_CLAUSE];
    node.kind() == K::JSON_OBJECT_FN && parts.into_iter().any(|part| has_child(node, part))
}

fn security_invoker(node: &SyntaxNode) -> bool {
    let of_view = || node.ancestors().any(|node| matches!(node.kind(), K::CREATE_VIEW | K::ALTER_VIEW));
    node.kind() == K::ATTRIBUTE_NAME && is_word(node, "security_invoker") && of_view()
}

/// Whether this is ON DELETE SET NULL or SET DEFAULT for some of the columns.
fn columns_set(node: &SyntaxNode) -> bool {
    matches!(node.kind(), K::SET_NULL_COLUMNS | K::SET_DEFAULT_COLUMNS) && node.text().contains_char('(')
}

/// Without clauses of SQL/JSON it could be a user's function.
fn json_clauses(node: &SyntaxNode, kind: SyntaxKind) -> bool {
    let clauses = [
        K::JSON_PASSING_CLAUSE,
        K::JSON_RETURNING_CLAUSE,
        K::JSON_ON_EMPTY_CLAUSE,
        K::JSON_ON_ERROR_CLAUSE,
        K::JSON_QUOTES_CLAUSE,
        K::JSON_WITHOUT_WRAPPER,
        K::JSON_WITH_CONDITIONAL_WRAPPER,
        K::JSON_WITH_UNCONDITIONAL_WRAPPER,
    ];
    node.kind() == kind && clauses.into_iter().any(|clause| has_child(node, clause))
}

/// `WITH ADMIN OPTION` is not new, unlike the other options.
fn membership_option(node: &SyntaxNode) -> bool {
    node.kind() == K::GRANT_ROLE_OPTION && !node.text().to_string().to_lowercase().ends_with("option")
}

fn newer_number(node: &SyntaxNode) -> bool {
    if node.kind() != K::LITERAL {
        return false;
    }
    let text = node.text().to_string().to_lowercase();
    let marked = ["0x", "0o", "0b"].into_iter().any(|mark| text.starts_with(mark));
    text.starts_with(|c: char| c.is_ascii_digit()) && (marked || text.contains('_'))
}

fn has_child(node: &SyntaxNode, kind: SyntaxKind) -> bool {
    node.children().any(|child| child.kind() == kind)
}

fn subquery_without_alias(node: &SyntaxNode) -> bool {
    node.kind() == K::PAREN_FROM_ITEM
        && node
            .children()
            .any(|child| matches!(child.kind(), K::PAREN_SELECT | K::SELECT | K::COMPOUND_SELECT | K::VALUES))
        && !node.children().any(|child| {
            matches!(child.kind(), K::FROM_ALIAS | K::TABLE_ALIAS | K::OPTIONAL_AS_ALIAS | K::REQUIRED_AS_ALIAS)
        })
}

fn generated_without_stored(node: &SyntaxNode) -> bool {
    node.kind() == K::GENERATED_STORED && !has_child(node, K::STORED)
}

fn table_not_null(node: &SyntaxNode) -> bool {
    node.kind() == K::NOT_NULL_CONSTRAINT
        && node.parent().is_some_and(|parent| matches!(parent.kind(), K::TABLE_ARG_LIST | K::ADD_CONSTRAINT))
        && !node.ancestors().any(|node| node.kind() == K::ALTER_DOMAIN)
}

fn join_alias(node: &SyntaxNode) -> bool {
    node.kind() == K::JOIN_USING_CLAUSE
        && node.children().any(|child| {
            matches!(child.kind(), K::REQUIRED_AS_ALIAS | K::OPTIONAL_AS_ALIAS | K::TABLE_ALIAS | K::FROM_ALIAS)
        })
}
