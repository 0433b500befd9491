//! Which known name a misspelt one was most likely meant to be.
//!
//! Names are compared by their edit distance without regard to case: the least number of letters to
//! insert, leave out, replace, or swap with their neighbour (the "optimal string alignment").

/// Names further apart than this were not meant for each other.
const FAR: usize = 2;

/// The name that is spelt most like `written`: at most two edits away, and at most one for every
/// three letters. The first of several.
pub(super) fn nearest<'a>(written: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let bound = FAR.min(written.len() / 3);
    let near = |name: &'a str| {
        // So many letters at least are to be inserted or left out. It also keeps names without
        // measure from being compared.
        let apart =
            (name.len().abs_diff(written.len()) <= bound).then(|| distance(written, name))?;
        (apart <= bound).then_some((apart, name))
    };
    names.filter_map(near).min_by_key(|(apart, _)| *apart).map(|(_, name)| name)
}

fn distance(one: &str, other: &str) -> usize {
    let other = other.as_bytes();
    // Of the beginnings of `one` that are as long as the row's number, to every beginning of
    // `other`.
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    let mut previous = None;
    for (i, a) in one.bytes().enumerate() {
        let mut row = Vec::with_capacity(last.len());
        row.push(i + 1);
        for (j, b) in other.iter().enumerate() {
            let same = a.eq_ignore_ascii_case(b);
            let mut least = (last[j] + usize::from(!same)).min(last[j + 1] + 1).min(row[j] + 1);
            let swapped =
                |c: u8| j > 0 && c.eq_ignore_ascii_case(b) && a.eq_ignore_ascii_case(&other[j - 1]);
            if previous.is_some_and(swapped) {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        previous = Some(a);
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_edits() {
        for (one, other, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("abc", "ABC", 0),
            ("abc", "ab", 1),
            ("abc", "axc", 1),
            ("abc", "acb", 1),
            ("abc", "bac", 1),
            ("abcd", "badc", 2),
            ("kitten", "sitting", 3),
            ("ca", "abc", 3),
        ] {
            assert_eq!(distance(one, other), expected, "{one} {other}");
            assert_eq!(distance(other, one), expected, "{other} {one}");
        }
    }

    #[test]
    fn the_nearest_wins_and_the_far_are_not_named() {
        let nearest =
            |written| nearest(written, ["journal", "maxPoolSize", "minPoolSize", "w"].into_iter());
        assert_eq!(nearest("maxpoolsizes"), Some("maxPoolSize"));
        assert_eq!(nearest("mxinPoolSize"), Some("minPoolSize"));
        assert_eq!(nearest("mPoolSize"), Some("maxPoolSize"), "the first of equals");
        assert_eq!(nearest("jurnal"), Some("journal"));
        for far in ["", "x", "j", "pool", "journalism", "maxPoolSizeForEveryone"] {
            assert_eq!(nearest(far), None, "{far}");
        }
    }
}
