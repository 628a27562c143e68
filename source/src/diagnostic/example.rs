//! A small wrong folder and a right one for each code, as `cargo xtask explain` shows them; `examples.txt` has them. A
//! test loads each: the wrong one has the code, the right one has no diagnostics.

use std::sync::LazyLock;

use super::catalogue::Code;

/// The example of one code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Example {
    /// The code of the catalogue.
    pub code: Code,
    wrong: &'static str,
    right: &'static str,
}

/// One file of an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path relative to the folder; may begin with `../`.
    pub path: &'static str,
    /// When it has this text.
    pub when: When,
    /// Its text, without the last newline; empty if the file is gone.
    pub text: &'static str,
}

/// The time at which a file of an example has the text shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Now.
    Now,
    /// When it was released, so the lockfile records this text.
    Released,
    /// When it was added to the lockfile as a draft.
    Drafted,
    /// The file is gone.
    Gone,
}

impl Example {
    /// Returns the example of this code, if files can show the problem.
    pub fn find(code: Code) -> Option<&'static Self> {
        EXAMPLES.binary_search_by_key(&code, |example| example.code).ok().map(|at| &EXAMPLES[at])
    }

    /// The files of a folder that is refused.
    pub fn wrong(&self) -> Vec<File> {
        files(self.wrong)
    }

    /// The files of one that is not.
    pub fn right(&self) -> Vec<File> {
        files(self.right)
    }
}

impl When {
    /// The note after a path, in `examples.txt` and in what is shown.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Now => "",
            Self::Released => ", as it was released",
            Self::Drafted => ", with its line in the lockfile",
            Self::Gone => ", which is gone",
        }
    }
}

/// Splits an example at its `# path` lines.
fn files(text: &'static str) -> Vec<File> {
    let mut files = Vec::new();
    for section in text.strip_prefix("# ").unwrap_or(text).split("\n# ") {
        let (head, text) = section.split_once('\n').unwrap_or((section, ""));
        let late = [When::Released, When::Drafted, When::Gone];
        let found = late.into_iter().find_map(|when| Some((head.strip_suffix(when.suffix())?, when)));
        let (path, when) = found.unwrap_or((head, When::Now));
        files.push(File { path, when, text });
    }
    files
}

/// In alphabetical order of the codes.
pub static EXAMPLES: LazyLock<Vec<Example>> = LazyLock::new(|| {
    let text = include_str!("examples.txt").trim_end_matches('\n');
    let examples = text.split("\n@@ ").skip(1).collect::<Vec<_>>();
    examples
        .chunks(2)
        .map(|example| {
            let (code, wrong) = example[0].split_once('\n').expect("a code has files");
            let right = example[1].strip_prefix("right\n").expect("what is right follows what is wrong");
            Example { code: code.parse().expect("it is in the catalogue"), wrong, right }
        })
        .collect()
});
