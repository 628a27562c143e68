//! What a verb is given: the migrations, the database's URL and the screen.

use lockgate::{Database, Migrations, Migrator};

use crate::options::Options;
use crate::problem::Problem;
use crate::render;
use crate::screen::Screen;
use crate::url::DatabaseUrl;

/// What a verb is given.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    migrations: &'static Migrations,
    /// As the program wants it.
    migrator: Migrator,
    options: &'a Options,
    url: DatabaseUrl,
    screen: Screen,
}

/// What a verb wants of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// To look at it: a file that does not exist is not created, it is as good as an empty one.
    Read,
    /// To change it.
    Write,
    /// To change it, or to create the file where the URL asks for that.
    Create,
}

impl<'a> Context<'a> {
    /// `url` is the database that the flag, the variable or the program names.
    pub(crate) fn new(
        migrations: &'static Migrations,
        migrator: Migrator,
        url: Option<DatabaseUrl>,
        options: &'a Options,
        screen: Screen,
    ) -> Result<Self, Problem> {
        let Some(url) = url else {
            return Err(Problem::usage(
                "there is no database URL",
                "set DATABASE_URL, or write `--database-url URL`: `sqlite://library.db?mode=rwc`, \
                 `postgres://user@host/library`",
            ));
        };
        if url.reveal().is_empty() {
            return Err(Problem::usage(
                "the database URL is empty",
                "unset DATABASE_URL, or let it name a database: `postgres://user@host/library`",
            ));
        }
        lockgate::__private::understood(url.reveal())?;
        let why = if options.database_url.is_none() { ", as DATABASE_URL is not set" } else { "" };
        screen.note(&render::remark(&format!("the database is {url}{why}")));
        Ok(Self { migrations, migrator, options, url, screen })
    }

    pub(crate) fn migrations(&self) -> &'static Migrations {
        self.migrations
    }

    /// The migrator as the program and the flags want it; flags win.
    pub(crate) fn migrator(&self) -> Migrator {
        self.options.configure(self.migrator.clone())
    }

    /// The URL with its secrets.
    pub(crate) fn url(&self) -> &str {
        self.url.reveal()
    }

    pub(crate) fn screen(&self) -> &Screen {
        &self.screen
    }

    pub(crate) async fn connect(&self, access: Access) -> Result<Database, Problem> {
        if access != Access::Create
            && let Some(file) = self.url.file_to_create()
            && !file.exists()
        {
            let absent = format!("`{}` does not exist yet; `up` creates it", file.display());
            return match access {
                Access::Read => {
                    self.screen.note(&render::remark(&absent));
                    // An empty database has the same history as none, and leaves nothing behind.
                    Ok(Database::connect("sqlite::memory:").await?)
                }
                Access::Write | Access::Create => Err(Problem::Absent(absent)),
            };
        }
        let wait = self.options.connect_wait.unwrap_or_default();
        Ok(Database::connect_within(self.url.reveal(), wait).await?)
    }
}
