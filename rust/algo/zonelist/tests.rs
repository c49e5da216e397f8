// SPDX-License-Identifier: GPL-2.0

//! Tests of zonelists: the orders that a 7.2 kernel printed at boot, and what policies choose.

use super::*;

fn node(number: u32) -> NodeId {
    NodeId::new(number).unwrap()
}

fn set(numbers: impl IntoIterator<Item = u32>) -> NodeMask {
    numbers.into_iter().map(node).collect()
}

/// Expects these orders, one list after the other.
#[track_caller]
fn orders(nodes: &Nodes<'_>, expected: &[&[u32]]) {
    let mut load = [0; NodeId::COUNT];
    for (from, expected) in (0..).zip(expected) {
        let mut order = [node(0); 16];
        let order = fallback_order(node(from), nodes, &mut load, &mut order).unwrap();
        let order: Vec<_> = order.iter().map(|node| node.get()).collect();
        assert_eq!(order, *expected, "from node {from}");
    }
}

/// Four nodes in a chain with a branch, all with memory.
///
/// The guest of qemu/topologies/numa4 says so: "Fallback order for Node 0: 0 2 1 3", and so on. From
/// node 2, nodes 0 and 1 are equally far, and node 1 was the first of a distance before.
#[test]
fn uneven_distances_give_the_order_of_the_guest() {
    #[rustfmt::skip]
    let table = [
        10, 31, 21, 41,
        31, 10, 21, 31,
        21, 21, 10, 17,
        41, 31, 17, 10,
    ];
    let nodes = Nodes {
        memory: &set(0..4),
        cpus: &NodeMask::EMPTY,
        distances: Distances::new(&table, 4).unwrap(),
    };
    orders(
        &nodes,
        &[&[0, 2, 1, 3], &[1, 2, 3, 0], &[2, 3, 0, 1], &[3, 2, 1, 0]],
    );
}

/// Three nodes, equally far; a guest with CPUs on nodes 0 and 1 prints the first orders at boot.
///
/// Once those CPUs are known, node 2 comes before node 1.
#[test]
fn nodes_without_cpus_come_first() {
    let nodes = |cpus| Nodes {
        memory: &NodeMask::EMPTY,
        cpus,
        distances: Distances::new(&[], 0).unwrap(),
    };
    let memory = &set(0..3);
    let at_boot = Nodes {
        memory,
        ..nodes(&NodeMask::EMPTY)
    };
    orders(&at_boot, &[&[0, 1, 2], &[1, 2, 0], &[2, 0, 1]]);
    let cpus = &set(0..2);
    let later = Nodes {
        memory,
        ..nodes(cpus)
    };
    orders(&later, &[&[0, 2, 1], &[1, 2, 0], &[2, 0, 1]]);
}

/// The guest of qemu/topologies/memoryless: node 1 has a list, and is in none.
#[test]
fn memoryless_node_has_a_list_and_is_in_none() {
    let nodes = Nodes {
        memory: &set([0]),
        cpus: &NodeMask::EMPTY,
        distances: Distances::new(&[10, 20, 20, 10], 2).unwrap(),
    };
    orders(&nodes, &[&[0], &[0]]);
}

/// Nodes 0 and 1 without memory: both would have node 2 first, and the load sends the second to
/// node 3.
#[test]
fn memoryless_nodes_are_spread_over_those_with_memory() {
    let nodes = Nodes {
        memory: &set([2, 3]),
        cpus: &NodeMask::EMPTY,
        distances: Distances::new(&[], 0).unwrap(),
    };
    orders(&nodes, &[&[2, 3], &[3, 2], &[2, 3], &[3, 2]]);
}

/// Neither a list that is cut nor a load that is lost: `None`, and no load is counted.
#[test]
fn short_tables_are_refused() {
    let nodes = Nodes {
        memory: &set(0..3),
        cpus: &NodeMask::EMPTY,
        distances: Distances::new(&[], 0).unwrap(),
    };
    let mut load = [0; 3];
    assert!(fallback_order(node(0), &nodes, &mut load, &mut [node(0); 2]).is_none());
    assert!(fallback_order(node(0), &nodes, &mut load[..2], &mut [node(0); 3]).is_none());
    assert_eq!(load, [0; 3]);
    assert!(Distances::new(&[10; 3], 2).is_none());
}

/// A row ends where the next begins: from node 0 to node 2 of two is not from 1 to 0.
#[test]
fn distances_outside_of_the_table_are_usual() {
    let distances = Distances::new(&[10, 40, 50, 10], 2).unwrap();
    let get = |from, to| distances.get(node(from), node(to));
    assert_eq!((get(0, 1), get(1, 0)), (40, 50));
    assert_eq!((get(0, 2), get(2, 0), get(2, 2)), (20, 20, 10));
}

/// Node 0 has DMA, DMA32 and Normal, node 1 Normal and Movable.
#[test]
fn zones_go_from_high_to_low_within_a_node() {
    use ZoneKind::{Dma, Dma32, Movable, Normal};
    let has = |step: Step| match step.node.get() {
        0 => matches!(step.kind, Dma | Dma32 | Normal),
        _ => matches!(step.kind, Normal | Movable),
    };
    let empty = Step {
        node: node(0),
        kind: Dma,
    };
    let mut list = [empty; 5];
    let steps = zones_in_order(&[node(1), node(0)], has, &mut list).unwrap();
    let steps: Vec<_> = steps.iter().map(|it| (it.node.get(), it.kind)).collect();
    let expected = [(1, Movable), (1, Normal), (0, Normal), (0, Dma32), (0, Dma)];
    assert_eq!(steps, expected);
    assert!(zones_in_order(&[node(0)], has, &mut list[..2]).is_none());
    assert_eq!(policy_zone([Dma, Movable, Normal, Dma32]), Normal);
    assert_eq!(policy_zone([Movable]), Dma);
}

fn request(normal: &NodeMask) -> Request<'_> {
    Request {
        local: node(1),
        counter: 0,
        highest: ZoneKind::Normal,
        policy_zone: ZoneKind::Normal,
        normal,
    }
}

/// What the table at the head of the file says.
#[test]
fn policies_choose_list_and_nodes() {
    let (normal, two) = (set(0..4), set([0, 3]));
    let choose = |policy: Policy| {
        let choice = policy.choose(&request(&normal));
        (choice.node.get(), choice.allowed.copied())
    };
    assert_eq!(choose(Policy::Local), (1, None));
    assert_eq!(choose(Policy::Preferred(node(2))), (2, None));
    assert_eq!(choose(Policy::Bind(two)), (1, Some(two)));
    assert_eq!(choose(Policy::Interleave(two)), (0, None));
    assert_eq!(choose(Policy::Bind(NodeMask::EMPTY)), (1, None));
    assert_eq!(choose(Policy::Interleave(NodeMask::EMPTY)), (1, None));
}

/// A set is there where the policy goes by one, and nowhere else.
#[test]
fn policies_need_their_nodes() {
    let two = Some(set([1, 3]));
    let none = Some(NodeMask::EMPTY);
    let missing = |mode| Err(BadPolicy::NeedsNodes(mode));
    for (mode, nodes, expected) in [
        (Mode::Local, None, Ok(Policy::Local)),
        (Mode::Local, two, Err(BadPolicy::TakesNoNodes)),
        (Mode::Preferred, None, Ok(Policy::Local)),
        (Mode::Preferred, two, Ok(Policy::Preferred(node(1)))),
        (Mode::Preferred, none, missing(Mode::Preferred)),
        (Mode::Bind, two, Ok(Policy::Bind(set([1, 3])))),
        (Mode::Bind, None, missing(Mode::Bind)),
        (Mode::Bind, none, missing(Mode::Bind)),
        (Mode::Interleave, two, Ok(Policy::Interleave(set([1, 3])))),
        (Mode::Interleave, None, missing(Mode::Interleave)),
        (Mode::Interleave, none, missing(Mode::Interleave)),
    ] {
        assert_eq!(Policy::new(mode, nodes), expected, "{mode}");
    }
}

/// Page by page, round and round.
#[test]
fn interleave_goes_round_its_nodes() {
    let (normal, policy) = (set(0..8), Policy::Interleave(set([1, 4, 6])));
    let nodes = (0..7).map(|counter| {
        let request = Request {
            counter,
            ..request(&normal)
        };
        policy.choose(&request).node.get()
    });
    assert_eq!(nodes.collect::<Vec<_>>(), [1, 4, 6, 1, 4, 6, 1]);
}

/// A request for DMA32 is not bound where there is Normal, and one for Normal not by a set that has
/// Movable alone.
#[test]
fn bind_leaves_low_zones_alone() {
    let bound = |highest, normal: &[u32]| {
        let normal = set(normal.iter().copied());
        let request = Request {
            highest,
            ..request(&normal)
        };
        Policy::Bind(set([2])).choose(&request).allowed.is_some()
    };
    assert!(!bound(ZoneKind::Dma32, &[0, 2]));
    assert!(bound(ZoneKind::Normal, &[0, 2]));
    assert!(bound(ZoneKind::Movable, &[0, 2]));
    assert!(!bound(ZoneKind::Normal, &[0]));
    assert!(bound(ZoneKind::Movable, &[0]));
}
