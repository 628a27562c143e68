//! What a schema is made of. Expressions and definitions are texts as the database itself writes
//! them, so that two schemas read from servers of one release compare equal if they are.
//!
//! Lists stand in the order that means something (columns, enum values); where none does, the
//! constructor of the text form sorts.

use std::collections::BTreeMap;

use lockgate_core::Dialect;

/// All that is in a database, but for its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// What the database speaks.
    pub dialect: Dialect,
    /// Schemas in the sense of PostgreSQL. Empty for a database that has none.
    pub namespaces: Vec<Namespace>,
    /// Types that were made: enums, composites, domains, ranges.
    pub types: Vec<Type>,
    /// Sequences of their own and those that a column owns. The sequence behind an identity column is
    /// part of the column.
    pub sequences: Vec<Sequence>,
    /// Tables with their columns, constraints and indexes.
    pub tables: Vec<Table>,
    /// Views and materialized views.
    pub views: Vec<View>,
    /// Everything else, each with its definition.
    pub objects: Vec<Object>,
}

/// The name of an object: its schema, where the database has such, and what it is called there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// The schema that it is in.
    pub schema: Option<String>,
    /// What it is called there, without quotes.
    pub name: String,
}

/// What every object may have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// Whose it is, where the database knows owners.
    pub owner: Option<Owner>,
    /// Who may do what with it, but for what its owner may by default.
    pub privileges: Vec<Privilege>,
    /// What was said about it.
    pub comment: Option<String>,
    /// The extension that made it is not here: what an extension owns is not read. What else there is
    /// to say of the object, by name: `security label for selinux`.
    pub details: Vec<Detail>,
}

/// The role that owns an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The role that owns the database too, whatever it is called there.
    Database,
    /// Another one.
    Role(String),
}

/// What one role may do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Privilege {
    /// The role; `PUBLIC` for all.
    pub grantee: String,
    /// What it may: `SELECT`. One a value.
    pub privilege: String,
    /// Whether it may pass it on.
    pub grantable: bool,
}

/// Something about an object that has no field of its own: `fillfactor` is `70`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Detail {
    /// What it is.
    pub name: String,
    /// Its value as the database writes it.
    pub value: String,
}

/// A schema in the sense of PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// What it is called.
    pub name: String,
    /// What every object may have.
    pub meta: Meta,
}

/// A type that was made by someone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Type {
    /// What it is called.
    pub name: Name,
    /// What it is.
    pub kind: TypeKind,
    /// What every object may have.
    pub meta: Meta,
}

/// What a type is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TypeKind {
    /// An enum with its values in their order.
    Enum(Vec<String>),
    /// A composite with its attributes in their order.
    Composite(Vec<Attribute>),
    /// A domain.
    Domain {
        /// The type below.
        base: String,
        /// Whether NULL is no value of it.
        not_null: bool,
        /// The default.
        default: Option<String>,
        /// The collation, where it is not that of the type below.
        collation: Option<String>,
        /// Its checks.
        constraints: Vec<Constraint>,
    },
    /// A range, or a base type: what it was defined with.
    Defined {
        /// `range`, `base`.
        what: &'static str,
        /// The parts of its definition.
        details: Vec<Detail>,
    },
}

/// One attribute of a composite type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// What it is called.
    pub name: String,
    /// Its type as the database writes it.
    pub data_type: String,
    /// Its collation, where it is not that of its type.
    pub collation: Option<String>,
    /// What was said about it.
    pub comment: Option<String>,
}

/// A sequence. Where it stands is data and not here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// What it is called.
    pub name: Name,
    /// How it counts.
    pub options: SequenceOptions,
    /// Whether it outlives a crash.
    pub persistence: Persistence,
    /// The column with which it goes: table and column.
    pub owned_by: Option<(Name, String)>,
    /// What every object may have.
    pub meta: Meta,
}

/// How a sequence counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceOptions {
    /// Its type: `bigint`.
    pub data_type: String,
    /// The first value.
    pub start: i64,
    /// The step.
    pub increment: i64,
    /// The smallest value.
    pub min: i64,
    /// The greatest value.
    pub max: i64,
    /// How many a session takes at once.
    pub cache: i64,
    /// Whether it begins again at its end.
    pub cycle: bool,
}

/// What becomes of a relation's rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Persistence {
    /// They stay.
    #[default]
    Permanent,
    /// They are gone behind a crash.
    Unlogged,
    /// They are gone with the session.
    Temporary,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// What it is called.
    pub name: Name,
    /// What it is.
    pub kind: TableKind,
    /// What becomes of its rows.
    pub persistence: Persistence,
    /// Its columns in their order.
    pub columns: Vec<Column>,
    /// Its constraints, those of its columns included. The index behind one is not among the indexes.
    pub constraints: Vec<Constraint>,
    /// Its indexes.
    pub indexes: Vec<Index>,
    /// The tables that it inherits from, in their order.
    pub inherits: Vec<Name>,
    /// The table that it is a partition of.
    pub partition_of: Option<Partition>,
    /// Who sees which rows.
    pub row_security: RowSecurity,
    /// What else it was made with: `fillfactor`, `access method`, `STRICT`. Sorted by name.
    pub options: Vec<Detail>,
    /// What every object may have.
    pub meta: Meta,
}

/// What a table is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TableKind {
    /// One that has rows.
    Ordinary,
    /// One whose partitions have them.
    Partitioned {
        /// By what: `RANGE (created_at)`.
        key: String,
    },
    /// One of another server.
    Foreign {
        /// The server.
        server: String,
    },
    /// One that a module of SQLite answers for.
    Virtual {
        /// The module with its arguments.
        module: String,
    },
}

/// What a partition is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// The table above.
    pub parent: Name,
    /// Which rows: `FOR VALUES FROM (1) TO (10)`.
    pub bound: String,
}

/// Whether policies decide which rows are seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RowSecurity {
    /// No.
    #[default]
    Off,
    /// For all but the owner.
    Enabled,
    /// For the owner too.
    Forced,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// What it is called.
    pub name: String,
    /// Its type as the database writes it: `character varying(40)`.
    pub data_type: String,
    /// Whether NULL is refused.
    pub not_null: bool,
    /// The default.
    pub default: Option<String>,
    /// Where its value is computed.
    pub generated: Option<Generated>,
    /// Where its value is counted.
    pub identity: Option<Identity>,
    /// Its collation, where it is not that of its type.
    pub collation: Option<String>,
    /// Whether it comes from a table above and from nowhere else.
    pub inherited: bool,
    /// What else there is: `storage`, `compression`, `statistics`. Sorted by name.
    pub options: Vec<Detail>,
    /// Who may do what with it.
    pub privileges: Vec<Privilege>,
    /// What was said about it.
    pub comment: Option<String>,
}

/// How a column is computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generated {
    /// When.
    pub generation: Generation,
    /// From what.
    pub expression: String,
}

/// When a column is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// When it is written.
    Stored,
    /// When it is read.
    Virtual,
}

/// How a column is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Whether a value of one's own is refused: `GENERATED ALWAYS`.
    pub always: bool,
    /// How it counts.
    pub options: SequenceOptions,
}

/// A constraint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    /// What it is called, where it has a name.
    pub name: Option<String>,
    /// What it is.
    pub kind: ConstraintKind,
    /// All of it but its name, as the database writes it: `FOREIGN KEY (a) REFERENCES b(c) NOT VALID`.
    pub definition: String,
    /// The columns that it is on, in its order.
    pub columns: Vec<String>,
    /// Where a foreign key points.
    pub references: Option<References>,
    /// Whether it comes from a table above and from nowhere else.
    pub inherited: bool,
    /// What was said about it.
    pub comment: Option<String>,
}

/// What a constraint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ConstraintKind {
    /// `PRIMARY KEY`
    PrimaryKey,
    /// `UNIQUE`
    Unique,
    /// `FOREIGN KEY`
    ForeignKey,
    /// `CHECK`
    Check,
    /// `EXCLUDE`
    Exclude,
    /// `NOT NULL`, where it is a constraint of its own with a state or a name worth telling.
    NotNull,
}

/// Where a foreign key points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct References {
    /// The table.
    pub table: Name,
    /// Its columns, in the order of the key.
    pub columns: Vec<String>,
}

/// An index that is not that of a constraint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// What it is called; it is in the schema of its table.
    pub name: String,
    /// Whether it refuses doubles.
    pub unique: bool,
    /// All of it but its name and its table, as the database writes it: `USING btree (lower(a)) WHERE (b > 0)`.
    pub definition: String,
    /// The columns or expressions that it is on, in its order.
    pub keys: Vec<String>,
    /// Whether it can be used; what a broken-off `CREATE INDEX CONCURRENTLY` leaves cannot.
    pub valid: bool,
    /// What else there is: `clustered`, `replica identity`, `tablespace`. Sorted by name.
    pub options: Vec<Detail>,
    /// What was said about it.
    pub comment: Option<String>,
}

/// A view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// What it is called.
    pub name: Name,
    /// Whether its rows are kept.
    pub materialized: bool,
    /// The query as the database writes it.
    pub definition: String,
    /// What it shows: name, type, default, comment and privileges of each column, in order.
    pub columns: Vec<Column>,
    /// The indexes of a materialized one.
    pub indexes: Vec<Index>,
    /// What else it was made with: `security_barrier`, `check_option`, `populated`. Sorted by name.
    pub options: Vec<Detail>,
    /// What every object may have.
    pub meta: Meta,
}

/// What an object is that has no type of its own here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each says itself")]
pub enum ObjectKind {
    Extension,
    Collation,
    Conversion,
    Language,
    Function,
    Procedure,
    Aggregate,
    WindowFunction,
    Cast,
    Operator,
    OperatorClass,
    OperatorFamily,
    AccessMethod,
    Transform,
    TextSearchParser,
    TextSearchDictionary,
    TextSearchTemplate,
    TextSearchConfiguration,
    ForeignDataWrapper,
    Server,
    UserMapping,
    Trigger,
    Rule,
    Policy,
    Statistics,
    EventTrigger,
    Publication,
    Subscription,
    DefaultPrivileges,
}

/// An object that its definition says all of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// What it is.
    pub kind: ObjectKind,
    /// What it is called; a routine with the types of its arguments, so that no two have one name:
    /// `add(integer, integer)`.
    pub name: Name,
    /// The table or view that it is on: of a trigger, a rule, a policy.
    pub on: Option<Name>,
    /// How the database would make it. A foreign server's password is not in it.
    pub definition: String,
    /// What every object may have.
    pub meta: Meta,
}

impl Name {
    /// A name without a schema.
    pub fn plain(name: impl Into<String>) -> Self {
        Self { schema: None, name: name.into() }
    }

    /// A name in a schema.
    pub fn qualified(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self { schema: Some(schema.into()), name: name.into() }
    }
}

impl Schema {
    /// A schema in which nothing is.
    pub fn empty(dialect: Dialect) -> Self {
        Self {
            dialect,
            namespaces: Vec::new(),
            types: Vec::new(),
            sequences: Vec::new(),
            tables: Vec::new(),
            views: Vec::new(),
            objects: Vec::new(),
        }
    }

    /// The tables by their names.
    pub fn tables_by_name(&self) -> BTreeMap<&Name, &Table> {
        self.tables.iter().map(|table| (&table.name, table)).collect()
    }
}
