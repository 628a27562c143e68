//! Properties of every plan, checked on thousands of small random sets, histories and requests, the same in every run.
//! There are few versions, so that sets and histories overlap.

mod support;

use std::collections::BTreeSet;

use lockgate_core::plan::{self, Repair};
use lockgate_core::{
    Action, Ahead, Atomicity, Destination, Dialect, Dialects, Direction, DownTo, Drift, History, OutOfOrder, Plan,
    Refusal, Request, Row, Set, State, Step, UpTo, Version, drift,
};
use support::{Dice, Words, row, version};

const ROUNDS: u64 = 6_000;
const VERSIONS: i64 = 7;

/// One random case.
struct Case {
    seed: u64,
    set: Set,
    history: History,
    request: Request,
}

impl Case {
    fn plan(&self) -> Result<Plan, Refusal> {
        plan::plan(&self.set, &self.history, &self.request)
    }

    fn with(&self, destination: impl Into<Destination>) -> Result<Plan, Refusal> {
        plan::plan(&self.set, &self.history, &Request { destination: destination.into(), ..self.request })
    }

    fn says(&self) -> String {
        let rows: Vec<_> = self
            .history
            .rows()
            .iter()
            .map(|row| format!("{} {} {}", row.id(), row.state, row.statements_done))
            .collect();
        format!("seed {}: set {:?}, history {rows:?}, {:?}", self.seed, self.set, self.request)
    }
}

fn cases() -> impl Iterator<Item = Case> {
    (0..ROUNDS).map(case)
}

/// Most sets and histories agree in most migrations. Otherwise every plan would be a refusal.
fn case(seed: u64) -> Case {
    let mut dice = Dice(seed);
    let strange = dice.pick(&[0, 0, 4, 12]);
    let odd = |dice: &mut Dice| strange > 0 && dice.once_in(strange);
    let names = ["a", "b", "c", "d"];
    let mut migrations = Vec::new();
    let mut rows = Vec::new();
    let frozen_below = dice.below(VERSIONS as u64 + 1) as i64;
    let applied_below = dice.below(VERSIONS as u64 + 2) as i64;
    let embedded_below = if odd(&mut dice) { dice.below(VERSIONS as u64) as i64 } else { VERSIONS };
    for number in 0..VERSIONS {
        let mut migration = Words::new(number, dice.pick(&names));
        migration.text = format!("{} {number}", migration.name);
        migration.frozen = number < frozen_below;
        migration.down = !dice.once_in(12);
        migration.outside = dice.once_in(5);
        if dice.once_in(4) {
            continue;
        }
        if (number < applied_below) != odd(&mut dice) {
            let mut name = migration.name.clone();
            let mut text = migration.text.clone();
            if odd(&mut dice) {
                name = dice.pick(&names).to_owned();
            }
            if odd(&mut dice) {
                text = format!("{} {}", dice.pick(&names), dice.below(VERSIONS as u64));
            }
            let state = if number + 1 == applied_below || odd(&mut dice) {
                dice.pick(&[State::Applied, State::Applied, State::Partial, State::Reverting])
            } else {
                State::Applied
            };
            rows.push(row(number, &name, &text, state, dice.below(3) as u32));
        }
        if number < embedded_below && !odd(&mut dice) {
            migrations.push(migration);
        }
    }
    let at = version(dice.below(VERSIONS as u64) as i64);
    let steps = dice.below(4) as usize;
    let up = dice.pick(&[UpTo::Latest, UpTo::Latest, UpTo::Version(at), UpTo::Steps(steps)]);
    let down = dice.pick(&[DownTo::Empty, DownTo::Version(at), DownTo::Steps(steps)]);
    let request = Request {
        destination: dice.pick(&[up.into(), down.into()]),
        dialect: Dialect::Postgres,
        ahead: dice.pick(&[Ahead::Accept, Ahead::Accept, Ahead::Refuse]),
        out_of_order: dice.pick(&[OutOfOrder::Refuse, OutOfOrder::Allow]),
        atomicity: if dice.once_in(6) { Atomicity::WholeRun } else { Atomicity::PerMigration },
        beside_others: false,
        can_adopt: false,
    };
    let dialects = if dice.once_in(20) { Dialects::NONE.with(Dialect::Sqlite) } else { Dialects::ALL };
    let history = if rows.is_empty() && dice.once_in(2) { History::Absent } else { History::Present(rows) };
    Case { seed, set: support::set(dialects, &migrations), history, request }
}

/// The history after all steps.
fn after(set: &Set, history: &History, steps: &[Step]) -> History {
    let mut rows = history.rows().to_vec();
    for step in steps {
        let place = rows.binary_search_by_key(&step.version, |row| row.version);
        match step.action {
            Action::Apply | Action::Record => {
                rows.insert(place.expect_err("it was not recorded"), recorded(set, step.version));
            }
            Action::ResumeApply { .. } | Action::Rewrite | Action::ApplyAgain => {
                rows[place.expect("it was recorded")] = recorded(set, step.version);
            }
            Action::Revert | Action::ResumeRevert { .. } | Action::Forget => {
                rows.remove(place.expect("it was recorded"));
            }
            Action::Settle { statements_done, finished } => {
                let row = &mut rows[place.expect("it was recorded")];
                (row.statements_done, row.finished, row.under_way) = (statements_done, finished, None);
            }
        }
    }
    History::Present(rows)
}

fn recorded(set: &Set, version: Version) -> Row {
    let migration = set.find(version).expect("only what is embedded is applied");
    let mut row = row(version.get(), migration.name(), "", State::Applied, 1);
    row.checksum = migration.checksum();
    row
}

#[test]
fn the_cases_are_of_every_kind() {
    let mut kinds = BTreeSet::new();
    let (mut planned, mut refused, mut long) = (0, 0, 0);
    for case in cases() {
        kinds.extend(drift::drift(&case.set, &case.history).iter().map(Drift::code));
        match case.plan() {
            Ok(plan) => {
                planned += 1;
                long += u32::from(plan.steps.len() > 2);
                kinds.extend(plan.steps.iter().map(|step| match step.action {
                    Action::Apply => "apply",
                    Action::ResumeApply { .. } => "resume",
                    Action::Revert => "revert",
                    Action::ResumeRevert { .. } => "resume down",
                    Action::ApplyAgain | Action::Record | Action::Rewrite | Action::Forget | Action::Settle { .. } => {
                        unreachable!("plans run scripts")
                    }
                }));
            }
            Err(_) => refused += 1,
        }
    }
    let all = [
        "ahead",
        "apply",
        "edited",
        "finished-edited",
        "missing",
        "out-of-order",
        "partial",
        "renamed",
        "replaced",
        "resume",
        "resume down",
        "revert",
        "unknown",
    ];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), all);
    assert!(planned > 1000 && refused > 1000 && long > 150, "{planned} plans ({long} long), {refused} refusals");
}

#[test]
fn a_refusal_has_reasons_and_each_is_a_sentence() {
    for case in cases() {
        let says = case.says();
        let Err(refusal) = case.plan() else { continue };
        assert!(!refusal.reasons.is_empty(), "{says}");
        assert!(!refusal.to_string().is_empty(), "{says}");
        for reason in &refusal.reasons {
            for text in [reason.to_string(), reason.help()] {
                let first = text.chars().next();
                assert!(first.is_some_and(|c| !c.is_uppercase()) || text.starts_with("Migrator"), "{text:?}; {says}");
                assert!(!text.ends_with(['.', ' ', '!']), "{text:?}; {says}");
                assert!(!text.contains("  ") && !text.contains('\n'), "{text:?}; {says}");
                assert_eq!(text.matches('`').count() % 2, 0, "{text:?}; {says}");
            }
        }
        let mut once: Vec<_> = refusal.reasons.iter().map(ToString::to_string).collect();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), refusal.reasons.len(), "{refusal}; {says}");
    }
}

#[test]
fn a_number_of_steps_that_is_advised_can_be_typed() {
    let (mut all, mut some, mut none) = (0, 0, 0);
    for mut case in cases() {
        let says = case.says();
        let rows = case.history.rows().len();
        case.request.destination = DownTo::Steps(rows + 1).into();
        let refusal = case.plan().unwrap_err();
        let too_many = |reason: &plan::Reason| match reason {
            plan::Reason::TooManySteps { applied, possible, .. } => Some((*applied, *possible)),
            _ => None,
        };
        let (applied, possible) = refusal.reasons.iter().find_map(too_many).unwrap_or_else(|| panic!("{says}"));
        assert_eq!(applied, rows, "{says}");
        for steps in 1..=rows {
            case.request.destination = DownTo::Steps(steps).into();
            assert!(case.plan().is_err() || steps <= possible, "{steps} can be typed, {possible} are advised; {says}");
        }
        if possible == 0 {
            none += 1;
            assert!(applied == 0 || refusal.reasons.len() > 1, "nothing says why; {says}");
            continue;
        }
        case.request.destination = DownTo::Steps(possible).into();
        assert_eq!(case.plan().map(|plan| plan.steps.len()), Ok(possible), "{says}");
        if possible == applied { all += 1 } else { some += 1 }
    }
    assert!(all > 20 && some > 20 && none > 20, "{all} {some} {none}");
}

#[test]
fn steps_are_in_order_and_touch_only_what_is_needed() {
    for case in cases() {
        let says = case.says();
        let Ok(plan) = case.plan() else { continue };
        let up = case.request.destination.direction() == Direction::Up;
        for pair in plan.steps.windows(2) {
            assert!(if up { pair[0].version < pair[1].version } else { pair[0].version > pair[1].version }, "{says}");
        }
        for step in &plan.steps {
            let migration = case.set.find(step.version).unwrap_or_else(|| panic!("not embedded: {step:?}; {says}"));
            assert_eq!(step.id, migration.id(), "{says}");
            let state = case.history.row(step.version).map(|row| (row.state, row.statements_done));
            let fits = match step.action {
                Action::Apply => up && state.is_none(),
                Action::ResumeApply { statements_done } => up && state == Some((State::Partial, statements_done)),
                Action::Revert => !up && matches!(state, Some((State::Applied, _))),
                Action::ResumeRevert { statements_done } => !up && state == Some((State::Reverting, statements_done)),
                Action::ApplyAgain | Action::Record | Action::Rewrite | Action::Forget | Action::Settle { .. } => false,
            };
            assert!(fits, "{step:?}; {says}");
            assert!(step.action.fits(case.history.row(step.version)), "{step:?}; {says}");
            assert_eq!(step.action.direction(), Some(case.request.destination.direction()), "{says}");
            let script = if up { Some(migration.up()) } else { migration.down() };
            let script = script.unwrap_or_else(|| panic!("{} has no way down; {says}", step.id));
            assert!(case.request.atomicity == Atomicity::PerMigration || script.is_transactional(), "{says}");
        }
        assert_eq!(plan.seen, case.history.digest(), "{says}");
    }
}

#[test]
fn steps_reach_the_destination() {
    for case in cases() {
        let says = case.says();
        let Ok(plan) = case.plan() else { continue };
        let Case { set, history, request, .. } = &case;
        let unfinished = |v: &Version| history.row(*v).is_none_or(|row| row.state == State::Partial);
        let pending: Vec<_> = set.iter().map(|migration| migration.version()).filter(unfinished).collect();
        let recorded: Vec<_> = history.rows().iter().rev().map(|row| row.version).collect();
        let expected: Vec<Version> = match request.destination {
            Destination::Up(UpTo::Latest) => pending,
            Destination::Up(UpTo::Version(to)) => pending.into_iter().filter(|v| *v <= to).collect(),
            Destination::Up(UpTo::Steps(steps)) => pending.into_iter().take(steps).collect(),
            Destination::Down(DownTo::Version(to)) => recorded.into_iter().filter(|v| *v > to).collect(),
            Destination::Down(DownTo::Steps(steps)) => {
                assert!(steps <= recorded.len(), "{says}");
                recorded.into_iter().take(steps).collect()
            }
            Destination::Down(DownTo::Empty) => recorded,
        };
        assert_eq!(plan.steps.iter().map(|step| step.version).collect::<Vec<_>>(), expected, "{says}");
    }
}

#[test]
fn nothing_runs_on_a_record_that_differs_from_the_set() {
    for case in cases() {
        let says = case.says();
        let Ok(plan) = case.plan() else { continue };
        let Case { set, history, request, .. } = &case;
        let up = request.destination.direction() == Direction::Up;
        let newest = set.last().map(|migration| migration.version());
        for row in history.rows() {
            let runs = plan.steps.iter().any(|step| step.version == row.version);
            match set.find(row.version) {
                Some(migration) => {
                    let same_name = row.name == migration.name();
                    let same_text = row.checksum == migration.checksum();
                    let own_draft = !up && runs && !migration.is_frozen() && (same_name || same_text);
                    // Statements that have not run may be edited.
                    let script = if row.state == State::Partial { Some(migration.up()) } else { migration.down() };
                    let finished = script.map(|script| script.finished(Dialect::Postgres)).unwrap_or_default();
                    let last = (row.statements_done as usize).checked_sub(1);
                    let kept =
                        last.is_none_or(|last| row.finished.is_some() && finished.get(last) == row.finished.as_ref());
                    let goes_on = same_name && up && runs && row.state == State::Partial && kept;
                    let goes_on = goes_on && !migration.up().is_transactional();
                    assert!((same_name && same_text) || own_draft || goes_on, "{}; {says}", row.id());
                    assert!(row.state != State::Reverting || row.finished.is_none() || kept, "{}; {says}", row.id());
                    assert!(row.state == State::Applied || runs, "{} is left half way; {says}", row.id());
                }
                None => {
                    assert!(newest.is_none_or(|newest| row.version > newest), "{}; {says}", row.id());
                    assert!(if up { request.ahead == Ahead::Accept } else { plan.is_empty() }, "{}; {says}", row.id());
                }
            }
        }
        let late = |step: &Step| history.rows().last().is_some_and(|newest| step.version < newest.version);
        let applies_late = plan.steps.iter().any(|step| step.action == Action::Apply && late(step));
        assert!(!applies_late || request.out_of_order == OutOfOrder::Allow, "{says}");
    }
}

#[test]
fn all_drift_is_either_tolerated_or_refused() {
    for case in cases() {
        let says = case.says();
        let found = drift::drift(&case.set, &case.history);
        let kept = match case.plan() {
            Ok(plan) => plan.tolerated,
            Err(refusal) => {
                let reasons = refusal.reasons.into_iter();
                let kept = reasons.filter_map(|reason| match reason {
                    plan::Reason::Drift(drift) => Some(drift),
                    _ => None,
                });
                let kept: Vec<_> = kept.collect();
                assert!(kept.iter().all(|drift| found.contains(drift)), "{says}");
                continue;
            }
        };
        assert_eq!(kept, found, "{says}");
    }
}

#[test]
fn nothing_is_left_to_do_after_a_plan() {
    for case in cases() {
        let Ok(plan) = case.plan() else { continue };
        let history = after(&case.set, &case.history, &plan.steps);
        let destination = match case.request.destination {
            // So many steps more would be more steps.
            Destination::Up(UpTo::Steps(_)) => UpTo::Steps(0).into(),
            Destination::Down(DownTo::Steps(_)) => DownTo::Steps(0).into(),
            other => other,
        };
        let again = plan::plan(&case.set, &history, &Request { destination, ..case.request });
        let again = again.unwrap_or_else(|refusal| panic!("{refusal}; {}", case.says()));
        assert!(again.is_empty(), "{again:?}; {}", case.says());
    }
}

#[test]
fn an_interrupted_plan_can_be_resumed() {
    for case in cases() {
        let Ok(plan) = case.plan() else { continue };
        let half = plan.steps.len() / 2;
        let history = after(&case.set, &case.history, &plan.steps[..half]);
        let destination = match case.request.destination {
            Destination::Up(UpTo::Steps(steps)) => UpTo::Steps(steps.saturating_sub(half)).into(),
            Destination::Down(DownTo::Steps(steps)) => DownTo::Steps(steps.saturating_sub(half)).into(),
            other => other,
        };
        let rest = plan::plan(&case.set, &history, &Request { destination, ..case.request });
        let rest = rest.unwrap_or_else(|refusal| panic!("{refusal}; {}", case.says()));
        assert_eq!(rest.steps, plan.steps[half..], "{}", case.says());
    }
}

#[test]
fn going_down_to_the_version_just_reached_does_nothing() {
    for case in cases() {
        let Destination::Up(UpTo::Version(to)) = case.request.destination else { continue };
        let Ok(up) = case.plan() else { continue };
        let history = after(&case.set, &case.history, &up.steps);
        if history.rows().last().is_some_and(|row| row.version > to) {
            continue;
        }
        let request = Request { destination: DownTo::Version(to).into(), ..case.request };
        let down = plan::plan(&case.set, &history, &request);
        assert!(down.as_ref().is_ok_and(Plan::is_empty), "{down:?}; {}", case.says());
    }
}

#[test]
fn down_and_up_again_restores_the_history() {
    for case in cases() {
        let Destination::Down(_) = case.request.destination else { continue };
        let Ok(down) = case.plan() else { continue };
        if down.is_empty() || !down.tolerated.is_empty() {
            continue;
        }
        let reverted = after(&case.set, &case.history, &down.steps);
        let steps = UpTo::Steps(down.steps.len());
        let request = Request { destination: steps.into(), atomicity: Atomicity::PerMigration, ..case.request };
        let up = plan::plan(&case.set, &reverted, &request).unwrap_or_else(|error| panic!("{error}; {}", case.says()));
        let again = after(&case.set, &reverted, &up.steps);
        let versions = |history: &History| history.rows().iter().map(|row| row.version).collect::<Vec<_>>();
        assert_eq!(versions(&again), versions(&case.history), "{}", case.says());
    }
}

#[test]
fn a_nearer_destination_is_the_beginning_of_a_farther_one() {
    for case in cases() {
        let farthest: Destination = match case.request.destination {
            Destination::Up(_) => UpTo::Latest.into(),
            Destination::Down(_) => DownTo::Empty.into(),
        };
        if let (Ok(all), Ok(nearer)) = (case.with(farthest), case.plan()) {
            assert!(all.steps.starts_with(&nearer.steps), "{}", case.says());
        }
    }
}

#[test]
fn an_absent_history_is_an_empty_one() {
    for mut case in cases().take(2000) {
        case.history = History::Absent;
        let absent = case.plan();
        case.history = History::Present(Vec::new());
        assert_eq!(absent, case.plan(), "{}", case.says());
        assert!(drift::drift(&case.set, &case.history).is_empty());
    }
}

#[test]
fn baseline_records_once_and_only_what_is_missing() {
    for case in cases() {
        let to = version((case.seed % VERSIONS as u64) as i64);
        let baseline = |history: &History| plan::baseline(&case.set, history, case.request.dialect, to);
        let Ok(plan) = baseline(&case.history) else { continue };
        assert!(plan.steps.iter().all(|step| step.action == Action::Record && step.version <= to), "{}", case.says());
        let history = after(&case.set, &case.history, &plan.steps);
        assert!(case.set.iter().take_while(|m| m.version() <= to).all(|m| history.row(m.version()).is_some()));
        assert!(baseline(&history).is_ok_and(|again| again.is_empty()), "{}", case.says());
    }
}

#[test]
fn a_repair_removes_its_problem_and_is_done_once() {
    for case in cases() {
        let of = version((case.seed % VERSIONS as u64) as i64);
        for repair in [Repair::AcceptEdited, Repair::MarkApplied(of), Repair::Forget(of)] {
            let plan = match plan::repair(&case.set, &case.history, Dialect::Postgres, repair) {
                Ok(plan) => plan,
                Err(refusal) => {
                    assert!(!refusal.reasons.is_empty(), "{}", case.says());
                    continue;
                }
            };
            let history = after(&case.set, &case.history, &plan.steps);
            let left = drift::drift(&case.set, &history);
            let id = case.set.find(of).map(|migration| migration.id());
            let is_right = match repair {
                Repair::AcceptEdited => !left.iter().any(|drift| {
                    matches!(drift, Drift::Edited { .. } | Drift::Renamed { .. } | Drift::Replaced { .. })
                }),
                Repair::MarkApplied(_) => left.iter().all(|drift| Some(drift.id()) != id),
                Repair::Forget(_) => history.row(of).is_none(),
                _ => unreachable!("every repair is asked for above"),
            };
            assert!(is_right, "{repair:?} leaves {left:?}; {}", case.says());
            if !matches!(repair, Repair::Forget(_)) {
                let again = plan::repair(&case.set, &history, Dialect::Postgres, repair);
                assert!(again.is_ok_and(|again| again.is_empty()), "{repair:?}; {}", case.says());
            }
        }
    }
}

#[test]
fn status_has_each_migration_once_in_order() {
    for case in cases() {
        let status = lockgate_core::status(&case.set, &case.history);
        assert!(status.entries.windows(2).all(|pair| pair[0].version < pair[1].version), "{}", case.says());
        let versions: BTreeSet<_> = case
            .set
            .iter()
            .map(|migration| migration.version())
            .chain(case.history.rows().iter().map(|row| row.version))
            .collect();
        assert_eq!(status.entries.iter().map(|entry| entry.version).collect::<BTreeSet<_>>(), versions);
        let up = Request { ahead: Ahead::Accept, ..Request::up(Dialect::Postgres) };
        let nothing_to_do = plan::plan(&case.set, &case.history, &up).is_ok_and(|plan| plan.is_empty());
        let right_dialect = case.set.is_empty() || case.set.dialects().contains(Dialect::Postgres);
        if status.is_up_to_date() {
            assert_eq!(nothing_to_do, right_dialect, "{}", case.says());
        }
        assert_eq!(status.drift.len(), drift::drift(&case.set, &case.history).len(), "{}", case.says());
    }
}
