// SPDX-License-Identifier: GPL-2.0

//! What each ratio is to be: oxmm's figure divided by the peer's.
//!
//! # Limits      a figure without a target is shown for comparison alone. Targets on one CPU are
//!               set against peers, those on two against oxmm itself on one.

use crate::report::Figure;
use std::fmt;

/// oxmm's own figure on one CPU, as a peer of that on two.
pub const ONE_CPU: &str = "oxmm-1cpu";

/// A number that a figure may not exceed, as a peer.
pub const BOUND: &str = "bound";

/// The bytes that the free state of a GiB may take.
pub const STATE_BYTES_PER_GIB: f64 = 64.0 * 1024.0;

/// The ns that setting up a TiB may take.
pub const SET_UP_TIB_NS: f64 = 50e6;

/// A ratio that is wanted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// This or less.
    AtMost(f64),
    /// This or more.
    AtLeast(f64),
}

impl Target {
    /// Reads what `Display` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| text.parse().ok();
        match text.strip_prefix("<=") {
            Some(most) => number(most).map(Self::AtMost),
            None => text.strip_prefix(">=").and_then(number).map(Self::AtLeast),
        }
    }

    /// Returns the ratio at the edge.
    pub fn ratio(self) -> f64 {
        match self {
            Self::AtMost(ratio) | Self::AtLeast(ratio) => ratio,
        }
    }

    /// Says whether `ratio` is as wanted.
    pub fn is_met_by(self, ratio: f64) -> bool {
        match self {
            Self::AtMost(most) => ratio <= most,
            Self::AtLeast(least) => ratio >= least,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(ratio) => write!(f, "<={ratio:.2}"),
            Self::AtLeast(ratio) => write!(f, ">={ratio:.2}"),
        }
    }
}

/// Returns the target of a figure against a peer.
pub fn of(figure: &Figure, peer: &str) -> Option<Target> {
    match peer {
        "llfree" => against_llfree(figure),
        // For more than two there is none: how the cost grows is shown.
        ONE_CPU if figure.nr_cpus == 2 => Some(Target::AtMost(1.15)),
        BOUND => Some(Target::AtMost(1.0)),
        _ => None,
    }
}

fn against_llfree(figure: &Figure) -> Option<Target> {
    if figure.is_whole_blocks() {
        return Some(Target::AtLeast(1.0));
    }
    if figure.nr_cpus != 1 {
        return None;
    }
    match (figure.work.as_str(), figure.size.as_str()) {
        ("pair", "o0") => Some(Target::AtMost(0.20)),
        ("pair", "o9") => Some(Target::AtMost(0.25)),
        ("alloc" | "free", "o0" | "o9") => Some(Target::AtMost(0.50)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn expect(figure: (&str, &str, usize), peer: &str, target: &str) {
        let (work, size, nr_cpus) = figure;
        let figure = Figure {
            work: work.to_owned(),
            size: size.to_owned(),
            pattern: "lifo".to_owned(),
            nr_cpus,
        };
        let found = of(&figure, peer).map_or("-".to_owned(), |target| target.to_string());
        assert_eq!(found, target);
    }

    /// The table as it is wanted, and what has no target.
    #[test]
    fn targets_are_set_against_the_peer_that_is_named() {
        expect(("pair", "o0", 1), "llfree", "<=0.20");
        expect(("pair", "o3", 1), "llfree", "-");
        expect(("pair", "o9", 1), "llfree", "<=0.25");
        expect(("free", "o0", 1), "llfree", "<=0.50");
        expect(("free", "o0", 2), "llfree", "-");
        expect(("free", "o0", 1), "bitmap", "-");
        expect(("frag_7", "1GiB", 2), "llfree", ">=1.00");
        expect(("free", "o0", 2), ONE_CPU, "<=1.15");
        expect(("free", "o0", 256), ONE_CPU, "-");
        expect(("setup_ns", "1TiB", 1), BOUND, "<=1.00");
    }

    /// On the edge is as wanted, on both kinds of edge.
    #[test]
    fn the_edge_is_met() {
        for (text, ratio, met) in [
            ("<=0.50", 0.5, true),
            ("<=0.50", 0.51, false),
            (">=1.00", 1.0, true),
            (">=1.00", 0.99, false),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!(target.is_met_by(ratio), met, "{text} {ratio}");
            assert_eq!(target.to_string(), text);
        }
        assert_eq!(Target::parse("-"), None);
    }
}
