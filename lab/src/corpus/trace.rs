//! `cargo xtask corpus --trace`: traces each set as if nothing was released, and compares each lock with the predicted one.

use anstream::{eprintln, println};
use lockgate_source::folder::{self, Tests};
use lockgate_testing::server::{Options, Postgres};

use super::{Dialect, Set};
use lockgate_xtask::__private::Failure;
use lockgate_xtask::__private::{Difference, trace};

/// The percentage of locks that must not differ from the prediction.
const DIFFERENT_MAX: f64 = 1.0;

pub(super) fn run(sets: &[Set]) -> Result<(), Failure> {
    let (mut all, mut different) = (0, 0);
    for set in sets.iter().filter(|set| set.dialect == Dialect::Postgres) {
        eprintln!("{}", set.name);
        let tests = Tests { directory: set.folder.join("tests"), shown: "tests".to_owned() };
        let loaded = folder::load_with(&set.folder, &set.name, tests);
        let server = Postgres::start(&Options::default().setting("autovacuum", "off"))?;
        let traced = trace(&loaded.folder, &server.url("postgres"));
        let traced = traced.map_err(|e| Failure::impossible(format!("{}: PostgreSQL says: {e}", set.name)))?;
        let mut counts = (0, 0);
        for draft in &traced.drafts {
            for effect in &draft.effects {
                counts.0 += 1;
                let Some(difference) = effect.differs else { continue };
                counts.1 += 1;
                let how = match difference {
                    Difference::NotPredicted => "taken, not predicted",
                    Difference::NotTaken => "predicted, not taken",
                };
                let lock = effect.lock.max(effect.predicted).map(|lock| lock.to_string()).unwrap_or_default();
                println!("{}:{}: {lock} on {}: {how}", draft.file, effect.line, effect.relation);
            }
        }
        println!(
            "{}: {} of {} migrations, {} effects, {} differ",
            set.name,
            traced.applied,
            loaded.folder.migrations.len(),
            counts.0,
            counts.1
        );
        all += counts.0;
        different += counts.1;
    }
    let percent = if all == 0 { 0.0 } else { 100.0 * f64::from(different) / f64::from(all) };
    println!("{different} of {all} effects differ from what was predicted: {percent:.2} %");
    match percent < DIFFERENT_MAX {
        true => Ok(()),
        false => Err(Failure::refused(format!("{percent:.2} % differ, and less than {DIFFERENT_MAX} % may"))),
    }
}
