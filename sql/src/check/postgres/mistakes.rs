//! Common mistakes that PostgreSQL rejects and the parser accepts, found in the parser's tree. Those that only the words
//! show are in [`missed`](super::missed).

use std::ops::Range;

use squawk_syntax::{SyntaxKind, SyntaxNode};

use crate::check::{FindingKind, ParserFinding, kind};

use SyntaxKind as K;

/// Returns the first mistake in a statement that the parser accepts.
pub(super) fn find(root: &SyntaxNode, text: &str) -> Option<ParserFinding> {
    root.descendants().find_map(|node| {
        let node = Node { node: &node, text };
        match node.node.kind() {
            K::PARTITION_ITEM | K::CONFLICT_INDEX_ITEM => node.index_expression(),
            K::PATH_TYPE => node.length_of_type().or_else(|| node.precision_of_float()),
            K::VARCHAR_TYPE | K::CHARACTER_TYPE => node.length_max().or_else(|| node.one_number()),
            K::ALTER_TABLE => node.combined_actions(),
            K::ADD_COLUMN => node.missing_type(),
            K::PATH => node.renamed_with_schema(),
            K::SELECT | K::VALUES | K::COMPOUND_SELECT | K::PAREN_SELECT => node.second_clause(),
            K::CREATE_TABLE_AS => node.typed_columns(),
            K::DEFAULT_CONSTRAINT => node.default(),
            K::BIN_EXPR => node.chained_comparison().or_else(|| node.is_value()).or_else(|| node.escape_alone()),
            K::INSERT => node.columns_of_defaults(),
            K::REFERENCES_CONSTRAINT | K::FOREIGN_KEY_CONSTRAINT => node.second_action(),
            K::GENERATED_STORED => node.generated_by_default(),
            K::TABLE_NAME | K::TABLE_NAME_REF | K::RELATION_NAME_REF => node.too_qualified(),
            K::TARGET => node.bare_label(),
            K::MERGE_WHEN_MATCHED | K::MERGE_WHEN_NOT_MATCHED_SOURCE | K::MERGE_WHEN_NOT_MATCHED_TARGET => {
                node.merge_action()
            }
            _ => None,
        }
    })
}

/// A node, and the statement as it was written.
struct Node<'a> {
    node: &'a SyntaxNode,
    text: &'a str,
}

impl Node<'_> {
    fn written(&self, node: &SyntaxNode) -> &str {
        &self.text[super::bytes(node.text_range())]
    }

    fn refused(&self, range: Range<usize>, message: String, repair: String) -> Option<ParserFinding> {
        Some(ParserFinding { range, kind: FindingKind::Refused(message), repair: Some(repair) })
    }

    /// How to put an expression in parentheses.
    fn in_parentheses(&self, expression: &SyntaxNode) -> String {
        const LONGEST: usize = 60;
        let written = self.written(expression);
        if written.len() > LONGEST || written.contains(['\n', '`']) {
            "put it in parentheses".to_owned()
        } else {
            format!("write `({written})`")
        }
    }

    /// An index takes a column, a function's call, or an expression in parentheses.
    fn index_expression(&self) -> Option<ParserFinding> {
        let expression = self.node.first_child()?;
        let needs = match expression.kind() {
            K::BIN_EXPR | K::BETWEEN_EXPR | K::PREFIX_EXPR | K::LITERAL | K::CASE_EXPR | K::INDEX_EXPR => true,
            K::CAST_EXPR => has(&expression, K::COLON_COLON),
            _ => false,
        };
        if !needs {
            return None;
        }
        let place = match self.node.kind() {
            K::CONFLICT_INDEX_ITEM => "`ON CONFLICT`",
            _ if self.node.ancestors().any(|node| node.kind() == K::PARTITION_BY) => "a partition key",
            _ => "an index",
        };
        let fact = format!("an expression in {place} needs parentheses of its own");
        self.refused(super::bytes(expression.text_range()), fact, self.in_parentheses(&expression))
    }

    /// `int(11)` is MySQL's.
    fn length_of_type(&self) -> Option<ParserFinding> {
        const NUMBERS: [&str; 6] = ["int", "integer", "smallint", "bigint", "real", "boolean"];
        const OTHERS: [&str; 6] = ["text", "bytea", "uuid", "json", "jsonb", "date"];
        let length = self.node.children().find(|child| child.kind() == K::ARG_LIST)?;
        let name = self.written(&self.node.first_child()?).trim();
        let is_one_of = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
        let repair = if name.eq_ignore_ascii_case("text") {
            format!("write `{name}`, or `varchar{}`", self.written(&length))
        } else {
            format!("write `{name}`")
        };
        let written = kind::shown(self.written(&length));
        let fact = if is_one_of(&NUMBERS) {
            format!("`{name}` has no length in PostgreSQL: {written} is a display width of MySQL")
        } else if is_one_of(&OTHERS) {
            format!("`{name}` has no length: found {written}")
        } else {
            return None;
        };
        self.refused(super::bytes(length.text_range()), fact, repair)
    }

    /// `varchar(max)` is SQL Server's.
    fn length_max(&self) -> Option<ParserFinding> {
        let length = self.node.children().find(|child| child.kind() == K::ARG_LIST)?;
        let argument = length.first_child()?.first_child()?;
        if argument.kind() != K::NAME_REF || !self.written(&argument).eq_ignore_ascii_case("max") {
            return None;
        }
        let fact = "the length of a type is a number in PostgreSQL: `max` is SQL Server's".to_owned();
        self.refused(super::bytes(argument.text_range()), fact, "write `text`, which has no limit".to_owned())
    }

    /// The length of a string is one number.
    fn one_number(&self) -> Option<ParserFinding> {
        let length = self.node.children().find(|child| child.kind() == K::ARG_LIST)?;
        let mut arguments = length.children().filter(|child| child.kind() == K::ARG);
        let first = arguments.next().and_then(|argument| argument.first_child());
        let is_number = first.is_some_and(|first| first.kind() == K::LITERAL && has(&first, K::INT_NUMBER));
        if is_number && arguments.next().is_none() {
            return None;
        }
        let fact = format!("the length of a type is one number: found {}", kind::shown(self.written(&length)));
        self.refused(super::bytes(length.text_range()), fact, "write `(10)`, for example".to_owned())
    }

    /// `float(10, 2)` is MySQL's.
    fn precision_of_float(&self) -> Option<ParserFinding> {
        let name = self.node.first_child()?;
        if !self.written(&name).eq_ignore_ascii_case("float") {
            return None;
        }
        let wrong = self.one_number()?;
        let fact = "`float` takes one number, its binary digits".to_owned();
        self.refused(wrong.range, fact, "write `double precision`, or `numeric(10, 2)` for decimal digits".to_owned())
    }

    /// Only a few words follow `IS`.
    fn is_value(&self) -> Option<ParserFinding> {
        let negated = self.node.children().any(|part| part.kind() == K::IS_NOT);
        if !negated && !has(self.node, K::IS_KW) {
            return None;
        }
        let right = self.node.last_child()?;
        let known = ["null", "true", "false", "unknown", "document"];
        if !matches!(right.kind(), K::LITERAL | K::NAME_REF)
            || known.iter().any(|known| known.eq_ignore_ascii_case(self.written(&right)))
        {
            return None;
        }
        let fact = "`IS` takes `NULL`, `TRUE`, `FALSE`, `UNKNOWN` or `DISTINCT FROM`, and no value".to_owned();
        let words = if negated { "IS DISTINCT FROM" } else { "IS NOT DISTINCT FROM" };
        let repair = format!("write `{}`, or `{words}` if it may be NULL", if negated { "<>" } else { "=" });
        self.refused(super::bytes(right.text_range()), fact, repair)
    }

    /// `ESCAPE` belongs to a pattern.
    fn escape_alone(&self) -> Option<ParserFinding> {
        let escape = self.node.children_with_tokens().find(|part| part.kind() == K::ESCAPE_KW)?;
        // The parser may read the pattern before it as any expression.
        let text = self.text.to_ascii_lowercase();
        if ["like", "similar"].into_iter().any(|word| text.contains(word)) {
            return None;
        }
        let fact = "`ESCAPE` follows the pattern of `LIKE`, `ILIKE` or `SIMILAR TO`".to_owned();
        self.refused(super::bytes(escape.text_range()), fact, "write `LIKE` and the pattern before it".to_owned())
    }

    /// `DEFAULT VALUES` is for all columns.
    fn columns_of_defaults(&self) -> Option<ParserFinding> {
        let columns = self.node.children().find(|child| child.kind() == K::COLUMN_TARGET_LIST)?;
        self.node.children().find(|child| child.kind() == K::DEFAULT_VALUES)?;
        let fact = "`DEFAULT VALUES` takes no list of columns".to_owned();
        self.refused(super::bytes(columns.text_range()), fact, "delete the list".to_owned())
    }

    fn second_action(&self) -> Option<ParserFinding> {
        [(K::ON_DELETE_ACTION, "ON DELETE"), (K::ON_UPDATE_ACTION, "ON UPDATE")].into_iter().find_map(|(kind, name)| {
            let second = self.node.children().filter(|child| child.kind() == kind).nth(1)?;
            let fact = format!("a foreign key has one `{name}` at most");
            self.refused(super::bytes(second.text_range()), fact, "delete one of them".to_owned())
        })
    }

    /// A generated column is always generated.
    fn generated_by_default(&self) -> Option<ParserFinding> {
        let by = self.node.children().find(|child| child.kind() == K::GENERATED_BY_DEFAULT)?;
        let fact = "a column that is generated from an expression is `GENERATED ALWAYS`".to_owned();
        let repair = "write `ALWAYS`, or `DEFAULT (…)` for a value that can be given".to_owned();
        self.refused(super::bytes(by.text_range()), fact, repair)
    }

    /// A table has a schema and a database at most.
    fn too_qualified(&self) -> Option<ParserFinding> {
        const DOTS_MAX: usize = 2;
        let dots = self.node.descendants_with_tokens().filter(|part| part.kind() == K::DOT).count();
        if dots <= DOTS_MAX {
            return None;
        }
        let fact = format!("the name {} has too many parts", kind::shown(self.written(self.node)));
        let repair =
            "write the schema and the table: PostgreSQL reads no other server's tables by their names".to_owned();
        self.refused(super::bytes(self.node.text_range()), fact, repair)
    }

    /// Some keywords are labels of columns after `AS` alone.
    fn bare_label(&self) -> Option<ParserFinding> {
        let label = self.node.children().find(|child| child.kind() == K::AS_NAME && !has(child, K::AS_KW))?;
        let name = label.first_child()?;
        let word = self.written(&name);
        if !super::keywords::is_label_after_as(word) {
            return None;
        }
        let fact = format!("{} is the label of a column after `AS` alone", kind::shown(word));
        self.refused(super::bytes(name.text_range()), fact, format!("write `AS {word}`"))
    }

    /// `RENAME` and `SET SCHEMA` are statements of their own.
    fn combined_actions(&self) -> Option<ParserFinding> {
        let commas = self.node.children_with_tokens().filter(|part| part.kind() == K::COMMA).count();
        let alone = self.node.children().find_map(|action| match action.kind() {
            K::SET_SCHEMA => Some((action, "SET SCHEMA")),
            K::RENAME_COLUMN | K::RENAME_CONSTRAINT | K::TABLE_RENAME_TO => Some((action, "RENAME")),
            _ => None,
        });
        let (action, name) = alone.filter(|_| commas > 0)?;
        let fact = format!("`{name}` cannot be combined with other actions");
        let repair = "write each in an `ALTER TABLE` of its own".to_owned();
        self.refused(super::bytes(action.text_range()), fact, repair)
    }

    fn missing_type(&self) -> Option<ParserFinding> {
        let name = self.node.children().find(|child| child.kind() == K::COLUMN_NAME)?;
        if self.node.children().any(|child| format!("{:?}", child.kind()).ends_with("_TYPE")) {
            return None;
        }
        let range = super::bytes(name.text_range());
        let message = format!("the column {} has no type", kind::shown(self.written(&name)));
        Some(ParserFinding::new(range, FindingKind::Refused(message)))
    }

    /// The new name in `RENAME TO` has no schema.
    fn renamed_with_schema(&self) -> Option<ParserFinding> {
        let renames = |node: SyntaxNode| format!("{:?}", node.kind()).ends_with("RENAME_TO");
        if !self.node.ancestors().take(3).any(renames) {
            return None;
        }
        let name = self.node.children().find(|child| child.kind() == K::PATH_SEGMENT)?;
        if !self.node.children().any(|child| child.kind() == K::PATH_REF) {
            return None;
        }
        let fact = "`RENAME TO` takes a name without a schema".to_owned();
        let name = self.written(&name);
        let repair = format!("write `RENAME TO {name}`, and move it to another schema with `SET SCHEMA`");
        self.refused(super::bytes(self.node.text_range()), fact, repair)
    }

    fn second_clause(&self) -> Option<ParserFinding> {
        [(K::LIMIT_CLAUSE, "LIMIT"), (K::OFFSET_CLAUSE, "OFFSET")].into_iter().find_map(|(kind, name)| {
            let second = self.node.children().filter(|child| child.kind() == kind).nth(1)?;
            let fact = format!("a query has one `{name}` at most");
            self.refused(super::bytes(second.text_range()), fact, "delete one of them".to_owned())
        })
    }

    /// `CREATE TABLE … AS` takes the types from the query.
    fn typed_columns(&self) -> Option<ParserFinding> {
        let list = self.node.children().find(|child| child.kind() == K::TABLE_ARG_LIST)?;
        let typed = list.children().find(|part| part.kind() != K::COLUMN || part.children().count() > 1)?;
        let fact = "`CREATE TABLE … AS` takes the columns from the query, and lists their names only".to_owned();
        let repair = "delete the types and constraints, or create the table first and fill it with `INSERT`".to_owned();
        self.refused(super::bytes(typed.text_range()), fact, repair)
    }

    /// A column's default may have operators, but not these.
    fn default(&self) -> Option<ParserFinding> {
        let expression = self.node.first_child()?;
        let written = self.written(&expression);
        if let Some(inner) = written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'))
            && !inner.contains('"')
        {
            let fact = format!("`{written}` is a column, and a default cannot name one");
            let repair = format!("write `'{}'`: quotation marks of this kind are for names", inner.replace('\'', "''"));
            return self.refused(super::bytes(expression.text_range()), fact, repair);
        }
        let operator = outer_operator(&expression)?;
        let fact = format!("a default with {operator} needs parentheses");
        self.refused(super::bytes(expression.text_range()), fact, self.in_parentheses(&expression))
    }

    /// `a = b = c` has no meaning.
    fn chained_comparison(&self) -> Option<ParserFinding> {
        let is_chained = compares(self.node) && self.node.children().any(|operand| compares(&operand));
        // `a = ANY (b) = c` is valid.
        let has_any = || self.node.descendants().any(|node| matches!(node.kind(), K::ANY_FN | K::ALL_FN | K::SOME_FN));
        if !is_chained || has_any() {
            return None;
        }
        let fact = "comparisons cannot be chained".to_owned();
        let repair = "join two comparisons with `AND`, or put one of them in parentheses".to_owned();
        self.refused(super::bytes(self.node.text_range()), fact, repair)
    }

    fn merge_action(&self) -> Option<ParserFinding> {
        let not_matched = self.node.kind() == K::MERGE_WHEN_NOT_MATCHED_TARGET;
        let wrong = self.node.children().find(|child| match child.kind() {
            K::MERGE_INSERT => !not_matched,
            K::MERGE_UPDATE | K::MERGE_DELETE => not_matched,
            _ => false,
        })?;
        let (fact, repair) = if not_matched {
            ("`WHEN NOT MATCHED` has no row to update or delete", "write `WHEN MATCHED`, or `INSERT`")
        } else {
            ("only `WHEN NOT MATCHED` inserts", "write `WHEN NOT MATCHED`, or `UPDATE` or `DELETE`")
        };
        self.refused(super::bytes(wrong.text_range()), fact.to_owned(), repair.to_owned())
    }
}

fn has(node: &SyntaxNode, kind: SyntaxKind) -> bool {
    node.children_with_tokens().any(|part| part.kind() == kind)
}

/// Whether this is a comparison with one of the operators that have no associativity.
fn compares(node: &SyntaxNode) -> bool {
    node.kind() == K::BIN_EXPR
        && node.children_with_tokens().any(|part| {
            part.as_token().is_some_and(|token| ["=", "<", ">", "<=", ">=", "<>", "!="].contains(&token.text()))
        })
}

/// Finds an operator outside of parentheses that the expression of a default must not have.
fn outer_operator(expression: &SyntaxNode) -> Option<&'static str> {
    match expression.kind() {
        K::BETWEEN_EXPR => Some("`BETWEEN`"),
        K::PREFIX_EXPR if has(expression, K::NOT_KW) => Some("`NOT`"),
        K::BIN_EXPR => {
            let operators = [
                (K::AT_TIME_ZONE, "`AT TIME ZONE`"),
                (K::AND_KW, "`AND`"),
                (K::OR_KW, "`OR`"),
                (K::IN_KW, "`IN`"),
                (K::LIKE_KW, "`LIKE`"),
                (K::ILIKE_KW, "`ILIKE`"),
            ];
            let here = operators.into_iter().find(|(kind, _)| has(expression, *kind)).map(|(_, name)| name);
            here.or_else(|| expression.children().find_map(|operand| outer_operator(&operand)))
        }
        _ => None,
    }
}
