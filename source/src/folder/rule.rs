//! The rules that a policy and `allow` can name.

use crate::Code;
use crate::sql::{lint, suggest};

/// Returns the code of a rule that `allow` can name. Otherwise returns the message and the help.
pub(super) fn of_script(name: &str) -> Result<Code, (String, String)> {
    if lint::names().any(|known| known == name) {
        return Ok(Code::of_sql(name));
    }
    if name.parse::<Code>().is_ok() {
        let message = format!("`{name}` is not a lint: it cannot be silenced");
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

/// Returns the code of a rule that a policy can name: those of scripts, and two about the folder.
pub(super) fn of_policy(name: &str) -> Result<Code, (String, String)> {
    match name.parse() {
        Ok(code @ (Code::UndeclaredDialects | Code::ForeignTransaction)) => Ok(code),
        _ => of_script(name),
    }
}
