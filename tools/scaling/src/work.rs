// SPDX-License-Identifier: GPL-2.0

//! What the simulated CPUs do, all of them at once: pairs, and sets that are freed in an order.
//!
//! # Cost        some millions of operations for 256 CPUs.

use crate::algo::units::{
    FrameIdx,
    Order, //
};
use crate::lines::{
    clock,
    handed_over,
    meet,
    Kind, //
};
use crate::machine::OneZone;

/// How often work is repeated; the last time counts.
const REPETITIONS: usize = 2;

/// In which order blocks are freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Each before the next is allocated.
    Pair,
    /// The last block of a set first.
    Lifo,
    /// Those of a set in no order.
    Random,
    /// The first block first, of the set that the next CPU allocated.
    Other,
}

impl Pattern {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pair, Self::Lifo, Self::Random, Self::Other];
}

/// One piece of work.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    /// The order of the blocks.
    pub order: u32,
    /// How they are freed.
    pub pattern: Pattern,
    /// On how many CPUs at once.
    pub cpus: usize,
}

/// What an operation came to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Its ns.
    pub ns: f64,
    /// Lines of each kind that were handed over for a thousand operations, by `Kind::ALL`.
    pub lines: [f64; Kind::COUNT],
}

impl Cost {
    /// Lines of all kinds.
    pub fn all_lines(&self) -> f64 {
        self.lines.iter().sum()
    }
}

/// A count as a number that can be divided.
fn real(count: u64) -> f64 {
    // CAST: exact below 2^53, and no count here comes near.
    count as f64
}

impl Job {
    fn nr_blocks(&self) -> usize {
        match (self.pattern, self.order) {
            (Pattern::Pair, _) => 1000,
            (_, 0) => 4096,
            (_, 1..=8) => 1024,
            (_, 9) => 128,
            (_, _) => 64,
        }
    }

    /// Does it; returns the cost of a pair, or of an allocation and of a free.
    pub fn run(&self) -> Vec<Cost> {
        let machine = OneZone::new(self.cpus);
        let order = Order::new(self.order).expect("an order");
        let mut costs = Vec::new();
        let mut sets = vec![Vec::new(); self.cpus];
        for repetition in 0..REPETITIONS {
            costs = match self.pattern {
                Pattern::Pair => vec![self.pairs(&machine, order)],
                _ => self.sets(&machine, order, &mut sets, repetition),
            };
        }
        costs
    }

    fn pairs(&self, machine: &OneZone, order: Order) -> Cost {
        let plan = machine.plan(order);
        self.measured(machine, |cpu, _| {
            let frame = machine.alloc(cpu, &plan);
            machine.free(cpu, frame, order);
        })
    }

    fn sets(
        &self,
        machine: &OneZone,
        order: Order,
        sets: &mut [Vec<FrameIdx>],
        repetition: usize,
    ) -> Vec<Cost> {
        let plan = machine.plan(order);
        let alloc = self.measured(machine, |cpu, _| sets[cpu].push(machine.alloc(cpu, &plan)));
        for (cpu, set) in sets.iter_mut().enumerate() {
            match self.pattern {
                Pattern::Random => shuffle(set, repetition * self.cpus + cpu),
                Pattern::Other => set.reverse(),
                Pattern::Pair | Pattern::Lifo => {}
            }
        }
        let whose = |cpu: usize| match self.pattern {
            Pattern::Other => (cpu + 1) % self.cpus,
            _ => cpu,
        };
        let free = self.measured(machine, |cpu, _| {
            let frame = sets[whose(cpu)].pop().expect("as many as were allocated");
            machine.free(cpu, frame, order);
        });
        vec![alloc, free]
    }

    /// Lets each CPU do a step for each block, and says what one came to.
    fn measured(&self, machine: &OneZone, step: impl FnMut(usize, usize)) -> Cost {
        meet();
        let (start, before) = (clock(0), handed_over());
        machine.steps(self.nr_blocks(), step);
        let spent: u64 = (0..self.cpus).map(|cpu| clock(cpu) - start).sum();
        // CAST: `usize` has 64 bits at most.
        let steps = real((self.cpus * self.nr_blocks()) as u64);
        let mut cost = Cost {
            ns: real(spent) / steps,
            ..Cost::default()
        };
        for ((lines, now), before) in cost.lines.iter_mut().zip(handed_over()).zip(before) {
            *lines = real(now - before) * 1000.0 / steps;
        }
        cost
    }
}

/// Puts a set into another order, which its number determines.
fn shuffle(set: &mut [FrameIdx], number: usize) {
    // CAST: `usize` has 64 bits at most.
    let mut state = number as u64;
    let mut below = |end: usize| {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        // CAST: 31 bits are left.
        (state >> 33) as usize % end
    };
    for at in (1..set.len()).rev() {
        set.swap(at, below(at + 1));
    }
}
