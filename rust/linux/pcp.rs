// SPDX-License-Identifier: GPL-2.0

//! Per-CPU page lists of a zone: sizes, tuning state and the length of each list.
//!
//!   zone->per_cpu_pageset  CPU 0 [ count high batch ... | U0 -> page -> page   M0 -> page  ... ]
//!                          CPU 1 [ ...                                                        ]
//!
//! # Locking     `pcp->lock` of any CPU, with interrupts on, as `drain_pages_zone()` takes it: the
//!               allocator only ever tries it, from interrupts too, and goes to the zone's own
//!               lists when it is held; whoever waits for it is a task. Where there is one CPU the
//!               lists are not used at all. The lists go with the last memory of the zone:
//!               [`Reader::is_leaving`].
//! # Cost        one lock hold a CPU and zone, at most [`MAX_STEPS`] list entries: see
//!               [`LockedPcp::count`].
//! # Limits      `high_max`, `high_min` and `batch` are changed without the lock.
//! # Reference   `mm/page_alloc.c`: `pcp_spin_trylock()`, `order_to_pindex()`, `decay_pcp_high()`;
//!               `mm/vmstat.c`: `zoneinfo_show_print()`.

use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

use kernel::{
    bindings,
    ffi::c_int, //
};

use super::{
    ffi,
    hotplug::Reader,
    list::Walk,
    read_once,
    zone::Zone, //
};
use crate::algo::{
    snapshot::{
        Count,
        Drift,
        Pcp,
        PcpFlag,
        PcpList,
        PcpTypes, //
    },
    units::{
        usize_from,
        NrPages,
        Order, //
    },
};

/// The most list entries that are visited while a `pcp->lock` is held once; half a millisecond.
const MAX_STEPS: usize = 5_000;

/// Migratetypes that have lists of their own.
// CAST: three.
const TYPES: usize = bindings::migratetype_MIGRATE_PCPTYPES as usize;

/// Lists of the low orders; those of huge pages follow.
const LOW_ORDER_LISTS: usize = TYPES * (usize_from(bindings::PAGE_ALLOC_COSTLY_ORDER) + 1);

impl Zone {
    /// The lists that a CPU keeps of this zone; `None` for a CPU that is not online, and while the
    /// zone's memory is being taken away.
    pub fn pcp(&self, cpu: u32) -> Option<Pcp> {
        let drift = self.drift(cpu)?;
        let reader = Reader::new();
        let pcp = self.lock_pcp(&reader, cpu)?;
        Some(pcp.snapshot(drift))
    }

    /// What a CPU has not told this zone's counter of free pages yet; `None` as for
    /// [`Zone::pcp`].
    pub fn drift(&self, cpu: u32) -> Option<Drift> {
        let reader = Reader::new();
        if !self.has_pcp(&reader, cpu) {
            return None;
        }
        let (item, mut threshold) = (bindings::zone_stat_item_NR_FREE_PAGES, 0);
        // SAFETY: The zone is live by its invariant, the CPU is online and the zone has counters
        // of its own, see above; `NR_FREE_PAGES` is an item of a zone; `threshold` is a local.
        let free = unsafe { ffi::oxmm_zone_stat_diff(self.as_ptr(), cpu, item, &mut threshold) };
        Some(Drift {
            threshold: pages(threshold),
            free,
        })
    }

    /// Whether the CPU's lists and counters of this zone are there and stay.
    fn has_pcp(&self, reader: &Reader, cpu: u32) -> bool {
        // SAFETY: Takes a number below `nr_cpu_ids`, see the first condition.
        cpu < kernel::cpu::nr_cpu_ids()
            && unsafe { ffi::oxmm_cpu_online(cpu) }
            && !reader.is_leaving(self)
            && self.is_populated()
    }

    /// Takes the lock of a CPU's lists.
    pub(super) fn lock_pcp<'a>(&self, reader: &'a Reader, cpu: u32) -> Option<LockedPcp<'a>> {
        if !self.has_pcp(reader, cpu) {
            return None;
        }
        // SAFETY: The zone is live by its invariant, and the CPU is a possible one.
        let pcp = NonNull::new(unsafe { ffi::oxmm_zone_pcp(self.as_ptr(), cpu) })?;
        // SAFETY: The lists stay while `reader` does, see above. Interrupts need not be off, see
        // "Locking". Dropping the guard unlocks.
        unsafe { ffi::oxmm_pcp_lock(pcp.as_ptr()) };
        // INVARIANT: locked just now.
        Some(LockedPcp {
            pcp,
            _reader: PhantomData,
        })
    }
}

/// A CPU's lists whose lock is held: nothing here sleeps or allocates.
///
/// # Invariants
///
/// `pcp` lives for `'a`, and this task holds `pcp->lock`.
pub(super) struct LockedPcp<'a> {
    pcp: NonNull<bindings::per_cpu_pages>,
    _reader: PhantomData<(&'a Reader, *mut ())>,
}

/// Reads one field of a [`LockedPcp`], once.
macro_rules! field {
    ($self:ident . $field:ident) => {
        // SAFETY: By the invariant the lists are live; some fields are stored to without the lock,
        // whole words.
        unsafe { read_once(&raw const (*$self.pcp.as_ptr()).$field) }
    };
}

impl LockedPcp<'_> {
    fn snapshot(&self, drift: Drift) -> Pcp {
        let mut pcp = Pcp {
            count: pages(field!(self.count)),
            high: pages(field!(self.high)),
            batch: pages(field!(self.batch)),
            high_min: pages(field!(self.high_min)),
            high_max: pages(field!(self.high_max)),
            flags: flags(field!(self.flags)),
            alloc_factor: u32::from(field!(self.alloc_factor)),
            free_count: pages(c_int::from(field!(self.free_count))),
            expire: self.expire(),
            drift,
            lists: [None; Pcp::MAX_LISTS],
        };
        for (place, index) in pcp.lists.iter_mut().zip(0..self.lists().len()) {
            *place = list(index);
        }
        self.count(pcp.count, &mut pcp.lists, MAX_STEPS);
        pcp
    }

    #[cfg(CONFIG_NUMA)]
    fn expire(&self) -> Option<u32> {
        Some(u32::from(field!(self.expire)))
    }

    #[cfg(not(CONFIG_NUMA))]
    fn expire(&self) -> Option<u32> {
        None
    }

    /// The heads of the lists.
    pub(super) fn lists(&self) -> &[bindings::list_head] {
        // SAFETY: By the invariant the lists are live, and nobody changes them while the lock is
        // held.
        unsafe { &(*self.pcp.as_ptr()).lists }
    }

    /// A walk along one list.
    pub(super) fn walk<'a>(&'a self, list: &'a bindings::list_head) -> Walk<'a> {
        // SAFETY: The lists change under the lock alone, which `self` holds.
        unsafe { Walk::new(list) }
    }

    /// Counts the blocks of each list.
    ///
    /// The lists are walked side by side, one step each in turn. The CPU knows the sum of all
    /// pages, so that the walk ends when a single list is left, which is the longest. After
    /// `max_steps` the lists that are left have a count that is marked `more`.
    fn count(&self, sum: NrPages, lists: &mut [Option<PcpList>], max_steps: usize) {
        let mut walks = [const { None }; Pcp::MAX_LISTS];
        for (head, walk) in self.lists().iter().zip(&mut walks) {
            *walk = Some(self.walk(head));
        }
        let mut left = self.lists().len().min(walks.len());
        let (mut steps, mut counted) = (0, 0);
        while left > 1 && steps < max_steps {
            for (walk, list) in walks.iter_mut().zip(lists.iter_mut().flatten()) {
                let Some(entries) = walk else { continue };
                steps += 1;
                if entries.step() {
                    list.blocks.blocks += 1;
                    counted += list.order.nr_pages().get();
                } else {
                    *walk = None;
                    left -= 1;
                }
            }
        }
        let rest = walks.iter().zip(lists.iter_mut().flatten());
        for (_, list) in rest.filter(|(walk, _)| walk.is_some()) {
            list.blocks.more = left > 1;
            if left == 1 {
                list.blocks.blocks += sum.get().saturating_sub(counted) >> list.order.get();
            }
        }
    }
}

impl Drop for LockedPcp<'_> {
    fn drop(&mut self) {
        // SAFETY: By the invariant this task holds the lock.
        unsafe { ffi::oxmm_pcp_unlock(self.pcp.as_ptr()) };
    }
}

/// Which blocks the list with this index holds, and none counted yet.
pub(super) fn list(index: usize) -> Option<PcpList> {
    let (order, types) = if index < LOW_ORDER_LISTS {
        let types = match index % TYPES {
            0 => PcpTypes::Unmovable,
            1 => PcpTypes::Movable,
            _ => PcpTypes::Reclaimable,
        };
        (u32::try_from(index / TYPES).ok()?, types)
    } else {
        // SAFETY: Takes nothing and returns a number.
        let order = u32::try_from(unsafe { ffi::oxmm_pcp_thp_order() }).ok()?;
        let types = match index - LOW_ORDER_LISTS {
            0 => PcpTypes::NotMovable,
            _ => PcpTypes::Movable,
        };
        (order, types)
    };
    Some(PcpList {
        order: Order::new(order)?,
        types,
        blocks: Count::default(),
    })
}

/// `PCPF_PREV_FREE_HIGH_ORDER` and `PCPF_FREE_HIGH_BATCH`.
fn flags(bits: u8) -> [bool; PcpFlag::COUNT] {
    [bits & 1 != 0, bits & 2 != 0]
}

/// A number that Linux keeps as an `int` and that is never below zero for long.
fn pages(number: c_int) -> NrPages {
    NrPages::new(usize::try_from(number).unwrap_or(0))
}

#[kernel::prelude::kunit_tests(oxmm_pcp)]
mod tests {
    use super::*;
    use crate::linux::node::{
        online_cpus,
        Node, //
    };

    fn each(mut check: impl FnMut(&Zone, u32)) {
        for zone in Node::online().flat_map(|node| node.populated_zones()) {
            online_cpus().for_each(|cpu| check(&zone, cpu));
        }
    }

    /// The lists of a CPU hold as many pages as the CPU says.
    #[test]
    fn lists_add_up_to_the_count() {
        each(|zone, cpu| {
            let pcp = zone.pcp(cpu);
            let sum = |pcp: &Pcp| {
                let lists = pcp.lists.iter().flatten();
                lists.fold(0, |sum, list| {
                    sum + (list.blocks.blocks << list.order.get())
                })
            };
            let more = |pcp: &Pcp| pcp.lists.iter().flatten().any(|list| list.blocks.more);
            assert!(pcp.is_some_and(|pcp| more(&pcp) || sum(&pcp) == pcp.count.get()));
        });
    }

    /// What was counted to the end by walking is what was worked out from the sum.
    #[test]
    fn the_last_list_is_worked_out_right() {
        each(|zone, cpu| {
            let reader = Reader::new();
            let Some(pcp) = zone.lock_pcp(&reader, cpu) else {
                return;
            };
            let snapshot = pcp.snapshot(Drift::default());
            let mut walked = [0; Pcp::MAX_LISTS];
            for (blocks, head) in walked.iter_mut().zip(pcp.lists()) {
                let mut walk = pcp.walk(head);
                // To the end, however long the list is: nothing else says what it holds.
                while *blocks <= snapshot.count.get() && walk.step() {
                    *blocks += 1;
                }
            }
            // A check that fails ends the task, which must not hold the lock then.
            drop(pcp);
            drop(reader);
            for (list, walked) in snapshot.lists.iter().flatten().zip(walked) {
                assert!(list.blocks.more || list.blocks.blocks == walked);
            }
        });
    }

    /// A count that stops at its bound says so for every list that is left.
    #[test]
    fn a_stopped_count_says_more() {
        each(|zone, cpu| {
            let reader = Reader::new();
            let Some(pcp) = zone.lock_pcp(&reader, cpu) else {
                return;
            };
            let mut lists = [None; Pcp::MAX_LISTS];
            for (place, index) in lists.iter_mut().zip(0..pcp.lists().len()) {
                *place = list(index);
            }
            pcp.count(NrPages::ZERO, &mut lists, 0);
            let nr_lists = pcp.lists().len();
            // A check that fails ends the task, which must not hold the lock then.
            drop(pcp);
            drop(reader);
            assert!(lists.iter().flatten().all(|list| list.blocks.more));
            assert_eq!(lists.iter().flatten().count(), nr_lists);
        });
    }

    /// No CPU keeps more to itself than its threshold, and one past the last has no lists.
    #[test]
    fn drift_is_within_its_threshold() {
        each(|zone, cpu| {
            let drift = zone.drift(cpu).unwrap_or_default();
            let free = usize::try_from(drift.free.unsigned_abs()).unwrap_or(usize::MAX);
            assert!(free <= drift.threshold.get());
            assert!(zone.pcp(u32::MAX).is_none());
        });
    }
}
