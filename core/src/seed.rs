//! Decides which seed is loaded. A seed is data for a new database that fits the schema after one migration.

use crate::{Migration, Set, Version};

/// Returns the version of the migration after which a seed is loaded. It is in the name of the seed: 4 for `0004_demo`.
pub fn at(id: &str) -> Option<Version> {
    let digits = id.bytes().take_while(u8::is_ascii_digit).count();
    id[..digits].parse().ok()
}

/// Returns the seeds of a companion set with the versions of their migrations, in ascending order of versions.
pub fn all(seeds: &Set) -> Vec<(Version, Migration)> {
    let mut all: Vec<(Version, Migration)> = seeds.iter().filter_map(|seed| Some((at(seed.id())?, seed))).collect();
    all.sort_by_key(|(version, seed)| (*version, seed.id()));
    all
}

/// Returns the newest seed that has a chosen profile. If there is none, returns the newest seed without a profile.
pub fn newest(seeds: &Set) -> Option<(Version, Migration)> {
    let of = |with_profile: bool| {
        let fits = |seed: &Migration| seed.has_profiles() == with_profile && !seed.is_skipped();
        all(seeds).into_iter().rfind(|(_, seed)| fits(seed))
    };
    of(true).or_else(|| of(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_at_the_beginning_of_the_name() {
        assert_eq!(at("0004_demo"), Version::new(4));
        assert_eq!(at("20240102030405_demo"), Version::new(20_240_102_030_405));
        assert_eq!(at("demo"), None);
    }
}
