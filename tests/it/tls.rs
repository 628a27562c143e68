//! Encrypted connections: a program that is built with TLS, and a server with a certificate of an authority of its own.
//! The advice of each message is typed.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use lockgate_harness::server::{Options, Postgres};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tempfile::TempDir;

use crate::support::tree::root;
use crate::support::{nested, postgres};

/// Its only migration fails on a connection that is not encrypted.
const ENCRYPTED: &str = "DO $$ BEGIN\n    IF NOT (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()) THEN\n        \
                         RAISE EXCEPTION 'this connection is not encrypted';\n    END IF;\nEND $$;\n";

const MAIN: &str = "static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!();\n\n\
                    fn main() -> std::process::ExitCode {\n    lockgate_cli::Cli::new(&MIGRATIONS).main()\n}\n";

/// Builds a program with TLS and its command line.
fn program(folder: &Path) -> PathBuf {
    let write = |path: &str, text: &str| {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let (runtime, cli) = (root().join("runtime"), root().join("cli"));
    write(
        "Cargo.toml",
        &format!(
            "[package]\nname = \"encrypted\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n\
             lockgate = {{ path = {runtime:?}, default-features = false, features = [\"postgres\", \"tls-rustls\"] }}\n\
             lockgate-cli = {{ path = {cli:?} }}\n",
        ),
    );
    std::fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    write("src/main.rs", MAIN);
    write("migrations/0001_encrypted.sql", ENCRYPTED);
    let output = nested::cargo().arg("build").current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    nested::target().join("debug/encrypted")
}

/// Makes an authority `ca.crt` and a certificate of it for the name `localhost`, which belongs to this user.
fn certificates(folder: &Path, owner: (u32, u32)) {
    let openssl = |line: &str| {
        let output = Command::new("openssl").args(line.split(' ')).current_dir(folder).output();
        let output = output.expect("this test needs the program `openssl`");
        assert!(output.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&output.stderr));
    };
    std::fs::write(folder.join("names"), "subjectAltName=DNS:localhost\n").unwrap();
    openssl("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.crt");
    openssl("req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr");
    openssl("x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.crt");
    std::fs::set_permissions(folder.join("server.key"), PermissionsExt::from_mode(0o600)).unwrap();
    for file in ["server.key", "server.crt"] {
        chown(folder.join(file), Some(owner.0), Some(owner.1)).unwrap();
    }
}

/// Switches the server's encryption on or off, for new connections.
async fn encrypts(server: &Postgres, folder: &Path, on: bool) {
    let mut admin = PgConnection::connect(&server.url("postgres")).await.unwrap();
    for (name, value) in [
        ("ssl_cert_file", folder.join("server.crt").display().to_string()),
        ("ssl_key_file", folder.join("server.key").display().to_string()),
        ("ssl", on.to_string()),
    ] {
        admin.execute(AssertSqlSafe(format!("ALTER SYSTEM SET {name} = '{value}'"))).await.unwrap();
    }
    admin.execute("SELECT pg_reload_conf()").await.unwrap();
    loop {
        // A connection may fail while the server reads its settings again.
        if let Ok(mut fresh) = PgConnection::connect(&server.url("postgres")).await {
            let now: String = sqlx::query_scalar("SHOW ssl").fetch_one(&mut fresh).await.unwrap();
            if (now == "on") == on {
                return;
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_a_message_about_encryption_advises_works() {
    let Some(server) = postgres::cluster(&Options::default()) else { return };
    let owner = server.directory().metadata().unwrap();
    let open = PermissionsExt::from_mode(0o755);
    let folder = tempfile::Builder::new().permissions(open).tempdir().unwrap();
    certificates(folder.path(), (owner.uid(), owner.gid()));
    encrypts(&server, folder.path(), true).await;
    let project = TempDir::new().unwrap();
    let program = program(project.path());

    let url = server.url("postgres");
    let (user, place) = url.rsplit_once('@').unwrap();
    let (address, database) = place.rsplit_once(':').unwrap();
    let by_name = format!("{user}@localhost:{database}");
    let by_address = format!("{user}@{address}:{database}");
    let authority = folder.path().join("ca.crt").display().to_string();
    let run = |url: &str| {
        let output = Command::new(&program).args(["up", "--database-url", url]).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let refused = |url: String, code: i32, says: &[&str]| {
        let (exit, text) = run(&url);
        assert_eq!(exit, code, "{text}");
        for wanted in says {
            assert!(text.contains(wanted), "no «{wanted}» in:\n{text}");
        }
        assert!(!text.contains("host, port and database name"), "it is none of these:\n{text}");
    };
    let works = |url: String| {
        let (exit, text) = run(&url);
        assert_eq!(exit, 0, "{text}");
    };

    works(format!("{by_name}?sslmode=require"));
    // A private certificate authority.
    let unknown = ["no encrypted connection", "UnknownIssuer", "`sslrootcert=/path/root.crt`"];
    refused(format!("{by_name}?sslmode=verify-full"), 4, &unknown);
    works(format!("{by_name}?sslmode=verify-full&sslrootcert={authority}"));
    // The client of `sql` gets the same parameters.
    let asked = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let verified = format!("{by_name}?sslmode=verify-full&sslrootcert={authority}");
    let output =
        Command::new(&program).args(["sql", "--database-url", &verified, "--", "-X", "-Atc", asked]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "t\n", "{}", String::from_utf8_lossy(&output.stderr));
    // A certificate for another name.
    let other = ["no encrypted connection", "not valid for name", "connect to that name, or write `sslmode=verify-ca`"];
    refused(format!("{by_address}?sslmode=verify-full&sslrootcert={authority}"), 4, &other);
    works(format!("{by_address}?sslmode=verify-ca&sslrootcert={authority}"));
    // Files that are not certificates.
    let missing = folder.path().join("missing.crt").display().to_string();
    let says = [&*missing, "which `sslrootcert` names, cannot be read", "name a file in PEM form"];
    refused(format!("{by_name}?sslmode=verify-full&sslrootcert={missing}"), 2, &says);
    let names = folder.path().join("names").display().to_string();
    let says = [&*names, "which `sslrootcert` names, has nothing in PEM form"];
    refused(format!("{by_name}?sslmode=verify-full&sslrootcert={names}"), 2, &says);
    // A server without encryption.
    encrypts(&server, folder.path(), false).await;
    refused(format!("{by_name}?sslmode=require"), 4, &["no encrypted connection", "`ssl = on`", "`sslmode=disable`"]);
    works(format!("{by_name}?sslmode=disable"));
}
