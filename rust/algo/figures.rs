// SPDX-License-Identifier: GPL-2.0

//! Figures that follow from sizes: watermarks, reserves, bounds of per-CPU lists and of drift.
//!
//!   lowmem ---sqrt---> min_free_kbytes ---share of the zone---> min, low, high, promo
//!   managed ---> batch; with low and CPUs ---> high_min, high_max of the per-CPU lists
//!   managed of higher zones ---> lowmem_reserve; with high ---> total reserve
//!   managed ---> boost, highatomic reserve, threshold of the counters
//!
//! Every step rounds where the kernel rounds, so that the figures are those of a kernel with the same
//! sizes.
//!
//! # Locking     none: values in, values out.
//! # Cost        O(1); reserves O(zones squared) with their few zones.
//! # Limits      64-bit kernels, so no HighMem. Numbers that the kernel keeps in an `int` are cut off
//!               at its maximum here, which no zone up to 64 TiB comes near.
//! # Reference   mm/page_alloc.c, mm/vmstat.c, mm/khugepaged.c: each function names its own.

#[cfg(test)]
mod tests;

use crate::algo::{
    snapshot::Watermark,
    units::{
        usize_from,
        NrPages,
        Order,
        ZoneKind, //
    },
};

/// The types that per-CPU lists and fallbacks know (MIGRATE_PCPTYPES).
const PCP_TYPES: usize = 3;

/// Returns `pages` times `numerator` by `denominator`, without overflow on the way (mult_frac()).
fn fraction(pages: NrPages, numerator: usize, denominator: usize) -> NrPages {
    let whole = pages.get() / denominator;
    let rest = pages.get() % denominator;
    NrPages::new(
        whole
            .saturating_mul(numerator)
            .saturating_add(rest.saturating_mul(numerator) / denominator),
    )
}

/// Returns a number of pages divided, rounded down.
const fn part(pages: NrPages, divisor: usize) -> NrPages {
    NrPages::new(pages.get() / divisor)
}

/// Returns a number of pages in KiB.
fn kbytes(pages: NrPages, page_shift: u32) -> usize {
    let bytes = pages.bytes(page_shift).unwrap_or_default();
    bytes.get() >> 10
}

/// Returns what a zone counts as when memory is shared out: its pages above the mark high
/// (nr_free_zone_pages()).
///
/// At boot marks are 0. The sum over the zones up to Normal is what the functions of
/// min_free_kbytes take as `lowmem`.
pub fn above_high(managed: NrPages, high: NrPages) -> NrPages {
    managed.checked_sub(high).unwrap_or_default()
}

/// Returns min_free_kbytes, with `lowmem` the sum of `above_high` (calculate_min_free_kbytes()).
pub fn min_free_kbytes(lowmem: NrPages, page_shift: u32) -> usize {
    let square = kbytes(lowmem, page_shift).saturating_mul(16);
    square.isqrt().clamp(128, 262_144)
}

/// Returns what min_free_kbytes is raised to for transparent huge pages: room for two pageblocks a
/// zone, and for two of each type beside each type, but no more than 5 % of `lowmem`
/// (set_recommended_min_free_kbytes()).
///
/// `nr_zones` counts the zones with pages up to Normal. The kernel asks when huge pages are switched
/// on, after boot: `lowmem` is then less than it was for `min_free_kbytes`, by the marks.
pub fn min_free_kbytes_for_huge_pages(
    nr_zones: usize,
    pageblock_order: Order,
    lowmem: NrPages,
    page_shift: u32,
) -> usize {
    let blocks = nr_zones.saturating_mul(2 + PCP_TYPES * PCP_TYPES);
    let wanted = pageblock_order.nr_pages().checked_mul(blocks);
    let most = part(lowmem, 20);
    kbytes(wanted.map_or(most, |it| it.min(most)), page_shift)
}

/// Says whether a machine is large enough to keep types of pageblocks apart
/// (page_group_by_mobility_disabled, set by build_all_zonelists()).
///
/// `total` is the sum of `above_high` over all zones, Movable included, and `nr_types` the number of
/// types that the kernel was built with.
pub fn groups_by_mobility(total: NrPages, pageblock_order: Order, nr_types: usize) -> bool {
    let least = pageblock_order.nr_pages().checked_mul(nr_types);
    least.is_some_and(|least| total >= least)
}

/// What the watermarks of all zones have in common.
#[derive(Clone, Copy, Debug)]
pub struct MarkRules {
    /// The sysctl of that name, or what `min_free_kbytes` returns.
    pub min_free_kbytes: usize,
    /// The managed pages of all zones but Movable.
    pub lowmem: NrPages,
    /// The sysctl watermark_scale_factor: the distance of marks in 1/10000 of the zone.
    pub scale_factor: usize,
    /// The size of a page is `1 << page_shift` bytes.
    pub page_shift: u32,
}

impl MarkRules {
    /// The scale factor, unless a user sets another.
    pub const SCALE_FACTOR: usize = 10;

    /// The rules of a machine with so many managed pages that no user has set any of.
    pub fn usual(lowmem: NrPages, page_shift: u32) -> Self {
        Self {
            min_free_kbytes: min_free_kbytes(lowmem, page_shift),
            lowmem,
            scale_factor: Self::SCALE_FACTOR,
            page_shift,
        }
    }
}

/// Returns the marks of a zone without boost, by `Watermark::index` (__setup_per_zone_wmarks()).
pub fn marks(kind: ZoneKind, managed: NrPages, rules: &MarkRules) -> [NrPages; Watermark::COUNT] {
    let shift = rules.page_shift.saturating_sub(10);
    let pages_min = rules.min_free_kbytes.checked_shr(shift).unwrap_or(0);
    let product = pages_min.saturating_mul(managed.get());
    // Without lowmem there is no kernel; a machine without any has no share to give.
    let share = NrPages::new(product.checked_div(rules.lowmem.get()).unwrap_or_default());
    let min = match kind {
        // No atomic request needs these pages. SWAP_CLUSTER_MAX is 32.
        ZoneKind::Movable => NrPages::new((managed.get() / 1024).clamp(32, 128)),
        _ => share,
    };
    let step = share
        .half()
        .half()
        .max(fraction(managed, rules.scale_factor, 10_000));
    let low = min + step;
    let high = low + step;
    [min, low, high, high + step]
}

/// The sysctl lowmem_reserve_ratio, unless a user sets another, by `ZoneKind::index`.
pub const RESERVE_RATIOS: [usize; ZoneKind::COUNT] = [256, 256, 32, 0, 0];

/// What a zone withholds, by `ZoneKind::index` of the highest zone that a request may use.
pub type Reserve = [NrPages; ZoneKind::COUNT];

/// Returns what the zone `kind` of a node withholds from requests that a higher zone could have
/// served (setup_per_zone_lowmem_reserve()).
///
/// `managed` and `ratios` are by `ZoneKind::index`, for the zones of the same node. A zone without
/// pages withholds nothing, nor does one of the ratio 0.
pub fn lowmem_reserve(
    kind: ZoneKind,
    managed: &[NrPages; ZoneKind::COUNT],
    ratios: &[usize; ZoneKind::COUNT],
) -> Reserve {
    let pages = |kind: ZoneKind| managed.get(kind.index()).copied().unwrap_or_default();
    let ratio = ratios.get(kind.index()).copied().unwrap_or_default();
    let mut reserve = Reserve::default();
    if pages(kind) == NrPages::ZERO || ratio == 0 {
        return reserve;
    }
    let mut above = NrPages::ZERO;
    for (&higher, place) in ZoneKind::ALL.iter().zip(&mut reserve) {
        if higher > kind {
            above += pages(higher);
            *place = part(above, ratio);
        }
    }
    reserve
}

/// Returns what of a zone counts as not free for use; the sum over all zones is totalreserve_pages
/// (calculate_totalreserve_pages()).
pub fn total_reserve(managed: NrPages, high: NrPages, reserve: &Reserve) -> NrPages {
    // The largest one: a reserve does not fall from one zone to the next, up to those that are 0.
    let largest = reserve.iter().copied().max().unwrap_or_default();
    managed.min(largest + high)
}

/// Returns how many pages a per-CPU list takes and gives back at once (zone_batchsize()).
pub fn batch(managed: NrPages, page_shift: u32) -> u32 {
    let most = (256usize << 10).checked_shr(page_shift).unwrap_or(0);
    let batch = (managed.get() >> 12).min(most);
    if batch <= 1 {
        return 1;
    }
    let odd = (batch + batch / 2 + 1).next_power_of_two() / 2 - 1;
    u32::try_from(odd).unwrap_or(u32::MAX)
}

/// How many CPUs share what per-CPU lists may hold.
#[derive(Clone, Copy, Debug)]
pub struct Sharers {
    /// CPUs of the zone's node.
    pub of_node: u32,
    /// CPUs of the machine.
    pub online: u32,
}

/// The bounds of a zone's per-CPU lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PcpBounds {
    /// Pages taken or given back at once.
    pub batch: u32,
    /// The least that `high` is tuned to.
    pub high_min: u32,
    /// The most that `high` is tuned to.
    pub high_max: u32,
}

/// Returns the bounds of a zone's per-CPU lists with percpu_pagelist_high_fraction unset
/// (zone_set_pageset_high_and_batch(), zone_highsize()).
pub fn pcp_bounds(managed: NrPages, low: NrPages, cpus: Sharers, page_shift: u32) -> PcpBounds {
    let batch = batch(managed, page_shift);
    let sharers = match cpus.of_node {
        0 => cpus.online.max(1),
        of_node => of_node,
    };
    let share = |pages: NrPages| {
        let pages = part(pages, usize_from(sharers)).get();
        let pages = u32::try_from(pages).unwrap_or(u32::MAX);
        // A `high` below four batches would empty the list at every other free.
        pages.max(batch.saturating_mul(4))
    };
    PcpBounds {
        batch,
        high_min: share(low),
        // MIN_PERCPU_PAGELIST_HIGH_FRACTION is 8.
        high_max: share(part(managed, 8)),
    }
}

/// The sysctl watermark_boost_factor, unless a user sets another.
pub const BOOST_FACTOR: usize = 15_000;

/// Returns the boost of a zone after pageblocks were mixed there, or `None` where that changes
/// nothing: in zones of less than four pageblocks, and before marks are set (boost_watermark()).
///
/// `high` is the mark without boost, `boost` what there is already, `factor` in 1/10000 of `high`.
pub fn boosted(
    boost: NrPages,
    managed: NrPages,
    high: NrPages,
    pageblock_order: Order,
    factor: usize,
) -> Option<NrPages> {
    let pageblock = pageblock_order.nr_pages();
    if factor == 0 || pageblock.checked_mul(4)? > managed {
        return None;
    }
    let most = fraction(high, factor, 10_000);
    if most == NrPages::ZERO {
        return None;
    }
    Some((boost + pageblock).min(most.max(pageblock)))
}

/// Returns the most pages that are reserved for high-order atomic requests: 1 % of the zone in whole
/// pageblocks, rounded up, or none if it is less than one (reserve_highatomic_pageblock()).
///
/// A pageblock is added while the reserve is below.
pub fn highatomic_max(managed: NrPages, pageblock_order: Order) -> NrPages {
    let pageblock = pageblock_order.nr_pages();
    let share = part(managed, 100);
    if share < pageblock {
        return NrPages::ZERO;
    }
    let blocks = share.get().div_ceil(pageblock.get());
    pageblock.checked_mul(blocks).unwrap_or(share)
}

/// The largest threshold of a counter.
const MAX_THRESHOLD: u32 = 125;

/// Returns how many bits a number needs (fls()).
const fn bits(number: usize) -> u32 {
    usize::BITS - number.leading_zeros()
}

/// Returns how far a CPU's part of a zone's counter goes before it is folded in
/// (calculate_normal_threshold()).
pub fn normal_threshold(managed: NrPages, nr_online: u32, page_shift: u32) -> u32 {
    // In units of 128 MiB.
    let memory = managed.get() >> 27u32.saturating_sub(page_shift);
    (2 * bits(usize_from(nr_online)) * (1 + bits(memory))).min(MAX_THRESHOLD)
}

/// Returns how far it goes while kswapd works, so that all CPUs together stay within the distance
/// from low to min (calculate_pressure_threshold()).
pub fn pressure_threshold(min: NrPages, low: NrPages, nr_online: u32) -> u32 {
    let distance = low.checked_sub(min).unwrap_or_default();
    let each = part(distance, usize_from(nr_online.max(1))).get();
    u32::try_from(each)
        .unwrap_or(MAX_THRESHOLD)
        .clamp(1, MAX_THRESHOLD)
}

/// Returns the mark below which free pages are counted exactly: above high by what CPUs may keep, or
/// `None` where that is no more than from low to min (refresh_zone_stat_thresholds()).
pub fn drift_mark(
    marks: &[NrPages; Watermark::COUNT],
    threshold: u32,
    nr_online: u32,
) -> Option<NrPages> {
    let [min, low, high, _] = *marks;
    let drift = NrPages::new(usize_from(threshold).saturating_mul(usize_from(nr_online)));
    let tolerated = low.checked_sub(min).unwrap_or_default();
    (drift > tolerated).then(|| high + drift)
}
