//! Folders that nobody would write: whatever is in them, loading them does not panic, every problem
//! can be shown, and a folder without errors can be embedded.

use lockgate_source::Color;

use crate::support::Project;

/// Pieces that mean something to one reader or another, in any order.
const PIECES: [&str; 48] = [
    "-- lockgate: ",
    "--",
    "lockgate",
    "no-transaction",
    "irreversible \"é\"",
    "allow(x) \"y\"",
    "lock-timeout 5s",
    "\n",
    "\r\n",
    "\u{feff}",
    "'",
    "\"",
    "$$",
    "$é$",
    "/*",
    "*/",
    "`",
    "[",
    "]",
    "(",
    ")",
    ";",
    "\\restrict x\n",
    "\\.",
    "\n",
    "BEGIN",
    "COMMIT",
    "END",
    "CASE",
    "CREATE TRIGGER t ",
    "CREATE FUNCTION f ",
    "COPY t FROM stdin;\n",
    "DELIMITER //\n",
    "//",
    "é",
    "漢字",
    "\0",
    " ",
    "\t",
    "E'\\'",
    "VACUUM",
    "PRAGMA foreign_keys=off",
    "= ",
    "frozen 0001_a up=v1:",
    "draft ",
    "lockgate-lock v1 chain=",
    "<<<<<<< ",
    "dialects = [\"postgres\"]",
];

const NAMES: [&str; 24] = [
    "0001_a.sql",
    "0001_a.up.sql",
    "0001_a.down.sql",
    "1_b.sql",
    "0002_é.sql",
    "0003_c.rs",
    "x.sql",
    ".sql",
    "_.sql",
    "1_.sql",
    "é",
    "0001-é.sql",
    "V1__é.sql",
    "0004_d.SQL",
    "0004_é.UP.SQL",
    "migrations.toml",
    "migrations.lock",
    "sub/0005_e.sql",
    "é~",
    "0006_f.ŝql",
    "99999999999999999999_x.sql",
    "0_z.sql",
    "00000-a.sql",
    "up.sql",
];

/// Numbers that look like chance and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

#[test]
fn any_folder_can_be_loaded_and_shown() {
    let mut dice = Dice(7);
    let mut embedded = 0;
    for _ in 0..400 {
        let project = Project::new(&[]);
        for _ in 0..dice.roll(6) {
            let text: String = (0..dice.roll(12)).map(|_| PIECES[dice.roll(PIECES.len())]).collect();
            project.write(NAMES[dice.roll(NAMES.len())], text);
        }
        let loaded = project.load();
        for diagnostic in &loaded.diagnostics {
            for style in [Color::Off, Color::On] {
                assert!(diagnostic.render(style).contains(diagnostic.code.as_str()));
            }
        }
        if !loaded.has_errors() {
            loaded.folder.encode();
            embedded += 1;
        }
    }
    assert!(embedded > 10, "{embedded}");
}
