//! Classifies a statement by its first words, and sets the flags that the runtime needs before it sends the statement.

use std::ops::Range;

use lockgate_core::{Dialect, StatementFlags, StatementKind};

use super::lexer::Kind;
use super::words::{CREATE_MODIFIERS, Words};

/// Classifies the statements of one script, in order.
#[derive(Debug)]
pub(super) struct Classifier<'a> {
    dialect: Dialect,
    text: &'a str,
    /// Whether the script has said `ALTER SUBSCRIPTION … SET (slot_name = NONE)`. Dropping the subscription then needs
    /// no replication slot, and can run in a transaction.
    slot_released: bool,
}

impl<'a> Classifier<'a> {
    pub(super) fn new(dialect: Dialect, text: &'a str) -> Self {
        Self { dialect, text, slot_released: false }
    }

    /// Returns the kind and the flags of the statement in this range, which excludes COPY data. `set_config` says whether
    /// that word occurs in it, and `calls` whether it calls a function that is not known to be harmless:
    /// [`super::calls`].
    pub(super) fn classify(
        &mut self,
        range: Range<usize>,
        set_config: bool,
        calls: bool,
    ) -> (StatementKind, StatementFlags) {
        let mut words = Words::new(self.dialect, &self.text[..range.end], range.start);
        while words.token.kind == Kind::Open {
            words.next();
        }
        let kind = words.kind();
        let mut flags = StatementFlags::NONE;
        match self.dialect {
            Dialect::Postgres => {
                flags = flags.union(self.postgres(kind, &words));
                if set_config && kind != StatementKind::CreateFunction && words.rewound().sets_config() {
                    flags = flags.union(StatementFlags::SESSION_STATE);
                }
                if runs_code(kind, calls, &words) {
                    flags = flags.union(StatementFlags::RUNS_CODE);
                }
            }
            Dialect::Sqlite => flags = flags.union(sqlite(kind, &words)),
            Dialect::Mysql => {
                flags = flags.union(mysql(kind, &words));
                if kind == StatementKind::Call {
                    flags = flags.union(StatementFlags::RUNS_CODE);
                }
            }
        }
        (kind, flags)
    }

    fn postgres(&mut self, kind: StatementKind, at: &Words<'_>) -> StatementFlags {
        let outside = |yes: bool| if yes { StatementFlags::OUTSIDE_TRANSACTION } else { StatementFlags::NONE };
        let state = |yes: bool| if yes { StatementFlags::SESSION_STATE } else { StatementFlags::NONE };
        let mut words = at.clone();
        match kind {
            StatementKind::Transaction => transaction(words),
            StatementKind::Session => {
                if words.take("set") {
                    // A custom setting may be called `local` too: `SET local.x = 1`.
                    let local = words.take("local") && !words.is_byte(b'.') && !words.is_byte(b'=');
                    let own = local || words.is("transaction") || words.is("constraints");
                    return if own { StatementFlags::NONE } else { StatementFlags::SESSION_STATE };
                }
                outside(words.take("discard") && words.is("all")).union(StatementFlags::SESSION_STATE)
            }
            StatementKind::CreateIndex | StatementKind::DropIndex => {
                words.until(&["index"]);
                outside(words.is("concurrently"))
            }
            StatementKind::AlterTable => outside(words.detaches_concurrently()),
            StatementKind::CreateOther => {
                words.next();
                match words.object() {
                    "database" | "tablespace" => outside(true),
                    "subscription" => outside(words.creates_slot()),
                    _ => StatementFlags::NONE,
                }
            }
            StatementKind::DropOther => {
                words.next();
                match words.object() {
                    "database" | "tablespace" => outside(true),
                    "subscription" => outside(!self.slot_released),
                    _ => StatementFlags::NONE,
                }
            }
            StatementKind::AlterOther => {
                words.next();
                match words.object() {
                    "system" => outside(true),
                    "database" => {
                        words.next();
                        outside(words.take("set") && words.is("tablespace"))
                    }
                    "subscription" => {
                        self.slot_released |= words.clone().option("slot_name").is_some_and(|value| value == "none");
                        outside(words.refreshes_subscription())
                    }
                    _ => StatementFlags::NONE,
                }
            }
            StatementKind::Maintenance => outside(words.maintains_outside()),
            StatementKind::Do => words.do_body(),
            StatementKind::Other => state(words.begins_in_session()),
            _ => StatementFlags::NONE,
        }
        .union(state(match kind {
            StatementKind::CreateTable
            | StatementKind::CreateView
            | StatementKind::CreateFunction
            | StatementKind::CreateType
            | StatementKind::CreateOther => at.makes_temporary(),
            StatementKind::Select => at.selects_into_temporary(),
            _ => false,
        }))
    }
}

/// Whether a statement of this kind runs the user's code. `calls` says whether it calls a function that is not known to
/// be harmless.
fn runs_code(kind: StatementKind, calls: bool, at: &Words<'_>) -> bool {
    match kind {
        StatementKind::Do | StatementKind::Call => true,
        StatementKind::Select
        | StatementKind::Insert
        | StatementKind::Update
        | StatementKind::Delete
        | StatementKind::Copy
        | StatementKind::AlterTable => calls,
        // The server only stores the expression of a default, but it runs a query.
        StatementKind::CreateTable => {
            let mut words = at.clone();
            words.until(&["select", "execute"]);
            !words.ended() && (calls || at.clone().executes())
        }
        StatementKind::Other => at.is("execute") || (calls && at.is_any(&["merge", "explain", "declare"])),
        // When the server creates or refreshes a stored object, it undoes the settings that the code changes.
        _ => false,
    }
}

/// Returns the flags of BEGIN, COMMIT and similar statements. `words` is at the first word of the statement.
fn transaction(mut words: Words<'_>) -> StatementFlags {
    let control = StatementFlags::CONTROLS_TRANSACTION;
    if words.is("savepoint") || words.is("release") {
        return StatementFlags::NONE;
    }
    let ends = words.is("commit") || words.is("rollback");
    let back = words.take("rollback");
    if !back {
        words.next();
    }
    if ends && words.is("prepared") {
        return control.union(StatementFlags::OUTSIDE_TRANSACTION);
    }
    if back {
        let _ = words.take("work") || words.take("transaction");
        if words.is("to") {
            return StatementFlags::NONE;
        }
    }
    control
}

/// Settings of SQLite that last as long as the connection, and so outlive the script.
const SESSION_PRAGMAS: [&str; 37] = [
    "analysis_limit",
    "automatic_index",
    "busy_timeout",
    "cache_size",
    "cache_spill",
    "case_sensitive_like",
    "cell_size_check",
    "checkpoint_fullfsync",
    "count_changes",
    "data_store_directory",
    "empty_result_callbacks",
    "foreign_keys",
    "full_column_names",
    "fullfsync",
    "hard_heap_limit",
    "ignore_check_constraints",
    "journal_mode",
    "journal_size_limit",
    "legacy_alter_table",
    "locking_mode",
    "max_page_count",
    "mmap_size",
    "parser_trace",
    "query_only",
    "read_uncommitted",
    "recursive_triggers",
    "reverse_unordered_selects",
    "secure_delete",
    "short_column_names",
    "soft_heap_limit",
    "synchronous",
    "temp_store",
    "temp_store_directory",
    "threads",
    "trusted_schema",
    "wal_autocheckpoint",
    "writable_schema",
];

fn sqlite(kind: StatementKind, at: &Words<'_>) -> StatementFlags {
    let mut words = at.clone();
    match kind {
        StatementKind::Transaction => transaction(words),
        StatementKind::Maintenance if words.is("vacuum") => StatementFlags::OUTSIDE_TRANSACTION,
        StatementKind::Pragma => {
            words.next();
            let mut name = words.clone();
            words.next();
            if words.is_byte(b'.') {
                words.next();
                name = words.clone();
                words.next();
            }
            // SQLite refuses a checkpoint while a transaction holds the write lock.
            if name.is_name("wal_checkpoint") {
                return StatementFlags::OUTSIDE_TRANSACTION;
            }
            let sets = words.is_byte(b'=') || words.token.kind == Kind::Open;
            if !sets {
                return StatementFlags::NONE;
            }
            let mut flags = StatementFlags::NONE;
            if SESSION_PRAGMAS.into_iter().any(|pragma| name.is_name(pragma)) {
                flags = flags.union(StatementFlags::SESSION_STATE);
            }
            // SQLite silently ignores the first two within a transaction, and refuses the third.
            let outside = ["foreign_keys", "journal_mode", "synchronous"];
            if outside.into_iter().any(|pragma| name.is_name(pragma)) {
                flags = flags.union(StatementFlags::OUTSIDE_TRANSACTION);
            }
            flags
        }
        StatementKind::Other if words.is("attach") || words.is("detach") => StatementFlags::SESSION_STATE,
        StatementKind::CreateTable | StatementKind::CreateView | StatementKind::CreateTrigger
            if at.makes_temporary() =>
        {
            StatementFlags::SESSION_STATE
        }
        _ => StatementFlags::NONE,
    }
}

fn mysql(kind: StatementKind, at: &Words<'_>) -> StatementFlags {
    let mut words = at.clone();
    match kind {
        StatementKind::Transaction => transaction(words),
        StatementKind::Session if words.take("set") && words.is("transaction") => StatementFlags::NONE,
        StatementKind::Session => StatementFlags::SESSION_STATE,
        _ => StatementFlags::NONE,
    }
}

impl Words<'_> {
    /// Returns the word of `objects` at this place and moves past it; returns an empty string if there is none.
    fn object(&mut self) -> &'static str {
        let objects = ["database", "tablespace", "subscription", "system"];
        let found = objects.into_iter().find(|object| self.is(object)).unwrap_or("");
        self.next();
        found
    }

    fn kind(&self) -> StatementKind {
        let mut lower = [0; 12];
        let bytes = self.lexer.bytes(self.token);
        if self.token.kind != Kind::Word || bytes.len() > lower.len() {
            return StatementKind::Other;
        }
        let lower = &mut lower[..bytes.len()];
        lower.copy_from_slice(bytes);
        lower.make_ascii_lowercase();

        let mut rest = self.clone();
        rest.next();
        let postgres = self.dialect == Dialect::Postgres;
        let mysql = self.dialect == Dialect::Mysql;
        match &*lower {
            b"select" | b"values" | b"table" => StatementKind::Select,
            b"with" => rest.main_verb(),
            b"insert" | b"replace" => StatementKind::Insert,
            b"update" => StatementKind::Update,
            b"delete" => StatementKind::Delete,
            b"create" => rest.created(),
            b"alter" => {
                while rest.is_any(&["online", "offline", "ignore"]) {
                    rest.next();
                }
                if rest.is("table") { StatementKind::AlterTable } else { StatementKind::AlterOther }
            }
            b"drop" => {
                let _ = mysql && rest.take("temporary");
                if rest.is("table") {
                    StatementKind::DropTable
                } else if rest.is("index") {
                    StatementKind::DropIndex
                } else {
                    StatementKind::DropOther
                }
            }
            b"truncate" => StatementKind::Truncate,
            b"begin" if mysql && rest.is("not") => StatementKind::Other,
            b"start" if !rest.is("transaction") => StatementKind::Other,
            b"prepare" if postgres && rest.is("transaction") => StatementKind::Transaction,
            b"abort" if postgres => StatementKind::Transaction,
            b"xa" if mysql => StatementKind::Transaction,
            b"end" if !mysql => StatementKind::Transaction,
            b"begin" | b"start" | b"commit" | b"rollback" | b"savepoint" | b"release" => StatementKind::Transaction,
            b"set" | b"reset" | b"discard" | b"use" => StatementKind::Session,
            b"copy" => StatementKind::Copy,
            b"pragma" => StatementKind::Pragma,
            b"do" => StatementKind::Do,
            b"call" if self.dialect != Dialect::Sqlite => StatementKind::Call,
            b"vacuum" | b"analyze" | b"analyse" | b"reindex" | b"cluster" | b"optimize" => StatementKind::Maintenance,
            _ => StatementKind::Other,
        }
    }

    /// Whether the statement changes what the session listens to, has prepared, has loaded, or holds open.
    fn begins_in_session(&self) -> bool {
        if self.is_any(&["listen", "unlisten", "prepare", "deallocate", "load", "close"]) {
            return true;
        }
        let mut words = self.clone();
        // `WITH HOLD` comes before FOR. The query after FOR may be long.
        if words.take("declare") {
            while !words.ended() && !words.is("for") {
                if words.take("with") && words.is("hold") {
                    return true;
                }
                words.next();
            }
        }
        false
    }

    /// Whether the statement contains `AS EXECUTE`.
    fn executes(mut self) -> bool {
        while !self.ended() {
            if self.take("as") && self.is("execute") {
                return true;
            }
            self.next();
        }
        false
    }

    /// Whether a query writes to a temporary table that it creates.
    fn selects_into_temporary(&self) -> bool {
        let mut words = self.clone();
        while !words.ended() {
            if words.take("into") && words.is_any(&["temp", "temporary", "pg_temp"]) {
                return true;
            }
            words.next();
        }
        false
    }

    /// Whether CREATE creates an object that lasts as long as the session. One that its transaction drops counts too: a
    /// whole run is one transaction.
    fn makes_temporary(&self) -> bool {
        let mut words = self.clone();
        words.next();
        while words.is_any(&["or", "replace", "global", "local", "unique", "unlogged", "recursive"]) {
            words.next();
        }
        if words.is_any(&["temp", "temporary"]) {
            return true;
        }
        // The kind of the object, and its name.
        words.next();
        while words.is_any(&["if", "not", "exists"]) {
            words.next();
        }
        words.is("pg_temp") || (words.take("temp") && words.is_byte(b'.'))
    }

    /// Returns the kind of object after CREATE.
    fn created(mut self) -> StatementKind {
        let mut modified = false;
        // Only a few words can come before the kind, and MySQL's DEFINER.
        for _ in 0..16 {
            if self.is("table") {
                return StatementKind::CreateTable;
            } else if self.is("index") {
                return StatementKind::CreateIndex;
            } else if self.is("view") {
                return StatementKind::CreateView;
            } else if self.is("trigger") {
                return if modified { StatementKind::CreateOther } else { StatementKind::CreateTrigger };
            } else if self.is_any(&["function", "procedure"]) {
                return StatementKind::CreateFunction;
            } else if self.is_any(&["type", "domain"]) {
                return StatementKind::CreateType;
            } else if self.is("event") && self.dialect == Dialect::Postgres {
                modified = true;
            } else if self.is("definer") {
                // DEFINER = user@host, DEFINER = CURRENT_USER(); not SQL SECURITY DEFINER.
                self.next();
                if !self.is_byte(b'=') {
                    continue;
                }
                self.next();
                self.next();
                while self.is_byte(b'@') || self.token.kind == Kind::Open {
                    self.next();
                    self.next();
                }
                continue;
            } else if self.is("algorithm") {
                self.next();
                self.next();
            } else if !self.is_any(&CREATE_MODIFIERS) && !self.is_any(&OTHER_MODIFIERS) {
                return StatementKind::CreateOther;
            }
            self.next();
        }
        StatementKind::CreateOther
    }

    /// Returns the verb of `WITH x AS (…) …`, from the place after WITH.
    fn main_verb(mut self) -> StatementKind {
        self.take("recursive");
        let mut named = true;
        let mut closed = false;
        let mut depth = 0_usize;
        while !self.ended() {
            match self.token.kind {
                // Only a SELECT in parentheses can follow `)`.
                Kind::Open if depth == 0 && closed => return StatementKind::Select,
                Kind::Open => depth += 1,
                Kind::Close => depth = depth.saturating_sub(1),
                Kind::Word if depth == 0 && !named => {
                    if self.is_any(&["select", "values", "table"]) {
                        return StatementKind::Select;
                    } else if self.is_any(&["insert", "replace"]) {
                        return StatementKind::Insert;
                    } else if self.is("update") {
                        return StatementKind::Update;
                    } else if self.is("delete") {
                        return StatementKind::Delete;
                    } else if self.is("merge") {
                        return StatementKind::Other;
                    }
                }
                _ => {}
            }
            closed = depth == 0 && self.token.kind == Kind::Close;
            named = depth == 0 && self.is_byte(b',');
            self.next();
        }
        StatementKind::Other
    }

    /// Whether this is `ALTER TABLE … DETACH PARTITION name CONCURRENTLY`.
    fn detaches_concurrently(mut self) -> bool {
        // The action is the only one of its statement, right after the table's name.
        for _ in 0..12 {
            if self.take("detach") {
                self.take("partition");
                self.next();
                while self.is_byte(b'.') {
                    self.next();
                    self.next();
                }
                return self.is("concurrently");
            }
            self.next();
        }
        false
    }

    /// Whether this is a form of VACUUM, CLUSTER or REINDEX that cannot run in a transaction.
    fn maintains_outside(mut self) -> bool {
        if self.is("vacuum") {
            return true;
        }
        if self.take("cluster") {
            self.take("verbose");
            self.skip_parentheses();
            return self.ended();
        }
        if !self.take("reindex") {
            return false;
        }
        let concurrently = self.clone().option("concurrently");
        self.skip_parentheses();
        if self.is_any(&["database", "system", "schema"]) {
            return true;
        }
        self.next();
        self.is("concurrently") || concurrently.is_some_and(|value| !matches!(value, "false" | "off" | "0"))
    }

    /// Whether `CREATE SUBSCRIPTION` creates a replication slot, which it does unless an option says otherwise.
    fn creates_slot(self) -> bool {
        let off = |value: &str| matches!(value, "false" | "off" | "0");
        let connect = self.clone().option("connect");
        let create = self.option("create_slot");
        !connect.is_some_and(off) && !create.is_some_and(off)
    }

    /// Whether this is a form of `ALTER SUBSCRIPTION` that fetches the list of tables immediately.
    fn refreshes_subscription(mut self) -> bool {
        self.next();
        while self.is_byte(b'.') {
            self.next();
            self.next();
        }
        if self.take("refresh") {
            return true;
        }
        let changes = self.is_any(&["set", "add", "drop"]);
        self.next();
        changes
            && self.is("publication")
            && !self.option("refresh").is_some_and(|value| matches!(value, "false" | "off" | "0"))
    }

    /// Whether a call of `set_config` changes a setting beyond the transaction.
    fn sets_config(mut self) -> bool {
        while self.token.kind != Kind::End {
            if self.take("set_config") && self.token.kind == Kind::Open && !self.clone().says_local() {
                return true;
            }
            if !self.is("set_config") {
                self.next();
            }
        }
        false
    }

    /// Whether the third of the arguments that begin here is the word `true`. It reads only a few tokens, and
    /// returns false if that is not enough.
    fn says_local(mut self) -> bool {
        let mut depth = 0_usize;
        let mut commas = 0;
        for _ in 0..64 {
            match self.token.kind {
                Kind::Open => depth += 1,
                Kind::Close if depth == 1 => return false,
                Kind::Close => depth -= 1,
                _ if depth == 1 && self.is_byte(b',') => {
                    commas += 1;
                    self.next();
                    if commas == 2 {
                        let local = self.take("true");
                        return local && self.token.kind == Kind::Close;
                    }
                    continue;
                }
                _ => {}
            }
            self.next();
        }
        false
    }

    /// Returns the flags of a DO statement, by the words of its body.
    fn do_body(mut self) -> StatementFlags {
        while !self.ended() && self.token.kind != Kind::Text {
            self.next();
        }
        let bytes = self.lexer.bytes(self.token);
        let opener = match bytes.first() {
            Some(b'$') => bytes[1..].iter().position(|byte| *byte == b'$').map_or(0, |tag| tag + 2),
            Some(b'\'') => 1,
            Some(_) => 2,
            None => return StatementFlags::NONE,
        };
        let closer = if bytes.starts_with(b"$") { opener } else { 1 };
        let start = self.token.start + opener;
        let end = self.token.end.saturating_sub(closer).max(start);
        if end > self.text.len() || !self.text.is_char_boundary(end) {
            return StatementFlags::NONE;
        }
        body_flags(Words::new(self.dialect, &self.text[..end], start))
    }
}

fn body_flags(mut words: Words<'_>) -> StatementFlags {
    let mut flags = StatementFlags::NONE;
    let mut starts = true;
    while words.token.kind != Kind::End {
        let session = if flags.contains(StatementFlags::SESSION_STATE) {
            false
        } else if starts && words.is("set") {
            let mut next = words.clone();
            next.next();
            !next.is_any(&["local", "transaction", "constraints"])
        } else if words.is("set_config") {
            let mut call = words.clone();
            call.next();
            call.token.kind == Kind::Open && !call.says_local()
        } else if words.token.kind == Kind::Text {
            // EXECUTE 'SET …'.
            let text = words.lexer.bytes(words.token);
            let inner = text.iter().position(u8::is_ascii_alphabetic).map_or(&text[..0], |at| &text[at..]);
            let begins = |word: &[u8]| inner.len() > word.len() && inner[..word.len()].eq_ignore_ascii_case(word);
            (begins(b"set ") && !begins(b"set local ")) || begins(b"reset ")
        } else {
            starts && words.is_any(&["reset", "discard"])
        };
        if session {
            flags = flags.union(StatementFlags::SESSION_STATE);
        }
        // COMMIT in PL/pgSQL works only if DO does not run in a transaction.
        if starts && words.is_any(&["commit", "rollback"]) {
            flags = flags.union(StatementFlags::OUTSIDE_TRANSACTION);
        }
        starts = words.token.kind == Kind::Terminator
            || words.is_byte(b'>')
            || words.is_any(&["begin", "then", "else", "loop"]);
        words.next();
    }
    flags
}

/// More words that may stand between CREATE and the kind of object: those of MySQL and SQLite, and the ones before a
/// function.
const OTHER_MODIFIERS: [&str; 12] = [
    "fulltext",
    "spatial",
    "virtual",
    "aggregate",
    "sql",
    "security",
    "invoker",
    "undefined",
    "merge",
    "temptable",
    "online",
    "offline",
];
