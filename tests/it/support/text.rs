//! The text form of every schema that a test reads is read back.

use lockgate::schema::snapshot;
use lockgate::schema::{Column, Constraint, Index, Meta, Schema};

/// Checks that the text of a schema says all of it.
pub(crate) fn says_all(schema: &Schema) {
    let text = schema.to_text();
    let again = snapshot::read(&text).unwrap_or_else(|wrong| panic!("{wrong}\n{text}"));
    assert_eq!(again.to_text(), text);
    let (again, schema) = (sorted(again), sorted(schema.clone()));
    assert!(again == schema, "{text}\n{}", first_difference(&format!("{schema:#?}"), &format!("{again:#?}")));
}

/// A few lines around the first one that differs.
fn first_difference(wanted: &str, found: &str) -> String {
    let pairs: Vec<(&str, &str)> = wanted.lines().zip(found.lines()).collect();
    let at = pairs.iter().position(|(wanted, found)| wanted != found).unwrap_or(pairs.len());
    let from = at.saturating_sub(25);
    let before: Vec<&str> = pairs[from..at].iter().map(|(line, _)| *line).collect();
    let rest = |text: &str| text.lines().skip(at).take(8).collect::<Vec<_>>().join("\n");
    format!("{}\nwanted:\n{}\nfound:\n{}", before.join("\n"), rest(wanted), rest(found))
}

/// The same schema with its lists in one order, but for those whose order matters.
fn sorted(mut schema: Schema) -> Schema {
    let meta = |meta: &mut Meta| {
        meta.privileges.sort();
        meta.details.sort();
    };
    let column = |column: &mut Column| {
        column.privileges.sort();
        column.options.sort();
    };
    let constraints =
        |list: &mut Vec<Constraint>| list.sort_by(|a, b| (&a.name, &a.definition).cmp(&(&b.name, &b.definition)));
    let indexes = |list: &mut Vec<Index>| {
        list.sort_by(|a, b| a.name.cmp(&b.name));
        list.iter_mut().for_each(|index| index.options.sort());
    };
    schema.namespaces.sort_by(|a, b| a.name.cmp(&b.name));
    schema.namespaces.iter_mut().for_each(|one| meta(&mut one.meta));
    schema.types.sort_by(|a, b| a.name.cmp(&b.name));
    for one in &mut schema.types {
        meta(&mut one.meta);
        match &mut one.kind {
            lockgate::schema::TypeKind::Domain { constraints: list, .. } => constraints(list),
            lockgate::schema::TypeKind::Defined { details, .. } => details.sort(),
            _ => {}
        }
    }
    schema.sequences.sort_by(|a, b| a.name.cmp(&b.name));
    schema.sequences.iter_mut().for_each(|one| meta(&mut one.meta));
    schema.tables.sort_by(|a, b| a.name.cmp(&b.name));
    for one in &mut schema.tables {
        meta(&mut one.meta);
        one.options.sort();
        one.columns.iter_mut().for_each(column);
        constraints(&mut one.constraints);
        indexes(&mut one.indexes);
    }
    schema.views.sort_by(|a, b| a.name.cmp(&b.name));
    for one in &mut schema.views {
        meta(&mut one.meta);
        one.options.sort();
        one.columns.iter_mut().for_each(column);
        indexes(&mut one.indexes);
    }
    schema.objects.sort_by(|a, b| (a.kind, &a.name, &a.on).cmp(&(b.kind, &b.name, &b.on)));
    schema.objects.iter_mut().for_each(|one| meta(&mut one.meta));
    schema
}
