//! The workspace of a command: which packages have migrations, and where the migrations and their tests are.

use std::path::{Path, PathBuf};

use cargo_metadata::MetadataCommand;
use lockgate_source::core::Dialects;
use lockgate_source::folder::{backends, normal};

use crate::failure::Failure;

/// The workspace around the current directory.
#[derive(Debug)]
pub(crate) struct Project {
    /// Its root, absolute.
    pub(crate) root: PathBuf,
    /// Its target directory, absolute.
    pub(crate) target: PathBuf,
    packages: Vec<Package>,
}

/// A package, and the folder of migrations that it embeds.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// The directory of its `Cargo.toml`, absolute.
    pub(crate) directory: PathBuf,
    /// The folder, absolute. It may not exist.
    pub(crate) folder: PathBuf,
    /// The folder relative to the package, as `embed_migrations!` names it: `migrations`.
    pub(crate) path: String,
    /// The folder relative to the root of the workspace, as messages name it: `examples/app/migrations`.
    pub(crate) shown: String,
    /// The folder of the tests of its migrations, absolute.
    pub(crate) tests: PathBuf,
    /// The same relative to the root of the workspace, as messages name it.
    pub(crate) shown_tests: String,
    /// The databases that its manifest enables; if several packages share the folder, those of all of them.
    pub(crate) backends: Dialects,
    pub(crate) version: String,
    /// The names of its programs.
    pub(crate) binaries: Vec<String>,
    /// The files at which the compiler begins: its library and its programs, absolute.
    pub(crate) roots: Vec<PathBuf>,
    /// The crates of other workspaces that it depends on, as its code names them.
    pub(crate) other_crates: Vec<String>,
    dependencies: Vec<String>,
    /// The clone of Lockgate, if the package depends on it by path.
    pub(crate) clone: Option<PathBuf>,
    /// Whether `package.metadata.lockgate.migrations` names the folder.
    named: bool,
}

impl Project {
    /// Reads the workspace from `cargo metadata`.
    pub(crate) fn find() -> Result<Self, Failure> {
        let metadata = MetadataCommand::new().no_deps().exec();
        let metadata = metadata.map_err(|e| Failure::impossible(format!("the workspace cannot be read: {e}")))?;
        let root = metadata.workspace_root.as_std_path().to_owned();
        let mut packages = Vec::new();
        for package in metadata.workspace_packages() {
            let manifest = package.manifest_path.as_std_path();
            let directory = manifest.parent().expect("a manifest is in a directory").to_owned();
            let key = package.metadata.get("lockgate").and_then(|table| table.get("migrations"));
            let path = match key {
                None => None,
                Some(value) => Some(value.as_str().ok_or_else(|| {
                    let manifest = manifest.display();
                    Failure::impossible(format!(
                        "{manifest}: `package.metadata.lockgate.migrations` is {value}: it must be the path of a folder, \
                         for example `migrations = \"../../migrations\"`"
                    ))
                })?),
            };
            let mut known = Package::new(&root, package.name.to_string(), directory, path);
            known.version = package.version.to_string();
            let programs = package.targets.iter().filter(|target| target.is_bin());
            known.binaries = programs.map(|target| target.name.clone()).collect();
            // A build script, tests and examples are not the program.
            let of_the_program = package.targets.iter().filter(|target| {
                let is_beside =
                    target.is_custom_build() || target.is_test() || target.is_example() || target.is_bench();
                !is_beside
            });
            known.roots = of_the_program.map(|target| target.src_path.as_std_path().to_owned()).collect();
            for dependency in &package.dependencies {
                known.dependencies.push(dependency.name.clone());
                if dependency.name != "lockgate" && dependency.path.is_none() {
                    let name = dependency.rename.as_ref().unwrap_or(&dependency.name);
                    known.other_crates.push(name.replace('-', "_"));
                }
                if let ("lockgate", Some(path)) = (dependency.name.as_str(), &dependency.path) {
                    known.clone = path.parent().map(|clone| clone.as_std_path().to_owned());
                }
            }
            packages.push(known);
        }
        // Packages that embed the same folder share their databases.
        let of_folder = |folder: &Path| -> Dialects {
            let sharing = packages.iter().filter(|package| package.folder == folder);
            sharing.flat_map(|package| package.backends.iter()).collect()
        };
        let backends: Vec<Dialects> = packages.iter().map(|package| of_folder(&package.folder)).collect();
        packages.iter_mut().zip(backends).for_each(|(package, backends)| package.backends = backends);
        Ok(Self { root, target: metadata.target_directory.clone().into_std_path_buf(), packages })
    }

    /// Returns the package to work on: the named one, or the only one with migrations, or the one of the current
    /// directory.
    pub(crate) fn package(&self, name: Option<&str>) -> Result<Package, Failure> {
        if let Some(name) = name {
            return self.named(name);
        }
        let with_migrations: Vec<&Package> = self.packages.iter().filter(|p| p.named || p.folder.is_dir()).collect();
        match *with_migrations {
            [package] => return Ok(package.clone()),
            [] if self.root.join("migrations").is_dir() => {
                return Ok(self.of_the_root());
            }
            [] => {
                return Err(Failure::impossible(format!(
                    "no package of {} has a `migrations/` folder: create one with `cargo xtask init`{}",
                    self.root.display(),
                    if self.packages.len() > 1 { " --package NAME" } else { "" }
                )));
            }
            _ => {}
        }
        if let Some(package) = around(&with_migrations) {
            return Ok(package.clone());
        }
        let names = with_migrations.iter().map(|package| format!("`{}`", package.name)).collect::<Vec<_>>().join(", ");
        Err(Failure::impossible(format!(
            "several packages have migrations ({names}): choose one with `--package NAME`"
        )))
    }

    /// Returns the package that `init` works on: the named one, or the only one, or the one of the current directory.
    pub(crate) fn package_to_init(&self, name: Option<&str>) -> Result<Package, Failure> {
        if let Some(name) = name {
            return self.named(name);
        }
        let candidates: Vec<&Package> = self.packages.iter().filter(|package| package.name != "xtask").collect();
        match *candidates {
            [package] => Ok(package.clone()),
            _ => around(&candidates).cloned().ok_or_else(|| {
                Failure::impossible("several packages could get migrations: choose one with `--package NAME`")
            }),
        }
    }

    /// Returns the option that chooses this package for `init`, if there are several.
    pub(crate) fn choice(&self, package: &Package) -> String {
        let others = self.packages.iter().filter(|other| other.name != "xtask" && other.name != package.name).count();
        if others > 0 && !package.name.is_empty() { format!(" --package {}", package.name) } else { String::new() }
    }

    /// Looks for a folder of migrations above a package that has none, which the package may be meant to use: one that no
    /// other package uses. Returns its path relative to the package.
    pub(crate) fn folder_above(&self, package: &Package) -> Option<String> {
        if package.named || package.folder.exists() {
            return None;
        }
        let above = package.directory.ancestors().skip(1).take_while(|above| above.starts_with(&self.root));
        let is_free = |folder: &Path| folder.is_dir() && !self.packages.iter().any(|other| other.folder == folder);
        let at = above.map(|above| above.join("migrations")).position(|folder| is_free(&folder))?;
        Some(format!("{}migrations", "../".repeat(at + 1)))
    }

    /// Returns every folder of migrations in the workspace, each once.
    pub(crate) fn folders(&self) -> Vec<Package> {
        let mut found: Vec<Package> = Vec::new();
        for package in self.packages.iter().filter(|package| package.folder.is_dir()) {
            if !found.iter().any(|other| other.folder == package.folder) {
                found.push(package.clone());
            }
        }
        if found.is_empty() && self.root.join("migrations").is_dir() {
            found.push(self.of_the_root());
        }
        found
    }

    /// Returns the folder at the root of the workspace, which any package may embed.
    fn of_the_root(&self) -> Package {
        let backends = self.packages.iter().flat_map(|package| package.backends.iter()).collect();
        Package { backends, ..Package::new(&self.root, String::new(), self.root.clone(), None) }
    }

    /// Returns the packages whose structs describe the tables of this folder of migrations: those that embed it, and the
    /// members of the workspace that they depend on, unless those have migrations of their own.
    #[cfg(feature = "schema")]
    pub(crate) fn with_structs_of(&self, package: &Package) -> Vec<&Package> {
        let has_its_own = |other: &Package| other.named || other.folder.is_dir();
        let is_of_the_root = package.name.is_empty();
        let embeds = |other: &Package| match is_of_the_root {
            true => !has_its_own(other),
            false => other.folder == package.folder,
        };
        let mut found: Vec<&Package> = self.packages.iter().filter(|other| embeds(other)).collect();
        let mut next = 0;
        while let Some(package) = found.get(next).copied() {
            next += 1;
            for other in self.packages.iter().filter(|other| package.depends_on(&other.name) && !has_its_own(other)) {
                if !found.iter().any(|known| known.name == other.name) {
                    found.push(other);
                }
            }
        }
        found
    }

    /// Whether one of the packages has this name, or depends on a package of this name.
    pub(crate) fn depends_on(&self, name: &str) -> bool {
        self.packages.iter().any(|package| package.name == name || package.depends_on(name))
    }

    fn named(&self, name: &str) -> Result<Package, Failure> {
        self.packages.iter().find(|package| package.name == name).cloned().ok_or_else(|| {
            let names = self.packages.iter().map(|package| format!("`{}`", package.name)).collect::<Vec<_>>();
            Failure::impossible(format!("this workspace has no package `{name}`: it has {}", names.join(", ")))
        })
    }

    /// Returns a path relative to the root of the workspace, as messages name it.
    pub(crate) fn shown(&self, path: &Path) -> String {
        shown(&self.root, path)
    }
}

impl Package {
    fn new(root: &Path, name: String, directory: PathBuf, path: Option<&str>) -> Self {
        let folder = normal(&directory.join(path.unwrap_or("migrations")));
        let tests = directory.join("tests").join("migrations");
        let shown_tests = shown(root, &tests);
        let shown = shown(root, &folder);
        let (path, named) = (path.unwrap_or("migrations").to_owned(), path.is_some());
        let (backends, dependencies) = (backends::of_package(&directory), Vec::new());
        let (version, binaries) = (String::new(), Vec::new());
        let (roots, other_crates) = (Vec::new(), Vec::new());
        Self {
            name,
            directory,
            folder,
            path,
            shown,
            tests,
            shown_tests,
            backends,
            version,
            binaries,
            roots,
            other_crates,
            dependencies,
            clone: None,
            named,
        }
    }

    /// Whether it depends on a package of this name, in any section.
    pub(crate) fn depends_on(&self, name: &str) -> bool {
        self.dependencies.iter().any(|dependency| dependency == name)
    }

    /// Returns the absolute path of a scaffold's file.
    pub(crate) fn path_of(&self, path: &str) -> PathBuf {
        normal(&self.directory.join(path))
    }
}

fn shown(root: &Path, path: &Path) -> String {
    let path = path.strip_prefix(root).unwrap_or(path);
    path.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// Returns the package of the current directory, or the innermost if they are nested.
fn around<'a>(packages: &[&'a Package]) -> Option<&'a Package> {
    let here = std::env::current_dir().ok()?;
    let around = packages.iter().copied().filter(|package| here.starts_with(&package.directory));
    around.max_by_key(|package| package.directory.components().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_above_its_package_is_shown_from_the_root() {
        let root = Path::new("/repository");
        let package = Package::new(root, "app".into(), "/repository/examples/app".into(), Some("../../migrations"));
        assert_eq!(package.folder, Path::new("/repository/migrations"));
        assert_eq!(package.shown, "migrations");
        assert_eq!(package.tests, Path::new("/repository/examples/app/tests/migrations"));
        let package = Package::new(root, "app".into(), "/repository/examples/app".into(), None);
        assert_eq!(package.shown, "examples/app/migrations");
    }
}
