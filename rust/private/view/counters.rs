// SPDX-License-Identifier: GPL-2.0

//! What the private manager counts: of each zone, of what its CPUs did, and of the whole machine.
//!
//! # Locking     numbers of zones are atomics; events are read under the lock of each CPU's lists.
//! # Cost        O(zones x CPUs x events).
//! # Limits      exact at every moment: no CPU keeps a part of a number to itself.
//! # Reference   /proc/vmstat for the names; algo/buddy/pcp.rs and algo/buddy/slow.rs for the rest.

use kernel::sync::atomic;

use super::{
    Private,
    ZoneSite, //
};
use crate::algo::{
    buddy::{
        guarded::Guarded,
        pcp::Event,
        slow::Step,
        zone::{
            compact as moves,
            Memory, //
        },
    },
    snapshot::Counter, //
};
use crate::seam::Relaxed;

impl Private {
    /// What is counted: of each zone, the CPUs' events as sums over all of them, and of the machine.
    pub fn counters(&self) -> impl Iterator<Item = Counter> + '_ {
        let steps = Step::ALL.iter().zip(&self.machine.steps);
        let steps = steps.map(|(step, count)| (step.name(), count));
        let moves = moves::Count::ALL.iter().zip(&self.machine.moves);
        let moves = moves.map(|(of, count)| (of.name(), count));
        let steps = steps.chain(moves).map(|(name, count)| {
            let number = i64::try_from(count.load(atomic::Relaxed)).unwrap_or(i64::MAX);
            exact(name, None, number)
        });
        let poison = self.machine.poison.iter().flat_map(|it| it.counters());
        let poison =
            poison.map(|(name, count)| exact(name, None, i64::try_from(count).unwrap_or(i64::MAX)));
        self.zone_counters().chain(steps).chain(poison)
    }

    fn zone_counters(&self) -> impl Iterator<Item = Counter> + '_ {
        self.machine.sites.iter().flat_map(|site| {
            let figures = site.zone.figures();
            let kept = [
                ("nr_free_pages", figures.free.load(Relaxed)),
                ("nr_free_pages_cma", figures.free_cma.load(Relaxed)),
                ("nr_free_highatomic", figures.free_highatomic.load(Relaxed)),
            ];
            let kept = kept.map(|(name, number)| (name, i64::try_from(number).unwrap_or(i64::MAX)));
            let events = Event::ALL.iter().map(|&event| {
                let sum = self.sum_of(site, event);
                (event.name(), i64::try_from(sum).unwrap_or(i64::MAX))
            });
            let all = kept.into_iter().chain(events);
            all.map(|(name, number)| exact(name, Some(site), number))
        })
    }

    fn sum_of(&self, site: &ZoneSite, event: Event) -> u64 {
        let cpus = 0..self.machine.nr_cpus();
        let lists = cpus.filter_map(|cpu| site.zone.memory().lists(cpu));
        lists.fold(0, |sum: u64, it| {
            sum.wrapping_add(it.with(|pcp| pcp.event(event)))
        })
    }
}

/// A counter that no CPU keeps a part of.
fn exact(name: &'static str, site: Option<&ZoneSite>, number: i64) -> Counter {
    Counter {
        name,
        node: site.map(|site| site.node),
        zone: site.map(|site| site.kind),
        fast: number,
        exact: number,
        bound: 0,
    }
}
