//! What keeps the values of before when something that computed them changes in place: the body of a function, a text
//! search configuration. PostgreSQL stores such values in indexes, generated columns and materialized views, checks rows
//! when they are written, and never looks at them again by itself.

use std::collections::{BTreeMap, BTreeSet};

use super::column;
use super::constraint;
use super::fate::{Fate, is_inside};
use super::key::Key;
use super::part::{Model, Parts, parents};
use super::view;
use crate::draft::step::Mode;
use crate::model::{ConstraintKind, Generation, ObjectKind, TableKind, TypeKind};

const CAST: &str = "expressions do not name it: build the indexes, checks and generated columns again that use it";

/// Why a part is stale.
#[derive(Clone, Debug, Default)]
pub(super) struct Stale {
    /// What changes.
    pub(super) causes: BTreeSet<Key>,
    /// Why that may change no value, or why no statement can be written; empty if one is.
    pub(super) doubt: String,
}

/// Finds the parts that stay and are stale. An index is created again if nobody uses its table meanwhile.
///
/// `REINDEX` would not do that: a session that has used the index keeps its expressions with the old body of a function in
/// them, and fills it with the old values again.
pub(super) fn find(
    old: &Parts<'_>,
    new: &Parts<'_>,
    fates: &mut BTreeMap<Key, Fate>,
    mode: Mode,
) -> BTreeMap<Key, Stale> {
    let mut users: BTreeMap<&Key, Vec<(&Key, bool)>> = BTreeMap::new();
    for (key, part) in &new.all {
        part.needs.iter().for_each(|need| users.entry(need).or_default().push((key, true)));
        if is_routine(key) {
            let named = part.prefers.iter().filter(|need| computes(need));
            named.for_each(|need| users.entry(need).or_default().push((key, false)));
        }
    }
    let mut found: BTreeMap<Key, Stale> = BTreeMap::new();
    for (cause, is_in_place) in causes(old, new, fates) {
        if is_cast(&cause) {
            found.insert(cause.clone(), Stale { causes: BTreeSet::from([cause.clone()]), doubt: CAST.to_owned() });
        }
        // What is certain is found first.
        let mut queue = vec![(cause.clone(), String::new())];
        let mut maybe = Vec::new();
        let mut seen = BTreeSet::new();
        while let Some((key, doubt)) = queue.pop().or_else(|| maybe.pop()) {
            if !seen.insert(key.clone()) {
                continue;
            }
            for &(user, is_certain) in users.get(&key).map(Vec::as_slice).unwrap_or_default() {
                let (Some(needed), Some(model)) = (new.get(&key).map(|part| part.model), model(new, user)) else {
                    continue;
                };
                // What is created again takes those that need it along.
                let goes_along = key == cause && is_certain && !is_in_place && !is_cast(user);
                if !stays(fates.get(user)) || !is_told(needed, model) || goes_along {
                    continue;
                }
                let doubt = match is_certain {
                    true => doubt.clone(),
                    false => format!("{} names {} in its text", user.shown(), key.shown()),
                };
                if let Some(open) = kept(model, old, new, mode) {
                    let doubt = if doubt.is_empty() { open.to_owned() } else { doubt.clone() };
                    let stale =
                        found.entry(user.clone()).or_insert_with(|| Stale { doubt: doubt.clone(), ..Stale::default() });
                    stale.causes.insert(cause.clone());
                    if doubt.is_empty() {
                        stale.doubt.clear();
                    }
                }
                if doubt.is_empty() { &mut queue } else { &mut maybe }.push((user.clone(), doubt));
            }
        }
    }
    if mode == Mode::Offline {
        found.retain(|key, stale| {
            let is_index = matches!(key, Key::Index(..)) && stale.doubt.is_empty();
            if is_index {
                create_again(key, fates);
            }
            !is_index
        });
    }
    // What a parent brings along is computed with it.
    let is_of_parent = |key: &Key| match model(new, key) {
        Some(Model::Column(table, it)) if it.inherited => {
            parents(table).any(|parent| found.contains_key(&Key::Column(parent.clone(), it.name.clone())))
        }
        _ => false,
    };
    let brought: Vec<Key> = found.keys().filter(|key| is_of_parent(key)).cloned().collect();
    brought.iter().for_each(|key| drop(found.remove(key)));
    found
}

fn model<'a>(parts: &Parts<'a>, key: &Key) -> Option<Model<'a>> {
    parts.get(key).map(|part| part.model)
}

/// What computes other values afterwards, and whether it changes in place.
fn causes(old: &Parts<'_>, new: &Parts<'_>, fates: &BTreeMap<Key, Fate>) -> Vec<(Key, bool)> {
    let found = fates.iter().filter_map(|(key, fate)| {
        let (Model::Object(before), Model::Object(after)) = (model(old, key)?, model(new, key)?) else { return None };
        let is_in_place = match fate {
            Fate::Changes(_) if before.definition != after.definition => true,
            Fate::Again { .. } => false,
            _ => return None,
        };
        computes(key).then(|| (key.clone(), is_in_place))
    });
    found.collect()
}

/// Whether other values are computed when it changes.
fn computes(key: &Key) -> bool {
    let is_of_search =
        matches!(key, Key::Object(ObjectKind::TextSearchConfiguration | ObjectKind::TextSearchDictionary, ..));
    is_routine(key) || is_cast(key) || is_of_search
}

fn is_routine(key: &Key) -> bool {
    matches!(key, Key::Object(ObjectKind::Function | ObjectKind::WindowFunction | ObjectKind::Aggregate, ..))
}

fn is_cast(key: &Key) -> bool {
    matches!(key, Key::Object(ObjectKind::Cast, ..))
}

fn stays(fate: Option<&Fate>) -> bool {
    matches!(fate, Some(Fate::Stays | Fate::Changes(_) | Fate::Renamed { .. }))
}

/// Whether what computes others passes on that it has changed.
fn is_told(needed: Model<'_>, user: Model<'_>) -> bool {
    match needed {
        // It is written into each row, and the server tells the indexes and checks.
        Model::Column(_, it) => {
            let is_stored = it.generated.as_ref().is_some_and(|generated| generated.generation == Generation::Stored);
            !is_stored || matches!(user, Model::View(_))
        }
        Model::View(_) => !matches!(user, Model::Index(..)),
        Model::Object(it) => matches!(
            it.kind,
            ObjectKind::Function
                | ObjectKind::WindowFunction
                | ObjectKind::Aggregate
                | ObjectKind::Operator
                | ObjectKind::OperatorClass
                | ObjectKind::OperatorFamily
                | ObjectKind::TextSearchParser
                | ObjectKind::TextSearchTemplate
                | ObjectKind::TextSearchDictionary
                | ObjectKind::TextSearchConfiguration
        ),
        Model::Namespace(_)
        | Model::Type(_)
        | Model::Sequence(_)
        | Model::Owned(_)
        | Model::Table(_)
        | Model::Parent(_)
        | Model::Marks(_)
        | Model::Default(..)
        | Model::Constraint(..)
        | Model::Index(..) => false,
    }
}

/// Whether a part keeps what was computed; with the reason if no statement computes it again.
fn kept(it: Model<'_>, old: &Parts<'_>, new: &Parts<'_>, mode: Mode) -> Option<&'static str> {
    let can = |kept: bool| kept.then_some("");
    match it {
        Model::Index(on, it) => {
            let is_partitioned = |table: Model<'_>| matches!(table, Model::Table(table) if matches!(table.kind, TableKind::Partitioned { .. }));
            // The values are in the indexes of the partitions, which cannot be dropped alone.
            let is_empty = mode == Mode::Online && model(new, &Key::Table(on.clone())).is_some_and(is_partitioned);
            can(it.valid && !is_empty)
        }
        Model::Constraint(_, it) => match it.kind {
            ConstraintKind::Check => can(!it.inherited && constraint::can_wait(it)),
            ConstraintKind::Exclude => can(true),
            ConstraintKind::PrimaryKey
            | ConstraintKind::Unique
            | ConstraintKind::ForeignKey
            | ConstraintKind::NotNull => None,
        },
        Model::Column(table, it) => {
            let generated = it.generated.as_ref().filter(|it| it.generation == Generation::Stored)?;
            Some(match &column::written_for(table, &generated.expression)[..] {
                [] => "no column that it is computed from can be written: drop it and add it again",
                _ => "",
            })
        }
        Model::Table(it) => matches!(it.kind, TableKind::Partitioned { .. })
            .then_some("rows may belong into other partitions: move them, when no other session is connected"),
        Model::View(it) => can(it.materialized && view::is_populated(it)),
        Model::Type(it) => match it.kind {
            TypeKind::Domain { .. } if is_inside(&Key::Type(it.name.clone()), old, new) => Some(
                "PostgreSQL does not check the values inside of arrays and other types: look for those that do not fit",
            ),
            TypeKind::Domain { .. } => can(true),
            TypeKind::Defined { .. } => {
                let key = Key::Type(it.name.clone());
                let has = |parts: &Parts<'_>| {
                    parts.all.iter().any(|(user, part)| matches!(user, Key::Column(..)) && part.needs.contains(&key))
                };
                (has(old) && has(new)).then_some("its values are stored as they were made: write them again")
            }
            TypeKind::Enum(_) | TypeKind::Composite(_) => None,
        },
        Model::Object(it) => match it.kind {
            ObjectKind::Cast => Some(CAST),
            ObjectKind::OperatorClass if it.definition.contains(" DEFAULT FOR TYPE ") => {
                Some("indexes do not name it: build those again that use it")
            }
            _ => None,
        },
        Model::Namespace(_)
        | Model::Sequence(_)
        | Model::Owned(_)
        | Model::Parent(_)
        | Model::Marks(_)
        | Model::Default(..) => None,
    }
}

/// Lets an index be created again, with that of the partitioned table that brings it along.
fn create_again(key: &Key, fates: &mut BTreeMap<Key, Fate>) {
    match fates.get(key) {
        Some(Fate::Renamed { from, .. }) => {
            let from = from.clone();
            fates.insert(from, Fate::Dropped);
            fates.insert(key.clone(), Fate::Created);
        }
        Some(Fate::Stays) => drop(fates.insert(key.clone(), Fate::Again { changed: false })),
        Some(Fate::Changes(_)) => drop(fates.insert(key.clone(), Fate::Again { changed: true })),
        _ => {}
    }
}
