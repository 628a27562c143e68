//! PostgreSQL: a value of an enum that is used in the transaction that adds it.

use super::change::Change;
use super::cursor::tokens;
use super::world::View;
use crate::sql::lexer::Kind;
use lockgate_core::StatementKind;

/// The rule `enum-value-used`.
pub(super) fn check(view: &mut View<'_, '_>) {
    if !view.source.is_transactional {
        return;
    }
    for (at, change) in view.changes.iter().enumerate() {
        let Some(Change::AddValue { of, value }) = change else { continue };
        let is_new_type = view.changes[..at]
            .iter()
            .flatten()
            .any(|change| matches!(change, Change::Create { what: "type", name, .. } if name.key == of.key));
        if is_new_type {
            continue;
        }
        for statement in &view.source.statements[at + 1..] {
            let reads = matches!(
                statement.kind,
                StatementKind::Insert
                    | StatementKind::Update
                    | StatementKind::Delete
                    | StatementKind::Select
                    | StatementKind::CreateIndex
                    | StatementKind::CreateView
                    | StatementKind::AlterTable
                    | StatementKind::CreateTable
            );
            const TOKENS_MAX: usize = 2_000;
            let tokens = if reads {
                tokens(view.source.reads_as, view.source.text, statement.range.clone(), TOKENS_MAX)
            } else {
                Vec::new()
            };
            let used = tokens
                .iter()
                .find(|token| token.kind == Kind::Text && view.source.text[token.start..token.end] == *value);
            if let Some(used) = used {
                let message = format!(
                    "PostgreSQL refuses `{value}` here: a value that was added to `{}` can be used only after the commit",
                    view.shown(of)
                );
                let help = format!(
                    "add the value in a migration of its own, before this one: `ALTER TYPE {} ADD VALUE {value}`",
                    view.shown(of)
                );
                view.tell("enum-value-used", used.start..used.end, message, vec![help]);
                break;
            }
        }
    }
}
