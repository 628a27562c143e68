//! Which SQL type a Rust type is stored as. Only the words of the type are seen, so a type of one's own needs `sql_type`.

use syn::{GenericArgument, Path, PathArguments, Type, TypePath};

/// What a Rust type holds, as far as databases have a type for it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say everything")]
pub enum Kind {
    I16,
    I32,
    I64,
    F32,
    F64,
    Bool,
    Text,
    Bytes,
    Uuid,
    /// A point in time: `chrono::DateTime`, `time::OffsetDateTime`.
    Instant,
    /// A date and a time without a time zone.
    DateTime,
    Date,
    Time,
    Json,
    Decimal,
    Inet,
    MacAddress,
    Interval,
    /// An array of PostgreSQL.
    Array(Box<Self>),
}

/// A type by its last word: what it is stored as, and the crates that it may come from.
const NAMED: &[(&str, Kind, &[&str])] = &[
    ("i16", Kind::I16, STD),
    ("i32", Kind::I32, STD),
    ("i64", Kind::I64, STD),
    ("f32", Kind::F32, STD),
    ("f64", Kind::F64, STD),
    ("bool", Kind::Bool, STD),
    ("str", Kind::Text, STD),
    ("String", Kind::Text, STD),
    ("Uuid", Kind::Uuid, &["uuid", "sqlx"]),
    ("DateTime", Kind::Instant, &["chrono", "sqlx"]),
    ("NaiveDateTime", Kind::DateTime, &["chrono", "sqlx"]),
    ("NaiveDate", Kind::Date, &["chrono", "sqlx"]),
    ("NaiveTime", Kind::Time, &["chrono", "sqlx"]),
    ("OffsetDateTime", Kind::Instant, &["time", "sqlx"]),
    ("PrimitiveDateTime", Kind::DateTime, &["time", "sqlx"]),
    ("Date", Kind::Date, &["time", "sqlx"]),
    ("Time", Kind::Time, &["time", "sqlx"]),
    ("Value", Kind::Json, &["serde_json", "sqlx"]),
    ("JsonValue", Kind::Json, &["sqlx"]),
    ("Json", Kind::Json, &["sqlx"]),
    ("Decimal", Kind::Decimal, &["rust_decimal", "sqlx"]),
    ("BigDecimal", Kind::Decimal, &["bigdecimal", "sqlx"]),
    ("IpNetwork", Kind::Inet, &["ipnetwork", "sqlx"]),
    ("IpNet", Kind::Inet, &["ipnet", "sqlx"]),
    ("MacAddress", Kind::MacAddress, &["mac_address", "sqlx"]),
    ("PgInterval", Kind::Interval, &["sqlx"]),
];

const STD: &[&str] = &["std", "core", "alloc"];

/// What is around a value and makes no difference to the database.
const AROUND: [&str; 4] = ["Box", "Arc", "Rc", "Cow"];

/// Separates `Option` from what is in it. The flag says whether NULL is allowed.
pub(crate) fn nullable(ty: &Type) -> (&Type, bool) {
    let ty = bare(ty);
    match generic(ty) {
        Some(("Option", inner)) => (inner, true),
        _ => (ty, false),
    }
}

/// Returns what a type holds.
pub(crate) fn kind(ty: &Type) -> Result<Kind, String> {
    let ty = bare(ty);
    match ty {
        Type::Reference(reference) => return kind(&reference.elem),
        Type::Slice(slice) => return several(&slice.elem),
        Type::Array(array) => return several(&array.elem),
        _ => {}
    }
    if let Some((word, inner)) = generic(ty) {
        if AROUND.contains(&word) {
            return kind(inner);
        }
        match word {
            "Vec" => return several(inner),
            "Option" => return Err("`Option` in `Option` has no meaning in a database: delete one".to_owned()),
            _ => {}
        }
    }
    let Type::Path(TypePath { qself: None, path }) = ty else { return Err(unknown(ty)) };
    let last = path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
    let found = NAMED.iter().find(|(word, _, homes)| *word == last && is_from(path, homes));
    found.map(|(_, kind, _)| kind.clone()).ok_or_else(|| unknown(ty))
}

/// Returns what a list of such values holds: bytes, or an array.
fn several(element: &Type) -> Result<Kind, String> {
    let (element, _) = nullable(element);
    if matches!(element, Type::Path(TypePath { qself: None, path }) if path.is_ident("u8")) {
        return Ok(Kind::Bytes);
    }
    match kind(element)? {
        Kind::Array(_) => Err("a list of lists has no type that is known here: write it, for example `#[lockgate(sql_type = \"integer[][]\")]`".to_owned()),
        kind => Ok(Kind::Array(Box::new(kind))),
    }
}

fn unknown(ty: &Type) -> String {
    let shown = quote::quote!(#ty).to_string().replace(" :: ", "::").replace(" < ", "<").replace(" >", ">");
    let last = match ty {
        Type::Path(TypePath { path, .. }) => path.segments.last().map(|last| last.ident.to_string()),
        _ => None,
    };
    let other = match last.as_deref() {
        Some("i8" | "u8" | "u16") => "use `i16` or `i32`, or ",
        Some("u32") => "use `i64`, or ",
        Some("u64" | "usize" | "isize" | "i128" | "u128") => "use `i64` if its values fit, or ",
        Some("char") => "use `String`, or ",
        _ => "",
    };
    format!(
        "`{shown}` has no SQL type that is known here: {other}write it, for example `#[lockgate(sql_type = \"text\")]`, or \
         leave the field out of the table: `#[lockgate(skip)]`"
    )
}

/// Whether the path begins with one of these crates, or is a single word, whose origin cannot be seen.
fn is_from(path: &Path, homes: &[&str]) -> bool {
    path.segments.len() == 1 || path.segments.first().is_some_and(|first| homes.iter().any(|home| first.ident == home))
}

/// Returns the type without the parentheses and groups around it.
fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Paren(inner) => bare(&inner.elem),
        Type::Group(inner) => bare(&inner.elem),
        ty => ty,
    }
}

/// Returns the last word of a generic type of the standard library, and its type argument.
fn generic(ty: &Type) -> Option<(&'static str, &Type)> {
    const WORDS: [&str; 6] = ["Option", "Vec", "Box", "Arc", "Rc", "Cow"];
    let Type::Path(TypePath { qself: None, path }) = ty else { return None };
    let last = path.segments.last()?;
    let word = WORDS.into_iter().find(|word| last.ident == word)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    let inner = arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })?;
    is_from(path, STD).then_some((word, inner))
}

impl Kind {
    /// Returns its type in PostgreSQL.
    pub fn postgres(&self) -> String {
        match self {
            Self::I16 => "smallint",
            Self::I32 => "integer",
            Self::I64 => "bigint",
            Self::F32 => "real",
            Self::F64 => "double precision",
            Self::Bool => "boolean",
            Self::Text => "text",
            Self::Bytes => "bytea",
            Self::Uuid => "uuid",
            Self::Instant => "timestamptz",
            Self::DateTime => "timestamp",
            Self::Date => "date",
            Self::Time => "time",
            Self::Json => "jsonb",
            Self::Decimal => "numeric",
            Self::Inet => "inet",
            Self::MacAddress => "macaddr",
            Self::Interval => "interval",
            Self::Array(element) => return format!("{}[]", element.postgres()),
        }
        .to_owned()
    }

    /// Returns its type in SQLite, in the words that sqlx reads its Rust type from. The error says why there is none.
    pub fn sqlite(&self) -> Result<&'static str, &'static str> {
        match self {
            Self::I16 | Self::I32 | Self::I64 => Ok("INTEGER"),
            Self::F32 | Self::F64 => Ok("REAL"),
            Self::Bool => Ok("BOOLEAN"),
            Self::Text | Self::Json => Ok("TEXT"),
            Self::Bytes | Self::Uuid => Ok("BLOB"),
            Self::Instant | Self::DateTime => Ok("DATETIME"),
            Self::Date => Ok("DATE"),
            Self::Time => Ok("TIME"),
            Self::Decimal => Err("SQLite has no exact decimal numbers"),
            Self::Inet | Self::MacAddress => Err("SQLite has no type for network addresses"),
            Self::Interval => Err("SQLite has no type for intervals"),
            Self::Array(_) => Err("SQLite has no arrays"),
        }
    }

    /// Whether it is a whole number.
    pub fn is_integer(&self) -> bool {
        matches!(self, Self::I16 | Self::I32 | Self::I64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> (String, String) {
        let ty: Type = syn::parse_str(text).unwrap();
        let (inner, is_nullable) = nullable(&ty);
        let null = if is_nullable { " NULL" } else { "" };
        match kind(inner) {
            Ok(kind) => {
                let sqlite = kind.sqlite().map_or_else(str::to_owned, |word| format!("{word}{null}"));
                (format!("{}{null}", kind.postgres()), sqlite)
            }
            Err(error) => (error.clone(), error),
        }
    }

    #[test]
    fn each_type_has_a_type_on_both_databases() {
        for (rust, postgres, sqlite) in [
            ("i16", "smallint", "INTEGER"),
            ("i32", "integer", "INTEGER"),
            ("i64", "bigint", "INTEGER"),
            ("f32", "real", "REAL"),
            ("f64", "double precision", "REAL"),
            ("bool", "boolean", "BOOLEAN"),
            ("String", "text", "TEXT"),
            ("&'a str", "text", "TEXT"),
            ("Box<str>", "text", "TEXT"),
            ("std::borrow::Cow<'a, str>", "text", "TEXT"),
            ("Vec<u8>", "bytea", "BLOB"),
            ("&'static [u8]", "bytea", "BLOB"),
            ("[u8; 32]", "bytea", "BLOB"),
            ("Option<i32>", "integer NULL", "INTEGER NULL"),
            ("std::option::Option<String>", "text NULL", "TEXT NULL"),
            ("(Option<i32>)", "integer NULL", "INTEGER NULL"),
            ("Uuid", "uuid", "BLOB"),
            ("sqlx::types::Uuid", "uuid", "BLOB"),
            ("chrono::DateTime<chrono::Utc>", "timestamptz", "DATETIME"),
            ("NaiveDateTime", "timestamp", "DATETIME"),
            ("NaiveDate", "date", "DATE"),
            ("NaiveTime", "time", "TIME"),
            ("time::OffsetDateTime", "timestamptz", "DATETIME"),
            ("time::PrimitiveDateTime", "timestamp", "DATETIME"),
            ("::time::Date", "date", "DATE"),
            ("time::Time", "time", "TIME"),
            ("serde_json::Value", "jsonb", "TEXT"),
            ("sqlx::types::Json<Settings>", "jsonb", "TEXT"),
            ("rust_decimal::Decimal", "numeric", "SQLite has no exact decimal numbers"),
            ("Vec<String>", "text[]", "SQLite has no arrays"),
            ("Vec<Option<Uuid>>", "uuid[]", "SQLite has no arrays"),
            ("Vec<Vec<u8>>", "bytea[]", "SQLite has no arrays"),
        ] {
            assert_eq!(of(rust), (postgres.to_owned(), sqlite.to_owned()), "{rust}");
        }
    }

    #[test]
    fn an_unknown_type_is_refused_with_a_way_out() {
        for (rust, says) in [
            ("Status", "`Status` has no SQL type"),
            ("u32", "use `i64`"),
            ("toml::Value", "`toml::Value` has no SQL type"),
            ("crate::Uuid", "sql_type"),
            ("my::Option<i32>", "`my::Option<i32>` has no SQL type"),
            ("Vec<Status>", "`Status` has no SQL type"),
            ("Vec<Vec<i32>>", "a list of lists"),
            ("Option<Option<i32>>", "delete one"),
            ("(i32, i32)", "sql_type"),
        ] {
            let (error, _) = of(rust);
            assert!(error.contains(says), "{rust}: {error}");
        }
    }
}
