// SPDX-License-Identifier: GPL-2.0

//! The order of nodes in zonelists, told naively: each list is sorted at once.
//!
//! A node's load grows when it is put into a list, and is looked at for nodes that are not in it
//! yet: within one list it does not change anything, so a list is the nodes sorted by one number.

/// The machine, by node number.
#[derive(Clone, Debug)]
pub struct Nodes {
    /// Whether a node has memory, and whether it has CPUs.
    pub has: Vec<(bool, bool)>,
    /// Distances from a node to each.
    pub distances: Vec<Vec<u8>>,
}

/// The lists of all nodes, as they are after each other.
pub fn orders(nodes: &Nodes) -> Vec<Vec<usize>> {
    let mut load = vec![0; nodes.has.len()];
    let lists = nodes.distances.iter().enumerate();
    lists
        .map(|(from, distances)| {
            let cost = |&to: &usize| {
                let under = i64::from(to < from);
                let busy = i64::from(nodes.has[to].1);
                match to == from {
                    true => -1,
                    false => (i64::from(distances[to]) + under + busy) * 1024 + load[to],
                }
            };
            let mut list: Vec<_> = (0..nodes.has.len()).filter(|&to| nodes.has[to].0).collect();
            list.sort_by_key(cost);
            let mut before = from;
            for &to in &list {
                load[to] += i64::from(distances[to] != distances[before]);
                before = to;
            }
            list
        })
        .collect()
}
