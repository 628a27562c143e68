//! Parts of schemas in few words.

use lockgate_core::Dialect;
use lockgate_schema::{
    Column, Constraint, ConstraintKind, Index, Meta, Name, Object, ObjectKind, Persistence, RowSecurity, Schema,
    Sequence, SequenceOptions, Table, TableKind, Type, TypeKind, View,
};

pub(crate) fn schema() -> Schema {
    Schema::empty(Dialect::Postgres)
}

pub(crate) fn table(name: &str, columns: impl IntoIterator<Item = Column>) -> Table {
    Table {
        name: Name::qualified("public", name),
        kind: TableKind::Ordinary,
        persistence: Persistence::Permanent,
        columns: columns.into_iter().collect(),
        constraints: Vec::new(),
        indexes: Vec::new(),
        inherits: Vec::new(),
        partition_of: None,
        row_security: RowSecurity::Off,
        options: Vec::new(),
        meta: Meta::default(),
    }
}

pub(crate) fn column(name: &str, data_type: &str) -> Column {
    Column {
        name: name.to_owned(),
        data_type: data_type.to_owned(),
        not_null: false,
        default: None,
        generated: None,
        identity: None,
        collation: None,
        inherited: false,
        options: Vec::new(),
        privileges: Vec::new(),
        comment: None,
    }
}

pub(crate) fn constraint(name: Option<&str>, definition: &str) -> Constraint {
    let kinds = [
        ("PRIMARY KEY", ConstraintKind::PrimaryKey),
        ("UNIQUE", ConstraintKind::Unique),
        ("FOREIGN KEY", ConstraintKind::ForeignKey),
        ("EXCLUDE", ConstraintKind::Exclude),
        ("NOT NULL", ConstraintKind::NotNull),
    ];
    let kind = kinds.into_iter().find(|(word, _)| definition.starts_with(word));
    Constraint {
        name: name.map(str::to_owned),
        kind: kind.map_or(ConstraintKind::Check, |(_, kind)| kind),
        definition: definition.to_owned(),
        columns: Vec::new(),
        references: None,
        inherited: false,
        comment: None,
    }
}

pub(crate) fn index(name: &str, definition: &str) -> Index {
    Index {
        name: name.to_owned(),
        unique: false,
        definition: definition.to_owned(),
        keys: Vec::new(),
        valid: true,
        options: Vec::new(),
        comment: None,
    }
}

pub(crate) fn made_type(name: &str, kind: TypeKind) -> Type {
    Type { name: Name::qualified("public", name), kind, meta: Meta::default() }
}

pub(crate) fn values(values: &[&str]) -> TypeKind {
    TypeKind::Enum(values.iter().map(|&value| value.to_owned()).collect())
}

pub(crate) fn counting() -> SequenceOptions {
    SequenceOptions {
        data_type: "bigint".to_owned(),
        start: 1,
        increment: 1,
        min: 1,
        max: i64::MAX,
        cache: 1,
        cycle: false,
    }
}

pub(crate) fn sequence(name: &str) -> Sequence {
    Sequence {
        name: Name::qualified("public", name),
        options: counting(),
        persistence: Persistence::Permanent,
        owned_by: None,
        meta: Meta::default(),
    }
}

pub(crate) fn view(name: &str, definition: &str) -> View {
    View {
        name: Name::qualified("public", name),
        materialized: false,
        definition: definition.to_owned(),
        columns: Vec::new(),
        indexes: Vec::new(),
        options: Vec::new(),
        meta: Meta::default(),
    }
}

pub(crate) fn object(kind: ObjectKind, name: &str, on: Option<&str>, definition: &str) -> Object {
    Object {
        kind,
        name: match on {
            Some(_) => Name::plain(name),
            None => Name::qualified("public", name),
        },
        on: on.map(|on| Name::qualified("public", on)),
        definition: definition.to_owned(),
        meta: Meta::default(),
    }
}
