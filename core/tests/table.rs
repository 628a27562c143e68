//! The embedded table can be read back, and a damaged table ends in a panic at worst, never in an endless loop or a
//! huge allocation.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lockgate_core::psql::{Command, Program, What};
use lockgate_core::table::{self, BodyData, Encoded, MigrationData, Names, Reading, ScriptData, ScriptOptions};
use lockgate_core::{
    Body, Checksum, Dialect, Dialects, Script, Set, Statement, StatementFlags, StatementKind, TableLock, Touch,
};
use support::{Dice, version};

/// The system's allocator, with a record of the largest allocation.
struct Watched;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all calls are passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller guarantees the same for us.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller guarantees the same for us.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

#[test]
fn everything_encoded_is_read_back() {
    for seed in 0..2000 {
        let (dialects, migrations, texts) = migrations(&mut Dice(seed));
        let Encoded { paths, table } = table::encode(dialects, Names::Kept, &migrations);
        let texts: &'static str = texts.leak();
        let set = Set::from_parts("db/migrations", "app 1.0.0", texts, paths.leak(), table.leak());

        assert_eq!((set.len(), set.dialects()), (migrations.len(), dialects), "seed {seed}");
        assert_eq!((set.folder(), set.application()), ("db/migrations", "app 1.0.0"));
        let mut text_at = 0;
        for (index, (read, data)) in set.iter().zip(&migrations).enumerate() {
            assert_eq!((read.index(), read.version()), (index, data.version), "seed {seed}");
            assert_eq!(read.name(), data.name, "seed {seed}");
            assert!(data.up.path.contains(read.id()) && read.id().ends_with(read.name()), "seed {seed}");
            assert_eq!(read.is_frozen(), data.frozen, "seed {seed}");
            assert_eq!(read.irreversible(), data.irreversible.as_deref(), "seed {seed}");
            assert_eq!(read.checksum(), data.up.checksum, "seed {seed}");
            assert_eq!(set.find(data.version).map(|found| found.index()), Some(index), "seed {seed}");
            same(&read.up(), &data.up, texts, &mut text_at);
            assert_eq!(read.down().is_some(), data.down.is_some(), "seed {seed}");
            if let (Some(read), Some(data)) = (read.down(), &data.down) {
                same(&read, data, texts, &mut text_at);
            }
        }
        assert_eq!(text_at, texts.len());
        assert_eq!(set.last().map(|last| last.index() + 1).unwrap_or_default(), migrations.len());
        assert!(set.get(migrations.len()).is_none());
    }
}

fn same(read: &Script, data: &ScriptData, texts: &'static str, text_at: &mut usize) {
    assert_eq!(read.path(), format!("db/migrations/{}", data.path));
    assert_eq!(read.checksum(), data.checksum);
    assert_eq!(read.is_transactional(), data.options.transactional);
    assert_eq!(read.foreign_keys_off(), data.options.foreign_keys_off);
    assert_eq!(read.lock_timeout(), data.options.lock_timeout);
    assert_eq!(read.statement_timeout(), data.options.statement_timeout);
    assert_eq!(read.role(), data.options.role.as_deref());
    assert_eq!(read.psql(), data.options.psql);
    match &data.body {
        BodyData::Rust => {
            assert_eq!(read.body(), Body::Rust);
            assert!(Dialect::ALL.into_iter().all(|dialect| read.statements(dialect).is_empty()));
        }
        BodyData::Sql { len, readings } => {
            let text = &texts[*text_at..*text_at + len];
            *text_at += len;
            assert_eq!(read.body(), Body::Sql(text));
            for dialect in Dialect::ALL {
                let reading = readings.iter().find(|reading| reading.dialects.contains(dialect)).cloned();
                let Reading { statements, touches, finished, .. } =
                    reading.unwrap_or_else(|| Reading::new(Dialects::NONE, Vec::new()));
                assert_eq!(read.statements(dialect), statements);
                assert_eq!(read.finished(dialect), finished);
                let is_kept = |touch: &Touch<String>| {
                    dialect == Dialect::Postgres || (touch.makes || touch.destroys) && !touch.of_index
                };
                let touches = touches.into_iter().filter(is_kept).map(|touch| {
                    let lock = touch.lock.filter(|_| dialect == Dialect::Postgres);
                    (touch.statement, touch.table, touch.of_index, lock, touch.makes, touch.destroys)
                });
                let read = read.touches(dialect).into_iter().map(|touch| {
                    let table = touch.table.to_owned();
                    (touch.statement, table, touch.of_index, touch.lock, touch.makes, touch.destroys)
                });
                assert!(read.eq(touches));
            }
        }
    }
}

#[test]
fn a_damaged_table_ends_in_a_clean_panic_at_worst() {
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    let (mut read, mut panicked) = (0, 0);
    for seed in 0..20_000 {
        let mut dice = Dice(seed);
        let (dialects, migrations, texts) = migrations(&mut dice);
        let Encoded { paths, mut table } = table::encode(dialects, Names::Kept, &migrations);
        for _ in 0..=dice.below(3) {
            let place = dice.below(table.len() as u64) as usize;
            table[place] = match dice.below(3) {
                0 => table[place] ^ (1 << dice.below(8)),
                1 => 0xff,
                _ => dice.next() as u8,
            };
        }
        // Leaked, like embedded data, which is never freed. The pieces are small.
        let (texts, paths, table): (&str, &str, &[u8]) = (texts.leak(), paths.leak(), table.leak());
        match catch_unwind(AssertUnwindSafe(|| read_all(&Set::from_parts("m", "", texts, paths, table)))) {
            Ok(()) => read += 1,
            Err(_) => panicked += 1,
        }
    }
    std::panic::set_hook(quiet);
    assert!(read > 1000 && panicked > 1000, "{read} read, {panicked} panicked");
    let largest = LARGEST.load(Ordering::Relaxed);
    assert!(largest < 4 << 20, "{largest} bytes were asked for at once");
}

/// Reads everything in a set.
fn read_all(set: &Set) {
    let mut seen = format!("{set:?}").len();
    for migration in set.iter() {
        seen += migration.name().len() + migration.irreversible().map_or(0, str::len);
        for script in [Some(migration.up()), migration.down()].into_iter().flatten() {
            seen += script.path().len() + script.role().map_or(0, str::len);
            if let Body::Sql(text) = script.body() {
                seen += text.len();
            }
            for dialect in Dialect::ALL {
                seen += script.statements(dialect).len() + script.finished(dialect).len();
                seen += script.touches(dialect).iter().map(|touch| touch.table.len()).sum::<usize>();
            }
        }
    }
    seen += lockgate_core::status(set, &lockgate_core::History::Absent).entries.len();
    assert!(seen < usize::MAX);
}

/// Up to six migrations with every option, and the text of their scripts.
fn migrations(dice: &mut Dice) -> (Dialects, Vec<MigrationData>, String) {
    let dialects = Dialects::from_bits(1 + dice.below(7) as u8).expect("1 to 7 are sets of dialects");
    let mut texts = String::new();
    let mut last = 0_i64;
    let mut migrations = Vec::new();
    for _ in 0..dice.below(7) {
        let gap = dice.pick(&[1, 1, 9, 20_261_120_130_000, i64::MAX / 16]);
        last += gap;
        let name = dice.pick(&["a", "1", "create users", "_x", "7_tags.of", "é-è", "up"]).to_owned();
        let zeros = dice.pick(&["", "0", "000"]);
        let folder = dice.pick(&["", "2026/", "1/2_a/"]);
        let separator = dice.pick(&["_", "-"]);
        let script = |dice: &mut Dice, texts: &mut String, end: &str| {
            let checksum = |dice: &mut Dice| Checksum::v1(std::array::from_fn(|_| dice.next() as u8));
            let mut body = if dice.once_in(5) { BodyData::Rust } else { sql(dice, dialects, texts) };
            if let BodyData::Sql { readings, .. } = &mut body {
                let (has_finished, has_touches) = (dice.once_in(3), dice.once_in(2));
                for reading in readings {
                    if has_finished {
                        reading.finished = reading.statements.iter().map(|_| checksum(dice)).collect();
                    }
                    if has_touches {
                        reading.touches = touches(dice, reading.statements.len());
                    }
                }
            }
            ScriptData {
                path: format!("{folder}{zeros}{last}{separator}{name}{end}"),
                checksum: checksum(dice),
                body,
                options: options(dice),
            }
        };
        let up = script(dice, &mut texts, ".up.sql");
        let down = (!dice.once_in(3)).then(|| script(dice, &mut texts, ".down.sql"));
        migrations.push(MigrationData {
            version: version(last),
            name,
            frozen: dice.once_in(2),
            amended: Vec::new(),
            irreversible: dice.once_in(4).then(|| dice.pick(&["", "why not", "größer"]).to_owned()),
            profiles: if dice.once_in(4) { vec![dice.pick(&["testnet", "größer"]).to_owned()] } else { Vec::new() },
            rank: dice.once_in(4).then(|| last.cast_unsigned()),
            up,
            down,
        });
    }
    (dialects, migrations, texts)
}

/// Touches for this many statements.
fn touches(dice: &mut Dice, statements: usize) -> Vec<Touch<String>> {
    let touch = |dice: &mut Dice, statement| Touch {
        statement,
        table: dice.pick(&["users", "app.users", "größer", "a b"]).to_owned(),
        of_index: dice.once_in(4),
        lock: (!dice.once_in(3)).then(|| dice.pick(&TableLock::ALL)),
        makes: dice.once_in(4),
        destroys: dice.once_in(4),
    };
    let some = (0..statements).flat_map(|statement| vec![statement; dice.below(3) as usize]).collect::<Vec<_>>();
    some.into_iter().map(|statement| touch(dice, statement)).collect()
}

fn options(dice: &mut Dice) -> ScriptOptions {
    let timeout = |dice: &mut Dice| {
        let milliseconds = dice.pick(&[0, 1, 127, 128, 3000, u64::MAX]);
        dice.once_in(3).then(|| Duration::from_millis(milliseconds))
    };
    ScriptOptions {
        transactional: !dice.once_in(3),
        foreign_keys_off: dice.once_in(3),
        lock_timeout: timeout(dice),
        statement_timeout: timeout(dice),
        role: dice.once_in(3).then(|| dice.pick(&["owner", "", "Mr. \"Quote\""]).to_owned()),
        psql: dice.once_in(3).then(|| Program {
            declared: vec!["owner".to_owned(); dice.below(200) as usize],
            commands: vec![Command { statement: 0, what: What::Else }],
            ..Program::default()
        }),
    }
}

fn sql(dice: &mut Dice, dialects: Dialects, texts: &mut String) -> BodyData {
    let len = dice.pick(&[0, 1, 40, 400]);
    texts.extend(std::iter::repeat_n('x', len));
    let statements = |dice: &mut Dice| {
        let mut statements = Vec::new();
        let mut at = 0;
        while at < len && statements.len() < 30 {
            let start = at + dice.below(3) as usize;
            let end = start + dice.below(200) as usize;
            if end > len {
                break;
            }
            let kind = StatementKind::from_code(dice.below(70) as u8);
            let flags = StatementFlags::from_bits(dice.below(128) as u8);
            let data = flags.contains(StatementFlags::COPY_DATA).then(|| {
                let first = start + dice.below((end - start) as u64 + 1) as usize;
                first..first + dice.below((end - first) as u64 + 1) as usize
            });
            statements.push(Statement { range: start..end, kind, flags, data });
            at = end.max(at + 1);
            if end < at {
                break;
            }
        }
        statements
    };
    // One table for all dialects of the set, or one for each.
    let readings = if dice.once_in(2) {
        vec![Reading::new(dialects, statements(dice))]
    } else {
        dialects.iter().map(|dialect| Reading::new(Dialects::NONE.with(dialect), statements(dice))).collect()
    };
    BodyData::Sql { len, readings }
}
