// SPDX-License-Identifier: GPL-2.0

//! Figures of many subjects, and the rows of build/bench.tsv that are made of them.
//!
//! `oxmm_ns` and `peer_ns` are ns of one operation, but where `work` says what else is counted:
//! `frag_*` blocks of order 9, `state_bytes` bytes for each GiB, `lines_*` cache lines that are handed
//! over for a thousand operations.
//!
//! # Cost        a look-up in a list for each figure.
//! # Limits      the minimum is kept, of times; counts are the same in every round.

use crate::ours;
use crate::targets::{
    self,
    Target, //
};
use std::fmt::Write;

/// The first line of the table.
pub const HEADER: &str =
    "harness\twork\tsize\tpattern\tcpus\tpeer\toxmm_ns\tpeer_ns\tratio\ttarget";

/// The peer that costs of the machine itself stand beside.
pub const MACHINE: &str = "machine";

/// Returns a count as a number that can be divided.
pub fn real(count: usize) -> f64 {
    // CAST: exact below 2^53, and no count here comes near.
    count as f64
}

/// What was measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// What was done.
    pub work: String,
    /// To blocks or to a machine of which size.
    pub size: String,
    /// In which order.
    pub pattern: String,
    /// On how many CPUs at once.
    pub nr_cpus: usize,
}

impl Figure {
    /// Says whether more is better.
    pub fn is_whole_blocks(&self) -> bool {
        self.work.starts_with("frag_")
    }

    /// Says whether it is the time of an operation that two CPUs can do at once.
    fn scales(&self) -> bool {
        matches!(
            self.work.as_str(),
            "pair" | "alloc" | "free" | "alloc64" | "free64"
        )
    }

    /// Returns the number that is set for it.
    fn bound(&self) -> Option<f64> {
        match (self.work.as_str(), self.pattern.as_str()) {
            ("state_bytes", "free") => Some(targets::STATE_BYTES_PER_GIB),
            ("setup_ns", _) if self.size == "1TiB" => Some(targets::SET_UP_TIB_NS),
            _ => None,
        }
    }
}

/// All figures of all subjects, in the order in which they came.
#[derive(Default)]
pub struct Report {
    figures: Vec<(Figure, Vec<(String, f64)>)>,
}

impl Report {
    /// Notes a figure of a subject; of several the smallest is kept.
    pub fn add(&mut self, figure: &Figure, subject: &str, number: f64) {
        let values = self.values(figure);
        match values.iter_mut().find(|(name, _)| name == subject) {
            Some((_, least)) => *least = least.min(number),
            None => values.push((subject.to_owned(), number)),
        }
    }

    /// Notes that a figure is wanted, whether or not a subject has it.
    pub fn want(&mut self, figure: &Figure) {
        self.values(figure);
    }

    fn values(&mut self, figure: &Figure) -> &mut Vec<(String, f64)> {
        let known = self.figures.iter().position(|(known, _)| known == figure);
        let at = known.unwrap_or_else(|| {
            self.figures.push((figure.clone(), Vec::new()));
            self.figures.len() - 1
        });
        &mut self.figures[at].1
    }

    /// Returns a line for each figure and peer; `peers` are those that every figure is to have.
    pub fn rows(&self, harness: &str, peers: &[String]) -> String {
        let mut rows = String::new();
        for (figure, values) in &self.figures {
            let ours = find(values, ours::NAME);
            if let Some(cost) = find(values, MACHINE) {
                rows += &row(harness, figure, MACHINE, None, Some(cost));
                continue;
            }
            for peer in peers {
                rows += &row(harness, figure, peer, ours, find(values, peer));
            }
            if let Some(one_cpu) = self.on_one_cpu(figure) {
                rows += &row(harness, figure, targets::ONE_CPU, ours, Some(one_cpu));
            }
            if let Some(bound) = figure.bound() {
                rows += &row(harness, figure, targets::BOUND, ours, Some(bound));
            }
        }
        rows
    }

    /// Returns oxmm's figure on one CPU for a figure on more.
    fn on_one_cpu(&self, figure: &Figure) -> Option<f64> {
        if figure.nr_cpus == 1 || !figure.scales() {
            return None;
        }
        let alone = Figure {
            nr_cpus: 1,
            ..figure.clone()
        };
        let (_, values) = self.figures.iter().find(|(known, _)| *known == alone)?;
        find(values, ours::NAME)
    }
}

fn find(values: &[(String, f64)], name: &str) -> Option<f64> {
    values
        .iter()
        .find(|(subject, _)| subject == name)
        .map(|(_, number)| *number)
}

fn row(
    harness: &str,
    figure: &Figure,
    peer: &str,
    ours: Option<f64>,
    theirs: Option<f64>,
) -> String {
    let ratio = match (ours, theirs) {
        (Some(ours), Some(theirs)) if theirs > 0.0 => Some(ours / theirs),
        // None of theirs is whole: any number is at least as many.
        (Some(ours), Some(_)) => Some(if ours > 0.0 { f64::INFINITY } else { 1.0 }),
        _ => None,
    };
    let target = targets::of(figure, peer).as_ref().map(Target::to_string);
    let mut line = String::new();
    let Figure {
        work,
        size,
        pattern,
        nr_cpus,
    } = figure;
    let _ = write!(
        line,
        "{harness}\t{work}\t{size}\t{pattern}\t{nr_cpus}\t{peer}"
    );
    for number in [ours.map(short), theirs.map(short)] {
        let _ = write!(line, "\t{}", number.as_deref().unwrap_or("-"));
    }
    let ratio = ratio.map(|ratio| format!("{ratio:.2}"));
    for text in [ratio, target] {
        let _ = write!(line, "\t{}", text.as_deref().unwrap_or("-"));
    }
    line + "\n"
}

/// Spells a number with as many digits as mean something.
fn short(number: f64) -> String {
    match number {
        number if number.fract() == 0.0 => format!("{number:.0}"),
        number if number < 10.0 => format!("{number:.2}"),
        number if number < 100.0 => format!("{number:.1}"),
        number => format!("{number:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(work: &str, nr_cpus: usize) -> Figure {
        Figure {
            work: work.to_owned(),
            size: "o0".to_owned(),
            pattern: "-".to_owned(),
            nr_cpus,
        }
    }

    fn peers() -> Vec<String> {
        vec!["llfree".to_owned(), "bitmap".to_owned()]
    }

    /// The smallest number of several is in the row, with the ratio and the target beside it.
    #[test]
    fn a_row_has_minima_their_ratio_and_the_target() {
        let mut report = Report::default();
        for (subject, number) in [("llfree", 40.0), ("llfree", 37.5), ("oxmm", 7.5)] {
            report.add(&figure("pair", 1), subject, number);
        }
        assert_eq!(
            report.rows("host", &peers()),
            "host\tpair\to0\t-\t1\tllfree\t7.50\t37.5\t0.20\t<=0.20\n\
             host\tpair\to0\t-\t1\tbitmap\t7.50\t-\t-\t-\n"
        );
    }

    /// A peer that is not at hand has its rows all the same, with `-` for its number.
    #[test]
    fn a_peer_that_is_absent_keeps_its_row() {
        let mut report = Report::default();
        report.want(&figure("pair", 1));
        assert_eq!(
            report.rows("host", &peers()[..1]),
            "host\tpair\to0\t-\t1\tllfree\t-\t-\t-\t<=0.20\n"
        );
    }

    /// On two CPUs oxmm is compared with itself on one.
    #[test]
    fn two_cpus_are_compared_with_one() {
        let mut report = Report::default();
        report.add(&figure("pair", 1), ours::NAME, 8.0);
        report.add(&figure("pair", 2), ours::NAME, 10.0);
        assert_eq!(
            report.rows("host", &[]),
            "host\tpair\to0\t-\t2\toxmm-1cpu\t10\t8\t1.25\t<=1.15\n"
        );
    }

    /// Where no block of the peer's is whole, none of ours is enough, and one is more.
    #[test]
    fn none_whole_is_as_good_as_none_whole() {
        for (ours, ratio) in [(0.0, "1.00"), (1.0, "inf")] {
            let mut report = Report::default();
            report.add(&figure("frag_7", 1), ours::NAME, ours);
            report.add(&figure("frag_7", 1), "llfree", 0.0);
            let rows = report.rows("host", &peers()[..1]);
            assert!(rows.ends_with(&format!("\t0\t{ratio}\t>=1.00\n")), "{rows}");
        }
    }
}
