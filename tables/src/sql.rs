//! Writes a table as `CREATE TABLE`, `CREATE INDEX` and `COMMENT ON`.

use lockgate_core::Dialect;
use proc_macro2::Span;
use syn::Error;

use crate::fragment;
use crate::name::quoted;
use crate::table::{Column, Identity, Table};

/// The longest name that PostgreSQL keeps, in bytes. It cuts longer ones.
const LONGEST_NAME: usize = 63;

/// A statement, and the place in Rust that it comes from.
#[derive(Clone, Debug)]
pub struct Statement {
    /// The statement, with its semicolon.
    pub sql: String,
    /// The struct or the field.
    pub span: Span,
}

impl Table {
    /// Returns the statements that make this table.
    ///
    /// # Errors
    ///
    /// Everything that a database of this dialect does not have, with its place.
    pub fn statements(&self, dialect: Dialect) -> Result<Vec<Statement>, Vec<Error>> {
        let mut errors = self.too_much_for(dialect);
        let mut lines = Vec::new();
        for column in &self.columns {
            match self.column(column, dialect) {
                Ok(line) => lines.push((column.was.clone(), line)),
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let keys: Vec<&Column> = self.columns.iter().filter(|column| column.primary_key).collect();
        if keys.len() > 1 {
            lines.push((None, format!("PRIMARY KEY ({})", names(&keys))));
        }
        for (name, columns) in self.groups(|column| &column.unique) {
            lines.push((None, format!("CONSTRAINT {} UNIQUE ({})", quoted(name), names(&columns))));
        }
        lines.extend(self.checks.iter().map(|check| (None, format!("CHECK ({check})"))));
        lines.extend(self.constraints.iter().map(|constraint| (None, constraint.clone())));

        let mut sql = was(self.was.as_deref(), "");
        sql.push_str(&format!("CREATE TABLE {} (\n", self.qualified()));
        let last = lines.len().saturating_sub(1);
        for (index, (before, line)) in lines.iter().enumerate() {
            let comma = if index < last { "," } else { "" };
            sql.push_str(&format!("{}    {line}{comma}\n", was(before.as_deref(), "    ")));
        }
        sql.push(')');
        if let Some(options) = &self.options {
            sql.push_str(&format!(" {options}"));
        }
        sql.push(';');
        let mut statements = vec![Statement { sql, span: self.span }];
        statements.extend(self.indexes());
        statements.extend(self.comments(dialect));
        Ok(statements)
    }

    fn qualified(&self) -> String {
        let schema = self.schema.as_ref().map(|schema| format!("{}.", quoted(schema))).unwrap_or_default();
        format!("{schema}{}", quoted(&self.name))
    }

    /// Returns the errors of the table as a whole.
    fn too_much_for(&self, dialect: Dialect) -> Vec<Error> {
        let mut errors = Vec::new();
        match dialect {
            Dialect::Sqlite => {
                if let Some(span) = self.schema_span {
                    errors.push(Error::new(span, "SQLite has no schemas: delete `schema`"));
                }
                for column in &self.columns {
                    if let Some((reference, span)) = &column.references
                        && let Some(schema) = reference.schema()
                    {
                        let message = format!("SQLite has no schemas: delete `{schema}.`");
                        errors.push(Error::new(*span, message));
                    }
                }
            }
            Dialect::Postgres => {
                let mut long = |name: &str, span: Span, way_out: &str| {
                    if name.len() > LONGEST_NAME {
                        let message = format!(
                            "PostgreSQL keeps {LONGEST_NAME} bytes of a name, and `{name}` is longer: {way_out}"
                        );
                        errors.push(Error::new(span, message));
                    }
                };
                long(&self.name, self.span, "choose a shorter one with `table = \"…\"`");
                for column in &self.columns {
                    long(&column.name, column.span, "choose a shorter one with `column = \"…\"`");
                    if column.indexes.contains(&None) {
                        long(&self.index_name(column), column.span, "name the index: `index = \"…\"`");
                    }
                    for group in column.unique.iter().chain(&column.indexes).flatten() {
                        long(group, column.span, "choose a shorter one");
                    }
                }
            }
            Dialect::Mysql => {
                let message = "structs can be tables of PostgreSQL and SQLite, and not of MySQL in this release";
                errors.push(Error::new(self.span, message));
            }
        }
        errors
    }

    fn column(&self, column: &Column, dialect: Dialect) -> Result<String, Error> {
        let is_only_key = column.primary_key && self.columns.iter().filter(|other| other.primary_key).count() == 1;
        let sql_type = match (&column.sql_type, &column.kind, dialect) {
            (Some(sql_type), _, _) => sql_type.clone(),
            (None, Some(kind), Dialect::Sqlite) => kind
                .sqlite()
                .map_err(|why| {
                    let message =
                        format!("{why}: write how it is stored, for example `#[lockgate(sql_type = \"TEXT\")]`");
                    Error::new(column.type_span, message)
                })?
                .to_owned(),
            (None, Some(kind), Dialect::Postgres | Dialect::Mysql) => kind.postgres(),
            (None, None, _) => unreachable!("a column has a type or `sql_type`"),
        };
        let mut line = format!("{} {sql_type}", quoted(&column.name));
        let mut say = |words: &str| {
            line.push(' ');
            line.push_str(words);
        };
        let is_row_id = dialect == Dialect::Sqlite && is_only_key && sql_type.eq_ignore_ascii_case("integer");
        match (column.identity, dialect) {
            (None, _) => {}
            (Some(Identity::ByDefault), Dialect::Postgres | Dialect::Mysql) => {
                say("GENERATED BY DEFAULT AS IDENTITY");
            }
            (Some(Identity::Always), Dialect::Postgres | Dialect::Mysql) => say("GENERATED ALWAYS AS IDENTITY"),
            (Some(Identity::ByDefault), Dialect::Sqlite) if is_row_id => {}
            (Some(Identity::ByDefault), Dialect::Sqlite) => {
                return Err(Error::new(column.span, "SQLite numbers only a primary key: write `primary_key` too"));
            }
            (Some(Identity::Always), Dialect::Sqlite) => {
                let message = "SQLite cannot forbid a number that a statement gives: write `identity` alone";
                return Err(Error::new(column.span, message));
            }
        }
        if let Some(generated) = &column.generated {
            let kind = if generated.is_virtual { "VIRTUAL" } else { "STORED" };
            say(&format!("GENERATED ALWAYS AS ({}) {kind}", generated.expression));
        }
        if let Some(default) = &column.default {
            let is_bare =
                dialect != Dialect::Sqlite || fragment::is_literal(default) || fragment::is_in_parentheses(default);
            let default = if is_bare { default.clone() } else { format!("({default})") };
            say(&format!("DEFAULT {default}"));
        }
        // The key of SQLite that numbers rows is never NULL, and every other key can be.
        let is_said_by_key = is_only_key && (dialect != Dialect::Sqlite || is_row_id);
        if !column.nullable && !is_said_by_key {
            say("NOT NULL");
        }
        if is_only_key {
            say("PRIMARY KEY");
        }
        if is_row_id && column.identity.is_some() {
            say("AUTOINCREMENT");
        }
        if column.unique.contains(&None) {
            say("UNIQUE");
        }
        for check in &column.checks {
            say(&format!("CHECK ({check})"));
        }
        if let Some((reference, _)) = &column.references {
            say(&format!("REFERENCES {}", reference.sql()));
            if let Some(action) = column.on_delete {
                say(&format!("ON DELETE {action}"));
            }
            if let Some(action) = column.on_update {
                say(&format!("ON UPDATE {action}"));
            }
        }
        Ok(line)
    }

    /// Returns the columns that share a name in this list, in the order of the fields.
    fn groups<'a>(&'a self, of: impl Fn(&'a Column) -> &'a [Option<String>]) -> Vec<(&'a str, Vec<&'a Column>)> {
        let mut groups: Vec<(&str, Vec<&Column>)> = Vec::new();
        for column in &self.columns {
            for name in of(column).iter().flatten() {
                match groups.iter_mut().find(|(known, _)| known == name) {
                    Some((_, columns)) => columns.push(column),
                    None => groups.push((name, vec![column])),
                }
            }
        }
        groups
    }

    fn index_name(&self, column: &Column) -> String {
        format!("{}_{}_idx", self.name, column.name)
    }

    fn indexes(&self) -> Vec<Statement> {
        // An index is in the schema of its table, and its name cannot say so.
        let create = |name: &str, columns: &[&Column]| Statement {
            sql: format!("CREATE INDEX {} ON {} ({});", quoted(name), self.qualified(), names(columns)),
            span: columns[0].span,
        };
        let mut statements = Vec::new();
        for column in self.columns.iter().filter(|column| column.indexes.contains(&None)) {
            statements.push(create(&self.index_name(column), &[column]));
        }
        statements.extend(self.groups(|column| &column.indexes).iter().map(|(name, columns)| create(name, columns)));
        statements
    }

    /// Returns the comments. SQLite has none.
    fn comments(&self, dialect: Dialect) -> Vec<Statement> {
        if dialect == Dialect::Sqlite {
            return Vec::new();
        }
        let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
        let of_table = self.comment.iter().map(|comment| Statement {
            sql: format!("COMMENT ON TABLE {} IS {};", self.qualified(), literal(comment)),
            span: self.span,
        });
        let of_columns = self.columns.iter().filter_map(|column| {
            let comment = literal(column.comment.as_ref()?);
            let name = quoted(&column.name);
            Some(Statement {
                sql: format!("COMMENT ON COLUMN {}.{name} IS {comment};", self.qualified()),
                span: column.span,
            })
        });
        of_table.chain(of_columns).collect()
    }
}

/// Writes the name that something had before, for whoever drafts the migration.
fn was(name: Option<&str>, indent: &str) -> String {
    name.map(|name| format!("{indent}-- lockgate: was {name}\n")).unwrap_or_default()
}

fn names(columns: &[&Column]) -> String {
    columns.iter().map(|column| quoted(&column.name)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(text: &str, dialect: Dialect) -> String {
        let input: syn::DeriveInput = syn::parse_str(text).unwrap();
        let table = Table::of(&input);
        let statements = table.and_then(|table| table.statements(dialect));
        let lines = match statements {
            Ok(statements) => statements.into_iter().map(|statement| statement.sql).collect::<Vec<_>>(),
            Err(errors) => errors.into_iter().map(|error| format!("error: {error}")).collect(),
        };
        lines.join("\n")
    }

    const USER: &str = r#"
        /// A person who can sign in.
        #[derive(lockgate::Table)]
        #[lockgate(table = "users", was = "members", comment = "people who can sign in")]
        #[lockgate(check = "id > 0", constraint = "CONSTRAINT named CHECK (age < 200)")]
        pub struct User<'a> {
            #[lockgate(primary_key, identity)]
            pub id: i64,
            #[lockgate(was = "mail", unique, check = "email LIKE '%@%'", comment = "it's lower case")]
            email: String,
            #[lockgate(column = "type", default = "'reader'", index)]
            kind: &'a str,
            #[lockgate(references = "teams(id)", on_delete = "set null", index = "users_by_team")]
            team: Option<i32>,
            #[lockgate(default = "now()", index = "users_by_team")]
            created_at: DateTime<Utc>,
            #[lockgate(generated = "lower(email)")]
            email_lower: String,
            #[lockgate(unique = "users_slug", default = -1)]
            age: i16,
            #[lockgate(unique = "users_slug", sql_type = "text COLLATE \"C\"")]
            slug: Slug,
            #[lockgate(skip)]
            cached: Cell<u8>,
            r#ref: bool,
        }"#;

    #[test]
    fn a_struct_is_a_table_of_postgres() {
        let expected = r#"-- lockgate: was members
CREATE TABLE "users" (
    "id" bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    -- lockgate: was mail
    "email" text NOT NULL UNIQUE CHECK (email LIKE '%@%'),
    "type" text DEFAULT 'reader' NOT NULL,
    "team" integer REFERENCES "teams" ("id") ON DELETE SET NULL,
    "created_at" timestamptz DEFAULT now() NOT NULL,
    "email_lower" text GENERATED ALWAYS AS (lower(email)) STORED NOT NULL,
    "age" smallint DEFAULT -1 NOT NULL,
    "slug" text COLLATE "C" NOT NULL,
    "ref" boolean NOT NULL,
    CONSTRAINT "users_slug" UNIQUE ("age", "slug"),
    CHECK (id > 0),
    CONSTRAINT named CHECK (age < 200)
);
CREATE INDEX "users_type_idx" ON "users" ("type");
CREATE INDEX "users_by_team" ON "users" ("team", "created_at");
COMMENT ON TABLE "users" IS 'people who can sign in';
COMMENT ON COLUMN "users"."email" IS 'it''s lower case';"#;
        assert_eq!(sql(USER, Dialect::Postgres), expected);
    }

    #[test]
    fn a_struct_is_a_table_of_sqlite() {
        let expected = r#"-- lockgate: was members
CREATE TABLE "users" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    -- lockgate: was mail
    "email" TEXT NOT NULL UNIQUE CHECK (email LIKE '%@%'),
    "type" TEXT DEFAULT 'reader' NOT NULL,
    "team" INTEGER REFERENCES "teams" ("id") ON DELETE SET NULL,
    "created_at" DATETIME DEFAULT (now()) NOT NULL,
    "email_lower" TEXT GENERATED ALWAYS AS (lower(email)) STORED NOT NULL,
    "age" INTEGER DEFAULT -1 NOT NULL,
    "slug" text COLLATE "C" NOT NULL,
    "ref" BOOLEAN NOT NULL,
    CONSTRAINT "users_slug" UNIQUE ("age", "slug"),
    CHECK (id > 0),
    CONSTRAINT named CHECK (age < 200)
);
CREATE INDEX "users_type_idx" ON "users" ("type");
CREATE INDEX "users_by_team" ON "users" ("team", "created_at");"#;
        assert_eq!(sql(USER, Dialect::Sqlite), expected);
    }

    #[test]
    fn a_key_of_several_columns_and_a_schema() {
        let text = r#"#[lockgate(schema = "app", options = "WITH (fillfactor = 70)")] struct PostTag {
            #[lockgate(primary_key, references = "app.posts", on_delete = "cascade", on_update = "no_action")] post: Uuid,
            #[lockgate(primary_key, index)] tag: String,
            #[lockgate(identity = "always")] number: i32,
            #[lockgate(generated = "1", virtual)] one: Option<i32>,
        }"#;
        let expected = r#"CREATE TABLE "app"."post_tag" (
    "post" uuid NOT NULL REFERENCES "app"."posts" ON DELETE CASCADE ON UPDATE NO ACTION,
    "tag" text NOT NULL,
    "number" integer GENERATED ALWAYS AS IDENTITY NOT NULL,
    "one" integer GENERATED ALWAYS AS (1) VIRTUAL,
    PRIMARY KEY ("post", "tag")
) WITH (fillfactor = 70);
CREATE INDEX "post_tag_tag_idx" ON "app"."post_tag" ("tag");"#;
        assert_eq!(sql(text, Dialect::Postgres), expected);
        let expected = "error: SQLite has no schemas: delete `schema`\n\
             error: SQLite has no schemas: delete `app.`\n\
             error: SQLite cannot forbid a number that a statement gives: write `identity` alone";
        assert_eq!(sql(text, Dialect::Sqlite), expected);
    }

    #[test]
    fn a_key_of_text_is_not_null_on_sqlite_too() {
        let text = "struct Tag { #[lockgate(primary_key)] name: String }";
        assert!(sql(text, Dialect::Sqlite).contains("\"name\" TEXT NOT NULL PRIMARY KEY"));
        let text = "struct Tag { #[lockgate(primary_key)] number: i32 }";
        assert!(sql(text, Dialect::Sqlite).contains("\"number\" INTEGER PRIMARY KEY\n"));
    }

    #[test]
    fn what_a_database_does_not_have_is_said() {
        let text = "struct Tag { names: Vec<String>, price: Decimal, #[lockgate(identity)] number: i64 }";
        let errors = sql(text, Dialect::Sqlite);
        for says in ["SQLite has no arrays: write how", "no exact decimal", "only a primary key"] {
            assert!(errors.contains(says), "{errors}");
        }
        assert!(sql(text, Dialect::Postgres).contains("\"names\" text[] NOT NULL,\n    \"price\" numeric NOT NULL"));
        let long = "a".repeat(60);
        let text = format!("struct Tag {{ #[lockgate(index)] {long}: i64 }}");
        assert!(sql(&text, Dialect::Postgres).contains("name the index: `index = \"…\"`"));
        assert!(sql(&text, Dialect::Mysql).contains("not of MySQL"));
    }

    #[test]
    fn all_mistakes_are_found_at_once() {
        let text = r#"#[lockgate(tabel = "a", primary_key, schema)] struct Tag<T> {
            #[lockgate(primary_key, unique)] id: Option<i64>,
            #[lockgate(on_delete = "cascade")] a: i64,
            #[lockgate(references = "users(id)", on_delete = "delete")] b: i64,
            #[lockgate(references = "users(id)", on_delete = "set null")] c: i64,
            #[lockgate(default = "1", identity)] d: i64,
            #[lockgate(identity)] e: String,
            #[lockgate(sql_type = "text not null")] f: Tag,
            #[lockgate(default = "now(")] g: i64,
            #[lockgate(table = "x")] h: i64,
            #[lockgate(column = "a")] i: i64,
            #[lockgate(skip, index)] j: i64,
            #[lockgate(column = "k", column = "l")] k: i64,
            #[lockgate(index = "x", index = "x")] l: i64,
            #[lockgate(references(User::id))] m: i64,
            #[lockgate(rename = "o")] n: i64,
            #[lockgate(virtual)] o: i64,
            #[lockgate(index = 7)] p: i64,
            #[lockgate(primary_key = "yes")] q: i64,
            #[lockgate(column = "")] r: i64,
            #[lockgate(default = now())] s: i64,
            #[lockgate()] t: i64,
            u: T,
        }"#;
        let errors = sql(text, Dialect::Postgres);
        for says in [
            "delete the parameter",
            "there is no option `tabel`: did you mean `table`?",
            "`primary_key` is about a column: write it above a field",
            "`schema` needs a value, for example `schema = \"app\"`",
            "a primary key is never NULL",
            "a primary key is unique already",
            "`on_delete` is about a foreign key",
            "`on_delete` cannot be `delete`: it is one of",
            "`on_delete = \"set null\"` needs a column that can be NULL",
            "`default` and `identity` both say",
            "make it `i16`, `i32` or `i64`",
            "`NOT NULL` is not part of a type",
            "the SQL of `default` has a `(` that is never closed",
            "`table` is about the table: write it above the struct",
            "the column `a` is that of the field `a` too",
            "`skip` leaves the field out, so `index` has no meaning",
            "the option `column` is given twice",
            "the option `index` says the same twice",
            "the value of `references` is written after `=`",
            "there is no option `rename`: write `column = \"type\"`",
            "`virtual` is about a generated column",
            "the value of `index` is a text in quotes",
            "`primary_key` has no value",
            "the name in `column` is empty",
            "what it says is SQL, not Rust",
            "no option: write one of",
            "`T` has no SQL type",
        ] {
            assert!(errors.contains(says), "{says}: {errors}");
        }
        let text = "struct Tag { #[lockgate(skip)] a: i64 }";
        assert!(sql(text, Dialect::Postgres).contains("the table has no column"));
        assert!(sql("enum Tag { A }", Dialect::Postgres).contains("a table is a struct"));
        assert!(sql("struct Tag(i64);", Dialect::Postgres).contains("with named fields"));
    }
}
