//! Finds the known name that is most similar to a misspelt one.
//!
//! Similarity is the edit distance without regard to case: the minimum number of insertions,
//! deletions, replacements and swaps of neighbouring letters (the "optimal string alignment").

/// The maximum distance of a suggestion.
const FAR: usize = 2;

/// The name most similar to `written`: at most two edits away, and at most one edit per three
/// letters. The first of equals.
pub(super) fn nearest<'a>(written: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let bound = FAR.min(written.len() / 3);
    let near = |name: &'a str| {
        // The difference in length is a lower bound for the distance. This check also limits the
        // size of compared names.
        let apart =
            (name.len().abs_diff(written.len()) <= bound).then(|| distance(written, name))?;
        (apart <= bound).then_some((apart, name))
    };
    names.filter_map(near).min_by_key(|(apart, _)| *apart).map(|(_, name)| name)
}

fn distance(one: &str, other: &str) -> usize {
    let other = other.as_bytes();
    // The distances from the first letters of `one`, as many as the row's number, to each prefix of
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
    fn distance_counts_edits() {
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
    fn nearest_name_is_suggested_within_the_bound() {
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
