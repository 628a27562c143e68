//! How this program was invoked, `cargo xtask` or `cargo lockgate`: messages name commands the same way.

use std::borrow::Cow;
use std::ffi::OsString;
use std::sync::OnceLock;

use lockgate_source::Diagnostic;

/// How the program was invoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Invocation {
    /// `cargo xtask`, by a member of the workspace.
    Xtask,
    /// `cargo xtask`, by an alias for the installed program.
    Alias,
    /// `cargo lockgate`, the installed program.
    Lockgate,
}

/// Set once, before anything is printed.
static INVOCATION: OnceLock<Invocation> = OnceLock::new();

impl Invocation {
    /// Removes the words that cargo adds in front of the arguments. The alias that `init` writes runs
    /// `cargo lockgate xtask`, for which cargo runs `cargo-lockgate lockgate xtask`.
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

    /// Makes messages name commands this way.
    pub(crate) fn set(self) {
        INVOCATION.get_or_init(|| self);
    }

    /// Whether the program is installed on this machine, so that `cargo lockgate` works.
    pub(crate) fn is_installed(self) -> bool {
        match self {
            Self::Xtask => false,
            Self::Alias | Self::Lockgate => true,
        }
    }

    /// Returns the first words of every command.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::Xtask | Self::Alias => "cargo xtask",
            Self::Lockgate => "cargo lockgate",
        }
    }
}

/// Replaces `cargo xtask` in a text by `cargo lockgate` if the program was invoked so.
pub(crate) fn with_command_name(text: &str) -> Cow<'_, str> {
    match INVOCATION.get() {
        Some(Invocation::Lockgate) if text.contains(Invocation::Xtask.program()) => {
            Cow::Owned(text.replace(Invocation::Xtask.program(), Invocation::Lockgate.program()))
        }
        Some(Invocation::Xtask | Invocation::Alias | Invocation::Lockgate) | None => Cow::Borrowed(text),
    }
}

/// Does the same for the texts of diagnostics.
pub(crate) fn rename_commands(diagnostics: &mut [Diagnostic]) {
    for diagnostic in diagnostics {
        let texts = [&mut diagnostic.message, &mut diagnostic.label].into_iter().chain(&mut diagnostic.help);
        for text in texts {
            if let Cow::Owned(named) = with_command_name(text) {
                *text = named;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_determine_the_invocation() {
        for (typed, called, left) in [
            (&["cargo-lockgate", "lockgate", "check"][..], Invocation::Lockgate, &["check"][..]),
            (&["cargo-lockgate", "lockgate", "xtask", "check"], Invocation::Alias, &["check"]),
            (&["target/debug/cargo-lockgate", "check"], Invocation::Xtask, &["check"]),
            (&["cargo-lockgate", "lockgate"], Invocation::Lockgate, &[]),
            (&["cargo-lockgate"], Invocation::Xtask, &[]),
        ] {
            let mut arguments: Vec<OsString> = typed.iter().map(OsString::from).collect();
            assert_eq!(Invocation::take(&mut arguments), called, "{typed:?}");
            assert_eq!(arguments[1..], *left, "{typed:?}");
        }
    }
}
