//! Drafts between random schemas.

use lockgate::schema::draft::{Hazard, Mode, Step, draft};

use super::{Rows, made, tried};

/// How many pairs are tried.
const PAIRS: u64 = 100;

/// Every pair is drafted whole on an empty database. With rows, a draft that fails has said so.
#[tokio::test]
async fn any_schema_becomes_any_other() {
    let (mut failed, mut kept) = (Vec::new(), 0);
    for seed in 0..PAIRS {
        let mut random = Random::new(seed);
        let (before, after) = (random.schema(), random.schema());
        if let Err(why) = tried(&before, &after, Rows::None).await {
            failed.push(format!("seed {seed}: {why}"));
            continue;
        }
        match tried(&before, &after, Rows::Three).await {
            Ok(()) => kept += 1,
            Err(why) if !may_fail(&before, &after).await => failed.push(format!("seed {seed}, with rows: {why}")),
            Err(_) => {}
        }
    }
    assert!(failed.is_empty(), "{} of {PAIRS}:\n{}", failed.len(), failed.join("\n\n"));
    assert!(kept > PAIRS / 2, "only {kept} of {PAIRS} kept their rows");
}

async fn may_fail(before: &str, after: &str) -> bool {
    let drafted = draft(&made(before).await, &made(after).await, Mode::Online);
    drafted.steps().any(|step| match step {
        Step::Statement(statement) => {
            let may_fail = statement.hazards.iter().any(|hazard| matches!(hazard, Hazard::MayFail(_)));
            may_fail || statement.question.is_some()
        }
        Step::Open { .. } => false,
    })
}

/// xorshift64*: the same seed gives the same schema everywhere.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        for _ in 0..4 {
            random.below(2);
        }
        random
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(high).expect("31 bits fit") % bound
    }

    /// Whether one of so many.
    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    /// Some of these, in any order.
    fn some<'a>(&mut self, from: &[&'a str], least: usize) -> Vec<&'a str> {
        let mut rest = from.to_vec();
        let count = least + self.below(from.len() - least + 1);
        (0..count).map(|_| rest.remove(self.below(rest.len()))).collect()
    }

    fn schema(&mut self) -> String {
        let tables = self.some(&["a", "b", "C", "d e"], 1);
        let mut sql = String::new();
        let mut indexes = vec!["i1", "i2", "i3", "i4"];
        let numbered: Vec<&str> = tables.iter().copied().filter(|_| !self.one_in(3)).collect();
        for table in &tables {
            let columns = self.some(&["x", "y", "Z", "order"], 1);
            sql.push_str(&self.table(table, &columns, &numbered));
            if self.one_in(2) {
                let (name, column) = (indexes.remove(self.below(indexes.len())), self.pick(&columns));
                let unique = if self.one_in(3) { "UNIQUE " } else { "" };
                let condition =
                    if self.one_in(3) { format!(" WHERE \"{column}\" IS NOT \"none\"") } else { String::new() };
                sql.push_str(&format!("CREATE {unique}INDEX {name} ON \"{table}\" (\"{column}\"){condition};\n"));
            }
            if self.one_in(3) {
                let column = self.pick(&columns);
                sql.push_str(&format!(
                    "CREATE TRIGGER \"g {table}\" AFTER {} ON \"{table}\" BEGIN DELETE FROM \"{}\" WHERE 0; SELECT new.\"{column}\"; END;\n",
                    self.pick(&["INSERT", "UPDATE"]),
                    self.pick(&numbered_or(&numbered, table)),
                ));
            }
            if self.one_in(3) {
                let column = if self.one_in(2) { "*".to_owned() } else { format!("\"{}\"", self.pick(&columns)) };
                sql.push_str(&format!("CREATE VIEW \"v {table}\" AS SELECT {column} FROM \"{table}\";\n"));
                if self.one_in(2) {
                    sql.push_str(&format!("CREATE VIEW \"u {table}\" AS SELECT * FROM \"v {table}\" WHERE 1;\n"));
                }
            }
        }
        sql
    }

    fn table(&mut self, table: &str, columns: &[&str], numbered: &[&str]) -> String {
        let is_strict = self.one_in(8);
        let has_number = numbered.contains(&table);
        let mut parts: Vec<String> = Vec::new();
        if has_number {
            parts.push(format!("id INTEGER PRIMARY KEY{}", if self.one_in(3) { " AUTOINCREMENT" } else { "" }));
        }
        let mut plain = Vec::new();
        for column in columns {
            let data_type = match is_strict {
                true => self.pick(&["TEXT", "INT", "REAL", "BLOB", "ANY"]),
                false => self.pick(&["", "TEXT", "INT", "INT", "REAL", "BLOB", "VARCHAR(9)"]),
            };
            if self.one_in(9) && has_number {
                let stored = if self.one_in(2) { " STORED" } else { "" };
                parts.push(format!("\"{column}\" INT AS (id){stored}"));
                continue;
            }
            let mut part = format!("\"{column}\" {data_type}");
            plain.push(*column);
            if self.one_in(3) {
                part.push_str(self.pick(&[" NOT NULL", " NOT NULL ON CONFLICT IGNORE"]));
            }
            if self.one_in(3) {
                let default = match data_type {
                    "INT" | "REAL" => self.pick(&["1", "-2", "(1 + 1)"]),
                    "BLOB" => "x'00'",
                    _ => self.pick(&["'it''s'", "word", "NULL", "CURRENT_TIMESTAMP", "(lower('A'))"]),
                };
                part.push_str(&format!(" DEFAULT {default}"));
            }
            if self.one_in(6) {
                part.push_str(" COLLATE NOCASE");
            }
            if self.one_in(8) {
                part.push_str(self.pick(&[" UNIQUE", " CONSTRAINT only_one UNIQUE ON CONFLICT REPLACE"]));
            }
            if self.one_in(6) {
                part.push_str(&format!(" CHECK (\"{column}\" IS NOT \"none\")"));
            }
            if data_type == "INT" && !numbered.is_empty() && self.one_in(2) {
                let action = self.pick(&["", " ON DELETE CASCADE", " DEFERRABLE INITIALLY DEFERRED"]);
                part.push_str(&format!(" REFERENCES \"{}\"{action}", self.pick(numbered)));
            }
            parts.push(part);
        }
        if !has_number && plain.is_empty() {
            parts.push("z".to_owned());
        }
        if !has_number && !plain.is_empty() && self.one_in(2) {
            parts.push(format!("PRIMARY KEY (\"{}\")", self.pick(&plain)));
            if self.one_in(3) {
                return format!("CREATE TABLE \"{table}\" ({}) WITHOUT ROWID;\n", parts.join(", "));
            }
        }
        let strict = if is_strict && has_number { " STRICT" } else { "" };
        format!("CREATE TABLE \"{table}\" ({}){strict};\n", parts.join(", "))
    }
}

/// A trigger of a table without numbers writes to itself.
fn numbered_or<'a>(numbered: &[&'a str], table: &'a str) -> Vec<&'a str> {
    if numbered.is_empty() { vec![table] } else { numbered.to_vec() }
}
