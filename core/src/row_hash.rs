//! The hash of a row of the history, as PostgreSQL computes it over its own rows. The sum over all rows is the digest that
//! a set has when all of it is applied: see [`Set::applied_digest`](crate::Set::applied_digest).

/// Returns the hash of the row of an applied migration: that of its checksum, seeded with that of its name, seeded with
/// that of the word `applied`, seeded with its version.
pub fn applied(version: i64, name: &str, checksum: &str) -> i128 {
    i128::from(hash(checksum, hash(name, hash("applied", version))))
}

/// `hashtextextended` of PostgreSQL on a little-endian machine: Bob Jenkins' `lookup3`. The server partitions tables
/// by it, so that it cannot change. Where it gives something else, a start reads the whole history.
pub(crate) fn hash(text: &str, seed: i64) -> i64 {
    let length = u32::try_from(text.len()).expect("a name is shorter than 4 GiB");
    let start = 0x9e37_79b9_u32.wrapping_add(length).wrapping_add(3_923_095);
    let mut state = [start; 3];
    if seed != 0 {
        let seed = seed.cast_unsigned();
        state[0] = state[0].wrapping_add((seed >> 32) as u32);
        state[1] = state[1].wrapping_add(seed as u32);
        mix(&mut state);
    }
    let (blocks, rest) = text.as_bytes().as_chunks::<12>();
    for block in blocks {
        add(&mut state, block);
        mix(&mut state);
    }
    // The lowest byte of the third word is left to the length.
    let mut last = [0; 12];
    for (index, byte) in rest.iter().enumerate() {
        last[if index < 8 { index } else { index + 1 }] = *byte;
    }
    add(&mut state, &last);
    finish(&mut state);
    (u64::from(state[1]) << 32 | u64::from(state[2])).cast_signed()
}

fn add(state: &mut [u32; 3], block: &[u8; 12]) {
    let (words, _) = block.as_chunks::<4>();
    for (word, bytes) in state.iter_mut().zip(words) {
        *word = word.wrapping_add(u32::from_le_bytes(*bytes));
    }
}

fn mix([a, b, c]: &mut [u32; 3]) {
    let step = |x: &mut u32, y: &mut u32, z: &mut u32, by: u32| {
        *x = x.wrapping_sub(*z) ^ z.rotate_left(by);
        *z = z.wrapping_add(*y);
    };
    step(a, b, c, 4);
    step(b, c, a, 6);
    step(c, a, b, 8);
    step(a, b, c, 16);
    step(b, c, a, 19);
    step(c, a, b, 4);
}

fn finish([a, b, c]: &mut [u32; 3]) {
    let step = |x: &mut u32, y: u32, by: u32| *x = (*x ^ y).wrapping_sub(y.rotate_left(by));
    step(c, *b, 14);
    step(a, *c, 11);
    step(b, *a, 25);
    step(c, *b, 16);
    step(a, *c, 4);
    step(b, *a, 14);
    step(c, *b, 24);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_the_hash_that_postgresql_gives_it() {
        for (text, seed, expected) in [
            ("", 0, -6_939_563_903_564_495_251),
            ("", 1, -150_071_773_020_461_347),
            ("applied", 0, -3_172_655_007_558_491_046),
            ("applied", 7, 6_682_393_742_568_933_874),
            ("twelve bytes", -1, -2_842_946_457_677_575_389),
            ("elevenbytes", i64::MAX, 3_082_620_993_535_588_460),
            ("thirteen byte", i64::MIN, 7_875_655_684_509_885_596),
            ("eightby8", 5, 482_274_384_927_118_102),
            ("ninebyte9", 5, 3_542_162_701_472_212_244),
            ("create_users", 20_261_129, 4_487_698_084_863_159_303),
            ("größe", 3, -4_758_641_159_935_653_599),
            (
                "v1:34b3799f350fd02ed03e79b9eb978e2f16579a5ed7c34702014734d192133a41",
                -4_611_686_018_427_387_905,
                -7_669_649_752_395_298_907,
            ),
        ] {
            assert_eq!(hash(text, seed), expected, "hashtextextended('{text}', {seed})");
        }
    }

    #[test]
    fn each_cell_counts_and_belongs_to_its_row() {
        let digest = |rows: &[(i64, &str, &str)]| -> i128 { rows.iter().map(|row| applied(row.0, row.1, row.2)).sum() };
        let both = digest(&[(1, "a", "x"), (2, "b", "y")]);
        assert_eq!(digest(&[(2, "b", "y"), (1, "a", "x")]), both);
        for other in [
            &[(1, "a", "x")][..],
            &[(1, "a", "x"), (3, "b", "y")],
            &[(1, "a", "x"), (2, "c", "y")],
            &[(1, "a", "x"), (2, "b", "z")],
            &[(1, "a", "y"), (2, "b", "x")],
            &[(1, "b", "x"), (2, "a", "y")],
            &[(1, "a", "x"), (2, "b", "y"), (3, "c", "z")],
        ] {
            assert_ne!(digest(other), both, "{other:?}");
        }
    }
}
