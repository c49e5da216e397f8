// SPDX-License-Identifier: GPL-2.0

//! How many cache lines CPUs hand to each other, as the table in algo/buddy/mod.rs says.

use oxmm_scaling::lines::Kind;
use oxmm_scaling::work::{
    Cost,
    Job,
    Pattern, //
};

fn costs(order: u32, pattern: Pattern, cpus: usize) -> Vec<Cost> {
    let job = Job {
        order,
        pattern,
        cpus,
    };
    job.run()
}

fn of(cost: &Cost, kind: Kind) -> f64 {
    let place = Kind::ALL.iter().position(|it| *it == kind).unwrap();
    cost.lines[place]
}

/// Pairs stay on their CPUs' lists, and what else they touch is theirs: nothing is handed over.
#[test]
fn pairs_hand_nothing_over() {
    for order in [0, 3, 9, 10] {
        for cpus in [2, 64] {
            let cost = costs(order, Pattern::Pair, cpus)[0];
            assert_eq!(cost.all_lines(), 0.0, "order {order}, {cpus} CPUs");
        }
    }
}

/// One CPU has nobody to hand anything to.
#[test]
fn one_cpu_hands_nothing_over() {
    for cost in costs(0, Pattern::Random, 1) {
        assert_eq!(cost.all_lines(), 0.0);
    }
}

/// Each CPU fills and empties regions of its own.
#[test]
fn regions_are_not_shared() {
    for order in [0, 3] {
        for cost in costs(order, Pattern::Random, 32) {
            for kind in [
                Kind::Region,
                Kind::States,
                Kind::Accounts,
                Kind::Types,
                Kind::Lists,
            ] {
                assert_eq!(of(&cost, kind), 0.0, "order {order}, {}", kind.name());
            }
        }
    }
}

/// What is freed on another CPU takes the lines of its states along, 64 frames in each, and a few of
/// its region.
#[test]
fn other_cpus_free_hands_states_over() {
    let free = costs(0, Pattern::Other, 16)[1];
    assert!(of(&free, Kind::States) <= 1000.0 / 60.0, "{free:?}");
    assert!(free.all_lines() < 30.0, "{free:?}");
}

/// The same in every run.
#[test]
fn a_run_is_as_the_one_before() {
    assert_eq!(costs(3, Pattern::Lifo, 8), costs(3, Pattern::Lifo, 8));
}
