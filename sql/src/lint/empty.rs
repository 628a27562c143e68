//! The rule about scripts that do nothing.

use super::context::Context;

/// The rule `empty-script`.
pub(super) fn check(cx: &mut Context<'_, '_>) {
    if cx.file.is_down || !cx.file.statements.is_empty() {
        return;
    }
    let message = "this script has no statement: it would be recorded as applied and do nothing".to_owned();
    let end = cx.file.text.trim_end().len();
    cx.report("empty-script", end..end, message, vec!["write its statements, or delete it".to_owned()]);
}
