// SPDX-License-Identifier: GPL-2.0

//! Tests of the figures: /proc/zoneinfo of guests with Linux 7.2, and bounds by hand.

use super::*;

const PAGE_SHIFT: u32 = 12;
const PAGEBLOCK: Order = match Order::new(9) {
    Some(order) => order,
    None => Order::MAX,
};

fn pages(number: usize) -> NrPages {
    NrPages::new(number)
}

/// A zone as /proc/zoneinfo shows it.
struct Shown {
    kind: ZoneKind,
    managed: usize,
    /// min, low, high, promo.
    marks: [usize; 4],
    /// CPUs of its node.
    cpus: u32,
    /// batch, high_min, high_max.
    pcp: [u32; 3],
    threshold: u32,
}

const fn shown(
    (kind, managed, cpus): (ZoneKind, usize, u32),
    marks: [usize; 4],
    pcp: [u32; 3],
    threshold: u32,
) -> Shown {
    Shown {
        kind,
        managed,
        marks,
        cpus,
        pcp,
        threshold,
    }
}

/// Expects what a guest with four CPUs shows after min_free_kbytes was set.
#[track_caller]
fn guest(min_free_kbytes: usize, scale_factor: usize, zones: &[Shown]) {
    let low = zones.iter().filter(|zone| zone.kind != ZoneKind::Movable);
    let rules = MarkRules {
        min_free_kbytes,
        lowmem: pages(low.map(|zone| zone.managed).sum()),
        scale_factor,
        page_shift: PAGE_SHIFT,
    };
    for zone in zones {
        let managed = pages(zone.managed);
        assert_eq!(marks(zone.kind, managed, &rules), zone.marks.map(pages));
        let cpus = Sharers {
            of_node: zone.cpus,
            online: 4,
        };
        let pcp = pcp_bounds(managed, pages(zone.marks[1]), cpus, PAGE_SHIFT);
        assert_eq!([pcp.batch, pcp.high_min, pcp.high_max], zone.pcp);
        assert_eq!(normal_threshold(managed, 4, PAGE_SHIFT), zone.threshold);
    }
}

/// qemu/topologies/numa4 with movablecore=256M: nodes 0 and 3 have a zone Movable, and node 3 no
/// CPU.
#[test]
fn four_uneven_nodes_are_as_the_guest_shows_them() {
    use ZoneKind::{Dma, Dma32, Movable, Normal};
    let zones = [
        shown((Dma, 3840, 2), [99, 123, 147, 171], [1, 61, 240], 6),
        shown(
            (Dma32, 124_430, 2),
            [3212, 4015, 4818, 5621],
            [31, 2007, 7776],
            18,
        ),
        shown(
            (Normal, 24_576, 2),
            [634, 792, 950, 1108],
            [7, 396, 1536],
            6,
        ),
        shown((Movable, 5542, 2), [32, 67, 102, 137], [1, 33, 346], 6),
        shown(
            (Normal, 64_467, 1),
            [1664, 2080, 2496, 2912],
            [15, 2080, 8058],
            12,
        ),
        shown(
            (Normal, 32_211, 1),
            [831, 1038, 1245, 1452],
            [7, 1038, 4026],
            6,
        ),
        shown(
            (Normal, 40_960, 0),
            [1057, 1321, 1585, 1849],
            [7, 330, 1280],
            12,
        ),
        shown(
            (Movable, 55_790, 0),
            [54, 414, 774, 1134],
            [15, 103, 1743],
            12,
        ),
    ];
    guest(30_000, 10, &zones);
}

/// qemu/topologies/numa2: the scale factor is larger than a quarter of min, as it is, and as 100.
#[test]
fn distance_of_marks_is_as_the_guest_shows_it() {
    use ZoneKind::{Dma, Dma32, Normal};
    let zones = [
        shown((Dma, 3840, 2), [15, 18, 21, 24], [1, 9, 240], 6),
        shown(
            (Dma32, 124_431, 2),
            [486, 610, 734, 858],
            [31, 305, 7776],
            18,
        ),
        shown(
            (Normal, 62_374, 2),
            [243, 305, 367, 429],
            [15, 152, 3898],
            12,
        ),
        shown(
            (Normal, 128_924, 2),
            [504, 632, 760, 888],
            [31, 316, 8057],
            18,
        ),
    ];
    guest(5000, 10, &zones);
    let zones = [
        shown((Dma, 3840, 2), [15, 53, 91, 129], [1, 26, 240], 6),
        shown(
            (Dma32, 124_431, 2),
            [486, 1730, 2974, 4218],
            [31, 865, 7776],
            18,
        ),
        shown(
            (Normal, 62_374, 2),
            [243, 866, 1489, 2112],
            [15, 433, 3898],
            12,
        ),
        shown(
            (Normal, 128_924, 2),
            [504, 1793, 3082, 4371],
            [31, 896, 8057],
            18,
        ),
    ];
    guest(5000, 100, &zones);
}

/// The "protection" of the same guest: 4 zones on node 0, 2 on node 3.
#[test]
fn lowmem_reserve_is_as_the_guest_shows_it() {
    let reserve = |kind: ZoneKind, managed: [usize; 5]| {
        lowmem_reserve(kind, &managed.map(pages), &RESERVE_RATIOS).map(NrPages::get)
    };
    let node = [3840, 124_430, 24_576, 5542, 0];
    assert_eq!(reserve(ZoneKind::Dma, node), [0, 486, 582, 603, 603]);
    assert_eq!(reserve(ZoneKind::Dma32, node), [0, 0, 96, 117, 117]);
    assert_eq!(reserve(ZoneKind::Normal, node), [0, 0, 0, 173, 173]);
    assert_eq!(reserve(ZoneKind::Movable, node), [0; 5]);
    let node = [0, 0, 40_960, 55_790, 0];
    assert_eq!(reserve(ZoneKind::Dma, node), [0; 5]);
    assert_eq!(reserve(ZoneKind::Normal, node), [0, 0, 0, 1743, 1743]);
}

/// The largest reserve and high, and no more than there is.
#[test]
fn total_reserve_ends_at_the_zone() {
    let reserve = [0, 486, 582, 603, 0].map(pages);
    let total = |managed| total_reserve(pages(managed), pages(147), &reserve).get();
    assert_eq!(total(3840), 750);
    assert_eq!(total(750), 750);
    assert_eq!(total(749), 749);
    assert_eq!(total(0), 0);
}

/// The table above calculate_min_free_kbytes(), and both ends.
#[test]
fn min_free_kbytes_is_a_root() {
    for (mib, kbytes) in [
        (0, 128),
        (1, 128),
        (16, 512),
        (32, 724),
        (512, 2896),
        (2048, 5792),
        (16_384, 16_384),
        (4_194_304, 262_144),
        (8_388_608, 262_144),
    ] {
        assert_eq!(min_free_kbytes(pages(mib << 8), 12), kbytes, "{mib} MiB");
        assert_eq!(min_free_kbytes(pages(mib << 4), 16), kbytes, "{mib} MiB");
    }
}

/// /proc/sys/vm/min_free_kbytes of qemu/topologies/memoryless, 45056, has room for two zones; in
/// less memory it is a twentieth.
#[test]
fn min_free_kbytes_has_room_for_huge_pages() {
    let kbytes =
        |nr_zones, lowmem| min_free_kbytes_for_huge_pages(nr_zones, PAGEBLOCK, pages(lowmem), 12);
    assert_eq!(kbytes(2, 254_675), 45_056);
    assert_eq!(kbytes(2, 20 * 11_264 - 1), 4 * 11_263);
    assert_eq!(kbytes(usize::MAX, 200), 40);
    assert!(groups_by_mobility(pages(3072), PAGEBLOCK, 6));
    assert!(!groups_by_mobility(pages(3071), PAGEBLOCK, 6));
    assert_eq!(above_high(pages(10), pages(3)), pages(7));
    assert_eq!(above_high(pages(3), pages(10)), pages(0));
}

/// 2^n - 1 from two thirds of 2^n to four thirds, and at most 63 pages of 4 KiB.
#[test]
fn batch_is_one_less_than_a_power_of_two() {
    for (quarters, expected) in [
        (0, 1),
        (1, 1),
        (2, 1),
        (3, 3),
        (5, 3),
        (6, 7),
        (10, 7),
        (11, 15),
        (42, 31),
        (43, 63),
        (64, 63),
        (1 << 20, 63),
    ] {
        assert_eq!(batch(pages(quarters << 12), 12), expected, "{quarters}");
    }
    assert_eq!(batch(pages(1 << 20), 16), 3);
    assert_eq!(batch(pages(1 << 20), 30), 1);
}

/// A pageblock more each time, up to 150 % of high, but at least one pageblock.
#[test]
fn boost_ends_at_its_cap() {
    let from = |boost, managed, high| {
        let boost = boosted(
            pages(boost),
            pages(managed),
            pages(high),
            PAGEBLOCK,
            BOOST_FACTOR,
        );
        boost.map(NrPages::get)
    };
    assert_eq!(from(0, 100_000, 1000), Some(512));
    assert_eq!(from(512, 100_000, 1000), Some(1024));
    assert_eq!(from(1024, 100_000, 1000), Some(1500));
    assert_eq!(from(1500, 100_000, 1000), Some(1500));
    assert_eq!(from(0, 2048, 10), Some(512));
    assert_eq!(from(0, 2047, 10), None);
    assert_eq!(from(0, 100_000, 0), None);
    assert_eq!(boosted(pages(0), pages(9999), pages(9), PAGEBLOCK, 0), None);
}

/// Nothing below 100 pageblocks, then 1 % in whole pageblocks.
#[test]
fn highatomic_reserve_is_a_hundredth() {
    let most = |managed| highatomic_max(pages(managed), PAGEBLOCK).get();
    assert_eq!(most(0), 0);
    assert_eq!(most(51_199), 0);
    assert_eq!(most(51_200), 512);
    assert_eq!(most(51_299), 512);
    assert_eq!(most(51_300), 1024);
    assert_eq!(most(124_430), 1536);
}

/// The columns of the table in calculate_normal_threshold(), with zones below its upper ends.
#[test]
fn threshold_grows_with_zones_and_cpus() {
    for (nr_online, mib, expected) in [
        (1, 1000, 8),
        (2, 100, 4),
        (2, 1000, 16),
        (2, 2000, 20),
        (2, 16_000, 32),
        (64, 8000, 98),
        (512, 8000, 125),
        (1024, 16_000, 125),
        (0, 16_000, 0),
    ] {
        let found = normal_threshold(pages(mib << 8), nr_online, 12);
        assert_eq!(found, expected, "{nr_online} CPUs, {mib} MiB");
    }
    let pressure = |low, nr_online| pressure_threshold(pages(100), pages(low), nr_online);
    assert_eq!(pressure(180, 4), 20);
    assert_eq!(pressure(101, 4), 1);
    assert_eq!(pressure(99, 0), 1);
    assert_eq!(pressure(1_000_000, 4), 125);
}

/// Four CPUs with a threshold of 6 drift by 24 pages: node 0's DMA tolerates 24, and no less.
#[test]
fn drift_mark_is_above_high() {
    let mark = |low| drift_mark(&[99, low, 147, 171].map(pages), 6, 4).map(NrPages::get);
    assert_eq!(mark(123), None);
    assert_eq!(mark(122), Some(171));
}
