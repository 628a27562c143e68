//! Reads tables, and the parts that tables share with views and types: columns, constraints, indexes.

use lockgate_core::Dialect;

use super::Wrong;
use super::line::{Node, name, value};
use super::property::{
    MetaReader, counting, detail, flag, is_end, no_lines, once, persistence, privilege, qualified, unknown,
};
use crate::definition;
use crate::model::{
    Column, Constraint, ConstraintKind, Generated, Generation, Identity, Index, Name, Owner, Partition, RowSecurity,
    Schema, Table, TableKind,
};

/// Reads the block of a table. `rest` is the rest of its first line.
pub(super) fn table(node: &Node<'_>, rest: &str, owner: Option<Owner>, dialect: Dialect) -> Result<Table, Wrong> {
    no_lines(node)?;
    let (name, rest) = qualified(node, rest)?;
    let (persistence, rest) = persistence(rest);
    is_end(node, rest)?;
    let mut meta = MetaReader::new("a table", owner);
    let (mut kind, mut parent, mut bound, mut inherits, mut security) = (None, None, None, None, None);
    let (mut columns, mut constraints, mut indexes) = (Vec::new(), Vec::new(), Vec::new());
    for part in &node.below {
        if part.text.starts_with("column ") {
            columns.push(column(part)?);
        } else if is_constraint(part) {
            constraints.push(part);
        } else if part.text.starts_with("index ") {
            indexes.push(part);
        } else if let Some(key) = value(part, "partition by")? {
            once(&mut kind, TableKind::Partitioned { key }, part)?;
        } else if let Some(server) = value(part, "foreign server")? {
            let (server, rest) = self::name(&server).ok_or_else(|| unknown(part, "a table"))?;
            is_end(part, rest)?;
            once(&mut kind, TableKind::Foreign { server }, part)?;
        } else if let Some(module) = value(part, "virtual, using")? {
            once(&mut kind, TableKind::Virtual { module }, part)?;
        } else if let Some(of) = value(part, "partition of")? {
            let (of, rest) = qualified(part, &of)?;
            is_end(part, rest)?;
            once(&mut parent, of, part)?;
        } else if let Some(text) = value(part, "partition bound")? {
            once(&mut bound, text, part)?;
        } else if let Some(list) = value(part, "inherits")? {
            once(&mut inherits, names(part, &list)?, part)?;
        } else if let Some(how) = value(part, "row level security")? {
            let how = match how.as_str() {
                "enabled" => RowSecurity::Enabled,
                "forced" => RowSecurity::Forced,
                _ => return Err(part.wrong("row level security must be `enabled` or `forced`")),
            };
            meta.own_end_here();
            once(&mut security, how, part)?;
        } else {
            meta.must(part)?;
        }
    }
    let partition_of = match (parent, bound) {
        (Some(parent), Some(bound)) => Some(Partition { parent, bound }),
        (None, None) => None,
        _ => return Err(node.wrong("a partition must have both `partition of` and `partition bound`")),
    };
    let known: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let constraints = constraints.into_iter().map(|part| constraint(part, &known)).collect::<Result<_, _>>()?;
    let indexes = indexes.into_iter().map(|part| index(part, &known, dialect)).collect::<Result<_, _>>()?;
    let (options, meta) = meta.end();
    Ok(Table {
        name,
        kind: kind.unwrap_or(TableKind::Ordinary),
        persistence,
        columns,
        constraints,
        indexes,
        inherits: inherits.unwrap_or_default(),
        partition_of,
        row_security: security.unwrap_or_default(),
        options,
        meta,
    })
}

/// Reads `public.a, b`.
fn names(node: &Node<'_>, list: &str) -> Result<Vec<Name>, Wrong> {
    let mut found = Vec::new();
    let mut rest = list;
    loop {
        let (name, after) = qualified(node, rest)?;
        found.push(name);
        match after.strip_prefix(", ") {
            Some(more) => rest = more,
            None => return is_end(node, after).map(|()| found),
        }
    }
}

/// The text after the name in the line of something with a type.
#[derive(Debug, Default)]
pub(super) struct TypedHead {
    pub(super) data_type: String,
    pub(super) collation: Option<String>,
    pub(super) not_null: bool,
    pub(super) default: Option<String>,
    inherited: bool,
    identity: Option<String>,
    generated: Option<String>,
}

impl TypedHead {
    /// Refuses properties that only columns have.
    pub(super) fn is_plain(&self, node: &Node<'_>) -> Result<(), Wrong> {
        match self.inherited || self.identity.is_some() || self.generated.is_some() {
            true => Err(node.wrong("only a column can be INHERITED, IDENTITY or GENERATED")),
            false => Ok(()),
        }
    }
}

/// The properties of such a line that get lines of their own if they could be misread.
const OF_HEAD: [&str; 5] = ["type", "COLLATE", "IDENTITY", "GENERATED", "DEFAULT"];

/// Whether a line below belongs to that line.
pub(super) fn is_head(node: &Node<'_>) -> bool {
    node.text.strip_suffix(':').is_some_and(|word| OF_HEAD.contains(&word))
}

/// Reads what follows the name of something that has a type.
pub(super) fn head(node: &Node<'_>, rest: &str) -> Result<TypedHead, Wrong> {
    const AFTER_TYPE: [&str; 6] = [" COLLATE", " NOT NULL", " INHERITED", " IDENTITY", " GENERATED", " DEFAULT"];
    let mut head = TypedHead::default();
    let (data_type, mut rest) = cut(rest, &AFTER_TYPE);
    head.data_type = data_type.strip_prefix(' ').unwrap_or(data_type).to_owned();
    let collation = taken(&mut rest, " COLLATE ", &AFTER_TYPE);
    let mut take = |word: &str| {
        let after = rest.strip_prefix(word);
        rest = after.unwrap_or(rest);
        after.is_some()
    };
    (head.not_null, head.inherited) = (take(" NOT NULL"), take(" INHERITED"));
    head.collation = collation;
    if let Some(text) = rest.strip_prefix(" IDENTITY ") {
        let when = ["ALWAYS", "BY DEFAULT"].into_iter().find(|when| text.starts_with(when)).unwrap_or_default();
        let (options, _) = cut(&text[when.len()..], &[" GENERATED"]);
        let end = match options.starts_with(" (") {
            true => options.find(") DEFAULT").map_or(options.len(), |at| at + 1),
            false => 0,
        };
        head.identity = Some(text[..when.len() + end].to_owned());
        rest = &text[when.len() + end..];
    }
    head.generated = taken(&mut rest, " GENERATED ", &[" DEFAULT"]);
    head.default = taken(&mut rest, " DEFAULT ", &[]);
    is_end(node, rest)?;
    for part in &node.below {
        for (word, place) in [
            ("COLLATE", &mut head.collation),
            ("IDENTITY", &mut head.identity),
            ("GENERATED", &mut head.generated),
            ("DEFAULT", &mut head.default),
        ] {
            if part.text.strip_suffix(':') == Some(word)
                && let Some(text) = value(part, word)?
            {
                once(place, text, part)?;
            }
        }
        if part.text == "type:"
            && let Some(text) = value(part, "type")?
        {
            if !head.data_type.is_empty() {
                return Err(part.wrong("`type:` appears twice"));
            }
            head.data_type = text;
        }
    }
    Ok(head)
}

/// Splits a text before the first of these.
fn cut<'a>(text: &'a str, before: &[&str]) -> (&'a str, &'a str) {
    let end = before.iter().filter_map(|word| text.find(word)).min().unwrap_or(text.len());
    text.split_at(end)
}

/// Takes a property from the beginning of a text.
fn taken(rest: &mut &str, word: &str, before: &[&str]) -> Option<String> {
    let text = rest.strip_prefix(word)?;
    // The blank before the value could be the beginning of a following word.
    let (spaced, after) = cut(&rest[word.len() - 1..], before);
    let found = spaced.strip_prefix(' ').unwrap_or(text).to_owned();
    *rest = after;
    Some(found)
}

/// Reads the line of a column and the lines below it.
pub(super) fn column(node: &Node<'_>) -> Result<Column, Wrong> {
    no_lines(node)?;
    let (name, rest) = name(&node.text["column ".len()..]).ok_or_else(|| unknown(node, "a table"))?;
    let head = head(node, rest)?;
    let (mut options, mut privileges, mut comment) = (Vec::new(), Vec::new(), None);
    for part in node.below.iter().filter(|part| !is_head(part)) {
        if let Some(found) = detail(part)? {
            options.push(found);
        } else if let Some(found) = privilege(part)? {
            privileges.push(found);
        } else if let Some(text) = value(part, "comment")? {
            once(&mut comment, text, part)?;
        } else {
            return Err(unknown(part, "a column"));
        }
    }
    let identity = match &head.identity {
        Some(text) => Some(identity(text, &head.data_type).ok_or_else(|| {
            node.wrong("an identity must be `ALWAYS` or `BY DEFAULT`, and may be followed by options in parentheses")
        })?),
        None => None,
    };
    let generated = match &head.generated {
        Some(text) => Some(generated(text).ok_or_else(|| {
            node.wrong("a generated column must be `AS (expression) STORED` or `AS (expression) VIRTUAL`")
        })?),
        None => None,
    };
    Ok(Column {
        name,
        data_type: head.data_type,
        not_null: head.not_null,
        default: head.default,
        generated,
        identity,
        collation: head.collation,
        inherited: head.inherited,
        options,
        privileges,
        comment,
    })
}

fn identity(text: &str, data_type: &str) -> Option<Identity> {
    let (always, rest) = match text.strip_prefix("ALWAYS") {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix("BY DEFAULT")?),
    };
    let options = match rest {
        "" => "",
        rest => rest.strip_prefix(" (")?.strip_suffix(')')?,
    };
    Some(Identity { always, options: counting(options, data_type) })
}

fn generated(text: &str) -> Option<Generated> {
    let inner = text.strip_prefix("AS (")?;
    let ends = [(") STORED", Generation::Stored), (") VIRTUAL", Generation::Virtual)];
    let (generation, expression) = ends.into_iter().find_map(|(end, it)| Some((it, inner.strip_suffix(end)?)))?;
    Some(Generated { generation, expression: expression.to_owned() })
}

/// Whether a line is that of a constraint. Its name and its definition may be on other lines.
pub(super) fn is_constraint(node: &Node<'_>) -> bool {
    node.text == "constraint" || node.text.starts_with("constraint ")
}

/// Reads a constraint of a table with these columns.
pub(super) fn constraint(node: &Node<'_>, of_table: &[&str]) -> Result<Constraint, Wrong> {
    no_lines(node)?;
    let rest = &node.text["constraint".len()..];
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    let (name, rest) = match name(rest) {
        Some((name, rest)) => (Some(name), rest.strip_prefix(' ').unwrap_or(rest)),
        None => (None, rest),
    };
    let mut definition = (!rest.is_empty()).then(|| rest.to_owned());
    let (mut inherited, mut comment) = (false, None);
    for part in &node.below {
        if flag(part, "inherited", &mut inherited)? {
            continue;
        }
        if let Some(text) = value(part, "comment")? {
            once(&mut comment, text, part)?;
        } else if let Some(text) = value(part, "definition")? {
            once(&mut definition, text, part)?;
        } else {
            return Err(unknown(part, "a constraint"));
        }
    }
    let definition =
        definition.ok_or_else(|| node.wrong("a constraint must have a definition, as in `CHECK (a > 0)`"))?;
    let kind = definition::kind(&definition);
    let kind = kind.ok_or_else(|| node.wrong(format!("`{definition}` is not a constraint that this release knows")))?;
    Ok(Constraint {
        name,
        kind,
        columns: definition::columns(kind, &definition, of_table),
        references: match kind {
            ConstraintKind::ForeignKey => definition::references(&definition),
            _ => None,
        },
        definition,
        inherited,
        comment,
    })
}

/// Reads an index of a table with these columns.
pub(super) fn index(node: &Node<'_>, of_table: &[&str], dialect: Dialect) -> Result<Index, Wrong> {
    no_lines(node)?;
    let (name, rest) = name(&node.text["index ".len()..]).ok_or_else(|| unknown(node, "a table"))?;
    let (unique, rest) = match rest.strip_prefix(" UNIQUE") {
        Some(rest) if rest.is_empty() || rest.starts_with(' ') => (true, rest),
        _ => (false, rest),
    };
    let mut definition = match rest.strip_prefix(' ') {
        Some(rest) => Some(rest.to_owned()),
        None => is_end(node, rest).map(|()| None)?,
    };
    let (mut invalid, mut options, mut comment) = (false, Vec::new(), None);
    for part in &node.below {
        if flag(part, "invalid", &mut invalid)? {
            continue;
        }
        if let Some(found) = detail(part)? {
            options.push(found);
        } else if let Some(text) = value(part, "comment")? {
            once(&mut comment, text, part)?;
        } else if let Some(text) = value(part, "definition")? {
            once(&mut definition, text, part)?;
        } else {
            return Err(unknown(part, "an index"));
        }
    }
    let definition =
        definition.ok_or_else(|| node.wrong("an index must have a definition, as in `USING btree (a)`"))?;
    let keys = match dialect {
        // The text keeps the order of each key, and the quotes.
        Dialect::Sqlite | Dialect::Mysql => definition::list(&definition).0.into_iter().map(str::to_owned).collect(),
        Dialect::Postgres => {
            let key = |key: &str| match definition::first_name(key) {
                Some((name, "")) if of_table.contains(&name.as_str()) => name,
                _ => key.to_owned(),
            };
            definition::keys(&definition).into_iter().map(key).collect()
        }
    };
    Ok(Index { name, unique, definition, keys, valid: !invalid, options, comment })
}

/// Completes the foreign keys of SQLite's temporary tables: they refer to temporary tables, but do not contain their
/// schema.
pub(super) fn complete(schema: &mut Schema) {
    let names: Vec<Name> = schema.tables.iter().map(|table| table.name.clone()).collect();
    let temporary = schema.tables.iter_mut().filter(|table| table.name.schema.as_deref() == Some("temp"));
    for references in temporary.flat_map(|table| &mut table.constraints).filter_map(|one| one.references.as_mut()) {
        let there = Name { schema: Some("temp".to_owned()), name: references.table.name.clone() };
        if references.table.schema.is_none() && names.contains(&there) {
            references.table = there;
        }
    }
}
