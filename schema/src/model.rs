//! The parts of a schema. Expressions and definitions are texts as the database writes them, so that two equal schemas of
//! servers of one release compare equal.
//!
//! Lists whose order matters (columns, enum values) keep it; all others are sorted by the text form.

use lockgate_core::Dialect;

/// Everything in a database except its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// The dialect of the database.
    pub dialect: Dialect,
    /// Schemas in the sense of PostgreSQL. Empty for a database that has none.
    pub namespaces: Vec<Namespace>,
    /// User-defined types: enums, composites, domains, ranges.
    pub types: Vec<Type>,
    /// Sequences, including those that a column owns. The sequence of an identity column is part of the column.
    pub sequences: Vec<Sequence>,
    /// Tables with their columns, constraints and indexes.
    pub tables: Vec<Table>,
    /// Views and materialized views.
    pub views: Vec<View>,
    /// Everything else, each with its definition.
    pub objects: Vec<Object>,
}

/// The name of an object, with its schema if the database has schemas.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// The schema.
    pub schema: Option<String>,
    /// The name, without quotes.
    pub name: String,
}

/// Properties that every object can have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// The owner, if the database has owners.
    pub owner: Option<Owner>,
    /// The privileges, without the default ones of its owner.
    pub privileges: Vec<Privilege>,
    /// The comment.
    pub comment: Option<String>,
    /// Other properties by name: `security label for selinux`. Objects of an extension are not read.
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

/// A privilege of a role.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Privilege {
    /// The role; `PUBLIC` for all.
    pub grantee: String,
    /// A single privilege: `SELECT`.
    pub privilege: String,
    /// Whether the role may grant it to others.
    pub grantable: bool,
}

/// A property of an object that has no field here: `fillfactor` is `70`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Detail {
    /// The kind.
    pub name: String,
    /// Its value as the database writes it.
    pub value: String,
}

/// A schema in the sense of PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// The name.
    pub name: String,
    /// Properties that every object can have.
    pub meta: Meta,
}

/// A user-defined type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Type {
    /// The name.
    pub name: Name,
    /// The kind.
    pub kind: TypeKind,
    /// Properties that every object can have.
    pub meta: Meta,
}

/// The kind of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TypeKind {
    /// An enum with its values in order.
    Enum(Vec<String>),
    /// A composite type with its attributes in order.
    Composite(Vec<Attribute>),
    /// A domain.
    Domain {
        /// The base type.
        base: String,
        /// Whether NULL is refused.
        not_null: bool,
        /// The default.
        default: Option<String>,
        /// The collation, if it is not that of the base type.
        collation: Option<String>,
        /// Its checks.
        constraints: Vec<Constraint>,
    },
    /// A range or a base type, with its definition.
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
    /// The name.
    pub name: String,
    /// Its type as the database writes it.
    pub data_type: String,
    /// Its collation, if it is not that of its type.
    pub collation: Option<String>,
    /// The comment.
    pub comment: Option<String>,
}

/// A sequence, without its current value, which is data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// The name.
    pub name: Name,
    /// The options of the sequence.
    pub options: SequenceOptions,
    /// Whether its value survives a crash.
    pub persistence: Persistence,
    /// The table and column that own it.
    pub owned_by: Option<(Name, String)>,
    /// Properties that every object can have.
    pub meta: Meta,
}

/// The options of a sequence.
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
    /// How many values a session caches.
    pub cache: i64,
    /// Whether it cycles.
    pub cycle: bool,
}

/// How long the rows of a relation persist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Persistence {
    /// They are permanent.
    #[default]
    Permanent,
    /// They are lost in a crash.
    Unlogged,
    /// They end with the session.
    Temporary,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The name.
    pub name: Name,
    /// The kind.
    pub kind: TableKind,
    /// How long its rows persist.
    pub persistence: Persistence,
    /// Its columns in their order.
    pub columns: Vec<Column>,
    /// Its constraints, including those of its columns. The index of a constraint is not among the indexes.
    pub constraints: Vec<Constraint>,
    /// Its indexes.
    pub indexes: Vec<Index>,
    /// The tables that it inherits from, in order.
    pub inherits: Vec<Name>,
    /// The table that it is a partition of.
    pub partition_of: Option<Partition>,
    /// Its row security.
    pub row_security: RowSecurity,
    /// Other options: `fillfactor`, `access method`, `STRICT`. Sorted by name.
    pub options: Vec<Detail>,
    /// Properties that every object can have.
    pub meta: Meta,
}

/// The kind of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TableKind {
    /// An ordinary table.
    Ordinary,
    /// A partitioned table.
    Partitioned {
        /// The partition key: `RANGE (created_at)`.
        key: String,
    },
    /// A foreign table.
    Foreign {
        /// The server.
        server: String,
    },
    /// A virtual table of SQLite.
    Virtual {
        /// The module with its arguments.
        module: String,
    },
}

/// The partitioned table of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// The partitioned table.
    pub parent: Name,
    /// The bounds: `FOR VALUES FROM (1) TO (10)`.
    pub bound: String,
}

/// Whether row security policies apply.
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
    /// The name.
    pub name: String,
    /// Its type as the database writes it: `character varying(40)`.
    pub data_type: String,
    /// Whether NULL is refused.
    pub not_null: bool,
    /// The default.
    pub default: Option<String>,
    /// The expression, if it is a generated column.
    pub generated: Option<Generated>,
    /// The identity, if it is an identity column.
    pub identity: Option<Identity>,
    /// Its collation, if it is not that of its type.
    pub collation: Option<String>,
    /// Whether it is only inherited.
    pub inherited: bool,
    /// Other properties: `storage`, `compression`, `statistics`. Sorted by name.
    pub options: Vec<Detail>,
    /// The privileges on it.
    pub privileges: Vec<Privilege>,
    /// The comment.
    pub comment: Option<String>,
}

/// The expression of a generated column, and when it is computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generated {
    /// When the column is computed.
    pub generation: Generation,
    /// The expression, as the database writes it.
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

/// The identity of a column: a sequence that numbers its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Whether it refuses values that a statement gives: `GENERATED ALWAYS`.
    pub always: bool,
    /// The options of the sequence.
    pub options: SequenceOptions,
}

/// A constraint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    /// The name, if it has one.
    pub name: Option<String>,
    /// The kind.
    pub kind: ConstraintKind,
    /// Everything but the name, as the database writes it: `FOREIGN KEY (a) REFERENCES b(c) NOT VALID`.
    pub definition: String,
    /// Its columns, in its order.
    pub columns: Vec<String>,
    /// The table and columns that it refers to, if it is a foreign key.
    pub references: Option<References>,
    /// Whether it is only inherited.
    pub inherited: bool,
    /// The comment.
    pub comment: Option<String>,
}

/// The kind of a constraint.
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
    /// `NOT NULL`, if it is a constraint with a name or a state that matters.
    NotNull,
}

/// What a foreign key refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct References {
    /// The table.
    pub table: Name,
    /// Its columns, in the order of the foreign key.
    pub columns: Vec<String>,
}

/// An index that does not belong to a constraint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// The name. An index is in the schema of its table.
    pub name: String,
    /// Whether it is unique.
    pub unique: bool,
    /// Everything but its name and its table, as the database writes it: `USING btree (lower(a)) WHERE (b > 0)`.
    pub definition: String,
    /// Its columns and expressions, in its order.
    pub keys: Vec<String>,
    /// Whether it can be used. An index that a failed `CREATE INDEX CONCURRENTLY` leaves cannot.
    pub valid: bool,
    /// Other properties: `clustered`, `replica identity`, `tablespace`. Sorted by name.
    pub options: Vec<Detail>,
    /// The comment.
    pub comment: Option<String>,
}

/// A view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The name.
    pub name: Name,
    /// Whether it is a materialized view.
    pub materialized: bool,
    /// The query as the database writes it.
    pub definition: String,
    /// The name, type, default, comment and privileges of each column, in order.
    pub columns: Vec<Column>,
    /// The indexes of a materialized view.
    pub indexes: Vec<Index>,
    /// Other properties: `security_barrier`, `check_option`, `populated`. Sorted by name.
    pub options: Vec<Detail>,
    /// Properties that every object can have.
    pub meta: Meta,
}

/// The kind of an [`Object`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names say everything")]
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

/// An object that has no type of its own in this crate. Its definition says everything about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The kind.
    pub kind: ObjectKind,
    /// The name. A routine's name includes the types of its arguments, so it is unique: `add(integer, integer)`.
    pub name: Name,
    /// The table or view of a trigger, a rule or a policy.
    pub on: Option<Name>,
    /// How the database would create it. The password of a foreign server is left out.
    pub definition: String,
    /// Properties that every object can have.
    pub meta: Meta,
}

impl SequenceOptions {
    /// The smallest and the greatest value that a sequence of this type has unless its options say otherwise.
    pub(crate) fn usual_range(data_type: &str, increment: i64) -> (i64, i64) {
        let greatest = match data_type {
            "smallint" => i64::from(i16::MAX),
            "integer" => i64::from(i32::MAX),
            _ => i64::MAX,
        };
        if increment < 0 { (-greatest - 1, -1) } else { (1, greatest) }
    }
}

impl Name {
    /// Creates a name without a schema.
    pub fn plain(name: impl Into<String>) -> Self {
        Self { schema: None, name: name.into() }
    }

    /// Creates a name in a schema.
    pub fn qualified(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self { schema: Some(schema.into()), name: name.into() }
    }
}

impl Schema {
    /// Creates an empty schema.
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
}
