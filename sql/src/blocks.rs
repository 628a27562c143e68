//! Decides which `;` belongs to a body and does not end the statement: `BEGIN ATOMIC … END` in PostgreSQL, triggers in
//! SQLite, stored programs in MySQL. It is given a statement's tokens one by one.

use lockgate_core::Dialect;

use super::lexer::{Kind, Lexer, Token};

/// What the statement has begun with so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lead {
    /// No word yet.
    Start,
    /// `EXPLAIN`, in SQLite.
    Explain,
    /// `CREATE`, and words that may stand before the object's kind.
    Create,
    /// `BEGIN`, in MySQL: MariaDB's `BEGIN NOT ATOMIC` may follow.
    Begin,
    /// `BEGIN NOT`.
    BeginNot,
    /// The head of a program: its body may begin at any word.
    Head,
    /// The head of a MySQL trigger or event up to `EACH ROW` or `DO`.
    HeadUntil(&'static str),
    /// Inside of the outermost block.
    Body,
    /// The statement has no body, so the next `;` ends it.
    Plain,
}

/// An open block in MySQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    /// `BEGIN`, `IF`, `LOOP`, `WHILE`, `FOR`: ends with `END` where a statement could begin.
    Statements,
    /// `REPEAT … UNTIL x END REPEAT`, which has an expression before its `END`.
    Repeat,
    /// `CASE` as a statement.
    CaseStatement,
    /// `CASE` within an expression: no statement follows its `THEN`.
    CaseExpression,
}

/// Tracks the blocks of one statement after the other.
#[derive(Debug)]
pub(super) struct Blocks {
    dialect: Dialect,
    lead: Lead,
    /// PostgreSQL: open `BEGIN ATOMIC` and `CASE`. SQLite: 1 within a trigger's body.
    depth: usize,
    /// MySQL: the open blocks.
    stack: Vec<Block>,
    /// The range of the word that opened the outermost open block.
    opener: Token,
    /// The last two tokens.
    last: Token,
    last_but_one: Token,
    /// SQLite: whether the last token was the `END` that closes the trigger.
    ended: bool,
    /// MySQL: whether this is in `DECLARE … HANDLER FOR …`, after which a statement follows directly.
    handler: bool,
    parens: usize,
}

const NONE: Token = Token { kind: Kind::End, start: 0, end: 0 };

impl Blocks {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            lead: Lead::Start,
            depth: 0,
            stack: Vec::new(),
            opener: NONE,
            last: NONE,
            last_but_one: NONE,
            ended: false,
            handler: false,
            parens: 0,
        }
    }

    /// Begins a new statement.
    pub(super) fn reset(&mut self) {
        self.lead = Lead::Start;
        self.depth = 0;
        self.stack.clear();
        self.last = NONE;
        self.last_but_one = NONE;
        self.ended = false;
        self.handler = false;
        self.parens = 0;
    }

    /// Returns the word that opened the outermost block, if one is still open.
    pub(super) fn open(&self) -> Option<Token> {
        let open = match self.dialect {
            Dialect::Sqlite => self.depth > 0 && !self.ended,
            Dialect::Postgres | Dialect::Mysql => self.depth > 0 || !self.stack.is_empty(),
        };
        open.then_some(self.opener)
    }

    /// Takes the next token of the statement.
    pub(super) fn token(&mut self, lexer: &Lexer<'_>, token: Token) {
        if self.lead == Lead::Plain {
            return;
        }
        match self.dialect {
            Dialect::Postgres => self.postgres(lexer, token),
            Dialect::Sqlite => self.sqlite(lexer, token),
            Dialect::Mysql => self.mysql(lexer, token),
        }
        self.last_but_one = self.last;
        self.last = token;
    }

    fn postgres(&mut self, lexer: &Lexer<'_>, token: Token) {
        match token.kind {
            Kind::Open => self.parens += 1,
            Kind::Close => self.parens = self.parens.saturating_sub(1),
            _ => {}
        }
        let is = |word| lexer.is(token, word);
        match self.lead {
            Lead::Start => self.lead = if is("create") { Lead::Create } else { Lead::Plain },
            Lead::Create if is("or") || is("replace") => {}
            Lead::Create if is("function") || is("procedure") => self.lead = Lead::Head,
            Lead::Create => self.lead = Lead::Plain,
            _ if token.kind != Kind::Word || self.parens > 0 => {}
            // After a dot or AS every keyword is a name.
            _ if lexer.is_byte(self.last, b'.') || lexer.is(self.last, "as") => {}
            _ if is("atomic") && lexer.is(self.last, "begin") => {
                if self.depth == 0 {
                    self.opener = Token { end: token.end, ..self.last };
                }
                self.depth += 1;
                self.lead = Lead::Body;
            }
            Lead::Body if is("case") => self.depth += 1,
            Lead::Body if is("end") => {
                self.depth -= 1;
                if self.depth == 0 {
                    self.lead = Lead::Plain;
                }
            }
            _ => {}
        }
    }

    fn sqlite(&mut self, lexer: &Lexer<'_>, token: Token) {
        let is = |word| lexer.is(token, word);
        match self.lead {
            Lead::Start if is("explain") => self.lead = Lead::Explain,
            Lead::Explain if is("query") || is("plan") => {}
            Lead::Start | Lead::Explain => self.lead = if is("create") { Lead::Create } else { Lead::Plain },
            Lead::Create if is("temp") || is("temporary") => {}
            Lead::Create => self.lead = if is("trigger") { Lead::Head } else { Lead::Plain },
            Lead::Head if is("begin") => {
                self.lead = Lead::Body;
                self.depth = 1;
                self.opener = token;
            }
            // Each statement of the body ends with `;`, so an END after a `;` ends the trigger, and any other END
            // ends a CASE.
            Lead::Body => self.ended = is("end") && self.last.kind == Kind::Terminator,
            _ => {}
        }
    }

    fn mysql(&mut self, lexer: &Lexer<'_>, token: Token) {
        match token.kind {
            Kind::CodeOpen | Kind::CodeClose => return,
            Kind::Terminator => {
                self.parens = 0;
                self.handler = false;
            }
            Kind::Open => self.parens += 1,
            Kind::Close => self.parens = self.parens.saturating_sub(1),
            _ => {}
        }
        let is = |word| lexer.is(token, word);
        let named = lexer.is_byte(self.last, b'.') || lexer.is_byte(self.last, b'@');
        match self.lead {
            Lead::Start if is("create") => self.lead = Lead::Create,
            Lead::Start if is("begin") => self.lead = Lead::Begin,
            Lead::Begin if is("not") => self.lead = Lead::BeginNot,
            Lead::BeginNot if is("atomic") => {
                self.opener = Token { end: token.end, ..self.last_but_one };
                self.stack.push(Block::Statements);
                self.lead = Lead::Body;
            }
            Lead::Start | Lead::Begin | Lead::BeginNot => self.lead = Lead::Plain,
            Lead::Create if token.kind != Kind::Word || named || lexer.is_byte(self.last, b'=') => {}
            Lead::Create if is("procedure") || is("function") => self.lead = Lead::Head,
            Lead::Create if is("trigger") => self.lead = Lead::HeadUntil("row"),
            Lead::Create if is("event") => self.lead = Lead::HeadUntil("do"),
            Lead::Create => {
                let more = ["or", "replace", "definer", "current_user", "current_role", "aggregate"];
                if !more.into_iter().any(is) {
                    self.lead = Lead::Plain;
                }
            }
            _ if token.kind != Kind::Word || named => {}
            Lead::HeadUntil(word) => {
                if is(word) {
                    self.lead = Lead::Head;
                }
            }
            Lead::Head => self.head(lexer, token),
            Lead::Body => self.body(lexer, token),
            Lead::Explain | Lead::Plain => {}
        }
    }

    /// A word between a program's name and its body.
    fn head(&mut self, lexer: &Lexer<'_>, token: Token) {
        let is = |word| lexer.is(token, word);
        // CREATE PROCEDURE IF NOT EXISTS.
        let exists = is("if") && (lexer.is(self.last, "procedure") || lexer.is(self.last, "function"));
        if self.parens > 0 || exists {
            return;
        }
        if let Some(block) = opens(lexer, token) {
            self.opener = token;
            self.stack.push(block);
            self.lead = Lead::Body;
            return;
        }
        // SET in RETURNS … CHARACTER SET does not begin a statement.
        let charset = lexer.is(self.last, "character") || lexer.is(self.last, "char");
        if VERBS.into_iter().any(is) || (is("set") && !charset) {
            self.lead = Lead::Plain;
        }
    }

    /// A word of the body.
    fn body(&mut self, lexer: &Lexer<'_>, token: Token) {
        let is = |word| lexer.is(token, word);
        let Some(&innermost) = self.stack.last() else { return };
        if lexer.is(self.last, "end") {
            // END IF, END CASE and so on. For REPEAT, only this word says which block the END closes.
            if is("repeat") && innermost == Block::Repeat && self.parens == 0 {
                self.close();
            }
            return;
        }
        let starts = self.starts_statement(lexer, innermost);
        if is("end") {
            let closes = match innermost {
                Block::CaseExpression => true,
                Block::Statements | Block::CaseStatement => starts,
                Block::Repeat => false,
            };
            if closes {
                self.close();
            }
        } else if is("handler") {
            self.handler = ["exit", "continue", "undo"].into_iter().any(|word| lexer.is(self.last, word));
        } else if let Some(block) = opens(lexer, token).filter(|_| starts) {
            // FOR in DECLARE … HANDLER FOR does not begin a loop.
            if !(self.handler && is("for")) {
                self.handler = false;
                self.stack.push(block);
            }
        } else if is("case") {
            self.stack.push(Block::CaseExpression);
        }
    }

    /// Whether a statement may begin after the last token.
    fn starts_statement(&self, lexer: &Lexer<'_>, innermost: Block) -> bool {
        let after = |word| lexer.is(self.last, word);
        innermost != Block::CaseExpression
            && self.parens == 0
            && ((self.handler && self.last.kind != Kind::Other)
                || self.last.kind == Kind::Terminator
                || lexer.is_byte(self.last, b':')
                || ["begin", "then", "else", "do", "loop", "repeat", "atomic"].into_iter().any(after))
    }

    fn close(&mut self) {
        self.stack.pop();
        if self.stack.is_empty() {
            self.lead = Lead::Plain;
        }
    }
}

/// Words that begin a program's body of a single statement, in which IF is a function or part of
/// IF EXISTS.
const VERBS: [&str; 16] = [
    "insert", "update", "delete", "select", "call", "replace", "return", "with", "do", "create", "drop", "alter",
    "truncate", "rename", "grant", "revoke",
];

/// Returns the block that this word opens if a statement may begin there.
fn opens(lexer: &Lexer<'_>, token: Token) -> Option<Block> {
    let is = |word| lexer.is(token, word);
    if ["begin", "if", "loop", "while", "for"].into_iter().any(is) {
        Some(Block::Statements)
    } else if is("repeat") {
        Some(Block::Repeat)
    } else if is("case") {
        Some(Block::CaseStatement)
    } else {
        None
    }
}
