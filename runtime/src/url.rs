//! Checks a database URL before the driver sees it. A driver ignores parameters that it does not know, and then a table
//! lands in another schema or a connection is not encrypted. Here every unknown parameter is an error.

#[cfg(any(feature = "postgres", feature = "sqlite"))]
use percent_encoding::percent_decode_str;
#[cfg(feature = "postgres")]
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
#[cfg(feature = "postgres")]
use sqlx_core::Url;
#[cfg(feature = "postgres")]
use sqlx_core::url::ParseError;
use sqlx_core::url::form_urlencoded;

use crate::error::{Error, Wording};
#[cfg(feature = "postgres")]
use crate::parts::DatabaseParts;
use crate::secret::{mask_secrets, secrets};

/// Checks a URL and returns it in the form that the driver understands, with some parts rewritten as parameters.
pub(crate) fn understood(text: &str) -> Result<String, Error> {
    let understood = match text.split_once(':') {
        #[cfg(feature = "sqlite")]
        Some(("sqlite", _)) => sqlite(text).map(|()| text.to_owned()),
        #[cfg(feature = "postgres")]
        Some(("postgres" | "postgresql", _)) => postgres(text).map(String::from),
        _ => Ok(text.to_owned()),
    };
    understood.map_err(|error| error.masked(&secrets(text)))
}

/// Returns what is wrong with a URL that does not begin as one, and how it begins. No part of it is repeated, as each may
/// be a password.
pub(crate) fn other_form(text: &str) -> Option<(&'static str, &'static str)> {
    const BLANK: &str = "there is a blank before the database URL";
    const QUOTED: &str = "the database URL is in quotation marks";
    let (scheme, rest) = text.split_once(':').unwrap_or(("", text));
    let plain = scheme.split('+').next().unwrap_or_default().to_ascii_lowercase();
    Some(match &*plain {
        _ if text.starts_with(char::is_whitespace) => (BLANK, "delete it"),
        _ if text.starts_with(['"', '\'', '`']) => (QUOTED, "write it without them"),
        "jdbc" => {
            ("`jdbc:` begins the URLs of Java", "write it without `jdbc:`, and user and password before the host")
        }
        "pg" | "pgsql" | "psql" | "postgre" | "postgresql" | "postgres" => {
            ("the scheme of the database URL is not `postgres`", "begin it with `postgres://`")
        }
        "sqlite" | "sqlite3" | "file" => {
            ("the scheme of the database URL is not `sqlite`", "begin it with `sqlite://`")
        }
        _ if ["host=", "hostaddr=", "dbname="]
            .iter()
            .any(|word| text.split(' ').any(|part| part.starts_with(word))) =>
        {
            (
                "these are the parameters of a connection, and no URL",
                "write them as `postgres://user:password@host:5432/database`",
            )
        }
        // `localhost:5432/shop`: what follows the colon is a port.
        _ if !scheme.is_empty() && rest.starts_with(|c: char| c.is_ascii_digit()) => {
            ("the database URL has no scheme", "begin it with `postgres://`")
        }
        _ => return None,
    })
}

/// The PostgreSQL parameters of sqlx, each with sqlx's other spellings and with those of other clients.
#[cfg(feature = "postgres")]
const POSTGRES: &[(&str, &[&str], &[&str])] = &[
    ("sslmode", &["ssl-mode"], &["tlsmode"]),
    ("sslrootcert", &["ssl-root-cert", "ssl-ca"], &["sslcacert", "tlsca"]),
    ("sslcert", &["ssl-cert"], &["sslclientcert"]),
    ("sslkey", &["ssl-key"], &["sslclientkey"]),
    ("statement-cache-capacity", &[], &["statementcachesize"]),
    ("host", &[], &["server", "hostname", "socket"]),
    ("hostaddr", &[], &[]),
    ("port", &[], &[]),
    ("dbname", &[], &["database", "db", "databasename"]),
    ("user", &[], &["username"]),
    ("password", &[], &["pass", "pwd", "passwd"]),
    ("application_name", &[], &["appname", "fallbackapplicationname"]),
    ("options", &[], &[]),
];

#[cfg(feature = "postgres")]
const MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

#[cfg(feature = "postgres")]
fn postgres(text: &str) -> Result<Url, Error> {
    let url = parsed(text)?;
    if url.host_str().is_some_and(|host| host.contains(',')) {
        return Err(
            usage("the database URL names several servers").with_help("name one: the primary, which accepts writes")
        );
    }
    // After an unescaped `#`, `?` or `/` in a password, the rest of it and the host are parsed as something else.
    let is_cut = url.username().is_empty() && url.password().is_none() && text.contains('@');
    if url.fragment().is_some() || (is_cut && (url.path().contains('@') || url.query().is_some_and(is_host_behind))) {
        return Err(usage("the database URL is invalid: a `#`, `?` or `/` cuts it off").with_help(
            "write a special character in user, password or database as %XX: `#` is %23, `?` %3F, `/` %2F",
        ));
    }
    if url.path().len() > 1 && url.path().ends_with('/') {
        return Err(usage("the database URL ends in `/`, which would be a part of the name of the database")
            .with_help("delete that `/`; if it is a part of the name, write it as %2F"));
    }
    let mut seen: Vec<&str> = Vec::new();
    let mut mode = None;
    let mut verifies_with = None;
    let mut files = Vec::new();
    for (key, value) in url.query_pairs() {
        let (key, value) = (&*key, &*value);
        let known = POSTGRES.iter().find(|(name, also, _)| *name == key || also.contains(&key)).map(|known| known.0);
        let Some(name) = known.or_else(|| is_setting(key).then_some("options")) else {
            return Err(unknown_of_postgres(key, value));
        };
        if value.is_empty() && !key.starts_with("options[") {
            return Err(usage(format!("the parameter `{name}` of the database URL is empty"))
                .with_help(format!("give it a value, or leave `{key}=` out")));
        }
        // `options` may occur several times.
        if seen.contains(&name) && name != "options" {
            return Err(twice(name));
        }
        seen.push(name);
        match name {
            "sslmode" => mode = Some(mode_of(value, &|value| format!("`sslmode={value}`"))?),
            "sslrootcert" => {
                verifies_with = Some(key.to_owned());
                files.push((name, value.to_owned()));
            }
            "sslcert" | "sslkey" => files.push((name, value.to_owned())),
            "port" if value.parse::<u16>().is_err() => {
                return Err(
                    usage("the parameter `port` of the database URL is not a port").with_help("write `port=5432`")
                );
            }
            _ => {}
        }
    }
    let variable = |name| std::env::var(name).ok();
    if let (None, Some(value)) = (&mode, variable("PGSSLMODE")) {
        mode = Some(mode_of(&value, &|value| format!("`PGSSLMODE={value}`"))?);
    }
    if let (false, None, Some(value)) = (seen.contains(&"port"), url.port(), variable("PGPORT"))
        && value.parse::<u16>().is_err()
    {
        return Err(usage(format!("`PGPORT={value}` is not a port")).with_help("write a number, or unset PGPORT"));
    }
    let mode = mode.as_deref().unwrap_or("prefer");
    if let (Some(key), false) = (verifies_with, mode.starts_with("verify-")) {
        return Err(usage(format!("`{key}` verifies nothing with `sslmode={mode}`")).with_help(
            "write `sslmode=verify-full`, or `sslmode=verify-ca` if the certificate is for another host name",
        ));
    }
    if matches!(mode, "require" | "verify-ca" | "verify-full") && !sqlx_core::net::tls::available() {
        return Err(usage(format!("`sslmode={mode}` needs encryption, and this program is built without it"))
            .with_help(
                "enable a feature of the crate `lockgate` in Cargo.toml: `features = [\"tls-rustls\"]` (or \
             `\"tls-native-tls\"`)",
            ));
    }
    // Without encryption, the driver reads no certificate.
    if mode != "disable" {
        files.iter().try_for_each(|(name, value)| pem(name, value))?;
    }
    Ok(url)
}

/// Checks the value of a parameter that is a certificate or a key in PEM form, or the path of one. The driver's message
/// about a file does not name it, and it trusts nobody if the file has no certificate.
#[cfg(feature = "postgres")]
fn pem(name: &str, value: &str) -> Result<(), Error> {
    const BEGINS: &str = "-----BEGIN ";
    if value.contains(BEGINS) {
        return Ok(());
    }
    let wrong = match std::fs::read(value) {
        Ok(text) if text.windows(BEGINS.len()).any(|piece| piece == BEGINS.as_bytes()) => return Ok(()),
        Ok(_) => format!("`{value}`, which `{name}` names, has nothing in PEM form"),
        Err(error) => format!("`{value}`, which `{name}` names, cannot be read: {error}"),
    };
    Err(usage(wrong).with_help(format!("name a file in PEM form that this user may read: `{name}=/path/to/file`")))
}

/// Parses the URL. Rewrites as parameters two forms that the driver does not understand: a user without a host
/// (`postgres://u@/db?host=/dir`), and an address in brackets.
#[cfg(feature = "postgres")]
fn parsed(text: &str) -> Result<Url, Error> {
    const NO_HOST: &str = "none.invalid";
    let parsed = match Url::parse(text) {
        Err(ParseError::EmptyHost) => {
            let start = text.find("://").map_or(0, |at| at + "://".len());
            let end = text[start..].find(['/', '?', '#']).map_or(text.len(), |end| start + end);
            let host = text[start..end].rfind('@').map_or(start, |at| start + at + 1);
            Url::parse(&format!("{}{NO_HOST}{}", &text[..host], &text[host..]))
        }
        parsed => parsed,
    };
    let url = parsed.map_err(|error| {
        usage(format!("the database URL is invalid: {error}")).with_help(
            "write `postgres://user:password@host:5432/database`, or `postgres://user@/database?host=/directory` for a \
             socket; a special character in the password is written %XX: `#` is %23, `/` %2F, `?` %3F, `@` %40",
        )
    })?;
    let host = url.host_str().unwrap_or_default();
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).map(str::to_owned);
    if address.is_none() && host != NO_HOST {
        return Ok(url);
    }
    let names = |wanted: &str| url.query_pairs().any(|(key, _)| key == wanted);
    let decoded = |text: &str| {
        let decoded = percent_decode_str(text).decode_utf8();
        decoded.map(String::from).unwrap_or_else(|_| text.to_owned())
    };
    let given = [
        ("host", address.filter(|_| !names("host") && !names("hostaddr"))),
        ("port", url.port().filter(|_| !names("port")).map(|port| port.to_string())),
        ("user", Some(decoded(url.username())).filter(|user| !user.is_empty() && !names("user"))),
        ("password", url.password().map(decoded).filter(|_| !names("password"))),
    ];
    let mut written = url;
    // Without a path, the URL could not be written without its host.
    if written.path().is_empty() {
        written.set_path("/");
    }
    // Removing the host also removes user and port.
    written.set_host(None).map_err(|error| usage(format!("the database URL is invalid: {error}")))?;
    for (key, value) in given {
        if let Some(value) = value {
            written.query_pairs_mut().append_pair(key, &value);
        }
    }
    Ok(written)
}

/// Returns the URL with these parts instead of its own. Its other parameters stay. `None` if it is not a valid URL of
/// PostgreSQL.
#[cfg(feature = "postgres")]
pub(crate) fn with_parts(text: &str, new: &DatabaseParts) -> Option<String> {
    let (old, others) = parts(text)?;
    let new = DatabaseParts {
        host: new.host.clone().or(old.host),
        port: new.port.or(old.port),
        user: new.user.clone().or(old.user),
        password: new.password.clone().or(old.password),
        name: new.name.clone().or(old.name),
    };
    let url = new.url();
    let join = if url.contains('?') { '&' } else { '?' };
    Some(if others.is_empty() { url } else { format!("{url}{join}{}", others.join("&")) })
}

/// Returns the parts of a PostgreSQL URL, and its other parameters as written. `None` if the URL is invalid.
#[cfg(feature = "postgres")]
pub(crate) fn parts(text: &str) -> Option<(DatabaseParts, Vec<String>)> {
    let url = parsed(text).ok()?;
    if !matches!(url.scheme(), "postgres" | "postgresql") || url.fragment().is_some() {
        return None;
    }
    let given = |text: &str| {
        Some(Some(percent_decode_str(text).decode_utf8().ok()?.into_owned()).filter(|part| !part.is_empty()))
    };
    let mut parts = DatabaseParts {
        host: given(url.host_str().unwrap_or_default())?,
        port: url.port(),
        user: given(url.username())?,
        password: given(url.password().unwrap_or_default())?,
        name: given(url.path().trim_start_matches('/'))?,
    };
    let mut others = Vec::new();
    for pair in url.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = form_urlencoded::parse(pair.as_bytes()).next()?;
        match &*key {
            "host" | "hostaddr" => parts.host = Some(value.into_owned()),
            "port" => parts.port = Some(value.parse().ok()?),
            "user" => parts.user = Some(value.into_owned()),
            "password" => parts.password = Some(value.into_owned()),
            "dbname" => parts.name = Some(value.into_owned()),
            _ => others.push(pair.to_owned()),
        }
    }
    Some((parts, others))
}

/// Whether the query contains the host of a URL that is cut off.
#[cfg(feature = "postgres")]
fn is_host_behind(query: &str) -> bool {
    let first = query.split('&').next().unwrap_or_default();
    first.split_once('=').map_or(first, |(key, _)| key).contains('@') || !first.contains('=')
}

/// Whether a key is sqlx's form of a setting: `options[search_path]`.
#[cfg(feature = "postgres")]
fn is_setting(key: &str) -> bool {
    let name = key.strip_prefix("options[").and_then(|key| key.strip_suffix(']'));
    name.is_some_and(|name| !name.is_empty())
}

/// Parses `sslmode`.
#[cfg(feature = "postgres")]
fn mode_of(value: &str, written: &dyn Fn(&str) -> String) -> Result<String, Error> {
    let lower = value.to_ascii_lowercase();
    if MODES.contains(&&*lower) {
        return Ok(lower);
    }
    let meant = match &*squeezed(value) {
        "verifyfull" | "verifyidentity" | "full" | "strict" => "verify-full",
        "verifyca" => "verify-ca",
        "true" | "on" | "1" | "yes" | "required" | "requires" | "noverify" => "require",
        "false" | "off" | "0" | "no" | "disabled" => "disable",
        "preferred" => "prefer",
        "allowed" => "allow",
        _ => {
            return Err(usage(format!("{} is not a mode", written(value)))
                .with_help(format!("write one of {}", MODES.map(|mode| format!("`{mode}`")).join(", "))));
        }
    };
    Err(usage(format!("{} is not a mode", written(value))).with_help(format!("write {}", written(meant))))
}

#[cfg(feature = "postgres")]
fn unknown_of_postgres(key: &str, value: &str) -> Error {
    let word = squeezed(key);
    let known = |(name, _, others): &&(&str, &[&str], &[&str])| squeezed(name) == word || others.contains(&&*word);
    let meant = POSTGRES.iter().find(known).map(|(name, ..)| *name);
    let error = |help: Wording| unknown(key).with_help(help);
    if let Some(name) = meant.or_else(|| {
        let alias = |(_, also, _): &&(&str, &[&str], &[&str])| also.iter().any(|also| squeezed(also) == word);
        POSTGRES.iter().find(alias).map(|(name, ..)| *name)
    }) {
        // Never repeat a secret.
        let written = match name {
            "sslmode" if MODES.contains(&&*value.to_ascii_lowercase()) => {
                format!("{name}={}", value.to_ascii_lowercase())
            }
            _ => format!("{name}=…"),
        };
        return error(format!("write `{written}`").into());
    }
    let is_on = |value: &str| !matches!(&*value.to_ascii_lowercase(), "false" | "0" | "off" | "no" | "disable");
    match &*word {
        "ssl" | "tls" | "usessl" | "requiressl" | "sslenabled" | "encrypt" if is_on(value) => error(
            "write `sslmode=require` for an encrypted connection, or `sslmode=verify-full` to verify the server too".into(),
        ),
        "ssl" | "tls" | "usessl" | "requiressl" | "sslenabled" | "encrypt" => error("write `sslmode=disable`".into()),
        "sslaccept" => error("write `sslmode=verify-full` to verify the server, or `sslmode=require`".into()),
        "sslcrl" | "sslcrldir" | "channelbinding" | "requireauth" | "requirepeer" | "sslminprotocolversion" => error(
            "leave it out: the driver does not support it; `sslmode=verify-full` verifies the server"
                .into(),
        ),
        "sslpassword" => error("use a key without a passphrase: the driver cannot open any other".into()),
        "searchpath" | "schema" | "schemas" | "currentschema" => error(setting("search_path", value).into()),
        "connecttimeout" | "connectiontimeout" | "logintimeout" => {
            error(Wording::each(|audience| format!("leave it out: {} sets how long to wait for the server", audience.wait_for_server())))
        }
        "locktimeout" => {
            error(Wording::each(|audience| format!("leave it out: {} sets it for migrations", audience.lock_timeout())))
        }
        "timezone" | "datestyle" | "clientencoding" | "charset" | "encoding" | "extrafloatdigits" => error(
            "leave it out: the driver sets it itself; a script that needs another value sets it (`SET LOCAL timezone = \
             'Europe/Paris'`)"
                .into(),
        ),
        "targetsessionattrs" | "targetservertype" | "loadbalancehosts" => {
            error("leave it out, and name the server that accepts writes: the driver connects to the server in the URL".into())
        }
        "service" | "servicefile" | "passfile" => {
            error("write host, port, database and user into the URL; PGPASSFILE names a password file".into())
        }
        "statementtimeout" | "idleintransactionsessiontimeout" | "idlesessiontimeout" | "transactiontimeout" | "role"
        | "workmem" | "maintenanceworkmem" | "synchronouscommit" | "defaulttransactionreadonly"
        | "defaulttransactionisolation" | "rowsecurity" | "sessionreplicationrole" | "defaulttablespace" | "jit" => {
            error(setting(&snake(key), value).into())
        }
        // A setting of an extension or of the application, such as `app.tenant`.
        _ if key.contains('.') && key.chars().all(|c| c.is_ascii_alphanumeric() || "._".contains(c)) => {
            error(setting(key, value).into())
        }
        _ => {
            let names: Vec<String> = POSTGRES.iter().map(|(name, ..)| format!("`{name}`")).collect();
            error(
                format!(
                    "leave it out: the driver knows {}; a setting of the server is written `options=-cname%3Dvalue`",
                    names.join(", ")
                )
                .into(),
            )
        }
    }
}

/// Returns a help that writes a setting of the server in a URL.
#[cfg(feature = "postgres")]
fn setting(name: &str, value: &str) -> String {
    /// The characters that are not special in a URL or in the options of a connection.
    const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'-').remove(b'.').remove(b',');
    if value.is_empty() {
        return format!("write `options=-c{name}%3D…`");
    }
    // The server splits the options at white space that has no backslash before it.
    let escaped: String =
        value.chars().flat_map(|c| (c.is_whitespace() || c == '\\').then_some('\\').into_iter().chain([c])).collect();
    format!("write `options=-c{name}%3D{}`", utf8_percent_encode(&escaped, PLAIN))
}

/// Returns the server's spelling of a setting such as `statementTimeout` or `statement-timeout`.
#[cfg(feature = "postgres")]
fn snake(key: &str) -> String {
    let mut name = String::with_capacity(key.len());
    let mut before = '_';
    for c in key.chars() {
        if c.is_ascii_uppercase() && before.is_ascii_lowercase() {
            name.push('_');
        }
        before = c;
        name.push(if c == '-' { '_' } else { c.to_ascii_lowercase() });
    }
    name
}

#[cfg(feature = "sqlite")]
fn sqlite(text: &str) -> Result<(), Error> {
    const KNOWN: [(&str, &[&str]); 4] = [
        ("mode", &["ro", "rw", "rwc", "memory"]),
        ("cache", &["private", "shared"]),
        ("immutable", &["true", "false", "1", "0"]),
        ("vfs", &[]),
    ];
    let Some((_, query)) = text.split_once('?') else { return Ok(()) };
    let mut seen: Vec<&str> = Vec::new();
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        let (key, value) = (&*key, &*value);
        let Some((name, values)) = KNOWN.iter().find(|(name, _)| *name == key) else {
            let written =
                KNOWN.iter().find(|(name, _)| *name == squeezed(key)).map(|(name, _)| format!("{name}={value}"));
            let help: Wording = match (written, &*squeezed(key)) {
                (Some(written), _) => format!("write `{written}`").into(),
                (None, "busytimeout" | "timeout") => Wording::each(|audience| {
                    format!("leave it out: {} sets how long to wait for another run", audience.lock_wait())
                }),
                (None, "foreignkeys" | "fk") => {
                    "leave it out: foreign keys are enforced; a script that rebuilds a table has `-- lockgate: foreign-keys \
                     off` as its first line"
                        .into()
                }
                (None, "journalmode" | "journal") => {
                    "leave it out: set it once, and the database file keeps it: `sqlite3 app.db 'PRAGMA journal_mode = WAL'`"
                        .into()
                }
                (None, _) => "leave it out: the parameters are `mode`, `cache`, `immutable` and `vfs`".into(),
            };
            return Err(unknown(key).with_help(help));
        };
        if seen.contains(name) {
            return Err(twice(name));
        }
        seen.push(name);
        if (values.is_empty() && value.is_empty()) || (!values.is_empty() && !values.contains(&value)) {
            let lower = value.to_ascii_lowercase();
            let all: Vec<String> = values.iter().map(|value| format!("`{name}={value}`")).collect();
            let help = match values.iter().find(|value| **value == lower) {
                Some(value) => format!("write `{name}={value}`"),
                None if all.is_empty() => format!("give it a value, or leave `{name}=` out"),
                None => format!("write {}", all.join(" or ")),
            };
            return Err(usage(format!("`{name}={value}` in the database URL is not valid")).with_help(help));
        }
    }
    Ok(())
}

/// The file that a URL of SQLite names, and the parameters.
#[cfg(feature = "sqlite")]
pub(crate) fn file(text: &str) -> (String, Vec<(String, String)>) {
    let rest = text.trim_start_matches("sqlite:").trim_start_matches("//");
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let path = percent_decode_str(path).decode_utf8_lossy().into_owned();
    (path, form_urlencoded::parse(query.as_bytes()).into_owned().collect())
}

/// Returns a key without the differences between spellings: in lower case, without `_` and `-`.
fn squeezed(key: &str) -> String {
    key.chars().filter(|c| !matches!(c, '_' | '-')).map(|c| c.to_ascii_lowercase()).collect()
}

fn usage(summary: impl Into<Wording>) -> Error {
    Error::usage(summary)
}

fn twice(name: &str) -> Error {
    usage(format!("the database URL has the parameter `{name}` twice")).with_help("write it once")
}

fn unknown(key: &str) -> Error {
    usage(format!("the database URL has a parameter `{}` that the driver does not know", mask_secrets(key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_forms_of_a_url_are_named() {
        let help = |text: &str| other_form(text).map(|(_, help)| help);
        for text in ["pg://host/shop", "postgresql+asyncpg://host/shop", "psql://host", "localhost:5432/shop"] {
            assert_eq!(help(text), Some("begin it with `postgres://`"), "{text}");
        }
        for text in ["file:shop.db", "sqlite3:///shop.db", "sqlite+aiosqlite:///shop.db"] {
            assert_eq!(help(text), Some("begin it with `sqlite://`"), "{text}");
        }
        assert_eq!(help("'postgres://host/shop'"), Some("write it without them"));
        assert_eq!(help(" postgres://host/shop"), Some("delete it"));
        assert!(help("jdbc:postgresql://host/shop").is_some_and(|help| help.contains("without `jdbc:`")));
        let form = "write them as `postgres://user:password@host:5432/database`";
        assert_eq!(help("host=localhost port=5432"), Some(form));
        for text in ["shop.db", "oracle://host/shop", "mysql://host", "", "s3cret@host/db"] {
            assert_eq!(other_form(text), None, "{text}");
        }
    }
}
