//! Refuses a plan by the stage of the database: the wrong stage, or steps that a protected one does not allow.

use super::{Plan, Reason, Refusal, Step};
use crate::action::{Action, Direction};
use crate::table::Names;
use crate::{Set, Stage};

/// What is known and wanted of the stage when something is planned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// The stage that the database is marked with.
    pub database: Option<Stage>,
    /// The stage that it must be marked with.
    pub asked: Option<Stage>,
    /// Whether somebody has said why a protected stage may be changed like any other.
    pub overridden: bool,
}

impl Guard {
    /// The reason why nothing at all may run, not even a look.
    pub fn mismatch(&self) -> Option<Reason> {
        let asked = self.asked.filter(|asked| self.database != Some(*asked))?;
        Some(Reason::OtherStage { asked, database: self.database })
    }

    /// The plan, unless the stage forbids it.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] with the reasons of the stage, or else the one that there is already. A database of the wrong
    /// stage has no other reason: the rest may be true of another database alone.
    pub fn check(&self, set: &Set, planned: Result<Plan, Refusal>) -> Result<Plan, Refusal> {
        if let Some(mismatch) = self.mismatch() {
            return Err(Refusal { reasons: vec![mismatch] });
        }
        let plan = planned?;
        let reasons = if self.overridden { Vec::new() } else { self.forbidden(set, &plan.steps) };
        if reasons.is_empty() { Ok(plan) } else { Err(Refusal { reasons }) }
    }

    /// The reason not to destroy anything by hand, unless the stage is overridden.
    pub fn keeps(&self) -> Option<Reason> {
        let stage = self.database.filter(|stage| stage.is_protected() && !self.overridden)?;
        Some(Reason::ProtectedStage { stage })
    }

    /// Why the stage of the database forbids to make it from a schema that contains these migrations: each draft among them,
    /// unless the stage is overridden.
    pub fn forbidden_drafts(&self, set: &Set) -> Vec<Reason> {
        let Some(stage) = self.database.filter(|stage| stage.is_protected() && !self.overridden) else {
            return Vec::new();
        };
        let drafts = set.iter().filter(|migration| !migration.is_frozen());
        drafts.map(|migration| Reason::Draft { id: migration.id().to_owned(), stage }).collect()
    }

    /// Why the stage of the database forbids these steps, unless it is overridden.
    pub fn forbidden(&self, set: &Set, steps: &[Step]) -> Vec<Reason> {
        let Some(stage) = self.database.filter(|stage| stage.is_protected()) else { return Vec::new() };
        let destroys = |action: Action| match action.direction() {
            Some(Direction::Down) => true,
            Some(Direction::Up) => false,
            // To record what is applied destroys nothing; to correct the history may.
            None => action != Action::Record,
        };
        let mut reasons = Vec::new();
        if steps.iter().any(|step| destroys(step.action)) {
            reasons.push(Reason::ProtectedStage { stage });
        }
        // A file of `create/` is never frozen: what counts is that the migrations which it contains are.
        let is_draft = |step: &&Step| {
            set.names() != Names::Paths
                && step.action.direction() == Some(Direction::Up)
                && set.find(step.version).is_some_and(|migration| !migration.is_frozen())
        };
        reasons.extend(steps.iter().filter(is_draft).map(|step| Reason::Draft { id: step.id.clone(), stage }));
        reasons
    }
}
