//! Drafts for PostgreSQL.
//!
//! `part` divides both schemas into parts and finds what each needs, `mention` by the names in its texts. `fate` decides
//! what happens to each part, `stale` what keeps old values, `action` writes the statements, and `order` sorts them and divides them into scripts. The
//! other files write the statements of one kind.

mod action;
mod change;
mod column;
mod constraint;
mod fate;
mod index;
mod key;
mod mention;
mod meta;
mod object;
mod options;
mod order;
mod part;
mod sequence;
mod stale;
mod table;
mod types;
mod view;

use crate::draft::step::{Draft, Mode};
use crate::model::Schema;

pub(super) fn draft(from: &Schema, to: &Schema, mode: Mode) -> Draft {
    let (old, new) = (part::Parts::of(from), part::Parts::of(to));
    let mut fates = fate::decide(&old, &new);
    let stale = stale::find(&old, &new, &mut fates, mode);
    fate::spread(&old, &new, &mut fates);
    order::scripts(action::all(from, &old, &new, &fates, &stale, mode))
}
