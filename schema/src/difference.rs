//! The result of a comparison: differences, their classes, and the policy which classes are failures.

use std::fmt;
use std::str::FromStr;

/// One difference between two schemas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its class.
    pub class: Class,
    /// What differs: `table public.users`.
    pub object: String,
    /// How it differs: `column email: NOT NULL is lost`.
    pub what: String,
    /// The old value, if there was one.
    pub before: Option<String>,
    /// The new value, if there is one.
    pub after: Option<String>,
}

/// The class of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A program may notice it.
    Real,
    /// The columns are the same, but in another order.
    ColumnOrder,
    /// The values of an enum are the same, but in another order.
    EnumOrder,
    /// A constraint has another name, but is otherwise the same.
    ConstraintName,
    /// An index has another name, but is otherwise the same.
    IndexName,
    /// The privileges differ.
    Privileges,
    /// The owner differs.
    Owner,
    /// The comment differs.
    Comment,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 8] = [
        Self::Real,
        Self::ColumnOrder,
        Self::EnumOrder,
        Self::ConstraintName,
        Self::IndexName,
        Self::Privileges,
        Self::Owner,
        Self::Comment,
    ];

    /// Returns its name: `column-order`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::ColumnOrder => "column-order",
            Self::EnumOrder => "enum-order",
            Self::ConstraintName => "constraint-name",
            Self::IndexName => "index-name",
            Self::Privileges => "privileges",
            Self::Owner => "owner",
            Self::Comment => "comment",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text is not one of the words of [`Class::as_str`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseClassError;

impl fmt::Display for ParseClassError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a class of differences is one of ")?;
        for (index, class) in Class::ALL.iter().enumerate() {
            write!(f, "{}{class}", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl std::error::Error for ParseClassError {}

impl FromStr for Class {
    type Err = ParseClassError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|class| class.as_str() == word).ok_or(ParseClassError)
    }
}

/// Which classes of differences are failures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    tolerated: Vec<Class>,
}

impl Policy {
    /// Every difference is a failure.
    pub const fn strict() -> Self {
        Self { tolerated: Vec::new() }
    }

    /// Every difference is a failure, except those of these classes.
    pub fn tolerating(classes: impl IntoIterator<Item = Class>) -> Self {
        Self { tolerated: classes.into_iter().collect() }
    }

    /// Whether a difference of this class is a failure.
    pub fn minds(&self, class: Class) -> bool {
        !self.tolerated.contains(&class)
    }
}

impl Default for Policy {
    /// [`Policy::strict`].
    fn default() -> Self {
        Self::strict()
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.object, self.what, self.class)
    }
}

/// The most lines of a changed text that are shown.
const MOST_LINES: usize = 12;

/// Describes all differences for people, one per line, with the changed lines of longer texts. A nonempty result ends with
/// a line break.
pub fn report(differences: &[Difference]) -> String {
    let mut report = String::new();
    for difference in differences {
        report.push_str(&format!("{difference}\n"));
        for line in changed(difference) {
            report.push_str(&format!("    {line}\n"));
        }
    }
    report
}

/// Describes each difference for people, where `before` and `after` are two places that should hold the same schema, such
/// as `create/` and `deployment/`. The changed lines of longer texts follow on lines of their own.
pub fn between(differences: &[Difference], before: &str, after: &str) -> Vec<String> {
    let describe = |difference: &Difference| {
        let Difference { class, object, what, .. } = difference;
        let only = |what: &str, place: &str| {
            let part = if what.is_empty() { String::new() } else { format!(": {what}") };
            format!("{object}{part} is only in {place} ({class})")
        };
        let is_gone = ["is gone", "is lost"].iter().find_map(|end| what.strip_suffix(end));
        let mut text = match (is_gone, what.strip_suffix("is new")) {
            (Some(what), _) => only(what.trim_end(), before),
            (None, Some(what)) => only(what.trim_end(), after),
            (None, None) => format!("{object}: {what}, from {before} to {after} ({class})"),
        };
        for line in changed(difference) {
            let place = if line.starts_with('-') { before } else { after };
            text.push_str(&format!("\n{place}: {}", line[1..].trim_start()));
        }
        text
    };
    differences.iter().map(describe).collect()
}

/// Returns the lines in which two texts differ, as `- before` and `+ after`.
fn changed(difference: &Difference) -> Vec<String> {
    let (Some(before), Some(after)) = (&difference.before, &difference.after) else { return Vec::new() };
    if !before.contains('\n') && !after.contains('\n') {
        // The message already shows them.
        return Vec::new();
    }
    let (before, after): (Vec<&str>, Vec<&str>) = (before.split('\n').collect(), after.split('\n').collect());
    let same = before.iter().zip(&after).take_while(|(before, after)| before == after).count();
    let (before, after) = (&before[same..], &after[same..]);
    let same = before.iter().rev().zip(after.iter().rev()).take_while(|(before, after)| before == after).count();
    let (before, after) = (&before[..before.len() - same], &after[..after.len() - same]);
    [('-', before), ('+', after)].into_iter().flat_map(|(sign, lines)| shown(sign, lines)).collect()
}

fn shown(sign: char, lines: &[&str]) -> Vec<String> {
    let mut shown: Vec<String> = lines.iter().take(MOST_LINES).map(|line| format!("{sign} {line}")).collect();
    if lines.len() > MOST_LINES {
        shown.push(format!("{sign} … and {} more", lines.len() - MOST_LINES));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(class: Class, before: &str, after: &str) -> Difference {
        Difference {
            class,
            object: "view v".to_owned(),
            what: "the definition is another".to_owned(),
            before: Some(before.to_owned()),
            after: Some(after.to_owned()),
        }
    }

    #[test]
    fn two_places_are_named_in_both_directions() {
        let of = |what: &str| Difference { what: what.to_owned(), ..difference(Class::Real, "a", "b") };
        let lines = between(&[of("is gone"), of("column x is new"), of("changed")], "`deployment/`", "`create/`");
        assert_eq!(
            lines,
            [
                "view v is only in `deployment/` (real)",
                "view v: column x is only in `create/` (real)",
                "view v: changed, from `deployment/` to `create/` (real)"
            ]
        );
    }

    #[test]
    fn a_class_is_known_by_its_word() {
        for class in Class::ALL {
            assert_eq!(class.to_string().parse(), Ok(class));
        }
        let error = "order".parse::<Class>().expect_err("there is no such class");
        assert_eq!(
            error.to_string(),
            "a class of differences is one of real, column-order, enum-order, constraint-name, index-name, \
             privileges, owner, comment"
        );
    }

    #[test]
    fn a_policy_minds_what_it_does_not_tolerate() {
        assert!(Class::ALL.into_iter().all(|class| Policy::default().minds(class)));
        let policy = Policy::tolerating([Class::Comment, Class::Owner]);
        assert!(policy.minds(Class::Real) && !policy.minds(Class::Owner));
    }

    #[test]
    fn a_report_shows_the_lines_that_changed() {
        let one = difference(Class::Real, "SELECT 1", "SELECT 2");
        assert_eq!(report(&[one]), "view v: the definition is another (real)\n");
        let long = difference(Class::Real, "SELECT\na,\nb\nFROM t", "SELECT\na,\nc,\nd\nFROM t");
        assert_eq!(report(&[long]), "view v: the definition is another (real)\n    - b\n    + c,\n    + d\n");
        let grown = difference(Class::Real, "a", "a\na");
        assert_eq!(report(&[grown]), "view v: the definition is another (real)\n    + a\n");
        assert_eq!(report(&[]), "");
    }

    #[test]
    fn a_report_does_not_show_a_whole_book() {
        let lines = |n: usize| (0..n).map(|line| format!("line {line}")).collect::<Vec<_>>().join("\n");
        let exact = report(&[difference(Class::Real, "x", &lines(12))]);
        assert!(exact.ends_with("+ line 11\n"), "{exact}");
        let long = report(&[difference(Class::Real, "x", &lines(15))]);
        assert!(long.ends_with("+ line 11\n    + … and 3 more\n"), "{long}");
    }
}
