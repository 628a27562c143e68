//! The rules that a policy and `allow` can name.

use crate::diagnostic::catalogue;
use crate::sql::{lint, suggest};

/// The rule about a folder that does not say which of several databases it is for.
pub(crate) const UNDECLARED: &str = "undeclared-dialects";

/// The rule about scripts that ask another tool for no transaction.
pub(crate) const FOREIGN_TRANSACTION: &str = "foreign-transaction";

/// Checks whether a rule exists. Otherwise returns the message and the help.
pub(super) fn known(name: &str) -> Result<(), (String, String)> {
    if lint::names().any(|known| known == name) {
        return Ok(());
    }
    if catalogue::find(name).is_some() {
        let message = format!("`{name}` is no lint: it cannot be silenced");
        return Err((message, "delete this, and put right what it says".to_owned()));
    }
    let help = match suggest::nearest(name, lint::names()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => {
            let mut names: Vec<&str> = lint::names().collect();
            names.sort_unstable();
            format!("the rules are {}", names.join(", "))
        }
    };
    Err((format!("there is no rule `{name}`"), help))
}
