// SPDX-License-Identifier: GPL-2.0

//! Properties of machines: whatever lines say, the machine is that, laid out without overlap.

use oxmm_model::expect;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// A key that is given or not.
fn maybe(key: &'static str, value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    option::of(value).prop_map(move |value| match value {
        Some(value) => format!(" {key}={value}"),
        None => String::new(),
    })
}

/// Sizes of zones; most machines have no DMA, and sizes are such that limits are met.
fn zones() -> impl Strategy<Value = String> {
    let dma = option::weighted(
        0.2,
        (1..=5_u32).prop_map(|size| format!("dma:{}K", size * 4096)),
    );
    let dma32 = option::weighted(
        0.4,
        (1..=9_u32).prop_map(|size| format!("dma32:{}M", size * 512)),
    );
    let normal = option::weighted(
        0.8,
        (1..5000_u32).prop_map(|size| format!("normal:{}K", size * 4)),
    );
    let rest = option::weighted(0.3, "(movable|device):[1-9]{1,3}M");
    (dma, dma32, normal, rest)
        .prop_map(|(dma, dma32, normal, rest)| {
            let all = [dma, dma32, normal, rest];
            all.into_iter().flatten().collect::<Vec<_>>().join(",")
        })
        .prop_filter("a list has an item", |list| !list.is_empty())
}

/// A row with 10 at the node's own place, of any length.
fn distances(node: usize) -> impl Strategy<Value = String> {
    vec(11..60_u8, 1..8).prop_map(move |mut row| {
        if let Some(own) = row.get_mut(node) {
            *own = 10;
        }
        let row: Vec<_> = row.iter().map(u8::to_string).collect();
        row.join(",")
    })
}

/// A line for a node whose CPUs are its own.
fn line(node: usize, with_distances: bool) -> impl Strategy<Value = String> {
    let memory = prop_oneof![
        1 => Just(String::new()),
        3 => "[1-9]{1,4}M".prop_map(|mem| format!(" mem={mem}")),
        4 => zones().prop_map(|zones| format!(" zones={zones}")),
    ];
    let first = node * 3;
    let cpus = (0..3_usize).prop_map(move |more| format!("{first}-{}", first + more));
    let cma = option::weighted(
        0.2,
        (1..9_u32).prop_map(|size| format!(" cma={}M", size * 2)),
    );
    let distances = (Just(with_distances), distances(node)).prop_map(|(with, row)| match with {
        true => format!(" distance={row}"),
        false => String::new(),
    });
    (memory, maybe("cpus", cpus), distances, cma, any::<bool>()).prop_map(
        move |(memory, cpus, distances, cma, shadow)| {
            let cma = cma.unwrap_or_default();
            format!(
                "machine node={node}{memory}{cpus}{distances}{cma} shadow={}",
                u8::from(shadow)
            )
        },
    )
}

/// Lines for some of seven nodes, in any order, and a machine of each largest order.
fn lines() -> impl Strategy<Value = String> {
    let nodes = prop::sample::subsequence((0..7_usize).collect::<Vec<_>>(), 1..7);
    let lines = (nodes.prop_shuffle(), any::<bool>()).prop_flat_map(|(nodes, with_distances)| {
        let lines = nodes.into_iter().map(|node| line(node, with_distances));
        lines.collect::<Vec<_>>()
    });
    (lines, 0..=18_u32).prop_map(|(lines, order)| {
        let lines = lines.join("\n");
        format!("{lines}\nmachine build\nmachine build order={order}\n")
    })
}

proptest! {
    #[test]
    fn machine_is_what_its_lines_say(lines in lines()) {
        expect::machine_follows_its_lines(lines.as_bytes());
    }

    #[test]
    fn machine_with_a_mistake_is_refused_or_whole(
        lines in lines(),
        at in any::<prop::sample::Index>(),
        byte in b' '..=b'~',
    ) {
        let mut lines = lines.into_bytes();
        let at = at.index(lines.len());
        lines[at] = byte;
        expect::machine_follows_its_lines(&lines);
    }
}
