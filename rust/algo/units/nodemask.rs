// SPDX-License-Identifier: GPL-2.0

//! Sets of nodes: a bit for each number that a node can have.
//!
//!   word 0   63 ... 3 2 1 0      word 1   127 ... 65 64      ...   word 15
//!                   1 0 1 1                                        {0, 1, 3}
//!
//! # Locking     none: a plain `Copy` value.
//! # Cost        128 bytes; a walk looks at each of the 16 words once.
//! # Limits      always `NodeId::COUNT` bits, as in the largest kernel configuration.
//! # Reference   include/linux/nodemask.h: nodemask_t, next_node_in().

use core::{
    fmt,
    iter::successors, //
};

use super::{
    usize_from,
    NodeId, //
};

const WORDS: usize = NodeId::COUNT.div_ceil(64);

/// A set of nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeMask([u64; WORDS]);

impl NodeMask {
    /// No node.
    pub const EMPTY: Self = Self([0; WORDS]);

    /// The set with one node more.
    #[must_use]
    pub fn with(mut self, node: NodeId) -> Self {
        self.insert(node);
        self
    }

    /// Adds a node.
    pub fn insert(&mut self, node: NodeId) {
        if let Some(word) = self.0.get_mut(node.index() / 64) {
            *word |= bit(node);
        }
    }

    /// Says whether a node is in the set.
    pub fn has(&self, node: NodeId) -> bool {
        let word = self.0.get(node.index() / 64);
        word.is_some_and(|word| word & bit(node) != 0)
    }

    /// Says whether no node is in the set.
    pub fn is_empty(&self) -> bool {
        *self == Self::EMPTY
    }

    /// Returns the number of nodes in the set.
    pub fn len(&self) -> usize {
        usize_from(self.0.iter().map(|word| word.count_ones()).sum())
    }

    /// Says whether a node is in both sets.
    pub fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).any(|(word, it)| word & it != 0)
    }

    /// Returns the nodes that are in both sets.
    #[must_use]
    pub fn common(&self, other: &Self) -> Self {
        let mut both = *self;
        for (word, it) in both.0.iter_mut().zip(&other.0) {
            *word &= it;
        }
        both
    }

    /// The bits, node 0 the lowest of the first word, as in a bitmap of the kernel.
    pub const fn words(&self) -> &[u64; WORDS] {
        &self.0
    }

    /// Walks the nodes in the set, from low numbers to high.
    pub fn iter(&self) -> impl Iterator<Item = NodeId> + '_ {
        (0u32..)
            .step_by(64)
            .zip(&self.0)
            .flat_map(|(first, &word)| {
                // Each step takes the lowest bit away; 0, the last, is no node.
                let rest = successors(Some(word), |rest| Some(rest & rest.checked_sub(1)?));
                rest.take_while(|&rest| rest != 0)
                    .filter_map(move |rest| NodeId::new(first + rest.trailing_zeros()))
            })
    }

    /// Returns the lowest node in the set.
    pub fn first(&self) -> Option<NodeId> {
        self.iter().next()
    }

    /// Returns the node in the set that follows `node`, going round after the highest.
    pub fn next_in(&self, node: NodeId) -> Option<NodeId> {
        self.iter().find(|&it| it > node).or(self.first())
    }
}

/// Prints as in the files of the kernel: `0,2-3`.
impl fmt::Display for NodeMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        let starts = self.iter().filter(|node| !follows(self, *node));
        for first in starts {
            write!(f, "{comma}{first}")?;
            comma = ",";
            let ends = self.iter().filter(|&node| node > first);
            let last = ends.take_while(|&node| follows(self, node)).last();
            if let Some(last) = last {
                write!(f, "-{last}")?;
            }
        }
        Ok(())
    }
}

/// Says whether the node before this one is in the set too.
fn follows(set: &NodeMask, node: NodeId) -> bool {
    let before = node.get().checked_sub(1).and_then(NodeId::new);
    before.is_some_and(|before| set.has(before))
}

impl FromIterator<NodeId> for NodeMask {
    fn from_iter<T: IntoIterator<Item = NodeId>>(nodes: T) -> Self {
        nodes.into_iter().fold(Self::EMPTY, Self::with)
    }
}

fn bit(node: NodeId) -> u64 {
    1 << (node.get() % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(nodes: &[u32]) -> NodeMask {
        nodes
            .iter()
            .map(|&node| NodeId::new(node).unwrap())
            .collect()
    }

    fn numbers(set: &NodeMask) -> Vec<u32> {
        set.iter().map(NodeId::get).collect()
    }

    /// The borders of words: nothing is lost, and nothing else is there.
    #[test]
    fn set_holds_what_was_put_in() {
        let nodes = [0, 1, 63, 64, 127, 128, 1023];
        let set = set(&nodes);
        assert_eq!(numbers(&set), nodes);
        assert_eq!(set.len(), nodes.len());
        for number in 0..1024 {
            let node = NodeId::new(number).unwrap();
            assert_eq!(set.has(node), nodes.contains(&number), "{number}");
        }
        assert!(!set.is_empty());
        assert!(NodeMask::EMPTY.is_empty());
        assert_eq!(NodeMask::EMPTY.first(), None);
    }

    /// After the highest comes the lowest; a set of one is its own neighbour.
    #[test]
    fn next_goes_round() {
        let next = |of: &[u32], node| {
            let next = set(of).next_in(NodeId::new(node).unwrap());
            next.map(NodeId::get)
        };
        assert_eq!(next(&[1, 3, 64], 1), Some(3));
        assert_eq!(next(&[1, 3, 64], 2), Some(3));
        assert_eq!(next(&[1, 3, 64], 3), Some(64));
        assert_eq!(next(&[1, 3, 64], 64), Some(1));
        assert_eq!(next(&[1], 1), Some(1));
        assert_eq!(next(&[], 1), None);
    }

    /// Runs are printed by their ends, single nodes by themselves.
    #[test]
    fn set_prints_as_ranges() {
        let prints = |of: &[u32], text| assert_eq!(set(of).to_string(), text);
        prints(&[], "");
        prints(&[5], "5");
        prints(&[0, 1], "0-1");
        prints(&[0, 2, 3, 4, 63, 64, 1023], "0,2-4,63-64,1023");
    }

    /// What is common has the nodes of both sets, and no other; words are a bitmap.
    #[test]
    fn common_nodes_are_those_of_both() {
        let both = set(&[0, 1, 64, 200]).common(&set(&[1, 2, 64, 201]));
        assert_eq!(numbers(&both), [1, 64]);
        assert_eq!(
            (both.words()[0], both.words()[1], both.words()[3]),
            (2, 1, 0)
        );
    }

    /// Two sets meet where both have the same node.
    #[test]
    fn sets_meet_at_a_common_node() {
        assert!(set(&[1, 200]).meets(&set(&[2, 200])));
        assert!(!set(&[1, 200]).meets(&set(&[2, 201])));
        assert!(!set(&[1]).meets(&NodeMask::EMPTY));
    }
}
