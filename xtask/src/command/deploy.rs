//! `cargo xtask deploy`: the files that run the migrations on Kubernetes, with compose, by systemd, and in CI.

use anstream::println;
use lockgate_source::core::{Dialect, Dialects};

use crate::changes::Changes;
use crate::failure::Failure;
use crate::project::{Package, Project};

const CONTAINERFILE: (&str, &str) = ("Containerfile", include_str!("../../templates/deploy/Containerfile"));
const IGNORED: (&str, &str) = (".dockerignore", include_str!("../../templates/deploy/dockerignore"));
const JOB: (&str, &str) =
    ("deploy/kubernetes/migrate-job.yaml", include_str!("../../templates/deploy/migrate-job.yaml"));
const SERVICE: (&str, &str) = ("deploy/kubernetes/service.yaml", include_str!("../../templates/deploy/service.yaml"));
const COMPOSE: (&str, &str) = ("compose.yaml", include_str!("../../templates/deploy/compose.yaml"));
const UNIT: (&str, &str) =
    ("deploy/systemd/{{dns}}-migrate.service", include_str!("../../templates/deploy/migrate.service"));
const WORKFLOW: (&str, &str) =
    (".github/workflows/migrations.yaml", include_str!("../../templates/deploy/migrations.yaml"));

#[derive(Debug, clap::Args)]
#[command(after_help = "Without `--write` the files are shown, and nothing is written. No file is overwritten.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Write the files, below the root of the workspace
    #[arg(long)]
    write: bool,
    /// The program that has the operators' commands, if the package has several or another name
    #[arg(long, value_name = "NAME")]
    binary: Option<String>,
    /// The package whose migrations these are
    #[arg(long, short, value_name = "NAME")]
    package: Option<String>,
}

/// Where the migrations are to run.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
struct Target {
    /// A Job that runs `up`, a Deployment whose init container runs `wait`, and an image
    #[arg(long)]
    kubernetes: bool,
    /// A compose file with the database, the migrations and the service, and an image
    #[arg(long)]
    compose: bool,
    /// A unit that runs `up` before the service starts
    #[arg(long)]
    systemd: bool,
    /// A workflow that checks and tests the migrations of each change
    #[arg(long)]
    github_actions: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let project = Project::find()?;
    let package = project.package(arguments.package.as_deref())?;
    if package.name.is_empty() {
        return Err(Failure::impossible("no package embeds the folder at the root: choose one with `--package NAME`"));
    }
    let needs_server = arguments.target.kubernetes || arguments.target.compose;
    if needs_server && package.backends == Dialects::NONE.with(Dialect::Sqlite) {
        return Err(Failure::refused(format!(
            "`{}` is for SQLite alone, and its file belongs to one machine: `--systemd` writes a unit for it; for \
             PostgreSQL, enable the feature `postgres` of `lockgate` in its Cargo.toml",
            package.name
        )));
    }
    let names = Names::of(&project, &package, arguments)?;
    let mut changes = Changes::default();
    let mut lines = Vec::new();
    for (path, text) in arguments.target.files() {
        let (path, text) = (names.filled(path), names.filled(text));
        if !arguments.write {
            println!("# {path}\n\n{text}");
            continue;
        }
        let full = project.root.join(&path);
        if full.exists() {
            lines.push(format!("kept    {path}"));
        } else {
            lines.push(format!("written {path}"));
            changes.create(full, text);
        }
    }
    if !arguments.write {
        println!("nothing was written: `--write` writes these files");
        return Ok(());
    }
    changes.make()?;
    lines.iter().for_each(|line| println!("{line}"));
    println!("look through them: names of images, hosts and secrets are yours to choose");
    Ok(())
}

impl Target {
    /// The files, each once, with the path from the root of the workspace.
    fn files(&self) -> Vec<(&'static str, &'static str)> {
        let image = self.kubernetes || self.compose;
        let wanted = [
            (image, CONTAINERFILE),
            (image, IGNORED),
            (self.kubernetes, JOB),
            (self.kubernetes, SERVICE),
            (self.compose, COMPOSE),
            (self.systemd, UNIT),
            (self.github_actions, WORKFLOW),
        ];
        wanted.into_iter().filter(|(is_wanted, _)| *is_wanted).map(|(_, file)| file).collect()
    }
}

/// The placeholders in double braces that the templates contain.
struct Names {
    values: [(&'static str, String); 8],
}

impl Names {
    fn of(project: &Project, package: &Package, arguments: &Arguments) -> Result<Self, Failure> {
        let binary = match (&arguments.binary, package.binaries.as_slice()) {
            (Some(named), binaries) if binaries.contains(named) => named.clone(),
            (Some(named), binaries) => {
                return Err(Failure::impossible(format!(
                    "`{}` has no program `{named}`: it has {}",
                    package.name,
                    if binaries.is_empty() { "none".to_owned() } else { binaries.join(", ") }
                )));
            }
            (None, [one]) => one.clone(),
            (None, []) => {
                return Err(Failure::impossible(format!(
                    "`{}` has no program, so nothing can run its migrations: give it a `src/main.rs` that calls \
                     `lockgate_cli::main`, or name the package that has one with `--package NAME`",
                    package.name
                )));
            }
            (None, several) => {
                return Err(Failure::impossible(format!(
                    "`{}` has several programs ({}): choose one with `--binary NAME`",
                    package.name,
                    several.join(", ")
                )));
            }
        };
        let dns = dns(&binary);
        let sqlite = package.backends == Dialects::NONE.with(Dialect::Sqlite);
        let database = if sqlite {
            format!("Environment=DATABASE_URL=sqlite:///var/lib/{dns}/{dns}.db?mode=rwc")
        } else {
            format!(
                "Environment=DATABASE_HOST=/run/postgresql DATABASE_USER={dns} DATABASE_NAME={dns}\n\
                 # The password, readable by root alone; systemd shows it to this unit only.\n\
                 LoadCredential=password:/etc/{dns}/database-password\n\
                 Environment=DATABASE_PASSWORD_FILE=%d/password"
            )
        };
        Ok(Self {
            values: [
                ("{{package}}", package.name.clone()),
                ("{{binary}}", binary),
                ("{{image}}", format!("{dns}:{}", package.version.replace('+', "-"))),
                ("{{dns_version}}", self::dns(&package.version)),
                ("{{path}}", JOB.0.to_owned()),
                ("{{database}}", database),
                ("{{choice}}", project.choice(package)),
                ("{{dns}}", dns),
            ],
        })
    }

    fn filled(&self, template: &str) -> String {
        self.values.iter().fold(template.to_owned(), |text, (name, value)| text.replace(name, value))
    }
}

/// A name that Kubernetes, compose and systemd take: lower-case letters, digits and dashes.
fn dns(name: &str) -> String {
    let dashed = name.to_ascii_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    dashed.trim_matches('-').chars().take(40).collect()
}
