// SPDX-License-Identifier: GPL-2.0

//! Properties of zonelists: their order is the naive model's for any machine, and interleaving is
//! fair.

use oxmm_model::algo::units::{
    NodeId,
    NodeMask,
    ZoneKind, //
};
use oxmm_model::algo::zonelist::{
    fallback_order,
    Distances,
    Nodes,
    Policy,
    Request, //
};
use oxmm_model::fallback;
use proptest::collection::{
    btree_set,
    vec, //
};
use proptest::prelude::*;

fn node(number: usize) -> NodeId {
    NodeId::new(u32::try_from(number).unwrap()).unwrap()
}

/// Machines whose distances are few, so that many nodes are equally far.
fn machine() -> impl Strategy<Value = fallback::Nodes> {
    (1..12_usize).prop_flat_map(|nr| {
        let has = vec((prop::bool::weighted(0.8), any::<bool>()), nr);
        let distances = vec(vec(20..24_u8, nr), nr);
        (has, distances).prop_map(|(has, mut distances)| {
            for (node, row) in distances.iter_mut().enumerate() {
                row[node] = 10;
            }
            fallback::Nodes { has, distances }
        })
    })
}

fn nodes_that(has: impl Iterator<Item = bool>) -> NodeMask {
    let numbers = has.enumerate().filter(|(_, has)| *has);
    numbers.map(|(number, _)| node(number)).collect()
}

proptest! {
    #[test]
    fn orders_are_those_of_the_model(machine in machine()) {
        let table = machine.distances.concat();
        let nodes = Nodes {
            memory: &nodes_that(machine.has.iter().map(|has| has.0)),
            cpus: &nodes_that(machine.has.iter().map(|has| has.1)),
            distances: Distances::new(&table, machine.has.len()).unwrap(),
        };
        let mut load = vec![0; machine.has.len()];
        for (from, expected) in fallback::orders(&machine).iter().enumerate() {
            let mut order = vec![node(0); machine.has.len()];
            let order = fallback_order(node(from), &nodes, &mut load, &mut order).unwrap();
            let order: Vec<_> = order.iter().map(|node| node.index()).collect();
            prop_assert_eq!(&order, expected, "from node {}", from);
        }
    }

    #[test]
    fn set_of_nodes_is_a_set(numbers in btree_set(0..NodeId::COUNT, 0..40)) {
        let mask: NodeMask = numbers.iter().copied().map(node).collect();
        prop_assert!(mask.iter().map(NodeId::index).eq(numbers.iter().copied()));
        prop_assert_eq!(mask.len(), numbers.len());
        for number in 0..NodeId::COUNT {
            prop_assert_eq!(mask.has(node(number)), numbers.contains(&number));
        }
    }

    #[test]
    fn interleave_takes_the_next_node(
        numbers in btree_set(0..NodeId::COUNT, 1..10),
        start in any::<u32>(),
    ) {
        let set: NodeMask = numbers.iter().copied().map(node).collect();
        let at = |counter| {
            let request = Request {
                local: node(0),
                counter,
                highest: ZoneKind::Normal,
                policy_zone: ZoneKind::Normal,
                normal: &set,
            };
            Policy::Interleave(set).choose(&request).node
        };
        let start = usize::try_from(start).unwrap();
        // Where the counter is at a multiple, the walk begins anew.
        prop_assert_eq!(Some(at(start - start % numbers.len())), set.first());
        prop_assert_eq!(Some(at(start + 1)), set.next_in(at(start)));
    }
}
