// SPDX-License-Identifier: GPL-2.0

//! What a request does when no zone lets it at the low mark: the slow path, in the kernel's order.
//!
//!   wake the reclaimers -> min mark less rights -> reclaim -> compact -> again, while it helps
//!                                                  (compact first for large and unmovable blocks)
//!
//! # Locking     none; whoever reclaims or compacts takes locks of its own, and nothing is held here.
//! # Cost        bounded: rounds end when reclaim and compaction have made no progress, and after
//!               [`MAX_ROUNDS`] in any case.
//! # Limits      no `__GFP_NOFAIL` and no task that reclaims itself (PF_MEMALLOC). Compaction is
//!               tried again only as long as reclaim makes progress: first with what is alike
//!               (COMPACT_PRIO_ASYNC), if it comes before reclaim, then with everything.
//! # Reference   `mm/page_alloc.c`: `__alloc_pages_slowpath()`, `__alloc_pages_direct_reclaim()`,
//!               `__alloc_pages_direct_compact()`, `should_reclaim_retry()`.

use super::{
    walk::{
        attempt,
        attempt_anywhere,
        Block,
        Machine,
        Plan, //
    },
    zone::{
        compact::Scope,
        Miss, //
    },
};
use crate::algo::{
    gfp::Flag,
    units::{
        named,
        Migratetype,
        Order, //
    },
    watermark::{
        slow_path,
        AllocFlag,
        AllocFlags, //
    },
};

/// The most rounds of a request (MAX_RECLAIM_RETRIES).
pub const MAX_ROUNDS: u32 = 16;

/// The largest order that is worth many rounds (PAGE_ALLOC_COSTLY_ORDER).
const COSTLY: u32 = 3;

named! {
    /// What happened on the slow path, spelled as in /proc/vmstat where that counts it.
    pub enum Step {
        /// A request entered it.
        Entered = "slowpath",
        /// Reclaimers were woken.
        Woken = "pageoutrun",
        /// A request reclaimed for itself.
        Reclaimed = "allocstall",
        /// A pageblock of the highatomic reserve was given up.
        Unreserved = "highatomic_unreserved",
        /// Every CPU's lists were drained.
        Drained = "drain_all",
        /// A request compacted for itself.
        Compacted = "compact_stall",
        /// Compaction made the block that was wanted.
        CompactSuccess = "compact_success",
        /// It did not.
        CompactFail = "compact_fail",
        /// The request failed.
        Failed = "alloc_fail",
    }
}

/// Who makes room, and counts what is done for it.
pub trait Helper: Machine {
    /// Wakes the reclaimers of the nodes that the request may use.
    fn wake_reclaim(&self, plan: &Plan);

    /// Reclaims for a request; returns how many frames came free.
    fn reclaim(&self, plan: &Plan) -> usize;

    /// Makes a block of the request's order out of what is free, for an attempt with these flags;
    /// `false` if that did not work.
    fn compact(&self, plan: &Plan, flags: AllocFlags, scope: Scope) -> bool;

    /// Drains the lists of every CPU.
    fn drain_all(&self);

    /// Counts a step.
    fn count(&self, step: Step);
}

/// A request on the slow path.
struct Slow<'a, H: Helper> {
    machine: &'a H,
    cpu: usize,
    plan: &'a Plan,
    flags: AllocFlags,
}

/// Serves a request that the first attempt did not.
///
/// # Errors
///
/// [`Miss::Empty`] when nothing helped; other misses at once.
pub fn alloc_slow<H: Helper>(machine: &H, cpu: usize, plan: &Plan) -> Result<Block, Miss> {
    let asked = plan.asked();
    machine.count(Step::Entered);
    let slow = Slow {
        machine,
        cpu,
        plan,
        flags: slow_path(asked.order, asked.flags, &asked.rules),
    };
    let served = slow.run();
    if served == Err(Miss::Empty) {
        machine.count(Step::Failed);
    }
    served
}

impl<H: Helper> Slow<'_, H> {
    fn has(&self, flag: Flag) -> bool {
        self.plan.asked().flags.contains(flag)
    }

    fn order(&self) -> Order {
        self.plan.asked().order
    }

    fn attempt(&self) -> Result<Option<Block>, Miss> {
        match attempt(self.machine, self.cpu, self.plan, self.flags) {
            Ok(block) => Ok(Some(block)),
            Err(Miss::Empty) => Ok(None),
            Err(miss) => Err(miss),
        }
    }

    /// Tries without the nodemask, for a request that is above memory policies: it may use reserves
    /// and cannot wait.
    fn attempt_anywhere(&self) -> Result<Option<Block>, Miss> {
        if self.plan.asked().nodes.is_none() || self.flags.has(AllocFlag::Cpuset) {
            return Ok(None);
        }
        match attempt_anywhere(self.machine, self.cpu, self.plan, self.flags) {
            Ok(block) => Ok(Some(block)),
            Err(Miss::Empty) => Ok(None),
            Err(miss) => Err(miss),
        }
    }

    fn run(&self) -> Result<Block, Miss> {
        // No zone may ever serve it.
        if self.plan.is_hopeless() {
            return Err(Miss::Empty);
        }
        let costly = self.order().get() > COSTLY;
        let can_reclaim = self.has(Flag::DirectReclaim);
        let can_compact = can_reclaim && self.has(Flag::Io) && self.order() > Order::ZERO;
        let is_movable = self.plan.asked().migratetype == Migratetype::Movable;
        let mut compacts_first = can_compact && (costly || !is_movable);
        for _ in 0..MAX_ROUNDS {
            if self.flags.has(AllocFlag::Kswapd) {
                self.machine.count(Step::Woken);
                self.machine.wake_reclaim(self.plan);
            }
            if let Some(block) = self.attempt()? {
                return Ok(block);
            }
            if !can_reclaim {
                return self.attempt_anywhere()?.ok_or(Miss::Empty);
            }
            let mut progress = 0;
            if !compacts_first {
                progress = self.machine.reclaim(self.plan);
                if let Some(block) = self.after_reclaim(progress)? {
                    return Ok(block);
                }
            }
            if can_compact {
                let scope = match compacts_first {
                    true => Scope::Alike,
                    false => Scope::All,
                };
                if let Some(block) = self.compact(scope)? {
                    return Ok(block);
                }
            }
            if compacts_first {
                if self.has(Flag::Noretry) && self.has(Flag::Thisnode) {
                    break;
                }
                compacts_first = false;
                continue;
            }
            let persists = !costly || can_compact && self.has(Flag::RetryMayfail);
            if self.has(Flag::Noretry) || !persists {
                break;
            }
            if progress == 0 && !self.unreserve(true) {
                break;
            }
        }
        Err(Miss::Empty)
    }

    /// Tries again after a reclaim that came to something; what CPUs and the reserve hold back is
    /// asked for once.
    fn after_reclaim(&self, progress: usize) -> Result<Option<Block>, Miss> {
        self.machine.count(Step::Reclaimed);
        if progress == 0 {
            return Ok(None);
        }
        if let Some(block) = self.attempt()? {
            return Ok(Some(block));
        }
        self.unreserve(false);
        self.machine.count(Step::Drained);
        self.machine.drain_all();
        self.attempt()
    }

    fn compact(&self, scope: Scope) -> Result<Option<Block>, Miss> {
        self.machine.count(Step::Compacted);
        let made = self.machine.compact(self.plan, self.flags, scope);
        let block = match made {
            true => self.attempt()?,
            false => None,
        };
        self.machine.count(match block {
            Some(_) => Step::CompactSuccess,
            None => Step::CompactFail,
        });
        Ok(block)
    }

    /// Gives a pageblock of the highatomic reserve to the request's type.
    fn unreserve(&self, force: bool) -> bool {
        let asked = self.plan.asked();
        let mut places = self.machine.list(asked).iter();
        let unreserved = places.any(|&place| {
            let site = self.machine.sites().get(usize::from(place));
            let site = site.filter(|it| self.plan.allows(it));
            site.is_some_and(|it| it.zone.unreserve_highatomic(asked.migratetype, force))
        });
        if unreserved {
            self.machine.count(Step::Unreserved);
        }
        unreserved
    }
}
