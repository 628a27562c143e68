//! Names what the reader of a message can call or type next: a function of the library or a command.

use std::borrow::Cow;
use std::fmt::Display;

use crate::Stage;

/// Who a message is for. The same advice names a function to whoever writes Rust, and a command to whoever types one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Audience {
    /// A Rust program: functions of the library.
    #[default]
    Rust,
    /// The command line: commands and flags.
    CommandLine,
}

impl Audience {
    /// Every audience.
    pub const ALL: [Self; 2] = [Self::Rust, Self::CommandLine];

    const fn pick(self, rust: &'static str, command_line: &'static str) -> &'static str {
        match self {
            Self::Rust => rust,
            Self::CommandLine => command_line,
        }
    }

    fn named(self, rust: &str, command: &str, id: impl Display) -> String {
        match self {
            Self::Rust => rust.to_owned(),
            Self::CommandLine => format!("`{command} {}`", shell_word(&id.to_string())),
        }
    }

    /// Applies pending migrations.
    pub const fn up(self) -> &'static str {
        self.pick("`apply`", "`up`")
    }

    /// Applies up to this migration.
    pub fn up_to(self, id: impl Display) -> String {
        self.named("`apply_to` with `UpTo::Version`", "up --to", id)
    }

    /// Reverts migrations.
    pub const fn down(self) -> &'static str {
        self.pick("`revert`", "`down`")
    }

    /// Reverts this many migrations.
    pub fn down_by(self, steps: usize) -> String {
        match self {
            Self::Rust => format!("`revert` with `DownTo::Steps({steps})`"),
            Self::CommandLine => format!("`down {steps}`"),
        }
    }

    /// Reverts this many migrations, and applies them again.
    pub fn redo_by(self, steps: usize) -> String {
        match self {
            Self::Rust => format!("`redo` with {steps}"),
            Self::CommandLine => format!("`redo {steps}`"),
        }
    }

    /// Reverts every migration.
    pub const fn down_all(self) -> &'static str {
        self.pick("`revert` with `DownTo::Empty`", "`down --all`")
    }

    /// Accepts that a database differs from its mirror.
    pub fn accept_in_mirror(self, database: impl Display) -> String {
        match self {
            Self::Rust => "accept it with `accept_in_mirror`".to_owned(),
            Self::CommandLine => {
                format!("accept it with `mirror accept {} --reason \"why\"`", shell_word(&database.to_string()))
            }
        }
    }

    /// Leaves the mirror out of a run.
    pub const fn without_mirror(self) -> &'static str {
        self.pick("with `without_mirror`", "with `--without-mirror`")
    }

    /// Creates the role and the database of a program.
    pub const fn bootstrap(self) -> &'static str {
        self.pick("`bootstrap::create`", "`bootstrap`")
    }

    /// Shows the status of a database.
    pub const fn status(self) -> &'static str {
        self.pick("`status`", "`status`")
    }

    /// Records everything up to this migration without running it.
    pub fn baseline(self, id: impl Display) -> String {
        self.named("`Migrator::baseline`", "baseline", id)
    }

    /// Takes over the history of another tool.
    pub const fn adopt(self) -> &'static str {
        self.pick("`Migrator::adopt`", "`adopt`")
    }

    /// Records the embedded text and name of edited or renamed migrations.
    pub const fn accept_edited(self) -> &'static str {
        self.pick("`Repair::AcceptEdited` (`Migrator::repair`)", "`repair --accept-edited --reason \"why\"`")
    }

    /// Records a migration as fully applied.
    pub fn mark_applied(self, id: impl Display) -> String {
        self.named("`Repair::MarkApplied` (`Migrator::repair`)", "repair --mark-applied", id)
    }

    /// Removes the history row of a migration.
    pub fn forget(self, id: impl Display) -> String {
        self.named("`Repair::Forget` (`Migrator::repair`)", "repair --forget", id)
    }

    /// Records that a statement with an unknown outcome has finished.
    pub fn finished(self, id: impl Display) -> String {
        self.named("`Repair::Finished` (`Migrator::repair`)", "repair --finished", id)
    }

    /// Records that a statement with an unknown outcome has not taken effect.
    pub fn again(self, id: impl Display) -> String {
        self.named("`Repair::Again` (`Migrator::repair`)", "repair --again", id)
    }

    /// Drops an INVALID index, named as SQL names it.
    pub fn drop_invalid_index(self, index: &str) -> String {
        match self {
            Self::Rust => format!("`Migrator::drop_invalid_index` with `{index}`"),
            Self::CommandLine => format!("`repair --drop-invalid-index {}`", shell_word(index)),
        }
    }

    /// Applies pending migrations, late ones included.
    pub const fn out_of_order(self) -> &'static str {
        self.pick("`Migrator::out_of_order(OutOfOrder::Allow)`", "`up --out-of-order`")
    }

    /// Applies although the database has another tool's history.
    pub const fn allow_other_tools(self) -> &'static str {
        self.pick("`Migrator::allow_other_tools`", "`up --allow-other-tools`")
    }

    /// Makes an empty database from the desired schema.
    pub const fn from_create(self) -> &'static str {
        self.pick("`Migrator::create`", "`up --from create`")
    }

    /// Makes a database from the desired schema although there is something in it.
    pub const fn from_create_beside_others(self) -> &'static str {
        self.pick("`Migrator::allow_other_tools`", "`up --from create --allow-other-tools`")
    }

    /// Runs a manual script.
    pub const fn manual(self) -> &'static str {
        self.pick("`Migrator::run_manual`", "`manual run`")
    }

    /// Runs each migration in its own transaction.
    pub const fn per_migration(self) -> &'static str {
        self.pick("`Migrator::atomicity(Atomicity::PerMigration)`", "`--atomicity per-migration`")
    }

    /// Asks for a database of this stage.
    pub fn stage(self, stage: Stage) -> String {
        match self {
            Self::Rust => format!("`Migrator::expect_stage(Stage::{stage:?})`"),
            Self::CommandLine => format!("`--stage {stage}`"),
        }
    }

    /// Marks a database with this stage.
    pub fn mark_stage(self, stage: Stage) -> String {
        match self {
            Self::Rust => format!("`Migrator::mark_stage` with `Stage::{stage:?}`"),
            Self::CommandLine => format!("`mark-stage {stage}`"),
        }
    }

    /// Says why something is done on a protected stage.
    pub const fn override_stage(self) -> &'static str {
        self.pick("`Migrator::override_stage(\"why\")`", "`--override-stage \"why\"`")
    }

    /// Names the set in the history table.
    pub fn set(self, name: &str) -> String {
        match self {
            Self::Rust => format!("`Migrator::set_name(\"{name}\")`"),
            Self::CommandLine => format!("`--set {}`", shell_word(name)),
        }
    }

    /// Names the history table.
    pub const fn history_table(self) -> &'static str {
        self.pick("`Migrator::history_table(\"schema.table\")`", "`--history-table schema.table`")
    }

    /// Sets how long to wait for a server that is starting.
    pub const fn wait_for_server(self) -> &'static str {
        self.pick("`Database::connect_within`", "`--wait-for-server 30s`")
    }

    /// Sets how long to wait for another run to end.
    pub const fn lock_wait(self) -> &'static str {
        self.pick("`Migrator::lock_wait`", "`--lock-wait 10min`")
    }

    /// Sets how long a statement may wait for a lock.
    pub const fn lock_timeout(self) -> &'static str {
        self.pick("`Migrator::lock_timeout`", "`--lock-timeout 1min`")
    }

    /// Sets how long a statement may run.
    pub const fn statement_timeout(self) -> &'static str {
        self.pick("`Migrator::statement_timeout`", "`--statement-timeout 10min`")
    }
}

/// A word of a command, quoted for a shell where it needs that: the names of patches may have blanks.
pub fn shell_word(word: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_alphanumeric() || "_-./:@%+,=".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.into(),
        false => format!("'{}'", word.replace('\'', "'\\''")).into(),
    }
}

/// Advice for a command line of several databases: the commands in it that work on one database name it.
pub fn on_database(advice: &str, database: &str) -> String {
    const ON_ONE: [&str; 8] = ["baseline", "doctor", "down", "drift", "history", "mark-stage", "redo", "repair"];
    typed(advice, &ON_ONE, &["--database"], &format!("--database {}", shell_word(database)))
}

/// Advice for a command line on which these flags were typed, each with its value: the commands in it that use a
/// database carry them, because otherwise they would use another one, or another history in it.
pub fn with_flags(advice: &str, flags: &[String]) -> String {
    const ON_DATABASE: [&str; 26] = [
        "adopt",
        "backup",
        "baseline",
        "bootstrap",
        "deploy",
        "doctor",
        "down",
        "drift",
        "dump",
        "history",
        "load",
        "manual",
        "mark-stage",
        "mirror",
        "plan",
        "ready",
        "redo",
        "refresh",
        "repair",
        "restore",
        "schedule",
        "seed",
        "sql",
        "status",
        "up",
        "wait",
    ];
    // They name a database: a command that names one is about that one.
    const NAMING: [&str; 6] = ["--database-url", "--host", "--port", "--user", "--dbname", "--password-file"];
    flags.iter().fold(advice.to_owned(), |advice, flag| {
        let first = flag.split(' ').next().unwrap_or_default();
        let unless: &[&str] = if NAMING.contains(&first) { &NAMING } else { &[first] };
        typed(&advice, &ON_DATABASE, unless, flag)
    })
}

/// Advice about the bootstraps of a database, whose history is in another database while they run: commands that
/// work on this history get `--bootstraps`.
pub fn on_bootstraps(advice: &str, database: &str) -> String {
    let flags = format!("--database {} --bootstraps", shell_word(database));
    on_database(&typed(advice, &["baseline", "history", "repair"], &["--database"], &flags), database)
}

/// Adds these flags to commands with these verbs, unless they have one of those flags.
fn typed(advice: &str, verbs: &[&str], unless: &[&str], flags: &str) -> String {
    let named = |code: &str| {
        let verb = code.split(' ').next().unwrap_or_default();
        if !verbs.contains(&verb) || code.split(' ').any(|word| unless.contains(&word)) {
            return code.to_owned();
        }
        // What follows `--` is for another program.
        match code.split_once(" -- ") {
            Some((command, rest)) => format!("{command} {flags} -- {rest}"),
            None => format!("{code} {flags}"),
        }
    };
    // Between backticks is what is typed: every second piece.
    let pieces = advice.split('`').enumerate();
    let pieces = pieces.map(|(at, piece)| if at % 2 == 1 { named(piece) } else { piece.to_owned() });
    pieces.collect::<Vec<_>>().join("`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::Drift;
    use crate::plan::Reason;
    use crate::{Checksum, Dialect, Dialects, Stage, State, Version};

    /// One of each drift, in every form with its own wording. Add new ones here.
    fn drifts() -> Vec<Drift> {
        let id = || "0007_g".to_owned();
        let version = Version::new(9).unwrap();
        let sum = Checksum::v1([7; 32]);
        let mut drifts = vec![
            Drift::Renamed { id: id(), recorded: "h".to_owned() },
            Drift::OtherDatabase { id: id(), embedded: "billing".to_owned(), recorded: "audit".to_owned() },
            Drift::ManualEdited { id: id(), at: "2026-11-30T12:00:00Z".to_owned(), by: "ada".to_owned() },
            Drift::Missing { id: id(), newest: id() },
            Drift::OutOfOrder { id: id(), newest: id() },
            Drift::Changed { id: id(), recorded: sum, embedded: sum },
            Drift::Gone { id: id() },
        ];
        for same_text_as in [None, Some(id())] {
            drifts.push(Drift::Replaced { id: id(), recorded: id(), same_text_as: same_text_as.clone() });
            drifts.push(Drift::Unknown { id: id(), version, state: State::Applied, same_text_as });
        }
        for state in [State::Applied, State::Partial, State::Reverting] {
            drifts.push(Drift::Ahead { id: id(), version, state });
            drifts.extend([None, Some(3)].map(|in_doubt| Drift::Partial {
                id: id(),
                state,
                statements_done: 2,
                in_doubt,
            }));
            drifts.extend([(true, false), (false, false), (true, true)].map(|(frozen, amended)| Drift::Edited {
                id: id(),
                recorded: sum,
                embedded: sum,
                frozen,
                amended,
                state,
            }));
            drifts.extend([1, 2].map(|statements_done| {
                let now = vec!["0007_g.sql:1 `x`".to_owned(); statements_done as usize];
                Drift::FinishedEdited { id: id(), state, statements_done, now }
            }));
        }
        // No wildcard, so that a new variant does not compile until it is listed above.
        for drift in &drifts {
            match drift {
                Drift::Edited { .. }
                | Drift::Renamed { .. }
                | Drift::Replaced { .. }
                | Drift::Unknown { .. }
                | Drift::OtherDatabase { .. }
                | Drift::Ahead { .. }
                | Drift::Missing { .. }
                | Drift::OutOfOrder { .. }
                | Drift::FinishedEdited { .. }
                | Drift::ManualEdited { .. }
                | Drift::Partial { .. }
                | Drift::Changed { .. }
                | Drift::Gone { .. } => {}
            }
        }
        drifts
    }

    fn reasons() -> Vec<Reason> {
        let id = || "0007_g".to_owned();
        let version = Version::new(9).unwrap();
        let mut reasons: Vec<Reason> = drifts().into_iter().map(Reason::Drift).collect();
        for embedded in [None, Some((id(), id())), Some((id(), "0009_i".to_owned()))] {
            let is_embedded = embedded.is_some();
            reasons.push(Reason::NotRecorded { version, embedded: embedded.clone(), is_embedded });
            reasons.push(Reason::UnknownVersion { version, embedded });
        }
        for (asked, applied, possible) in [(9, 0, 0), (9, 1, 1), (9, 1, 0), (9, 3, 0), (9, 3, 3), (9, 3, 2)] {
            for again in [false, true] {
                reasons.push(Reason::TooManySteps { asked, applied, possible, again });
                reasons.push(Reason::Irreversible { id: id(), reason: None, possible, again });
            }
        }
        reasons.extend([true, false].map(|possible| Reason::BelowOldest { version, oldest: id(), possible }));
        reasons.extend([(None, false), (Some(id()), false), (Some(id()), true)].map(|(newest, adoptable)| {
            let (tool, table) = ("sqlx".to_owned(), "_sqlx_migrations".to_owned());
            Reason::OtherTool { tool, table, newest, adoptable }
        }));
        reasons.extend([
            Reason::NotApplied { id: id() },
            Reason::WrongDialect { database: Dialect::Sqlite, set: Dialects::NONE.with(Dialect::Postgres) },
            Reason::OutsideTransaction { id: id() },
            Reason::OwnTransaction { id: id() },
            Reason::NotEmbedded { id: id(), version },
            Reason::NothingInDoubt { id: id() },
            Reason::NotInDoubt { id: id(), number: 2 },
            Reason::OtherStage { asked: Stage::Test, database: None },
            Reason::OtherStage { asked: Stage::Test, database: Some(Stage::Production) },
            Reason::ProtectedStage { stage: Stage::Production },
            Reason::MarkedOtherwise { asked: Stage::Test, database: Stage::Production },
            Reason::Draft { id: id(), stage: Stage::Production },
            Reason::AlreadyCreated { newest: id() },
            Reason::NotEmpty { found: vec!["the table x".to_owned()] },
            Reason::CreateChanged { files: vec!["create/1-tables/x".to_owned()] },
            Reason::UnfinishedCreate { files: 1 },
            Reason::NoManualScript { version, known: Vec::new() },
            Reason::NoManualScript { version, known: vec![id()] },
        ]);
        for reason in &reasons {
            match reason {
                Reason::Drift(_)
                | Reason::UnknownVersion { .. }
                | Reason::BelowOldest { .. }
                | Reason::NotApplied { .. }
                | Reason::Irreversible { .. }
                | Reason::TooManySteps { .. }
                | Reason::WrongDialect { .. }
                | Reason::OutsideTransaction { .. }
                | Reason::OwnTransaction { .. }
                | Reason::OtherTool { .. }
                | Reason::NotRecorded { .. }
                | Reason::NotEmbedded { .. }
                | Reason::NothingInDoubt { .. }
                | Reason::NotInDoubt { .. }
                | Reason::OtherStage { .. }
                | Reason::ProtectedStage { .. }
                | Reason::MarkedOtherwise { .. }
                | Reason::Draft { .. }
                | Reason::AlreadyCreated { .. }
                | Reason::NotEmpty { .. }
                | Reason::CreateChanged { .. }
                | Reason::UnfinishedCreate { .. }
                | Reason::NoManualScript { .. } => {}
            }
        }
        reasons
    }

    #[test]
    fn messages_name_only_what_their_front_has() {
        for reason in reasons() {
            let typed = format!("{reason}\n{}", reason.help_for(Audience::CommandLine));
            for word in ["::", "Migrator", "Repair", "lock_", "`apply", "`revert"] {
                assert!(!typed.contains(word), "`{word}` means nothing on a command line: {typed}");
            }
            let called = format!("{reason}\n{}", reason.help());
            for word in ["`up", "`down", "`redo 1`", "--"] {
                assert!(!called.contains(word), "`{word}` cannot be called: {called}");
            }
        }
    }

    #[test]
    fn commands_on_a_history_have_the_flags_that_name_it() {
        let flags = ["--set other".to_owned(), "--history-table 'a b'".to_owned()];
        assert_eq!(
            with_flags("`up` again, `repair --finished 1 2`, or `up --set x`; `SELECT up`, up, `--set y`", &flags),
            "`up --set other --history-table 'a b'` again, `repair --finished 1 2 --set other --history-table 'a b'`, or \
             `up --set x --history-table 'a b'`; `SELECT up`, up, `--set y`"
        );
        assert_eq!(with_flags("`up`", &[]), "`up`");
        // A command that names a database is about that one, and what follows `--` is for another program.
        let flags = ["--host db.internal --port 7".to_owned(), "--mirror state".to_owned()];
        assert_eq!(
            with_flags("`sql -- --list` lists them; `mark-stage test --database-url \"$X\"`, or `status`", &flags),
            "`sql --host db.internal --port 7 --mirror state -- --list` lists them; `mark-stage test --database-url \"$X\" \
             --mirror state`, or `status --host db.internal --port 7 --mirror state`"
        );
    }

    #[test]
    fn commands_on_one_of_several_databases_name_it() {
        let check = |advice: &str, expected: &str| assert_eq!(on_database(advice, "shop"), expected);
        check(
            "revert it with `down 1` and run `up`; `repair --accept-edited --reason \"why\"` records that",
            "revert it with `down 1 --database shop` and run `up`; `repair --accept-edited --reason \"why\" --database shop` \
             records that",
        );
        check("restore `down`", "restore `down --database shop`");
        check("`repair --database a` of `2_down`", "`repair --database a` of `2_down`");
        check("no code", "no code");
        assert_eq!(
            on_bootstraps("`repair --again 2`, then `up`, or look at it with `history`", "shop"),
            "`repair --again 2 --database shop --bootstraps`, then `up`, or look at it with \
             `history --database shop --bootstraps`"
        );
    }
}
