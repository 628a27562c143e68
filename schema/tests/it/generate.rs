//! Schemas by a seeded generator, and every way in which one can be changed a little.

use lockgate_schema::{
    Attribute, Class, Column, Constraint, Detail, Generated, Generation, Identity, Index, Meta, Name, Namespace,
    Object, ObjectKind, Owner, Partition, Persistence, Privilege, RowSecurity, Schema, Sequence, Table, TableKind,
    Type, TypeKind, View,
};

use crate::build;

/// xorshift64*: the same seed gives the same schema everywhere.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        for _ in 0..4 {
            random.below(2);
        }
        random
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(high).expect("31 bits fit") % bound
    }

    pub(crate) fn maybe(&mut self) -> bool {
        self.below(2) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn text(&mut self) -> String {
        self.pick(&TEXTS).to_owned()
    }

    fn some(&mut self) -> Option<String> {
        self.maybe().then(|| self.text())
    }

    /// Some of these, each with another name.
    fn each<T>(&mut self, names: &[&str], mut make: impl FnMut(&mut Self, &str) -> T) -> Vec<T> {
        let mut names = names.to_vec();
        let mut made = Vec::new();
        for _ in 0..self.below(names.len() + 1) {
            let name = names.remove(self.below(names.len()));
            made.push(make(self, name));
        }
        made
    }
}

/// What stands where the database writes something, much of it unpleasant.
const TEXTS: [&str; 12] = [
    "text",
    "b",
    "CHECK (a > 0)",
    "x NOT NULL",
    "",
    " ",
    "a\nb",
    "a\n",
    "UNIQUE (a) DEFAULT 1",
    "'it''s'",
    "y DEFAULT z COLLATE c",
    "comment x",
];

const NAMES: [&str; 5] = ["a", "b", "Table", "c d", "e\"f"];

pub(crate) fn schema(random: &mut Random) -> Schema {
    let kinds = [ObjectKind::Function, ObjectKind::Trigger, ObjectKind::Extension, ObjectKind::DefaultPrivileges];
    Schema {
        namespaces: random.each(&NAMES, |random, name| Namespace { name: name.to_owned(), meta: meta(random) }),
        types: random.each(&NAMES, made_type),
        sequences: random.each(&NAMES, sequence),
        tables: random.each(&NAMES, table),
        views: random.each(&NAMES, |random, name| View {
            materialized: random.maybe(),
            columns: random.each(&NAMES, column),
            indexes: random.each(&NAMES, index),
            options: details(random),
            meta: meta(random),
            ..build::view(name, &random.text())
        }),
        objects: random.each(&NAMES, |random, name| Object {
            meta: meta(random),
            on: random.maybe().then(|| Name::plain(random.pick(&NAMES))),
            ..build::object(random.pick(&kinds), name, None, &random.text())
        }),
        ..build::schema()
    }
}

fn meta(random: &mut Random) -> Meta {
    Meta {
        owner: random.maybe().then(|| Owner::Role(random.pick(&NAMES).to_owned())),
        privileges: privileges(random),
        comment: random.some(),
        details: details(random),
    }
}

fn privileges(random: &mut Random) -> Vec<Privilege> {
    random.each(&["SELECT", "UPDATE"], |random, privilege| Privilege {
        grantee: random.pick(&["PUBLIC", "reader", "C d"]).to_owned(),
        privilege: privilege.to_owned(),
        grantable: random.maybe(),
    })
}

fn details(random: &mut Random) -> Vec<Detail> {
    random.each(&["fillfactor", "a = b"], |random, name| Detail { name: name.to_owned(), value: random.text() })
}

fn made_type(random: &mut Random, name: &str) -> Type {
    let kind = match random.below(4) {
        0 => TypeKind::Enum(random.each(&["sad", "ok", "it's", "a\nb"], |_, value| value.to_owned())),
        1 => TypeKind::Composite(random.each(&NAMES, |random, name| Attribute {
            name: name.to_owned(),
            data_type: random.text(),
            collation: random.some(),
            comment: random.some(),
        })),
        2 => TypeKind::Domain {
            base: random.text(),
            not_null: random.maybe(),
            default: random.some(),
            collation: random.some(),
            constraints: random.each(&NAMES, constraint),
        },
        _ => TypeKind::Defined { what: "range", details: details(random) },
    };
    Type { meta: meta(random), ..build::made_type(name, kind) }
}

fn sequence(random: &mut Random, name: &str) -> Sequence {
    let mut sequence = build::sequence(name);
    sequence.options.data_type = random.pick(&["bigint", "integer", "smallint"]).to_owned();
    sequence.options.start = random.pick(&[1, 2]);
    sequence.options.increment = random.pick(&[1, -1, 3]);
    sequence.options.cycle = random.maybe();
    sequence.persistence = random.pick(&[Persistence::Permanent, Persistence::Unlogged]);
    sequence.owned_by = random.maybe().then(|| (Name::plain(random.pick(&NAMES)), "id".to_owned()));
    sequence.meta = meta(random);
    sequence
}

fn table(random: &mut Random, name: &str) -> Table {
    let kind = match random.below(4) {
        0 => TableKind::Partitioned { key: random.text() },
        1 => TableKind::Foreign { server: random.pick(&NAMES).to_owned() },
        2 => TableKind::Virtual { module: random.text() },
        _ => TableKind::Ordinary,
    };
    Table {
        kind,
        persistence: random.pick(&[Persistence::Permanent, Persistence::Unlogged, Persistence::Temporary]),
        constraints: random.each(&NAMES, constraint),
        indexes: random.each(&NAMES, index),
        inherits: random.each(&NAMES, |_, name| Name::plain(name)),
        partition_of: random
            .maybe()
            .then(|| Partition { parent: Name::plain(random.pick(&NAMES)), bound: random.text() }),
        row_security: random.pick(&[RowSecurity::Off, RowSecurity::Enabled, RowSecurity::Forced]),
        options: details(random),
        meta: meta(random),
        ..build::table(name, random.each(&NAMES, column))
    }
}

fn column(random: &mut Random, name: &str) -> Column {
    let generations = [Generation::Stored, Generation::Virtual];
    Column {
        not_null: random.maybe(),
        default: random.some(),
        generated: random
            .maybe()
            .then(|| Generated { generation: random.pick(&generations), expression: random.text() }),
        identity: random.maybe().then(|| Identity { always: random.maybe(), options: build::counting() }),
        collation: random.some(),
        inherited: random.maybe(),
        options: details(random),
        privileges: privileges(random),
        comment: random.some(),
        ..build::column(name, &random.text())
    }
}

fn constraint(random: &mut Random, name: &str) -> Constraint {
    let name = random.maybe().then_some(name);
    Constraint { inherited: random.maybe(), comment: random.some(), ..build::constraint(name, &random.text()) }
}

fn index(random: &mut Random, name: &str) -> Index {
    Index {
        unique: random.maybe(),
        valid: random.maybe(),
        options: details(random),
        comment: random.some(),
        ..build::index(name, &random.text())
    }
}

/// Changes a schema; or does not, where there is nothing to change.
pub(crate) type Change = fn(&mut Schema, &mut Random) -> bool;

/// A text that no generated schema has.
const NEW: &str = "brand new";

/// Every small change with the class that it must be found to be of.
pub(crate) const CHANGES: [(&str, Class, Change); 42] = [
    ("drop a schema", Class::Real, |s, r| remove(&mut s.namespaces, r)),
    ("drop a type", Class::Real, |s, r| remove(&mut s.types, r)),
    ("drop a sequence", Class::Real, |s, r| remove(&mut s.sequences, r)),
    ("drop a table", Class::Real, |s, r| remove(&mut s.tables, r)),
    ("drop a view", Class::Real, |s, r| remove(&mut s.views, r)),
    ("rename a table", Class::Real, |s, r| on(&mut s.tables, r, |table, _| table.name.name = NEW.to_owned())),
    ("move a table", Class::Real, |s, r| on(&mut s.tables, r, |table, _| table.name.schema = Some(NEW.to_owned()))),
    ("another sequence", Class::Real, |s, r| on(&mut s.sequences, r, |one, _| one.options.cache += 1)),
    ("a sequence's owner", Class::Real, |s, r| {
        on(&mut s.sequences, r, |one, _| one.owned_by = Some((Name::plain(NEW), "x".to_owned())))
    }),
    ("an enum's values", Class::EnumOrder, |s, r| {
        any(&mut s.types, r, |made, r| enum_values(made).is_some_and(|values| swap(values, r)))
    }),
    ("a value less", Class::Real, |s, r| {
        any(&mut s.types, r, |made, r| enum_values(made).is_some_and(|values| remove(values, r)))
    }),
    ("an attribute's type", Class::Real, |s, r| {
        any(&mut s.types, r, |made, r| {
            attributes(made).is_some_and(|them| on(them, r, |one, _| one.data_type = NEW.to_owned()))
        })
    }),
    ("attributes change places", Class::ColumnOrder, |s, r| {
        any(&mut s.types, r, |made, r| attributes(made).is_some_and(|them| swap(them, r)))
    }),
    ("a domain's NOT NULL", Class::Real, |s, r| {
        any(&mut s.types, r, |made, _| match &mut made.kind {
            TypeKind::Domain { not_null, .. } => {
                *not_null = !*not_null;
                true
            }
            _ => false,
        })
    }),
    ("a column more", Class::Real, |s, r| {
        on(&mut s.tables, r, |table, r| {
            let at = r.below(table.columns.len() + 1);
            table.columns.insert(at, build::column(NEW, "text"));
        })
    }),
    ("a column less", Class::Real, |s, r| any(&mut s.tables, r, |table, r| remove(&mut table.columns, r))),
    ("columns change places", Class::ColumnOrder, |s, r| any(&mut s.tables, r, |table, r| swap(&mut table.columns, r))),
    ("a column's name", Class::Real, |s, r| columns(s, r, |column| column.name = NEW.to_owned())),
    ("a column's type", Class::Real, |s, r| columns(s, r, |column| column.data_type = NEW.to_owned())),
    ("a column's NOT NULL", Class::Real, |s, r| columns(s, r, |column| column.not_null = !column.not_null)),
    ("a column's default", Class::Real, |s, r| columns(s, r, |column| column.default = Some(NEW.to_owned()))),
    ("a column's collation", Class::Real, |s, r| columns(s, r, |column| column.collation = Some(NEW.to_owned()))),
    ("a column's inheritance", Class::Real, |s, r| columns(s, r, |column| column.inherited = !column.inherited)),
    ("a column's identity", Class::Real, |s, r| {
        columns(s, r, |column| match &mut column.identity {
            Some(identity) => identity.always = !identity.always,
            None => column.identity = Some(Identity { always: true, options: build::counting() }),
        })
    }),
    ("a column's expression", Class::Real, |s, r| {
        columns(s, r, |column| {
            column.generated = Some(Generated { generation: Generation::Stored, expression: NEW.to_owned() });
        })
    }),
    ("a column's storage", Class::Real, |s, r| columns(s, r, |column| column.options.push(detail()))),
    ("a column's privilege", Class::Privileges, |s, r| columns(s, r, |column| column.privileges.push(privilege()))),
    ("a column's comment", Class::Comment, |s, r| columns(s, r, |column| column.comment = Some(NEW.to_owned()))),
    ("a table's persistence", Class::Real, |s, r| {
        on(&mut s.tables, r, |table, _| {
            table.persistence = match table.persistence {
                Persistence::Permanent => Persistence::Unlogged,
                Persistence::Unlogged => Persistence::Temporary,
                Persistence::Temporary => Persistence::Permanent,
            };
        })
    }),
    ("what a table is", Class::Real, |s, r| {
        on(&mut s.tables, r, |table, _| table.kind = TableKind::Partitioned { key: NEW.to_owned() })
    }),
    ("a table's option", Class::Real, |s, r| on(&mut s.tables, r, |table, _| table.options.push(detail()))),
    ("a table's parent", Class::Real, |s, r| on(&mut s.tables, r, |table, _| table.inherits.push(Name::plain(NEW)))),
    ("a table's row security", Class::Real, |s, r| {
        on(&mut s.tables, r, |table, _| {
            table.row_security = match table.row_security {
                RowSecurity::Off => RowSecurity::Enabled,
                RowSecurity::Enabled => RowSecurity::Forced,
                RowSecurity::Forced => RowSecurity::Off,
            };
        })
    }),
    ("a table's owner", Class::Owner, |s, r| {
        on(&mut s.tables, r, |table, _| table.meta.owner = Some(Owner::Role(NEW.to_owned())))
    }),
    ("a view's privilege", Class::Privileges, |s, r| {
        on(&mut s.views, r, |one, _| one.meta.privileges.push(privilege()))
    }),
    ("a schema's comment", Class::Comment, |s, r| {
        on(&mut s.namespaces, r, |one, _| one.meta.comment = Some(NEW.to_owned()))
    }),
    ("a constraint's definition", Class::Real, |s, r| {
        any(&mut s.tables, r, |table, r| on(&mut table.constraints, r, |one, _| one.definition = NEW.to_owned()))
    }),
    ("a constraint's name", Class::ConstraintName, |s, r| {
        any(&mut s.tables, r, |table, r| on(&mut table.constraints, r, |one, _| one.name = Some(NEW.to_owned())))
    }),
    ("an index's name", Class::IndexName, |s, r| {
        any(&mut s.tables, r, |table, r| on(&mut table.indexes, r, |one, _| one.name = NEW.to_owned()))
    }),
    ("an index's validity", Class::Real, |s, r| {
        any(&mut s.tables, r, |table, r| on(&mut table.indexes, r, |one, _| one.valid = !one.valid))
    }),
    ("a view's query", Class::Real, |s, r| on(&mut s.views, r, |one, _| one.definition = NEW.to_owned())),
    ("a trigger's body", Class::Real, |s, r| {
        any(&mut s.objects, r, |one, _| {
            let has_a_body = one.kind != ObjectKind::DefaultPrivileges;
            if has_a_body {
                one.definition = NEW.to_owned();
            }
            has_a_body
        })
    }),
];

fn detail() -> Detail {
    Detail { name: NEW.to_owned(), value: NEW.to_owned() }
}

fn privilege() -> Privilege {
    Privilege { grantee: NEW.to_owned(), privilege: "SELECT".to_owned(), grantable: false }
}

fn enum_values(made: &mut Type) -> Option<&mut Vec<String>> {
    match &mut made.kind {
        TypeKind::Enum(values) => Some(values),
        _ => None,
    }
}

fn attributes(made: &mut Type) -> Option<&mut Vec<Attribute>> {
    match &mut made.kind {
        TypeKind::Composite(attributes) => Some(attributes),
        _ => None,
    }
}

fn columns(schema: &mut Schema, random: &mut Random, change: fn(&mut Column)) -> bool {
    any(&mut schema.tables, random, |table, random| on(&mut table.columns, random, |column, _| change(column)))
}

fn remove<T>(list: &mut Vec<T>, random: &mut Random) -> bool {
    if list.is_empty() {
        return false;
    }
    list.remove(random.below(list.len()));
    true
}

fn swap<T>(list: &mut [T], random: &mut Random) -> bool {
    if list.len() < 2 {
        return false;
    }
    let one = random.below(list.len() - 1);
    let other = one + 1 + random.below(list.len() - one - 1);
    list.swap(one, other);
    true
}

/// Changes one of them, if there is one.
fn on<T>(list: &mut [T], random: &mut Random, change: impl FnOnce(&mut T, &mut Random)) -> bool {
    if list.is_empty() {
        return false;
    }
    let index = random.below(list.len());
    change(&mut list[index], random);
    true
}

/// Changes the first that can be changed, from a random one on.
fn any<T>(list: &mut [T], random: &mut Random, mut change: impl FnMut(&mut T, &mut Random) -> bool) -> bool {
    let length = list.len();
    let from = random.below(length.max(1));
    (0..length).any(|index| change(&mut list[(from + index) % length], random))
}
