//! Changes to several files, made all together or not at all.
//!
//! New texts are first written to temporary files in the same folders, where a full disk or a missing permission shows.
//! Then each is renamed into place. If one of these steps fails, the earlier ones are undone.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempPath};

use crate::failure::Failure;

/// Planned changes, in the order in which they are made.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    planned: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Create { path: PathBuf, text: String },
    Replace { path: PathBuf, text: String },
    Rename { from: PathBuf, to: PathBuf },
    Remove { path: PathBuf },
}

impl Changes {
    /// Plans a new file, which must not exist yet.
    pub(crate) fn create(&mut self, path: impl Into<PathBuf>, text: impl Into<String>) {
        self.planned.push(Change::Create { path: path.into(), text: text.into() });
    }

    /// Plans a file with this text, which replaces an existing one.
    pub(crate) fn replace(&mut self, path: impl Into<PathBuf>, text: impl Into<String>) {
        self.planned.push(Change::Replace { path: path.into(), text: text.into() });
    }

    /// Plans to rename a file. The new name must be free.
    pub(crate) fn rename(&mut self, from: impl Into<PathBuf>, to: impl Into<PathBuf>) {
        self.planned.push(Change::Rename { from: from.into(), to: to.into() });
    }

    /// Plans to delete a file. Its folder is deleted too if it is then empty.
    pub(crate) fn remove(&mut self, path: impl Into<PathBuf>) {
        self.planned.push(Change::Remove { path: path.into() });
    }

    /// Makes the changes.
    ///
    /// # Errors
    ///
    /// `Refused` if a new name is taken, `Impossible` if a file cannot be written. Nothing is changed then.
    pub(crate) fn make(self) -> Result<(), Failure> {
        // A name counts as free if another of these changes frees it.
        let freed: HashSet<&PathBuf> = self.planned.iter().filter_map(Change::frees).collect();
        for change in &self.planned {
            let (Change::Create { path, .. } | Change::Rename { to: path, .. }) = change else { continue };
            if fs::symlink_metadata(path).is_ok() && !freed.contains(&path) {
                return Err(Failure::refused(format!("{} exists already: nothing was changed", path.display())));
            }
        }
        let mut undo = Undo::default();
        let mut staged = Vec::new();
        for change in self.planned {
            staged.push(stage(change, &mut undo)?);
        }
        // Two files may swap names, so move all of them to temporary names first.
        for stage in &mut staged {
            stage.step_aside(&mut undo)?;
        }
        let mut gone = Vec::new();
        for stage in staged {
            gone.extend(stage.settle(&mut undo)?);
        }
        undo.done = true;
        for Gone { aside, path } in gone {
            // A file that cannot be deleted keeps its temporary name, which migrations ignore.
            if let Some(aside) = aside {
                let _ = fs::remove_file(aside);
            }
            if let Some(folder) = path.parent() {
                let _ = fs::remove_dir(folder);
            }
        }
        Ok(())
    }
}

impl Change {
    fn frees(&self) -> Option<&PathBuf> {
        match self {
            Self::Rename { from, .. } | Self::Remove { path: from } => Some(from),
            Self::Create { .. } | Self::Replace { .. } => None,
        }
    }
}

/// A change whose new text is already on the disk.
enum Staged {
    New { text: TempPath, path: PathBuf },
    Over { text: TempPath, path: PathBuf },
    Move { from: PathBuf, to: PathBuf, before: PathBuf },
    Leave { aside: PathBuf, path: PathBuf },
}

/// A file that was moved away or deleted: its temporary name, if it is to be deleted, and its old path.
struct Gone {
    aside: Option<PathBuf>,
    path: PathBuf,
}

fn stage(change: Change, undo: &mut Undo) -> Result<Staged, Failure> {
    Ok(match change {
        Change::Create { path, text } => Staged::New { text: write_beside(&path, &text, undo)?, path },
        Change::Replace { path, text } => Staged::Over { text: write_beside(&path, &text, undo)?, path },
        Change::Rename { from, to } => {
            make_folder(&to, undo)?;
            Staged::Move { before: from.clone(), from, to }
        }
        Change::Remove { path } => Staged::Leave { aside: path.clone(), path },
    })
}

impl Staged {
    fn step_aside(&mut self, undo: &mut Undo) -> Result<(), Failure> {
        let (Self::Move { from, .. } | Self::Leave { aside: from, .. }) = self else { return Ok(()) };
        let aside = beside(from).map_err(|e| cannot("moved", from, &e))?.into_temp_path();
        let aside = aside.keep().map_err(|e| cannot("moved", from, &e.error))?;
        fs::rename(&*from, &aside).map_err(|e| {
            let _ = fs::remove_file(&aside);
            cannot("moved", from, &e)
        })?;
        undo.moved.push((aside.clone(), from.clone()));
        *from = aside;
        Ok(())
    }

    fn settle(self, undo: &mut Undo) -> Result<Option<Gone>, Failure> {
        let gone = match self {
            Self::New { text, path } => {
                text.persist_noclobber(&path).map_err(|e| cannot("written", &path, &e.error))?;
                undo.made.push(path);
                None
            }
            Self::Over { text, path } => {
                let before = match fs::read(&path) {
                    Ok(bytes) => Some(bytes),
                    Err(e) if e.kind() == io::ErrorKind::NotFound => None,
                    Err(e) => return Err(cannot("read", &path, &e)),
                };
                text.persist(&path).map_err(|e| cannot("written", &path, &e.error))?;
                match before {
                    Some(before) => undo.overwritten.push((path, before)),
                    None => undo.made.push(path),
                }
                None
            }
            Self::Move { from, to, before } => {
                if fs::symlink_metadata(&to).is_ok() {
                    return Err(Failure::refused(format!("{} exists already: nothing was changed", to.display())));
                }
                fs::rename(&from, &to).map_err(|e| cannot("written", &to, &e))?;
                undo.moved.push((to, from));
                Some(Gone { aside: None, path: before })
            }
            Self::Leave { aside, path } => Some(Gone { aside: Some(aside), path }),
        };
        Ok(gone)
    }
}

/// Undoes what was done so far, unless `done` is set.
#[derive(Debug, Default)]
struct Undo {
    folders: Vec<PathBuf>,
    made: Vec<PathBuf>,
    overwritten: Vec<(PathBuf, Vec<u8>)>,
    moved: Vec<(PathBuf, PathBuf)>,
    done: bool,
}

impl Drop for Undo {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        // Ignore errors here: their cause is already being reported.
        for path in self.made.iter().rev() {
            let _ = fs::remove_file(path);
        }
        for (path, before) in self.overwritten.iter().rev() {
            let _ = fs::write(path, before);
        }
        for (now, before) in self.moved.iter().rev() {
            let _ = fs::rename(now, before);
        }
        for folder in self.folders.iter().rev() {
            let _ = fs::remove_dir(folder);
        }
    }
}

fn write_beside(path: &Path, text: &str, undo: &mut Undo) -> Result<TempPath, Failure> {
    make_folder(path, undo)?;
    let write = || {
        let mut file = beside(path)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        Ok(file.into_temp_path())
    };
    write().map_err(|e: io::Error| cannot("written", path, &e))
}

/// Creates a temporary file in the folder of this one, with a name that migrations ignore.
fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".lockgate-");
    // With the permissions of an ordinary file: temporary files are private by default.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(path.parent().unwrap_or(Path::new(".")))
}

fn make_folder(path: &Path, undo: &mut Undo) -> Result<(), Failure> {
    let Some(folder) = path.parent() else { return Ok(()) };
    let missing: Vec<&Path> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
    for folder in missing.into_iter().rev() {
        fs::create_dir(folder).map_err(|e| cannot("created", folder, &e))?;
        undo.folders.push(folder.to_owned());
    }
    Ok(())
}

fn cannot(what: &str, path: &Path, e: &io::Error) -> Failure {
    Failure::impossible(format!("{} cannot be {what}: {e}; nothing was changed", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn all_of_them_or_none() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("a"), "a").unwrap();
        fs::write(at("lock"), "before").unwrap();

        // The rename is the last one and fails: what it would move does not exist.
        let mut changes = Changes::default();
        changes.create(at("new/deep/b"), "b");
        changes.replace(at("lock"), "after");
        changes.replace(at("lock2"), "after");
        changes.rename(at("missing"), at("c"));
        changes.make().unwrap_err();
        assert_eq!(names(directory.path()), ["a", "lock"]);
        assert_eq!(fs::read_to_string(at("lock")).unwrap(), "before");

        let mut changes = Changes::default();
        changes.create(at("new"), "b");
        changes.create(at("a"), "b");
        assert!(matches!(changes.make(), Err(Failure::Refused(_))));
        assert_eq!(names(directory.path()), ["a", "lock"]);
        assert_eq!(fs::read_to_string(at("a")).unwrap(), "a");

        let mut changes = Changes::default();
        changes.create(at("new/b"), "b");
        changes.replace(at("lock"), "after");
        changes.rename(at("a"), at("c"));
        changes.make().unwrap();
        assert_eq!(names(directory.path()), ["c", "lock", "new"]);
        assert_eq!(names(&at("new")), ["b"]);
        assert_eq!(fs::read_to_string(at("lock")).unwrap(), "after");
    }

    /// The last one fails when those before it are made: what it would replace is a folder.
    #[test]
    fn changes_are_undone_when_a_later_one_fails() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for name in ["a", "b", "c", "lock", "other"] {
            fs::write(at(name), name).unwrap();
        }
        fs::create_dir_all(at("folder/full")).unwrap();
        let before = names(directory.path());

        let mut changes = Changes::default();
        changes.replace(at("lock"), "after");
        changes.replace(at("other"), "after");
        changes.replace(at("lock"), "after that");
        changes.replace(at("absent"), "made");
        changes.create(at("new/deep/d"), "d");
        for (from, to) in [("a", "b"), ("b", "a"), ("c", "new/c")] {
            changes.rename(at(from), at(to));
        }
        changes.replace(at("folder"), "a file");
        let Err(Failure::Impossible(message)) = changes.make() else { panic!("a folder was replaced") };
        assert!(message.contains("folder cannot be") && message.ends_with("nothing was changed"), "{message}");
        assert_eq!(names(directory.path()), before);
        for name in ["a", "b", "c", "lock", "other"] {
            assert_eq!(fs::read_to_string(at(name)).unwrap(), name, "its own text again");
        }
    }

    #[test]
    fn an_emptied_folder_is_removed_and_restored_on_failure() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("1_a")).unwrap();
        for name in ["1_a/up.sql", "1_a/down.sql", "2.sql"] {
            fs::write(at(name), name).unwrap();
        }
        let planned = |last: &str| {
            let mut changes = Changes::default();
            changes.rename(at("1_a/up.sql"), at("1_a.up.sql"));
            changes.remove(at("1_a/down.sql"));
            changes.create(at("1_a.down.sql"), "down");
            changes.remove(at("2.sql"));
            changes.create(at("2.sql"), "of the same name");
            changes.rename(at(last), at("3.sql"));
            changes
        };
        planned("absent").make().unwrap_err();
        assert_eq!(
            (names(directory.path()), names(&at("1_a"))),
            (vec!["1_a".into(), "2.sql".into()], vec!["down.sql".into(), "up.sql".into()])
        );
        assert_eq!(fs::read_to_string(at("2.sql")).unwrap(), "2.sql");
        fs::write(at("absent"), "").unwrap();
        planned("absent").make().unwrap();
        assert_eq!(names(directory.path()), ["1_a.down.sql", "1_a.up.sql", "2.sql", "3.sql"]);
        assert_eq!(fs::read_to_string(at("2.sql")).unwrap(), "of the same name");
    }

    #[test]
    fn names_may_move_up_in_a_row() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for name in ["1", "2", "3"] {
            fs::write(at(name), name).unwrap();
        }
        let mut changes = Changes::default();
        for (from, to) in [("1", "2"), ("2", "3"), ("3", "4")] {
            changes.rename(at(from), at(to));
        }
        changes.make().unwrap();
        assert_eq!(names(directory.path()), ["2", "3", "4"]);
        assert_eq!(fs::read_to_string(at("4")).unwrap(), "3");
    }
}
