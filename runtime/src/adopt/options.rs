//! The options of an adoption.

use lockgate_core::Version;

/// Which history is taken over, and what is accepted of it: the argument of
/// [`Migrator::adopt`](crate::Migrator::adopt).
///
/// ```
/// use lockgate::adopt::Adopt;
///
/// let sqlx = Adopt::new().from("sqlx");
/// let own = Adopt::new().table("tbl_deployments").column("file_name");
/// # assert_ne!(sqlx, own);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adopt {
    pub(super) from: Option<String>,
    pub(super) table: Option<String>,
    pub(super) column: Option<String>,
    pub(super) json: Option<String>,
    pub(super) database: Option<String>,
    pub(super) up_to: Option<Version>,
    pub(super) accept_modified: Option<String>,
    pub(super) without_missing: Option<String>,
}

impl Adopt {
    /// The history that is found in the database, with no difference accepted.
    pub fn new() -> Self {
        Self::default()
    }

    /// The tool, where the tables of several are in the database: `sqlx`, `refinery`, `diesel`, `sea-orm`, `flyway`,
    /// `alembic`, `golang-migrate`, `goose`, `dbmate`, `rusqlite_migration` and others, which an unknown name lists.
    #[must_use]
    pub fn from(mut self, tool: impl Into<String>) -> Self {
        self.from = Some(tool.into());
        self
    }

    /// The table with the history, as `table` or `schema.table`. It may be one of your own, with a column that has
    /// the names of the migrations.
    #[must_use]
    pub fn table(mut self, table: impl Into<String>) -> Self {
        self.table = Some(table.into());
        self
    }

    /// The column with the names of the migrations, in a table of your own. Default: the likeliest by its name.
    #[must_use]
    pub fn column(mut self, column: impl Into<String>) -> Self {
        self.column = Some(column.into());
        self
    }

    /// The text of a file such as `migrations.json`, which has the names of the applied migrations.
    #[must_use]
    pub fn json(mut self, text: impl Into<String>) -> Self {
        self.json = Some(text.into());
        self
    }

    /// The URL of the database with the history, if that is another one than the migrated one.
    #[must_use]
    pub fn recorded_in(mut self, url: impl Into<String>) -> Self {
        self.database = Some(url.into());
        self
    }

    /// The last migration that the database has, where the history alone does not say it: Alembic records only a
    /// revision.
    #[must_use]
    pub fn up_to(mut self, version: Version) -> Self {
        self.up_to = Some(version);
        self
    }

    /// Accepts migrations whose files differ from what was applied: somebody has looked, and the database has what the
    /// files say. The reason is logged.
    #[must_use]
    pub fn accept_modified(mut self, reason: impl Into<String>) -> Self {
        self.accept_modified = Some(reason.into());
        self
    }

    /// Leaves out what is recorded and not embedded. The reason is logged.
    #[must_use]
    pub fn without_missing(mut self, reason: impl Into<String>) -> Self {
        self.without_missing = Some(reason.into());
        self
    }
}
