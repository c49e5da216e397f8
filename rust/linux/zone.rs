// SPDX-License-Identifier: GPL-2.0

//! Zones of the running kernel: sizes, watermarks, reserves, and free lists under the zone lock.
//!
//!   zone -> free_area[order] . nr_free            all free blocks of the order
//!                            . free_list[type]    linked through the blocks' first pages
//!
//! # Locking     sizes and marks are single words, read without a lock as /proc/zoneinfo does;
//!               free lists are walked under `zone->lock` with interrupts off, [`LockedZone`].
//! # Cost        [`Zone::free_area`] takes the lock once per order and steps through at most
//!               [`MAX_STEPS`] list entries each time: see [`LockedZone::count`].
//! # Limits      HIGHMEM, which 64-bit kernels do not have, is left out.
//! # Reference   `mm/vmstat.c`: `zoneinfo_show_print()`, `pagetypeinfo_showfree_print()`.

use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

use kernel::{
    bindings,
    ffi::{
        c_int,
        c_ulong, //
    },
};

use super::{
    ffi,
    hotplug::Reader,
    list::Walk,
    read_once, //
};
use crate::algo::{
    snapshot::{
        self,
        Count,
        FreeArea,
        Watermark, //
    },
    units::{
        usize_from,
        Migratetype,
        NodeId,
        NrPages,
        Order,
        Pfn,
        ZoneKind, //
    },
};

/// The most list entries that are visited while the zone lock is held once.
///
/// A step is one cache line that is likely cold, some 100 ns: two milliseconds with interrupts off
/// at the very worst, where /proc/pagetypeinfo allows itself 100,000 steps for each list.
pub const MAX_STEPS: usize = 20_000;

// CAST: ten items.
const NR_FREE_PAGES: c_int = bindings::zone_stat_item_NR_FREE_PAGES as c_int;

/// Reads one field of a [`Zone`], once.
macro_rules! field {
    ($self:ident . $field:ident) => {
        // SAFETY: By the invariant the zone is live; Linux stores to the field, whole words.
        unsafe { read_once(&raw const (*$self.zone.as_ptr()).$field) }
    };
}

/// A zone of a node, populated or not.
///
/// # Invariants
///
/// `zone` is one of `node_zones` of a `pglist_data`, and those are never freed.
#[derive(Clone, Copy)]
pub struct Zone {
    zone: NonNull<bindings::zone>,
}

impl Zone {
    /// # Safety
    ///
    /// `zone` is one of `node_zones` of a `pglist_data` that has been online.
    pub(super) unsafe fn from_raw(zone: NonNull<bindings::zone>) -> Self {
        // INVARIANT: the caller's promise.
        Self { zone }
    }

    /// Linux's own, for the rest of this room; never freed, see the invariant.
    pub(super) fn as_ptr(&self) -> *mut bindings::zone {
        self.zone.as_ptr()
    }

    /// Which zone of its node this is.
    pub fn kind(&self) -> Option<ZoneKind> {
        let zone = self.zone.as_ptr();
        // SAFETY: By the invariant the zone is live; both fields are set once.
        let first =
            unsafe { (&raw const (*(*zone).zone_pgdat).node_zones).cast::<bindings::zone>() };
        // SAFETY: Both point into the same `node_zones`.
        let index = unsafe { zone.cast_const().offset_from(first) };
        kind_of_index(c_int::try_from(index).ok()?)
    }

    /// The node it belongs to.
    pub fn node_id(&self) -> Option<NodeId> {
        // SAFETY: By the invariant the zone is live.
        NodeId::from_int(unsafe { ffi::oxmm_zone_node(self.zone.as_ptr()) })
    }

    /// Whether it has pages (`populated_zone()`).
    pub fn is_populated(&self) -> bool {
        field!(self.present_pages) != 0
    }

    /// Pages that the buddy manages.
    pub fn managed(&self) -> NrPages {
        // SAFETY: By the invariant the zone is live.
        NrPages::new(unsafe { ffi::oxmm_zone_managed_pages(self.zone.as_ptr()) })
    }

    /// Free pages, by the counter that allocation decisions look at first.
    pub fn free(&self) -> NrPages {
        // SAFETY: By the invariant the zone is live, and the item is one of a zone.
        NrPages::new(unsafe { ffi::oxmm_zone_page_state(self.zone.as_ptr(), NR_FREE_PAGES) })
    }

    /// Free pages, with what each CPU has not yet added to that counter.
    pub fn free_exact(&self) -> NrPages {
        let reader = Reader::new();
        if reader.is_leaving(self) || !self.is_populated() {
            // The CPUs' counters of this zone may go.
            return self.free();
        }
        // SAFETY: By the invariant the zone is live, and the item is one of a zone; the counters
        // of its CPUs stay, see above.
        let free = unsafe { ffi::oxmm_zone_page_state_snapshot(self.zone.as_ptr(), NR_FREE_PAGES) };
        NrPages::new(free)
    }

    /// How far [`Zone::free`] may be from [`Zone::free_exact`]: no CPU keeps more to itself than its
    /// threshold before it adds that to the counter.
    pub fn free_bound(&self) -> NrPages {
        let thresholds = super::node::online_cpus().filter_map(|cpu| self.drift(cpu));
        thresholds.fold(NrPages::ZERO, |sum, drift| sum + drift.threshold)
    }

    /// The zone's figures; `None` for a kind of zone that [`ZoneKind`] does not have.
    pub fn snapshot(&self) -> Option<snapshot::Zone> {
        // SAFETY: By the invariant the zone is live.
        let cma = unsafe { ffi::oxmm_zone_cma_pages(self.zone.as_ptr()) };
        Some(snapshot::Zone {
            node: self.node_id()?,
            kind: self.kind()?,
            start: Pfn::new(field!(self.zone_start_pfn)),
            spanned: NrPages::new(field!(self.spanned_pages)),
            present: NrPages::new(field!(self.present_pages)),
            managed: self.managed(),
            cma: NrPages::new(cma),
            free: self.free(),
            free_exact: self.free_exact(),
            free_bound: self.free_bound(),
            marks: self.marks(),
            boost: NrPages::new(field!(self.watermark_boost)),
            lowmem_reserve: self.lowmem_reserve(),
            highatomic_reserved: NrPages::new(field!(self.nr_reserved_highatomic)),
            highatomic_free: NrPages::new(field!(self.nr_free_highatomic)),
        })
    }

    /// The watermarks as `wmark_pages()` gives them: what is stored, plus the boost.
    fn marks(&self) -> [NrPages; Watermark::COUNT] {
        let stored = field!(self._watermark);
        let boost = NrPages::new(field!(self.watermark_boost));
        let mut marks = [NrPages::ZERO; Watermark::COUNT];
        for (mark, &stored) in marks.iter_mut().zip(&stored) {
            *mark = NrPages::new(stored) + boost;
        }
        marks
    }

    /// One watermark, boost included.
    pub fn mark(&self, mark: Watermark) -> NrPages {
        let marks = self.marks();
        marks.get(mark.index()).copied().unwrap_or_default()
    }

    fn lowmem_reserve(&self) -> [Option<NrPages>; ZoneKind::COUNT] {
        let stored = field!(self.lowmem_reserve);
        let mut reserve = [None; ZoneKind::COUNT];
        for (&kind, pages) in ZoneKind::ALL.iter().zip(&mut reserve) {
            let stored = index_of_kind(kind).and_then(|index| stored.get(index));
            // Linux stores a `long` that is never negative.
            *pages = stored.map(|&stored| NrPages::new(usize::try_from(stored).unwrap_or(0)));
        }
        reserve
    }

    /// Counts the free blocks by order and migratetype, one lock hold per order.
    ///
    /// Each order's row is of one moment; the orders are not, as in /proc/pagetypeinfo.
    pub fn free_area(&self) -> FreeArea {
        let mut area = FreeArea {
            max_order: super::pages::MAX_ORDER,
            types: [false; Migratetype::COUNT],
            lists: [[Count::default(); Migratetype::COUNT]; Order::COUNT],
            blocks: [0; Order::COUNT],
        };
        for (&migratetype, has_lists) in Migratetype::ALL.iter().zip(&mut area.types) {
            *has_lists = list_of_type(migratetype).is_some();
        }
        let orders = Order::up_to(area.max_order);
        for ((order, lists), blocks) in orders.zip(&mut area.lists).zip(&mut area.blocks) {
            *blocks = self.lock().count(order, lists, MAX_STEPS);
            // The lock is free again: give way before the next order.
            super::cond_resched();
        }
        area
    }

    /// Its first page and the one after its last.
    pub(super) fn span(&self) -> (Pfn, Pfn) {
        let start = Pfn::new(field!(self.zone_start_pfn));
        let spanned = NrPages::new(field!(self.spanned_pages));
        (start, start.checked_add(spanned).unwrap_or(start))
    }

    /// Takes the zone lock with interrupts off.
    pub(super) fn lock(&self) -> LockedZone<'_> {
        // SAFETY: By the invariant the zone is live; dropping the guard unlocks.
        let flags = unsafe { ffi::oxmm_zone_lock(self.zone.as_ptr()) };
        LockedZone {
            zone: self,
            flags,
            _not_send: PhantomData,
        }
    }
}

/// A zone whose lock is held, with interrupts off: nothing here sleeps or allocates.
///
/// # Invariants
///
/// `zone->lock` was taken by this task on this CPU, which `flags` belong to.
pub(super) struct LockedZone<'a> {
    zone: &'a Zone,
    flags: c_ulong,
    _not_send: PhantomData<*mut ()>,
}

impl LockedZone<'_> {
    /// Whether it is this zone whose lock is held.
    pub(super) fn is_of(&self, zone: &Zone) -> bool {
        self.zone.zone == zone.zone
    }

    /// Counts the free blocks of `order` by migratetype into `counts` and returns how many there
    /// are in all.
    ///
    /// The lists are walked side by side, one step each in turn. The zone knows the sum, so that
    /// the walk ends when a single list is left: the longest one, which nearly always holds most
    /// of the blocks, is never walked to its end. After `max_steps` the lists that are left have a
    /// count that is marked `more`.
    fn count(
        &self,
        order: Order,
        counts: &mut [Count; Migratetype::COUNT],
        max_steps: usize,
    ) -> usize {
        let zone = self.zone.zone.as_ptr();
        // SAFETY: The zone is live, `order` is at most `MAX_PAGE_ORDER`, and while the lock is
        // held nobody changes the area.
        let area = unsafe { &(*zone).free_area[order.index()] };
        let mut walks = [const { None }; Migratetype::COUNT];
        for (&migratetype, walk) in Migratetype::ALL.iter().zip(&mut walks) {
            let list = list_of_type(migratetype).and_then(|index| area.free_list.get(index));
            // SAFETY: The area's lists change under the zone lock alone, which `self` holds.
            *walk = list.map(|list| unsafe { Walk::new(list) });
        }
        let mut left = walks.iter().flatten().count();
        let mut steps = 0;
        while left > 1 && steps < max_steps {
            for (walk, count) in walks.iter_mut().zip(counts.iter_mut()) {
                let Some(list) = walk else { continue };
                steps += 1;
                if list.step() {
                    count.blocks += 1;
                } else {
                    *walk = None;
                    left -= 1;
                }
            }
        }
        let counted: usize = counts.iter().map(|count| count.blocks).sum();
        for (_, count) in walks.iter().zip(counts).filter(|(walk, _)| walk.is_some()) {
            count.more = left > 1;
            if left == 1 {
                count.blocks += area.nr_free.saturating_sub(counted);
            }
        }
        area.nr_free
    }
}

impl Drop for LockedZone<'_> {
    fn drop(&mut self) {
        // SAFETY: By the invariant this task holds the lock, and these are its flags.
        unsafe { ffi::oxmm_zone_unlock(self.zone.zone.as_ptr(), self.flags) };
    }
}

/// This kernel's number of a kind of zone; `None` if it is built without.
pub(super) fn index_of_kind(kind: ZoneKind) -> Option<usize> {
    let index = match kind {
        #[cfg(CONFIG_ZONE_DMA)]
        ZoneKind::Dma => bindings::zone_type_ZONE_DMA,
        #[cfg(CONFIG_ZONE_DMA32)]
        ZoneKind::Dma32 => bindings::zone_type_ZONE_DMA32,
        ZoneKind::Normal => bindings::zone_type_ZONE_NORMAL,
        ZoneKind::Movable => bindings::zone_type_ZONE_MOVABLE,
        #[cfg(CONFIG_ZONE_DEVICE)]
        ZoneKind::Device => bindings::zone_type_ZONE_DEVICE,
        #[allow(unreachable_patterns, reason = "some kernels have them all")]
        _ => return None,
    };
    usize::try_from(index).ok()
}

/// The kind of zone that has this number in this kernel.
pub(super) fn kind_of_index(index: c_int) -> Option<ZoneKind> {
    let index = usize::try_from(index).ok()?;
    ZoneKind::ALL
        .iter()
        .copied()
        .find(|&kind| index_of_kind(kind) == Some(index))
}

/// This kernel's number of a migratetype's free list; `None` if it is built without.
pub(super) fn list_of_type(migratetype: Migratetype) -> Option<usize> {
    let index = match migratetype {
        Migratetype::Unmovable => bindings::migratetype_MIGRATE_UNMOVABLE,
        Migratetype::Movable => bindings::migratetype_MIGRATE_MOVABLE,
        Migratetype::Reclaimable => bindings::migratetype_MIGRATE_RECLAIMABLE,
        Migratetype::HighAtomic => bindings::migratetype_MIGRATE_HIGHATOMIC,
        #[cfg(CONFIG_CMA)]
        Migratetype::Cma => bindings::migratetype_MIGRATE_CMA,
        #[cfg(CONFIG_MEMORY_ISOLATION)]
        Migratetype::Isolate => bindings::migratetype_MIGRATE_ISOLATE,
        #[allow(unreachable_patterns, reason = "some kernels have them all")]
        _ => return None,
    };
    usize::try_from(index).ok()
}

/// The migratetype that has this number in this kernel.
pub(super) fn type_of_index(index: u32) -> Option<Migratetype> {
    let index = usize_from(index);
    Migratetype::ALL
        .iter()
        .copied()
        .find(|&migratetype| list_of_type(migratetype) == Some(index))
}

#[kernel::prelude::kunit_tests(oxmm_zone)]
mod tests {
    use super::*;
    use crate::linux::node::Node;

    /// No zone manages more than it has, nor has more than it spans; its marks rise.
    #[test]
    fn sizes_and_marks_are_ordered() {
        for zone in Node::online().flat_map(|node| node.populated_zones()) {
            let Some(zone) = zone.snapshot() else {
                continue;
            };
            assert!(zone.managed <= zone.present && zone.present <= zone.spanned);
            let [min, low, high, promo] = zone.marks;
            assert!(min <= low && low <= high && high <= promo);
        }
    }

    /// The types of an order add up to its blocks, unless counting stopped at its bound.
    #[test]
    fn types_add_up_to_the_blocks() {
        for zone in Node::online().flat_map(|node| node.populated_zones()) {
            let area = zone.free_area();
            for (lists, &blocks) in area.lists.iter().zip(&area.blocks) {
                let sum: usize = lists.iter().map(|count| count.blocks).sum();
                assert!(sum == blocks || lists.iter().any(|count| count.more));
            }
        }
    }

    /// Counting that stops at its bound says so for each list that is left; the sum stays exact.
    #[test]
    fn a_stopped_count_says_more() {
        for zone in Node::online().flat_map(|node| node.populated_zones()) {
            let mut counts = [Count::default(); Migratetype::COUNT];
            let lists = Migratetype::ALL
                .iter()
                .filter(|&&it| list_of_type(it).is_some());
            let locked = zone.lock();
            let blocks = locked.count(Order::ZERO, &mut counts, 0);
            let mut whole = [Count::default(); Migratetype::COUNT];
            let again = locked.count(Order::ZERO, &mut whole, usize::MAX);
            drop(locked);
            assert_eq!(blocks, again);
            assert_eq!(
                counts.iter().filter(|count| count.more).count(),
                lists.count()
            );
            assert!(whole.iter().all(|count| !count.more));
            assert_eq!(
                whole.iter().map(|count| count.blocks).sum::<usize>(),
                blocks
            );
        }
    }

    /// The number of a kind leads back to the kind.
    #[test]
    fn kinds_and_numbers_match() {
        for &kind in ZoneKind::ALL {
            let back = index_of_kind(kind)
                .and_then(|index| c_int::try_from(index).ok())
                .and_then(kind_of_index);
            assert!(back.is_none() || back == Some(kind));
        }
        assert_eq!(kind_of_index(-1), None);
    }
}
