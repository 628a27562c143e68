//! Scripts that do nothing.

use super::world::View;

/// The rule `empty-script`.
pub(super) fn check(view: &mut View<'_, '_>) {
    if view.source.is_down || !view.source.statements.is_empty() {
        return;
    }
    let message = "this script has no statement: it would be recorded as applied, and do nothing".to_owned();
    let end = view.source.text.trim_end().len();
    view.tell("empty-script", end..end, message, vec!["write what it is to do, or delete it".to_owned()]);
}
