//! Reads one file of a migration: its directives and its statements. Checks that the statements can run the way its
//! directives say.

use std::num::NonZero;
use std::ops::Range;
use std::panic::resume_unwind;

use lockgate_core::table::{BodyData, Reading, ScriptOptions};
use lockgate_core::{Checksum, Dialect, Dialects, Statement, StatementFlags, StatementKind};

use super::directive::{self, Comment, Directives};
use super::model::{Folder, ScriptFile, ScriptState};
use super::name::{Kind, Name};
use super::psql::{self, Assembled};
use super::read::{self, FolderFile};
use super::step;
use crate::checksum::{checksum, with_line_feeds};
use crate::lockfile::LineState;
use crate::sql::Release;
use crate::sql::lint::{enums, raise};
use crate::sql::{self, Problem, Split};
use crate::{Code, Diagnostic, Policy};

/// A file that was read and not yet assigned to a migration.
pub(super) struct ReadScript {
    pub(super) script: ScriptFile,
    pub(super) irreversible: Option<(String, Range<usize>)>,
    /// The place of `no-transaction`.
    pub(super) no_transaction: Option<Range<usize>>,
    /// The profiles of which one must be chosen.
    pub(super) profiles: Vec<String>,
    /// The repeatable scripts after which it runs, with their places.
    pub(super) after: Vec<(String, Range<usize>)>,
    /// Whether a Rust step has a function `down`.
    pub(super) has_down: bool,
    /// The dialects in which the text can be split into statements.
    pub(super) clear: Dialects,
}

/// Reads the files of a folder, in the order of `files`, each with its problems.
///
/// Uses several threads: without optimizations, thousands of files take a quarter of a second, while the compiler's
/// other processors are idle.
pub(super) fn read_all(folder: &Folder, files: &[(Name, &FolderFile)]) -> Vec<(ReadScript, Vec<Diagnostic>)> {
    const WORTH_A_THREAD: usize = 200;
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    let threads = processors.min(8).min(files.len().div_ceil(WORTH_A_THREAD)).max(1);
    let some = |files: &[(Name, &FolderFile)]| files.iter().map(|(name, found)| read(folder, name, found)).collect();
    let mut reads: Vec<(ReadScript, Vec<Diagnostic>)> = if threads == 1 {
        some(files)
    } else {
        let chunks = files.chunks(files.len().div_ceil(threads));
        std::thread::scope(|scope| {
            let workers: Vec<_> = chunks.map(|chunk| scope.spawn(move || some(chunk))).collect();
            let joined = workers.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)));
            joined.collect::<Vec<Vec<_>>>().into_iter().flatten().collect()
        })
    };
    // A macro may use the compiler's lexer only on this thread.
    for ((name, found), (read, diagnostics)) in files.iter().zip(&mut reads) {
        if name.kind == Kind::Rust && read.script.checksum.is_some() {
            let (functions, problems) = step::scan(&read.script.text, &folder.show(&found.path));
            read.has_down = functions.down;
            diagnostics.extend(problems);
        }
    }
    reads
}

/// Reads one file, without looking for the functions of a Rust step.
fn read(folder: &Folder, name: &Name, found: &FolderFile) -> (ReadScript, Vec<Diagnostic>) {
    let file = folder.show(&found.path);
    let mut script = ScriptFile {
        path: found.path.clone(),
        absolute: found.absolute.clone(),
        kind: name.kind,
        text: String::new(),
        as_in_file: true,
        masked: None,
        included: Vec::new(),
        checksum: None,
        state: ScriptState::Draft,
        body: BodyData::Rust,
        raises: None,
        options: ScriptOptions::default(),
        allow: Vec::new(),
    };
    match read::text(&found.absolute, &file) {
        Ok(text) if name.kind == Kind::Rust => script.text = text,
        Ok(text) => {
            let lines = with_line_feeds(&text).into_owned();
            script.as_in_file = lines == text;
            script.text = lines;
        }
        Err(problem) => {
            return (ReadScript::new(script, Directives::default(), Dialects::NONE), vec![*problem]);
        }
    }
    let comment = if name.kind == Kind::Rust { Comment::Rust } else { Comment::Sql };
    let (directives, mut diagnostics) = directive::parse(&script.text, &file, comment);
    diagnostics.extend(contradictions(name, &directives, folder.policy.dialects, &script.text, &file));
    diagnostics.extend(directives.unanswered.iter().map(|(question, range)| {
        Diagnostic::error(
            Code::Unanswered,
            file.as_str(),
            format!("this question of the draft has no answer: {question}"),
        )
        .at(&script.text, range.clone(), "")
        .help("write the answer into the script, and delete this line")
    }));
    let mut assembled = None;
    if let Some(connect) =
        psql::reading(&directives, &name.id).filter(|_| is_for_psql(name.kind, folder.policy.dialects))
    {
        let declared = directives.variables.iter().map(|(name, _)| name.clone()).collect();
        let Assembled { text, masked, program, split, included, diagnostics: problems } =
            psql::assemble(folder, &found.path, &script.text, declared, connect);
        diagnostics.extend(problems);
        script.as_in_file &= included.is_empty();
        script.included = included.into_iter().map(|(_, absolute)| absolute).collect();
        (script.text, script.masked) = (text, Some(masked));
        assembled = Some((program, split));
    }
    let (program, psql_split) = assembled.unzip();
    let text = &script.text;
    script.checksum = Some(checksum(text));
    script.state = state(folder, name, script.checksum);
    let mut clear = Dialects::NONE;
    if name.kind != Kind::Rust {
        let Splits { readings, problems, clear: readable } = match psql_split {
            Some(psql) => of_postgres(psql),
            None => split(&folder.policy, text),
        };
        if name.kind == Kind::Down {
            let says = |reading: &Reading| {
                let reads_as = reading.dialects.iter().next().unwrap_or(Dialect::Postgres);
                raise::says(reads_as, text, &reading.statements)
            };
            script.raises = readings.iter().find_map(says);
        }
        clear = readable;
        diagnostics.extend(problems.into_iter().map(|problem| {
            Diagnostic::error(Code::of_sql(problem.code), file.as_str(), problem.message)
                .at(text, problem.range, "")
                .help(problem.help)
        }));
        let declared = folder.policy.dialects;
        let reads_psql = program.is_some();
        let view = StatementChecker { text, file: &file, declared, readings: &readings, reads_psql };
        diagnostics.extend(view.check(directives.no_transaction.is_none(), folder.policy.postgres));
        script.body = BodyData::Sql { len: text.len(), readings };
    }
    script.options = ScriptOptions {
        transactional: directives.no_transaction.is_none(),
        foreign_keys_off: directives.foreign_keys_off.is_some(),
        lock_timeout: directives.lock_timeout,
        statement_timeout: directives.statement_timeout,
        role: directives.role.clone(),
        psql: program,
    };
    script.allow.clone_from(&directives.allow);
    (ReadScript::new(script, directives, clear), diagnostics)
}

impl ReadScript {
    fn new(script: ScriptFile, directives: Directives, clear: Dialects) -> Self {
        let Directives { irreversible, no_transaction, profiles, after, .. } = directives;
        let profiles = profiles.into_iter().map(|(profile, _)| profile).collect();
        Self { script, irreversible, no_transaction, profiles, after, has_down: false, clear }
    }
}

/// Whether the lockfile records this script as released, and whether it was edited since.
fn state(folder: &Folder, name: &Name, now: Option<Checksum>) -> ScriptState {
    let line = folder.lockfile.as_ref().and_then(|lockfile| lockfile.find(&name.id));
    let recorded = match line.map(|line| line.state) {
        Some(LineState::Frozen { down, .. }) if name.kind == Kind::Down => down,
        Some(LineState::Frozen { up, .. }) => Some(up),
        Some(LineState::Draft) | None => None,
    };
    match recorded {
        None => ScriptState::Draft,
        Some(_) if recorded == now => ScriptState::Frozen,
        Some(_) => ScriptState::Edited,
    }
}

/// Reports directives that do not fit the file or each other.
fn contradictions(
    name: &Name,
    directives: &Directives,
    dialects: Option<Dialects>,
    text: &str,
    file: &str,
) -> Vec<Diagnostic> {
    let kind = name.kind;
    let mut diagnostics = Vec::new();
    let mut error = |range: &Range<usize>, message: &str, help: &str| {
        diagnostics.push(Diagnostic::error(Code::BadDirective, file, message).at(text, range.clone(), "").help(help));
    };
    if let (Kind::Down, Some((_, range))) = (kind, &directives.irreversible) {
        error(range, "a down script cannot be marked irreversible", "delete this line, or the file");
    }
    if let (Kind::Down, [(_, range), ..]) = (kind, directives.profiles.as_slice()) {
        error(
            range,
            "a down script has no profile: it runs wherever its up script has run",
            "delete this line, or move it to the up script",
        );
    }
    if let ([(_, range), ..], false) = (directives.after.as_slice(), name.is_repeatable()) {
        error(
            range,
            "`after` is only for repeatable scripts: migrations run in the order of their versions",
            "delete this line, or give the migration another number",
        );
    }
    if let Some(range) = directives.psql.as_ref().filter(|_| !is_for_psql(kind, dialects)) {
        match kind {
            Kind::Rust => error(range, "a Rust step has no lines of psql", "delete this line"),
            _ => error(
                range,
                "`psql` is only for folders for PostgreSQL alone",
                "if this folder is, say `dialects = [\"postgres\"]` in its `migrations.toml`",
            ),
        }
    }
    for (_, range) in directives.variables.iter().filter(|_| directives.psql.is_none()) {
        error(
            range,
            "`variable` is only for scripts with `-- lockgate: psql`",
            "write that line, too, or delete this one",
        );
    }
    if let (Kind::Rust, Some(range)) = (kind, &directives.no_transaction) {
        error(range, "a Rust step always runs inside a transaction", "delete this line");
    }
    if let (Some(range), Some(_)) = (&directives.foreign_keys_off, &directives.no_transaction) {
        error(
            range,
            "`foreign-keys off` and `no-transaction` exclude each other: foreign keys are checked before the commit",
            "delete one of the two lines",
        );
    }
    diagnostics
}

/// Whether psql's lines can be read in a file of this kind, in a folder for these dialects.
fn is_for_psql(kind: Kind, dialects: Option<Dialects>) -> bool {
    kind != Kind::Rust && dialects == Some(Dialects::NONE.with(Dialect::Postgres))
}

/// A script that PostgreSQL alone reads.
fn of_postgres(split: Split) -> Splits {
    let postgres = Dialects::NONE.with(Dialect::Postgres);
    let clear = if split.problems.is_empty() { postgres } else { Dialects::NONE };
    Splits { readings: vec![Reading::new(postgres, split.statements)], problems: split.problems, clear }
}

/// A text, split in the dialects of the folder.
struct Splits {
    /// What it is to which dialects.
    readings: Vec<Reading>,
    /// The problems to report.
    problems: Vec<Problem>,
    /// The dialects in which the text has no problem.
    clear: Dialects,
}

fn split(policy: &Policy, text: &str) -> Splits {
    let mut readings: Vec<Reading> = Vec::with_capacity(1);
    let mut problems: Vec<Problem> = Vec::new();
    let mut unclear = Vec::new();
    let mut clear = Dialects::NONE;
    for dialect in policy.dialects().iter() {
        let split = sql::split(dialect, text);
        if !split.problems.is_empty() {
            unclear.push((dialect, split));
            continue;
        }
        clear = clear.with(dialect);
        add(&mut readings, dialect, split.statements);
    }
    // A folder that names no dialect is for one of them. A dialect that cannot read the text gets the statements of the
    // first that can.
    let tolerant = policy.dialects.is_none() && !readings.is_empty();
    if !tolerant && policy.dialects.is_none() {
        let least = unclear.iter().map(|(_, split)| split.problems.len()).min();
        let plainest = unclear.iter().position(|(_, split)| Some(split.problems.len()) == least);
        if let Some(index) = plainest {
            problems.append(&mut unclear[index].1.problems);
        }
    }
    for (dialect, split) in unclear {
        if tolerant {
            readings[0].dialects = readings[0].dialects.with(dialect);
            continue;
        }
        for problem in split.problems.into_iter().filter(|_| policy.dialects.is_some()) {
            if !problems.iter().any(|known| known.code == problem.code && known.range == problem.range) {
                problems.push(problem);
            }
        }
        add(&mut readings, dialect, split.statements);
    }
    Splits { readings, problems, clear }
}

fn add(readings: &mut Vec<Reading>, dialect: Dialect, statements: Vec<Statement>) {
    match readings.iter_mut().find(|known| known.statements == statements) {
        Some(known) => known.dialects = known.dialects.with(dialect),
        None => readings.push(Reading::new(Dialects::NONE.with(dialect), statements)),
    }
}

/// The statements of a script in each dialect, to be checked.
struct StatementChecker<'a> {
    text: &'a str,
    file: &'a str,
    /// The dialects that the policy names, if any.
    declared: Option<Dialects>,
    readings: &'a [Reading],
    /// Whether psql's lines are read in it, and those that are not were reported.
    reads_psql: bool,
}

impl StatementChecker<'_> {
    /// Reports statements that cannot run, or not in the transaction mode of the script.
    fn check(&self, transactional: bool, release: Option<Release>) -> Vec<Diagnostic> {
        let mut diagnostics = Vec::new();
        let client_only = self.flagged(StatementFlags::CLIENT_ONLY);
        for (statement, dialects) in client_only.into_iter().filter(|_| !self.reads_psql) {
            if statement.kind == StatementKind::PsqlLine {
                diagnostics.extend(self.psql_line(statement));
                continue;
            }
            let message = format!("this line is for a command-line client, and {} refuses it", product(dialects));
            diagnostics.push(
                self.error(Code::ClientCommand, statement, &message)
                    .help("delete it: Lockgate finds the end of a compound statement without it"),
            );
        }
        for (statement, _) in self.flagged(StatementFlags::COPY_OUT) {
            let error = if statement.data.is_some() {
                self.error(Code::CopyOut, statement, "this `COPY` reads data, but says `stdout`")
                    .help("write `FROM stdin`")
            } else {
                self.error(Code::CopyOut, statement, "nothing reads what this `COPY` writes to `stdout`")
                    .help("delete it: the output of a migration is not shown")
            };
            diagnostics.push(error);
        }
        if !self.is_postgres() {
            let copies = self.flagged(StatementFlags::COPY_DATA).into_iter().map(|(statement, _)| statement);
            let reported_elsewhere = StatementFlags::CLIENT_ONLY.union(StatementFlags::COPY_OUT);
            for statement in copies.filter(|statement| statement.flags.bits() & reported_elsewhere.bits() == 0) {
                let error = self.error(Code::CopyData, statement, "only PostgreSQL reads the data lines of COPY");
                diagnostics.push(self.for_postgres(error, "write the rows as INSERT statements"));
            }
        }
        if transactional {
            for (statement, dialects) in self.flagged(StatementFlags::OUTSIDE_TRANSACTION) {
                if statement.flags.contains(StatementFlags::CONTROLS_TRANSACTION) {
                    continue; // reported by `control`
                }
                diagnostics.push(self.outside(statement, dialects));
            }
            diagnostics.extend(self.enum_values(release));
            diagnostics.extend(self.control());
        }
        diagnostics
    }

    /// Reports values that are added to an enum in a transaction on servers older than PostgreSQL 12.
    fn enum_values(&self, release: Option<Release>) -> Vec<Diagnostic> {
        let is_old = |release: &Release| release.major() < 12;
        let Some(release) = release.filter(is_old).filter(|_| self.is_postgres()) else { return Vec::new() };
        let statements = self.readings.iter().flat_map(|reading| enums::added(self.text, &reading.statements));
        let refused = |statement| {
            let message = format!(
                "PostgreSQL {release} does not run this statement inside a transaction: PostgreSQL 12 is the first that does"
            );
            self.alone(self.error(Code::OutsideTransaction, statement, &message))
        };
        statements.map(refused).collect()
    }

    /// Whether the policy names PostgreSQL and no other dialect.
    fn is_postgres(&self) -> bool {
        self.declared == Some(Dialects::NONE.with(Dialect::Postgres))
    }

    /// Adds the help for something that only a folder for PostgreSQL alone may have.
    fn for_postgres(&self, error: Diagnostic, otherwise: &str) -> Diagnostic {
        match self.declared {
            Some(_) => error.help(otherwise),
            None => error
                .help("if the folder is for PostgreSQL alone, say `dialects = [\"postgres\"]` in its `migrations.toml`")
                .help(format!("or {otherwise}")),
        }
    }

    /// Reports a psql command, unless pg_dump wrote it and it can be skipped.
    fn psql_line(&self, statement: &Statement) -> Option<Diagnostic> {
        let line = &self.text[statement.range.clone()];
        let mut words = line.split_ascii_whitespace();
        let word = words.next().unwrap_or_default();
        // Between `\restrict` and `\unrestrict` psql runs no commands from the text, so skipping the two changes nothing.
        let key = matches!(word, "\\restrict" | "\\unrestrict") && words.next().is_some() && words.next().is_none();
        if key && self.is_postgres() {
            return None;
        }
        let message = format!("`{word}` is a command of psql, and the server does not understand it");
        let error = self.error(Code::PsqlLine, statement, &message);
        Some(match word {
            _ if key => self.for_postgres(error, "delete it"),
            "\\c" | "\\connect" => error.help(
                "delete it: a migration runs in the database that the program connects to; if what follows belongs into \
                 another one, move it to the migrations of a program for that",
            ),
            _ if self.is_postgres() && psql::would_read(self.text) => error
                .help("write `-- lockgate: psql` as the first line, and psql's lines are read in this script")
                .help("or delete it"),
            _ => error.help(sql::psql::instead(word.trim_start_matches('\\')).unwrap_or("delete it")),
        })
    }

    fn outside(&self, statement: &Statement, dialects: Dialects) -> Diagnostic {
        let verb = if dialects.iter().count() > 1 { "do" } else { "does" };
        let message = format!("{} {verb} not run this statement inside a transaction", product(dialects));
        let error = self.error(Code::OutsideTransaction, statement, &message);
        let words = words(self.text, &statement.range);
        let bare = |word: &String| word.trim_matches(['\'', '"', '`']).to_owned();
        let pragma = words.get(1).map(|word| bare(word).rsplit('.').next().unwrap_or_default().to_owned());
        if words[0] == "PRAGMA" && pragma.as_deref() == Some("FOREIGN_KEYS") {
            // Written after a table rebuild, or to set up a connection.
            let turns_on = matches!(words.get(2).map(bare).as_deref(), Some("ON" | "1" | "YES" | "TRUE"));
            return error.help(match turns_on {
                true => {
                    "delete it: sqlx enforces foreign keys on every connection unless the program turns that off \
                     (`SqliteConnectOptions::foreign_keys`)"
                }
                false => "delete it, and write `-- lockgate: foreign-keys off` as the first line",
            });
        }
        self.alone(error)
    }

    /// Adds the help for a statement that must run outside a transaction.
    fn alone(&self, error: Diagnostic) -> Diagnostic {
        let error = error.help("write `-- lockgate: no-transaction` as the first line");
        let alone = self.readings.iter().all(|reading| reading.statements.len() == 1);
        if alone {
            return error;
        }
        error.help(
            "better, give it a migration of its own: otherwise the other statements run outside a transaction too",
        )
    }

    /// Reports transaction control in a script that runs in a transaction.
    fn control(&self) -> Vec<Diagnostic> {
        let found = self.flagged(StatementFlags::CONTROLS_TRANSACTION);
        let error = |statement: &Statement| {
            let word = words(self.text, &statement.range).first().cloned().unwrap_or_default();
            let message = format!(
                "`{word}` is not allowed here: the script runs inside a transaction that Lockgate begins and commits"
            );
            self.error(Code::TransactionControl, statement, &message)
        };
        if let [(first, _), (last, _)] = found.as_slice()
            && self.is_whole(first, last)
        {
            let line = self.text[..last.range.start].matches('\n').count() + 1;
            return vec![error(first).help(format!(
                "delete this line and line {line}: Lockgate already gives the script a transaction of its own"
            ))];
        }
        let help = "delete it, or write `-- lockgate: no-transaction` as the first line and keep the script's own transactions";
        // Without a BEGIN, an END is more likely the rest of a body that the database reads no further than its first `;`.
        let body = "if it ends the body of a function, procedure or trigger, write that body in `$$ … $$`: PostgreSQL takes it \
                    in no other way; otherwise delete it";
        let word = |statement: &Statement| words(self.text, &statement.range).into_iter().next().unwrap_or_default();
        let mut begun = false;
        let mut diagnostics = Vec::new();
        for (statement, _) in found {
            let is_end = word(statement).starts_with("END");
            begun |= !is_end;
            diagnostics.push(error(statement).help(if is_end && !begun && self.is_postgres() { body } else { help }));
        }
        diagnostics
    }

    /// Whether the script is `BEGIN; …; COMMIT;`.
    fn is_whole(&self, first: &Statement, last: &Statement) -> bool {
        let ends = |word: &str| matches!(word, "COMMIT" | "END");
        let begins = |word: &str| matches!(word, "BEGIN" | "START");
        let word = |statement: &Statement| words(self.text, &statement.range).first().cloned().unwrap_or_default();
        begins(&word(first))
            && ends(&word(last))
            && self.readings.iter().any(|Reading { statements, .. }| {
                statements.first().is_some_and(|statement| statement.range.start == first.range.start)
                    && statements.last().is_some_and(|statement| statement.range.start == last.range.start)
            })
    }

    /// Returns the statements with this flag, and the dialects in which they have it.
    ///
    /// If the policy names dialects, the flag counts in any of them. Otherwise it counts only if every dialect that
    /// knows such a statement sets it.
    fn flagged(&self, flag: StatementFlags) -> Vec<(&Statement, Dialects)> {
        let mut found: Vec<(&Statement, Dialects)> = Vec::new();
        for Reading { dialects, statements, .. } in self.readings {
            for statement in statements.iter().filter(|statement| statement.flags.contains(flag)) {
                let start = statement.range.start;
                match found.iter_mut().find(|(known, _)| known.range.start == start) {
                    Some((_, known)) => *known = known.iter().chain(dialects.iter()).collect(),
                    None => found.push((statement, *dialects)),
                }
            }
        }
        if self.declared.is_none() {
            found.retain(|(statement, dialects)| {
                let words = words(self.text, &statement.range);
                // In MySQL this END may be the last word of a procedure.
                let ends_a_body =
                    words.first().is_some_and(|word| word == "END") && self.is_inside(statement.range.start);
                !ends_a_body && spoken_by(&words).iter().all(|dialect| dialects.contains(dialect))
            });
        }
        found.sort_by_key(|(statement, _)| statement.range.start);
        found
    }

    /// Whether this byte is inside a statement in some dialect.
    fn is_inside(&self, at: usize) -> bool {
        let inside = |statement: &Statement| statement.range.start < at && at < statement.range.end;
        self.readings.iter().any(|reading| reading.statements.iter().any(inside))
    }

    fn error(&self, code: Code, statement: &Statement, message: &str) -> Diagnostic {
        Diagnostic::error(code, self.file, message).at(self.text, statement.range.clone(), "")
    }
}

/// Returns the dialects that know a statement beginning with these words, if it could have a flag in one of them.
fn spoken_by(words: &[String]) -> Dialects {
    const POSTGRES: Dialects = Dialects::NONE.with(Dialect::Postgres);
    const SQLITE: Dialects = Dialects::NONE.with(Dialect::Sqlite);
    const MYSQL: Dialects = Dialects::NONE.with(Dialect::Mysql);
    let word = |index: usize| words.get(index).map_or("", String::as_str);
    if words.iter().any(|word| word == "CONCURRENTLY") || word(0).starts_with('\\') {
        return POSTGRES;
    }
    match (word(0), word(1)) {
        ("PRAGMA" | "ATTACH" | "DETACH", _) | ("BEGIN", "IMMEDIATE" | "EXCLUSIVE" | "DEFERRED") => SQLITE,
        ("DELIMITER" | "XA" | "UNLOCK", _) => MYSQL,
        ("COPY" | "ABORT" | "CLUSTER" | "DISCARD" | "DO", _)
        | ("PREPARE", "TRANSACTION")
        | ("COMMIT" | "ROLLBACK", "PREPARED")
        | ("REINDEX", "DATABASE" | "SYSTEM" | "SCHEMA")
        | ("ALTER", "SYSTEM" | "SUBSCRIPTION")
        | ("CREATE" | "DROP", "SUBSCRIPTION") => POSTGRES,
        ("VACUUM" | "END", _) => POSTGRES.with(Dialect::Sqlite),
        ("START", _) | ("CREATE" | "DROP", "DATABASE" | "TABLESPACE") => POSTGRES.with(Dialect::Mysql),
        _ => Dialects::ALL,
    }
}

/// Returns the first words of a statement, in upper case.
fn words(text: &str, range: &Range<usize>) -> Vec<String> {
    text[range.clone()]
        .split(|c: char| c.is_whitespace() || matches!(c, ';' | '(' | ')' | '=' | ','))
        .filter(|word| !word.is_empty())
        .take(12)
        .map(str::to_uppercase)
        .collect()
}

pub(super) fn product(dialects: Dialects) -> String {
    let names: Vec<&str> = dialects.iter().map(Dialect::product).collect();
    match names.as_slice() {
        [] => "the server".to_owned(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
