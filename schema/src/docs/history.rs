//! Which migration made each object and each part of one, and which changed it last.

use std::collections::BTreeMap;

use crate::block::{Item, describe};
use crate::model::Schema;

/// The migrations of a schema, compared one after the other.
///
/// An object that gets another name is made anew: what the schema does not say, no comparison can know.
#[derive(Clone, Debug, Default)]
pub struct History {
    before: BTreeMap<String, Item>,
    origins: BTreeMap<String, Origin>,
}

/// Where an object comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// The migration that made it.
    pub(super) made: String,
    /// The last one that changed it since.
    pub(super) changed: Option<String>,
}

impl History {
    /// Compares the schema after a migration with the one before it. Call it for each migration in order.
    pub fn record(&mut self, migration: &str, schema: &Schema) {
        let mut now = BTreeMap::new();
        for item in describe(schema) {
            let key = item.title();
            for part in &item.parts {
                now.insert(part_key(&key, &part.title()), part.clone());
            }
            now.insert(key, item);
        }
        self.origins.retain(|key, _| now.contains_key(key));
        for (key, item) in &now {
            match (self.before.get(key), self.origins.get_mut(key)) {
                (Some(before), Some(origin)) if before != item => origin.changed = Some(migration.to_owned()),
                (Some(_), Some(_)) => {}
                (_, _) => {
                    self.origins.insert(key.clone(), Origin { made: migration.to_owned(), changed: None });
                }
            }
        }
        self.before = now;
    }

    pub(super) fn of(&self, item: &Item) -> Option<&Origin> {
        self.origins.get(&item.title())
    }

    pub(super) fn of_part(&self, item: &Item, part: &Item) -> Option<&Origin> {
        self.origins.get(&part_key(&item.title(), &part.title()))
    }
}

fn part_key(item: &str, part: &str) -> String {
    // No title has a line break.
    format!("{item}\n{part}")
}
