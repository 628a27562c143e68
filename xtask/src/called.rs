//! How this program was called: messages name the command as it was typed.

use std::borrow::Cow;
use std::ffi::OsString;
use std::sync::OnceLock;

use lockgate_source::Diagnostic;

/// How the commands are called, here and by people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Called {
    /// `cargo xtask`, a member of the workspace.
    Xtask,
    /// `cargo xtask`, the alias for the program that is installed on the machine.
    Alias,
    /// `cargo lockgate`, the program that is installed on the machine.
    Lockgate,
}

/// Set once, before anything is printed.
static CALLED: OnceLock<Called> = OnceLock::new();

impl Called {
    /// Takes from the arguments what cargo adds in front of them. The alias that `init` writes runs
    /// `cargo lockgate xtask`, and cargo runs `cargo-lockgate lockgate xtask` for it.
    pub(crate) fn take(arguments: &mut Vec<OsString>) -> Self {
        let word = |arguments: &[OsString], at: usize, word: &str| arguments.get(at).is_some_and(|found| found == word);
        match (word(arguments, 1, "lockgate"), word(arguments, 2, "xtask")) {
            (true, true) => {
                arguments.drain(1..3);
                Self::Alias
            }
            (true, false) => {
                arguments.remove(1);
                Self::Lockgate
            }
            (false, _) => Self::Xtask,
        }
    }

    /// Has messages name the commands so from now on.
    pub(crate) fn set(self) {
        CALLED.get_or_init(|| self);
    }

    /// Whether `cargo lockgate` is there.
    pub(crate) fn is_installed(self) -> bool {
        match self {
            Self::Xtask => false,
            Self::Alias | Self::Lockgate => true,
        }
    }

    /// The first words of every command.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::Xtask | Self::Alias => "cargo xtask",
            Self::Lockgate => "cargo lockgate",
        }
    }
}

/// A text that names commands, as they are called here.
pub(crate) fn named(text: &str) -> Cow<'_, str> {
    match CALLED.get() {
        Some(Called::Lockgate) if text.contains(Called::Xtask.program()) => {
            Cow::Owned(text.replace(Called::Xtask.program(), Called::Lockgate.program()))
        }
        Some(Called::Xtask | Called::Alias | Called::Lockgate) | None => Cow::Borrowed(text),
    }
}

/// The same of what was found.
pub(crate) fn name_in(diagnostics: &mut [Diagnostic]) {
    for diagnostic in diagnostics {
        let texts = [&mut diagnostic.message, &mut diagnostic.label].into_iter().chain(&mut diagnostic.help);
        for text in texts {
            if let Cow::Owned(named) = named(text) {
                *text = named;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_say_how_it_was_called() {
        for (typed, called, left) in [
            (&["cargo-lockgate", "lockgate", "check"][..], Called::Lockgate, &["check"][..]),
            (&["cargo-lockgate", "lockgate", "xtask", "check"], Called::Alias, &["check"]),
            (&["target/debug/cargo-lockgate", "check"], Called::Xtask, &["check"]),
            (&["cargo-lockgate", "lockgate"], Called::Lockgate, &[]),
            (&["cargo-lockgate"], Called::Xtask, &[]),
        ] {
            let mut arguments: Vec<OsString> = typed.iter().map(OsString::from).collect();
            assert_eq!(Called::take(&mut arguments), called, "{typed:?}");
            assert_eq!(arguments[1..], *left, "{typed:?}");
        }
    }
}
