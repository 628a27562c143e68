//! The names in a store: `<database>/<stage>/<unix time>-<head>.dump`, its meta file beside it, and the mark of a
//! backup that was started.

use object_store::path::Path;

use crate::subject::BackupStage;

/// The ending of a dump.
pub(crate) const DUMP: &str = ".dump";
/// The ending of a meta file.
pub(crate) const META: &str = ".json";
/// The ending of the mark of a backup that was started.
pub(crate) const MARK: &str = ".begun";
/// The head of a database without migrations.
const EMPTY: &str = "empty";

/// The names of one backup.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    folder: Path,
    /// `1764499301-0007_tags`.
    stem: String,
}

impl Name {
    pub(crate) fn new(database: &str, stage: BackupStage, time: u64, head: Option<&str>) -> Self {
        Self { folder: Self::folder_of(database, stage), stem: format!("{time}-{}", head.unwrap_or(EMPTY)) }
    }

    /// The folder of all backups of a database.
    pub(crate) fn folder_of_all(database: &str) -> Path {
        Path::from_iter([database])
    }

    /// The folder of the backups of a database at a stage.
    pub(crate) fn folder_of(database: &str, stage: BackupStage) -> Path {
        Path::from_iter([database, stage.as_str()])
    }

    /// The name of the backup that this object belongs to. `None` if it does not belong to a backup.
    pub(crate) fn of_key(key: &str) -> Option<Self> {
        let path = Path::parse(key).ok()?;
        let file = path.filename()?;
        let stem = [DUMP, META, MARK].iter().find_map(|ending| file.strip_suffix(ending))?;
        let (time, head) = stem.split_once('-')?;
        let is_ours = !time.is_empty() && time.bytes().all(|byte| byte.is_ascii_digit()) && !head.is_empty();
        let count = path.parts().count();
        is_ours.then(|| Self { folder: path.parts().take(count - 1).collect(), stem: stem.to_owned() })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn dump(&self) -> String {
        self.with(DUMP)
    }

    pub(crate) fn meta(&self) -> String {
        self.with(META)
    }

    pub(crate) fn mark(&self) -> String {
        self.with(MARK)
    }

    /// The time in the name.
    pub(crate) fn time(&self) -> &str {
        self.stem.split('-').next().unwrap_or_default()
    }

    fn with(&self, ending: &str) -> String {
        self.folder.clone().join(format!("{}{ending}", self.stem)).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockgate::Stage;

    #[test]
    fn a_name_is_read_as_it_was_written() {
        for (database, head, dump) in [
            ("library", Some("0007_tags"), "library/production/1764499301-0007_tags.dump"),
            ("library", None, "library/production/1764499301-empty.dump"),
            ("a/b", Some("1-x"), "a%2Fb/production/1764499301-1-x.dump"),
        ] {
            let name = Name::new(database, BackupStage::Stage(Stage::Production), 1_764_499_301, head);
            assert_eq!(name.dump(), dump);
            for key in [name.dump(), name.meta(), name.mark()] {
                assert_eq!(Name::of_key(&key), Some(name.clone()), "{key}");
            }
        }
        for other in ["library/production/notes.txt", "library/production/x-1.dump", "1-.dump", "", "12.dump"] {
            assert_eq!(Name::of_key(other), None, "{other}");
        }
    }
}
