//! Decides what happens to each part: it stays, is changed, or goes; and which parts must be created again because one
//! that they need is.

use std::collections::{BTreeMap, BTreeSet};

use super::change::Change;
use super::column;
use super::constraint;
use super::index;
use super::key::Key;
use super::object;
use super::part::{Model, Parts};
use super::sequence;
use super::table;
use super::types;
use super::view;
use crate::draft::step::Statement;
use crate::model::{ConstraintKind, Name, ObjectKind, Table, TypeKind};

/// What happens to a part.
#[derive(Clone, Debug)]
pub(super) enum Fate {
    Stays,
    /// These statements change it.
    Changes(Vec<Statement>),
    /// It must be changed by a statement that a person writes, for this reason.
    Open(String),
    Created,
    Dropped,
    /// It is dropped and created. `changed` says whether it differs itself.
    Again {
        changed: bool,
    },
    /// A type that columns have: a second type is created, the columns move to it, and the first is dropped.
    Swapped,
    /// It gets this name; the part is the one of the new name.
    Renamed {
        from: Key,
        then: Vec<Statement>,
    },
}

/// The fates of all parts of both schemas by their own changes. An old part that is renamed has none.
pub(super) fn decide(old: &Parts<'_>, new: &Parts<'_>) -> BTreeMap<Key, Fate> {
    let mut fates = BTreeMap::new();
    for (key, part) in &old.all {
        let fate = match new.get(key) {
            None => Fate::Dropped,
            Some(after) => change(part.model, after.model),
        };
        fates.insert(key.clone(), fate);
    }
    for key in new.all.keys() {
        fates.entry(key.clone()).or_insert(Fate::Created);
    }
    keep_indexes(old, new, &mut fates);
    rename(old, new, &mut fates);
    for (key, fate) in &mut fates {
        let (Some(Model::Type(before)), Some(Model::Type(after))) =
            (old.get(key).map(|part| part.model), new.get(key).map(|part| part.model))
        else {
            continue;
        };
        let is_swapped = match fate {
            Fate::Again { .. } => is_used(key, old, new),
            // The server changes neither attributes that columns have, nor what it would have to look for inside of values.
            Fate::Changes(_) => {
                (types::retypes(before, after) && is_used(key, old, new))
                    || (types::looks_at_values(before, after) && is_inside(key, old, new))
            }
            _ => false,
        };
        if is_swapped && types::is_reshaped(before, after) && is_inside(key, old, new) {
            let why = "columns have it inside of arrays or other types, whose values no expression converts: write a \
                       function that does";
            *fate = Fate::Open(why.to_owned());
        } else if is_swapped {
            *fate = Fate::Swapped;
        }
    }
    fates
}

fn change(before: Model<'_>, after: Model<'_>) -> Fate {
    let statements = |found: Vec<Statement>| if found.is_empty() { Fate::Stays } else { Fate::Changes(found) };
    let changed = |change: Change| match change {
        Change::Statements(found) => statements(found),
        Change::Again => Fate::Again { changed: true },
        Change::Open(why) => Fate::Open(why),
    };
    match (before, after) {
        (Model::Namespace(before), Model::Namespace(after)) => {
            let address = super::meta::Address::new(format!("SCHEMA {}", crate::draft::write::ident(&after.name)));
            statements(super::meta::change(&address, &before.meta, &after.meta))
        }
        (Model::Type(before), Model::Type(after)) => changed(types::change(before, after)),
        (Model::Sequence(before), Model::Sequence(after)) => statements(sequence::change(before, after)),
        (Model::Owned(before), Model::Owned(after)) if before.owned_by == after.owned_by => Fate::Stays,
        // Its old owner may go, and must not take it along.
        (Model::Owned(_), Model::Owned(_)) => Fate::Again { changed: true },
        (Model::Table(before), Model::Table(after)) if table::is_another(before, after) => {
            Fate::Again { changed: true }
        }
        (Model::Table(before), Model::Table(after)) => statements(table::change(before, after)),
        (Model::Parent(before), Model::Parent(after)) => {
            if before.partition_of != after.partition_of {
                return Fate::Again { changed: true };
            }
            let mut found = table::leave(&Table { partition_of: None, ..before.clone() }, &after.inherits);
            found.extend(table::join(&Table { partition_of: None, ..after.clone() }, &before.inherits));
            statements(found)
        }
        (Model::Marks(before), Model::Marks(after)) => statements(table::change_marks(Some(before), after, false)),
        (Model::Column(_, before), Model::Column(_, after)) if column::is_another(before, after) => {
            Fate::Again { changed: true }
        }
        (Model::Column(_, before), Model::Column(table, after)) => statements(column::change(table, before, after)),
        (Model::Default(_, before), Model::Default(table, after)) => {
            statements(if before.default == after.default { Vec::new() } else { vec![column::default(table, after)] })
        }
        (Model::Constraint(_, before), Model::Constraint(table, after)) => {
            constraint::change(table, before, after).map_or(Fate::Again { changed: true }, statements)
        }
        (Model::Index(_, before), Model::Index(on, after)) => {
            index::change(on, before, after).map_or(Fate::Again { changed: true }, statements)
        }
        (Model::View(before), Model::View(after)) => changed(view::change(before, after)),
        (Model::Object(before), Model::Object(after)) => changed(object::change(before, after)),
        _ => Fate::Again { changed: true },
    }
}

/// Lets the indexes of a table stay that becomes a partition, or is none any more.
fn keep_indexes(old: &Parts<'_>, new: &Parts<'_>, fates: &mut BTreeMap<Key, Fate>) {
    let mut kept = Vec::new();
    for (key, fate) in &*fates {
        let Key::Index(table, _) = key else { continue };
        let parent = fates.get(&Key::Parent(table.clone()));
        let moves = matches!(parent, Some(Fate::Created | Fate::Dropped));
        let (Some(Model::Index(_, before)), Some(Model::Index(on, after))) =
            (old.get(key).map(|part| part.model), new.get(key).map(|part| part.model))
        else {
            continue;
        };
        if moves
            && matches!(fate, Fate::Again { .. })
            && let Some(found) = index::change(on, &index::alone(before), &index::alone(after))
        {
            kept.push((key.clone(), if found.is_empty() { Fate::Stays } else { Fate::Changes(found) }));
        }
    }
    fates.extend(kept);
}

/// Finds constraints and indexes of which only the name is another.
fn rename(old: &Parts<'_>, new: &Parts<'_>, fates: &mut BTreeMap<Key, Fate>) {
    let mut gone: BTreeMap<Name, Vec<Key>> = BTreeMap::new();
    let mut created = Vec::new();
    for (key, fate) in &*fates {
        match (key, fate) {
            (Key::Constraint(table, _) | Key::Index(table, _), Fate::Dropped) => {
                gone.entry(table.clone()).or_default().push(key.clone());
            }
            (Key::Constraint(table, _) | Key::Index(table, _), Fate::Created) => {
                created.push((table.clone(), key.clone()))
            }
            _ => {}
        }
    }
    for (table, key) in created {
        let (Some(gone), Some(part)) = (gone.get_mut(&table), new.get(&key)) else { continue };
        let found =
            gone.iter().enumerate().find_map(|(at, from)| Some((at, renamed(old.get(from)?.model, part.model)?)));
        if let Some((at, then)) = found {
            let from = gone.remove(at);
            fates.remove(&from);
            fates.insert(key, Fate::Renamed { from, then });
        }
    }
}

/// The statements that give a part its new name, if it is the same but for that.
fn renamed(before: Model<'_>, after: Model<'_>) -> Option<Vec<Statement>> {
    match (before, after) {
        (Model::Constraint(_, before), Model::Constraint(table, after))
            if constraint::definition(before) == constraint::definition(after)
                && !before.inherited
                && !after.inherited =>
        {
            let mut found = vec![constraint::rename(table, before, after)];
            found.extend(constraint::comment(table, Some(before), after));
            Some(found)
        }
        (Model::Index(_, before), Model::Index(on, after))
            if index::is_same(before, after) && !index::is_of_parent(after) =>
        {
            let mut found = vec![index::rename(on, before, after)];
            found.extend(index::change(on, before, after).unwrap_or_default());
            Some(found)
        }
        _ => None,
    }
}

/// Whether columns have a type before and afterwards.
fn is_used(key: &Key, old: &Parts<'_>, new: &Parts<'_>) -> bool {
    let is_column = |candidate: &Key| matches!(candidate, Key::Column(..));
    matches!(key, Key::Type(_))
        && old.all.iter().any(|(user, part)| {
            let still = |part: &super::part::Part<'_>| part.needs.contains(key);
            let is_type = matches!(user, Key::Type(_));
            (is_column(user) || is_type) && still(part) && new.get(user).is_some_and(still)
        })
}

/// Whether columns have a type before and afterwards as a part of their own type: in an array or an attribute.
pub(super) fn is_inside(key: &Key, old: &Parts<'_>, new: &Parts<'_>) -> bool {
    let mut seen = BTreeSet::new();
    // With each, whether the way to it has been through an array or an attribute.
    let mut queue = vec![(key, false)];
    while let Some((key, inside)) = queue.pop() {
        if !seen.insert((key, inside)) {
            continue;
        }
        for (user, part) in &old.all {
            if !part.needs.contains(key) || !new.get(user).is_some_and(|part| part.needs.contains(key)) {
                continue;
            }
            match part.model {
                Model::Column(_, it) if inside || it.data_type.ends_with(']') => return true,
                Model::Type(it) => match &it.kind {
                    TypeKind::Domain { base, .. } => queue.push((user, inside || base.ends_with(']'))),
                    TypeKind::Composite(_) | TypeKind::Defined { .. } => queue.push((user, true)),
                    TypeKind::Enum(_) => {}
                },
                _ => {}
            }
        }
    }
    false
}

/// Parts that need one which is created again are created again too.
pub(super) fn spread(old: &Parts<'_>, new: &Parts<'_>, fates: &mut BTreeMap<Key, Fate>) {
    let mut users: BTreeMap<&Key, Vec<&Key>> = BTreeMap::new();
    for (key, part) in &old.all {
        for need in &part.needs {
            users.entry(need).or_default().push(key);
        }
    }
    let mut queue: Vec<(Key, Effect)> =
        fates.iter().filter_map(|(key, fate)| Some((key.clone(), effect(key, fate, old, new)?))).collect();
    let mut seen = BTreeSet::new();
    while let Some((key, effect)) = queue.pop() {
        if !seen.insert((key.clone(), effect)) {
            continue;
        }
        for &user in users.get(&key).map(Vec::as_slice).unwrap_or_default() {
            let Some(fate) = fates.get_mut(user) else { continue };
            let (Some(before), Some(after)) = (old.get(user), new.get(user)) else { continue };
            if !matches!(fate, Fate::Stays | Fate::Changes(_)) {
                continue;
            }
            // What no longer needs it is changed before it goes.
            let keeps = after.needs.contains(&key);
            if matches!((effect, before.model), (Effect::Swapped, Model::Column(..))) && keeps {
                queue.push((user.clone(), Effect::Retyped));
            }
            let is_hit = is_hit(effect, &key, before.model) || is_torn(effect, &key, before.model, old, new);
            if !is_hit || (!keeps && effect != Effect::Retyped) {
                continue;
            }
            let swapped = matches!(user, Key::Type(_)) && is_used(user, old, new);
            *fate = if swapped { Fate::Swapped } else { Fate::Again { changed: matches!(fate, Fate::Changes(_)) } };
            queue.push((user.clone(), if swapped { Effect::Swapped } else { Effect::Again }));
        }
    }
}

/// What the fate of a part does to those that need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Effect {
    /// It is gone for a moment.
    Again,
    /// A column gets another type.
    Retyped,
    /// Columns move to another type.
    Swapped,
}

fn effect(key: &Key, fate: &Fate, old: &Parts<'_>, new: &Parts<'_>) -> Option<Effect> {
    match fate {
        Fate::Again { .. } => Some(Effect::Again),
        Fate::Swapped => Some(Effect::Swapped),
        Fate::Changes(_) => match (old.get(key)?.model, new.get(key)?.model) {
            (Model::Column(_, before), Model::Column(_, after)) if column::is_retyped(before, after) => {
                Some(Effect::Retyped)
            }
            _ => None,
        },
        Fate::Stays | Fate::Open(_) | Fate::Created | Fate::Dropped | Fate::Renamed { .. } => None,
    }
}

/// Whether a foreign key has columns for a moment that cannot be compared, because one of them has its new type already.
fn is_torn(effect: Effect, needed: &Key, model: Model<'_>, old: &Parts<'_>, new: &Parts<'_>) -> bool {
    let (Model::Constraint(_, it), Effect::Retyped) = (model, effect) else { return false };
    let (Some(Model::Column(_, before)), Some(Model::Column(_, after))) =
        (old.get(needed).map(|part| part.model), new.get(needed).map(|part| part.model))
    else {
        return false;
    };
    let is_whole = |it: &str| ["smallint", "integer", "bigint"].contains(&it);
    let is_text = |it: &str| it == "text" || it.starts_with("character varying");
    let (from, to) = (before.data_type.as_str(), after.data_type.as_str());
    let can_be_compared = (is_whole(from) && is_whole(to)) || (is_text(from) && is_text(to));
    it.kind == ConstraintKind::ForeignKey && !can_be_compared
}

/// Whether a part cannot outlive what happens to one that it needs.
fn is_hit(effect: Effect, needed: &Key, model: Model<'_>) -> bool {
    match model {
        Model::Namespace(_) | Model::Sequence(_) | Model::Table(_) => false,
        // The server builds the indexes and constraints of a column anew when its type changes.
        Model::Constraint(..) | Model::Index(..) | Model::Marks(_) | Model::Owned(_) => effect != Effect::Retyped,
        Model::Column(_, column) => match effect {
            Effect::Again => column.generated.is_some() || matches!(needed, Key::Table(_) | Key::Column(..)),
            Effect::Retyped | Effect::Swapped => column.generated.is_some(),
        },
        Model::Parent(_) => effect == Effect::Again && matches!(needed, Key::Table(_)),
        Model::Default(..) | Model::View(_) => true,
        Model::Type(it) => match it.kind {
            TypeKind::Enum(_) => false,
            TypeKind::Composite(_) | TypeKind::Domain { .. } | TypeKind::Defined { .. } => true,
        },
        Model::Object(it) => match effect {
            Effect::Retyped => !matches!(it.kind, ObjectKind::Statistics),
            Effect::Again | Effect::Swapped => {
                !matches!(it.kind, ObjectKind::DefaultPrivileges | ObjectKind::Extension)
            }
        },
    }
}
