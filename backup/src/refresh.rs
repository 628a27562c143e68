//! Refreshes one stage from another: replaces the rows of one database by those of another. A script can change the
//! rows before anybody sees them.

use std::io::{BufReader, Seek};

use lockgate::{Database, ErrorKind, Migrator, Stage};

use crate::data::{self, DumpOptions, Kept, Limits, LoadOptions, NewFile, Tables};
use crate::error::Error;

/// The options of a refresh.
#[derive(Debug)]
pub struct Refresh<'a> {
    /// The migrator of both databases.
    pub migrator: &'a Migrator,
    /// The stage whose rows are taken.
    pub from: Stage,
    /// The stage whose rows are replaced.
    pub to: Stage,
    /// Forbidden pairs, in addition to those of [`is_forbidden`]: rows never go from the first stage to the second.
    pub forbidden: &'a [(Stage, Stage)],
    /// A script that runs after the rows are loaded, in the same transaction.
    pub script: Option<String>,
    /// How long the statements on both databases may take.
    pub limits: Limits,
}

/// Whether no program may refresh the second stage from the first: rows only go to a lower stage, and so never to
/// production.
pub fn is_forbidden(from: Stage, to: Stage) -> bool {
    to >= from
}

impl Refresh<'_> {
    /// Replaces the rows of `target` by those of `source` and runs the script, all in one transaction: afterwards
    /// `target` has either all of its old rows, or all of the new ones.
    ///
    /// The same transaction writes the old rows to the file `kept` first: [`load`](data::load) with
    /// [`replace`](LoadOptions::replace) restores them. Nobody can write to the tables in between.
    ///
    /// # Errors
    ///
    /// If the pair is forbidden, if a database is not marked with its stage, or if their newest migrations
    /// differ. Otherwise as for [`dump`](data::dump) and [`load`](data::load). Nothing was changed then, and
    /// there is no file, except after [`ErrorKind::Interrupted`], whose report says what is known.
    pub async fn run(&self, source: &mut Database, target: &mut Database, kept: NewFile) -> Result<Tables, Error> {
        self.check_pair()?;
        // Both are checked before anything is written.
        let of_source = self.newest(source, self.from).await?;
        let newest = self.newest(target, self.to).await?;
        if of_source != newest {
            let at = |newest: &Option<String>| match newest {
                Some(id) => format!("at `{id}`"),
                None => "without any migration".to_owned(),
            };
            let (of_source, of_target) = (at(&of_source), at(&newest));
            return Err(Error::refused(format!("{} is {of_source}, and {} is {of_target}", self.from, self.to))
                .state("nothing was changed")
                .help("bring both to the same migration first: `up --to`, or `down --to` for the newer one"));
        }
        let mut rows = tempfile::tempfile()
            .map_err(|error| Error::failed(format!("a temporary file for the rows cannot be made: {error}")))?;
        let dump = self.options(newest.clone());
        data::dump(source, &dump, &mut rows).await?;
        rows.rewind().map_err(|error| Error::failed(format!("the rows cannot be read again: {error}")))?;
        let bookkeeping = dump.bookkeeping.clone();
        let (script, limits) = (self.script.clone(), self.limits);
        let load = LoadOptions { newest, script, replace: true, bookkeeping, limits };
        let file = kept.path().to_owned();
        let kept = Kept { options: &dump, file: kept };
        let loaded = data::load_keeping(target, &load, Some(kept), &mut BufReader::new(rows)).await;
        loaded.map_err(|error| {
            if error.kind() == ErrorKind::Interrupted && file.exists() {
                return error.state(format!("the old rows are in `{}`", file.display()));
            }
            // They are still in the database, and the next try may need the name.
            let _ = std::fs::remove_file(file);
            error
        })
    }

    fn options(&self, newest: Option<String>) -> DumpOptions {
        let bookkeeping = lockgate::__private::history_tables(self.migrator);
        DumpOptions { newest, bookkeeping, limits: self.limits, ..DumpOptions::default() }
    }

    fn check_pair(&self) -> Result<(), Error> {
        let (from, to) = (self.from, self.to);
        if is_forbidden(from, to) {
            return Err(Error::refused(format!("{to} is never refreshed from {from}"))
                .state("nothing was changed")
                .help("rows go only from production to staging to test to development, and never back"));
        }
        if self.forbidden.contains(&(from, to)) {
            return Err(Error::refused(format!("this program never refreshes {to} from {from}"))
                .state("nothing was changed")
                .help("the program forbids this with `Cli::forbid_refresh`; choose another stage"));
        }
        Ok(())
    }

    /// Returns the newest migration of a database, which must be marked with this stage.
    async fn newest(&self, database: &mut Database, stage: Stage) -> Result<Option<String>, Error> {
        let migrator = self.migrator.clone().expect_stage(stage);
        migrator.stage_of(&mut *database).await?;
        let status = migrator.status(&mut *database).await?;
        Ok(status.current().map(|newest| newest.id.clone()))
    }
}
