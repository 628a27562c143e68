//! The lines of a dump: reads and writes its head and its end.

use std::io::{self, BufRead, Read, Write};

use lockgate::Dialect;

use crate::error::Error;
use crate::names::TableName;

/// The beginning of the first line. The number is the version of the format.
const FORM: &str = "-- lockgate dump 1 ";
/// The beginning of the line that names the newest migration.
pub(super) const NEWEST: &str = "-- newest migration ";
/// The beginning of a line that names a table, as SQL quotes it.
const TABLE: &str = "-- table ";
/// The last line. A file without it is truncated.
const END: &str = "-- end of the dump";

/// The help for a file that is not UTF-8.
pub(super) const NOT_UTF8: &str = "`dump` writes UTF-8: copy the file again as it was, or dump the data again";

/// How many bytes of a line are read at once.
const PIECE: u64 = 64 << 10;

/// What a dump says about its database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) dialect: Dialect,
    pub(super) newest: Option<String>,
    /// The tables whose rows follow.
    pub(super) tables: Vec<TableName>,
}

impl Head {
    /// Writes the first lines.
    pub(super) fn write(&self, file: &mut dyn Write) -> Result<(), Error> {
        let newest = self.newest.iter().map(|newest| format!("{NEWEST}{newest}\n")).collect::<String>();
        let tables = self.tables.iter().map(|table| format!("{TABLE}{}\n", table.quoted())).collect::<String>();
        write(file, format!("{FORM}{}\n{newest}{tables}", self.dialect).as_bytes())
    }

    /// Reads the first lines.
    pub(super) fn read(lines: &mut Lines<'_>) -> Result<Self, Error> {
        let first = lines.text()?.unwrap_or_default();
        let dialect = first.strip_prefix(FORM).and_then(|dialect| dialect.parse().ok());
        let dialect = dialect.ok_or_else(|| {
            let error = Error::refused("the file is not a dump that this release can load");
            let error = error.state(format!("its first line is not `{FORM}postgres` or `{FORM}sqlite`"));
            error
                .state("nothing was changed")
                .help("load a file that `dump` has written; `psql -f` and `sqlite3` run other SQL files")
        })?;
        let newest = match lines.peek()? {
            Some(line) if line.starts_with(NEWEST) => {
                let line = lines.text()?.unwrap_or_default();
                Some(line[NEWEST.len()..].to_owned())
            }
            Some(_) | None => None,
        };
        let mut tables = Vec::new();
        while lines.peek()?.is_some_and(|line| line.starts_with(TABLE)) {
            let line = lines.text()?.unwrap_or_default();
            match TableName::parse(&line[TABLE.len()..]) {
                Some((table, "")) => tables.push(table),
                Some(_) | None => return Err(lines.wrong("names no table")),
            }
        }
        Ok(Self { dialect, newest, tables })
    }

    /// Refuses a database at another migration.
    pub(super) fn check_newest(&self, database: Option<&str>) -> Result<(), Error> {
        match (self.newest.as_deref(), database) {
            (None, _) => Ok(()),
            (Some(dump), Some(database)) if dump == database => Ok(()),
            (Some(dump), database) => {
                let at = database.map_or_else(|| "without any migration".to_owned(), |at| format!("at `{at}`"));
                Err(Error::refused(format!("the dump was made at the migration `{dump}`, and this database is {at}"))
                    .state("nothing was changed")
                    .help(format!(
                        "`up --to {dump}` brings a new database there; after the load, `up` applies the rest"
                    )))
            }
        }
    }
}

/// Writes the last line.
pub(super) fn end(file: &mut dyn Write) -> Result<(), Error> {
    write(file, format!("{END}\n").as_bytes())?;
    flush(file)
}

pub(super) fn flush(file: &mut dyn Write) -> Result<(), Error> {
    file.flush().map_err(|error| unwritable(&error))
}

/// Writes to the file.
pub(super) fn write(file: &mut dyn Write, bytes: &[u8]) -> Result<(), Error> {
    file.write_all(bytes).map_err(|error| unwritable(&error))
}

fn unwritable(error: &io::Error) -> Error {
    Error::failed(format!("the dump cannot be written: {error}")).state("the file is not complete")
}

/// Reads a dump line by line.
pub(super) struct Lines<'a> {
    file: &'a mut dyn BufRead,
    /// How many lines were read.
    count: u64,
    /// A line that was peeked at.
    next: Option<String>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(file: &'a mut dyn BufRead) -> Self {
        Self { file, count: 0, next: None }
    }

    /// Returns the next line without its end; `None` at the end of the file.
    pub(super) fn text(&mut self) -> Result<Option<String>, Error> {
        if self.next.is_none() {
            self.next = self.read()?;
        }
        self.count += 1;
        Ok(self.next.take())
    }

    /// Returns the next line without consuming it.
    pub(super) fn peek(&mut self) -> Result<Option<&str>, Error> {
        if self.next.is_none() {
            self.next = self.read()?;
        }
        Ok(self.next.as_deref())
    }

    fn read(&mut self) -> Result<Option<String>, Error> {
        let mut bytes = Vec::new();
        self.file.read_until(b'\n', &mut bytes).map_err(|error| unreadable(&error))?;
        if bytes.is_empty() {
            return Ok(None);
        }
        if bytes.pop_if(|byte| *byte == b'\n').is_some() {
            bytes.pop_if(|byte| *byte == b'\r');
        }
        String::from_utf8(bytes).map(Some).map_err(|_| {
            Error::refused(format!("line {} of the dump is not UTF-8", self.count + 1))
                .state("nothing was changed")
                .help(NOT_UTF8)
        })
    }

    /// Reads a piece of the rows of a table, about 64 KiB, and counts the rows that end in it. Returns `None` in place of
    /// the line `\\.`, which ends them.
    #[cfg(feature = "postgres")]
    pub(super) fn rows(&mut self, rows: &mut Rows) -> Result<Option<()>, Error> {
        debug_assert!(self.next.is_none(), "rows follow a line that was read");
        rows.piece.clear();
        while !rows.ended && (rows.piece.len() as u64) < PIECE {
            let start = rows.piece.len();
            let mut part = Read::take(&mut *self.file, PIECE);
            part.read_until(b'\n', &mut rows.piece).map_err(|error| unreadable(&error))?;
            let read = &rows.piece[start..];
            if read.is_empty() {
                return Err(self.cut_off());
            }
            if !rows.within_line && matches!(read, b"\\.\n" | b"\\.\r\n") {
                rows.piece.truncate(start);
                rows.ended = true;
                self.count += 1;
                break;
            }
            rows.within_line = !read.ends_with(b"\n");
            if !rows.within_line {
                rows.count += 1;
                self.count += 1;
            }
        }
        Ok((!rows.piece.is_empty()).then_some(()))
    }

    /// Whether this is the last line, after which there must be nothing.
    pub(super) fn is_end(&mut self, line: &str) -> Result<bool, Error> {
        if line != END {
            return Ok(false);
        }
        match self.text()? {
            None => Ok(true),
            Some(_) => Err(self.wrong("follows the end of the dump")),
        }
    }

    /// The error for a line that is not part of a dump.
    pub(super) fn wrong(&self, what: &str) -> Error {
        Error::refused(format!("line {} of the dump {what}", self.count))
            .state("nothing was changed")
            .help("dump the data again; to change rows, load them and update the database")
    }

    /// The error for a file that ends too early.
    pub(super) fn cut_off(&self) -> Error {
        Error::refused(format!("the dump is truncated after line {}", self.count))
            .state("nothing was changed")
            .help("dump the data again")
    }
}

/// The progress of reading the rows of a table.
#[cfg(feature = "postgres")]
#[derive(Default)]
pub(super) struct Rows {
    pub(super) piece: Vec<u8>,
    pub(super) count: u64,
    within_line: bool,
    ended: bool,
}

fn unreadable(error: &io::Error) -> Error {
    Error::failed(format!("the dump cannot be read: {error}")).state("nothing was changed")
}
