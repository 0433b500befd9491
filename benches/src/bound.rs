//! Bounds on figures, and whether they are met.

use crate::round::{Figures, Spread};

/// The other side of the comparison.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Against {
    /// The peer with the lowest median in the same cell.
    Fastest,
    /// The peer with this name. Does not apply to a cell without that peer.
    Peer(&'static str),
    /// Nothing: the bound applies to the figure itself.
    Itself,
}

/// Whether a bound is required.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Missing it is a defect.
    Must,
    /// Missing it is acceptable.
    Aim,
}

/// An upper bound on a figure or on a ratio of figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// The other side of the comparison.
    pub against: Against,
    /// The highest ratio (or figure, with [`Against::Itself`]) that meets the bound.
    pub at_most: f64,
    /// Whether it is required.
    pub weight: Weight,
}

impl Bound {
    /// The figure must be at most `at_most` times that of `peer`.
    pub const fn must(peer: &'static str, at_most: f64) -> Self {
        Self { against: Against::Peer(peer), at_most, weight: Weight::Must }
    }

    /// The figure must be at most `at_most` times that of the fastest peer.
    pub const fn must_fastest(at_most: f64) -> Self {
        Self { against: Against::Fastest, at_most, weight: Weight::Must }
    }

    /// The figure itself must be at most `at_most`.
    pub const fn must_be(at_most: f64) -> Self {
        Self { against: Against::Itself, at_most, weight: Weight::Must }
    }

    /// The figure should be at most `at_most` times that of `peer`.
    pub const fn aim(peer: &'static str, at_most: f64) -> Self {
        Self { against: Against::Peer(peer), at_most, weight: Weight::Aim }
    }

    /// Checks `figures` against this bound. The first is the subject, the others are peers. `None`
    /// if the named peer is missing or stalled. A subject that stalled misses every bound.
    pub fn judge(&self, figures: &[Figures]) -> Option<Verdict> {
        let (subject, peers) = figures.split_first()?;
        let (peer, reached) = match self.against {
            Against::Itself => (None, subject.spread()),
            Against::Fastest => {
                let peer = fastest(peers)?;
                (Some(peer.name), subject.ratio_to(peer))
            }
            Against::Peer(name) => {
                let peer = peers.iter().find(|peer| peer.name == name && !peer.stalled())?;
                (Some(peer.name), subject.ratio_to(peer))
            }
        };
        let standing = if reached.median <= self.at_most {
            Standing::Met
        } else if reached.low <= self.at_most && reached.median <= self.at_most * EVEN_WITHIN {
            Standing::Even
        } else {
            Standing::Missed
        };
        Some(Verdict { bound: *self, peer, reached, standing })
    }
}

/// The part by which a median may exceed its bound and count as [`Standing::Even`].
const EVEN_WITHIN: f64 = 1.1;

/// The peer with the lowest median that did not stall.
pub fn fastest(peers: &[Figures]) -> Option<&Figures> {
    peers.iter().filter(|peer| !peer.stalled()).min_by(|a, b| a.median().total_cmp(&b.median()))
}

/// Whether a bound is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The median is within the bound.
    Met,
    /// The median is beyond the bound by at most a tenth, and at least a quarter of the rounds is
    /// within it. The difference is within the noise.
    Even,
    /// Neither.
    Missed,
}

impl Standing {
    /// One word for a table.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Even => "even",
            Self::Missed => "MISSED",
        }
    }
}

/// The result of a check.
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    /// The bound.
    pub bound: Bound,
    /// The peer that was compared.
    pub peer: Option<&'static str>,
    /// The reached ratio or figure.
    pub reached: Spread,
    /// The result.
    pub standing: Standing,
}

impl Verdict {
    /// Whether the bound is required.
    pub fn is_must(&self) -> bool {
        self.bound.weight == Weight::Must
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.reached.median <= self.bound.at_most { "<=" } else { ">" };
        write!(f, "{:.2}{sign}{:.2}", self.reached.median, self.bound.at_most)?;
        match self.peer {
            Some(peer) => write!(f, " {peer}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(name: &'static str, rounds: [f64; 4]) -> Figures {
        Figures { name, rounds: rounds.to_vec() }
    }

    #[test]
    fn bound_is_met_even_or_missed() {
        let peer = figures("peer", [10.0; 4]);
        let standing = |rounds| {
            let verdict = Bound::must("peer", 1.0).judge(&[figures("own", rounds), peer.clone()]);
            verdict.map(|verdict| verdict.standing)
        };
        assert_eq!(standing([9.0, 9.0, 10.0, 11.0]), Some(Standing::Met));
        assert_eq!(standing([9.0, 9.9, 10.1, 10.2]), Some(Standing::Met));
        assert_eq!(standing([9.0, 10.2, 10.2, 10.2]), Some(Standing::Even));
        assert_eq!(standing([10.1, 10.2, 10.2, 10.2]), Some(Standing::Missed));
        assert_eq!(standing([9.0, 11.2, 11.2, 11.2]), Some(Standing::Missed));
    }

    #[test]
    fn fastest_peer_has_the_lowest_median() {
        let own = figures("own", [5.0; 4]);
        let peers = [own, figures("slow", [20.0; 4]), figures("quick", [10.0; 4])];
        let verdict = Bound::must_fastest(0.4).judge(&peers).expect("there are peers");
        assert_eq!((verdict.peer, verdict.standing), (Some("quick"), Standing::Missed));
        assert!(Bound::must("absent", 1.0).judge(&peers).is_none());
    }

    #[test]
    fn stalled_contender_misses_and_is_no_peer() {
        let stalled = |name| Figures { name, rounds: Vec::new() };
        let judge = |figures: &[Figures]| {
            Bound::must("peer", 1.0).judge(figures).map(|verdict| verdict.standing)
        };
        assert_eq!(judge(&[stalled("own"), figures("peer", [1.0; 4])]), Some(Standing::Missed));
        assert_eq!(judge(&[figures("own", [1.0; 4]), stalled("peer")]), None);
        assert!(fastest(&[stalled("peer")]).is_none());
    }
}
