// SPDX-License-Identifier: GPL-2.0

//! Tests of early memory: what each operation leaves, and where an allocation goes.
//!
//! Addresses are pages of 4 KiB where a test does not say otherwise: `pages(2, 5)` is pages 2, 3, 4.

use super::*;

const PAGE: usize = 4096;

const MACHINE: Machine = Machine {
    page: Bytes::new(PAGE),
    cache_line: Bytes::new(64),
};

type Early = Memblock<Vec<Region>>;

fn early_of(len: usize) -> Early {
    let entries = || vec![Region::default(); len];
    Memblock::new(MACHINE, entries(), entries())
}

fn early() -> Early {
    early_of(FIRST_REGIONS)
}

fn node(number: u32) -> Option<NodeId> {
    NodeId::new(number)
}

fn bytes(start: usize, end: usize) -> PhysRange {
    PhysRange::new(PhysAddr::new(start), PhysAddr::new(end)).expect("an order")
}

fn pages(start: usize, end: usize) -> PhysRange {
    bytes(start * PAGE, end * PAGE)
}

/// Memory of pages 1 to 8 on node 0 and 8 to 16 on node 1.
fn two_nodes() -> Early {
    let mut early = early();
    early.add(pages(1, 8), node(0)).expect("room");
    early.add(pages(8, 16), node(1)).expect("room");
    early
}

fn wish(nr_pages: usize) -> Wish {
    Wish {
        size: Bytes::new(nr_pages * PAGE),
        ..Wish::default()
    }
}

/// Expects these regions: first and end page, owner.
#[track_caller]
fn holds(early: &Early, which: Which, expected: &[(usize, usize, Owner)]) {
    let expected = expected.iter().map(|&(start, end, owner)| Region {
        range: pages(start, end),
        owner,
    });
    assert_eq!(early.regions(which), expected.collect::<Vec<_>>());
    assert_eq!(early.check(), Ok(()));
}

const fn of(kind: RegionKind, node: Option<NodeId>) -> Owner {
    Owner {
        kind,
        node,
        what: None,
    }
}

fn memory(of_node: u32) -> Owner {
    of(RegionKind::Memory, node(of_node))
}

const RESERVED: Owner = of(RegionKind::Reserved, None);
const ALLOCATED: Owner = of(RegionKind::Allocated, None);

/// Expects an allocation to get the pages from `expected` on, or no place.
#[track_caller]
fn gets(early: &mut Early, wish: Wish, expected: Option<usize>) {
    let found = early.alloc(&wish);
    match expected {
        Some(page) => {
            let base = PhysAddr::new(page * PAGE);
            assert_eq!(found, Ok(PhysRange::capped(base, wish.size)));
        }
        None => assert_eq!(found, Err(Error::NoSpace)),
    }
    assert_eq!(early.check(), Ok(()));
}

#[test]
fn new_machine_has_nothing() {
    let early = early();
    assert_eq!(early.phys_mem_size(), Bytes::ZERO);
    assert_eq!(early.start_of_dram(), None);
    assert_eq!(early.end_of_dram(), None);
    assert_eq!(early.limit(), PhysAddr::MAX);
    assert!(!early.is_memory(PhysAddr::ZERO));
    assert_eq!(early.snapshot().count(), 0);
    assert_eq!(early.free_ranges(None).count(), 0);
}

/// What is there keeps its node: before `. . 0 0 . 1 1 .`, after `2 2 0 0 2 1 1 2`.
#[test]
fn add_fills_gaps_and_leaves_what_is_there() {
    let mut early = early();
    early.add(pages(2, 4), node(0)).expect("room");
    early.add(pages(5, 7), node(1)).expect("room");
    let added = early.add(pages(0, 8), node(2));
    assert_eq!(added, Ok(Bytes::new(4 * PAGE)));
    let two = memory(2);
    holds(
        &early,
        Which::Memory,
        &[
            (0, 2, two),
            (2, 4, memory(0)),
            (4, 5, two),
            (5, 7, memory(1)),
            (7, 8, two),
        ],
    );
}

#[test]
fn add_joins_neighbours_of_one_node() {
    let mut early = early();
    early.add(pages(1, 2), node(0)).expect("room");
    early.add(pages(3, 4), node(0)).expect("room");
    assert_eq!(early.add(pages(2, 3), node(0)), Ok(Bytes::new(PAGE)));
    holds(&early, Which::Memory, &[(1, 4, memory(0))]);
    assert_eq!(early.add(pages(1, 4), node(1)), Ok(Bytes::ZERO));
    holds(&early, Which::Memory, &[(1, 4, memory(0))]);
}

#[test]
fn ranges_are_cut_where_the_address_space_ends() {
    let mut early = early();
    let base = PhysAddr::new(usize::MAX - 100);
    let range = PhysRange::capped(base, Bytes::new(usize::MAX));
    assert_eq!(early.add(range, None), Ok(Bytes::new(100)));
    assert_eq!(early.end_of_dram(), Some(PhysAddr::MAX));
    assert!(!early.is_memory(PhysAddr::MAX), "the last byte is in none");
    assert_eq!(early.reserve(range, None), Ok(Bytes::new(100)));
    let last = PhysRange::capped(PhysAddr::MAX, Bytes::new(1));
    assert_eq!(early.add(last, None), Ok(Bytes::ZERO));
    assert_eq!(early.free(range), Ok(Bytes::new(100)));
    assert_eq!(early.remove(range), Ok(Bytes::new(100)));
    assert_eq!(early.snapshot().count(), 0);
}

#[test]
fn region_129_needs_twice_the_entries_and_changes_nothing_before() {
    let mut early = early();
    for place in 0..FIRST_REGIONS {
        let range = pages(2 * place, 2 * place + 1);
        early.reserve(range, None).expect("room for 128");
    }
    let need = Error::NeedLarger {
        which: Which::Reserved,
        len: 2 * FIRST_REGIONS,
    };
    let more = pages(1000, 1001);
    assert_eq!(early.reserve(more, None), Err(need));
    assert_eq!(early.regions(Which::Reserved).len(), FIRST_REGIONS);
    // What joins its neighbours needs an entry for a moment.
    assert_eq!(early.reserve(pages(1, 2), None), Err(need));
    // What is reserved already needs none.
    assert_eq!(early.reserve(pages(0, 1), None), Ok(Bytes::ZERO));
    let old = early.replace(Which::Reserved, vec![Region::default(); 2 * FIRST_REGIONS]);
    assert_eq!(old.map(|old| old.len()), Ok(FIRST_REGIONS));
    assert_eq!(early.reserve(more, None), Ok(Bytes::new(PAGE)));
    assert_eq!(early.regions(Which::Reserved).len(), FIRST_REGIONS + 1);
}

#[test]
fn range_across_a_full_array_needs_four_times_the_entries() {
    let mut early = early_of(2);
    early.add(pages(1, 2), node(0)).expect("room");
    early.add(pages(3, 4), node(0)).expect("room");
    let need = |len| Error::NeedLarger {
        which: Which::Memory,
        len,
    };
    assert_eq!(early.add(pages(0, 5), node(1)), Err(need(8)));
    // Two more are asked for to split, even where nothing will be split.
    assert_eq!(early.remove(pages(8, 9)), Err(need(4)));
    assert_eq!(early.remove(pages(8, 8)), Ok(Bytes::ZERO));
    holds(
        &early,
        Which::Memory,
        &[(1, 2, memory(0)), (3, 4, memory(0))],
    );
}

#[test]
fn array_without_entries_asks_for_one() {
    let mut early = early_of(0);
    let need = Error::NeedLarger {
        which: Which::Memory,
        len: 1,
    };
    assert_eq!(early.add(pages(1, 2), None), Err(need));
    assert!(early
        .replace(Which::Memory, vec![Region::default()])
        .is_ok());
    assert_eq!(early.add(pages(1, 2), None), Ok(Bytes::new(PAGE)));
    assert!(early.replace(Which::Memory, Vec::new()).is_err());
    assert_eq!(early.phys_mem_size(), Bytes::new(PAGE));
}

#[test]
fn remove_splits_what_it_is_inside_of() {
    let mut early = two_nodes();
    assert_eq!(early.remove(pages(2, 4)), Ok(Bytes::new(2 * PAGE)));
    assert_eq!(early.remove(pages(7, 9)), Ok(Bytes::new(2 * PAGE)));
    assert_eq!(early.remove(pages(7, 9)), Ok(Bytes::ZERO));
    holds(
        &early,
        Which::Memory,
        &[(1, 2, memory(0)), (4, 7, memory(0)), (9, 16, memory(1))],
    );
    assert_eq!(early.phys_mem_size(), Bytes::new(11 * PAGE));
}

#[test]
fn free_takes_parts_of_several_reservations() {
    let mut early = early();
    early.reserve(pages(1, 4), None).expect("room");
    early.reserve(pages(5, 8), None).expect("room");
    assert_eq!(early.free(pages(3, 6)), Ok(Bytes::new(2 * PAGE)));
    holds(
        &early,
        Which::Reserved,
        &[(1, 3, RESERVED), (6, 8, RESERVED)],
    );
    assert_eq!(early.free(pages(0, 9)), Ok(Bytes::new(4 * PAGE)));
    assert_eq!(early.reserved_size(), Bytes::ZERO);
}

#[test]
fn set_node_splits_and_joins() {
    let mut early = two_nodes();
    early
        .set_node(Which::Memory, pages(6, 10), node(1))
        .expect("room");
    holds(
        &early,
        Which::Memory,
        &[(1, 6, memory(0)), (6, 16, memory(1))],
    );
    early
        .set_node(Which::Memory, pages(0, 20), node(0))
        .expect("room");
    holds(&early, Which::Memory, &[(1, 16, memory(0))]);
}

#[test]
fn allocations_start_at_the_top_unless_asked_otherwise() {
    let mut early = two_nodes();
    early.reserve(pages(14, 15), None).expect("room");
    let up = |nr| Wish {
        bottom_up: true,
        ..wish(nr)
    };
    gets(&mut early, wish(1), Some(15));
    gets(&mut early, wish(2), Some(12));
    gets(&mut early, up(2), Some(1));
    // Two nodes are two regions: pages 3 to 12 are free, and none of them has 6 in one.
    gets(&mut early, up(6), None);
    gets(&mut early, up(5), Some(3));
    gets(&mut early, wish(4), Some(8));
    gets(&mut early, wish(1), None);
}

#[test]
fn reservations_and_allocations_do_not_join() {
    let mut early = two_nodes();
    early.reserve(pages(15, 16), None).expect("room");
    gets(&mut early, wish(1), Some(14));
    gets(&mut early, wish(1), Some(13));
    holds(
        &early,
        Which::Reserved,
        &[(13, 15, ALLOCATED), (15, 16, RESERVED)],
    );
}

#[test]
fn names_keep_reservations_apart() {
    let mut early = early();
    let [a, b] = [What::new("a"), What::new("b")];
    early.reserve(pages(1, 2), a).expect("room");
    early.reserve(pages(2, 3), b).expect("room");
    early.reserve(pages(0, 4), b).expect("room");
    let named = |what| Owner { what, ..RESERVED };
    holds(
        &early,
        Which::Reserved,
        &[(0, 1, named(b)), (1, 2, named(a)), (2, 4, named(b))],
    );
    for text in ["", "two words", "\u{fc}"] {
        assert_eq!(What::new(text), None, "{text}");
    }
}

#[test]
fn lower_bound_is_given_up_by_alloc_alone() {
    let mut early = two_nodes();
    let from = |page: usize| Wish {
        min: PhysAddr::new(page * PAGE),
        ..wish(4)
    };
    assert_eq!(early.alloc_range(&from(13)), Err(Error::NoSpace));
    gets(&mut early, from(13), Some(12));
    // Below the memory it is no bound, and above it is not kept.
    gets(&mut early, from(0), Some(8));
    gets(&mut early, from(99), Some(4));
}

#[test]
fn upper_bound_is_kept() {
    let mut early = two_nodes();
    let to = |page: usize| Wish {
        max: PhysAddr::new(page * PAGE),
        ..wish(2)
    };
    gets(&mut early, to(2), None);
    gets(&mut early, to(3), Some(1));
    gets(&mut early, to(10), Some(8));
    // No end stands for the limit, and so does 1; `alloc` keeps to it whatever the end.
    early.set_limit(PhysAddr::new(12 * PAGE));
    gets(&mut early, to(0), Some(10));
    early.set_limit(PhysAddr::new(7 * PAGE));
    let one = Wish {
        max: PhysAddr::new(1),
        ..wish(1)
    };
    gets(&mut early, one, Some(6));
    gets(&mut early, to(14), Some(4));
    let above = early.alloc_range(&to(14));
    assert_eq!(above, Ok(pages(12, 14)));
}

#[test]
fn bounds_in_disorder_leave_no_room_but_below() {
    let mut early = two_nodes();
    let wish = Wish {
        min: PhysAddr::new(8 * PAGE),
        max: PhysAddr::new(4 * PAGE),
        ..wish(1)
    };
    assert_eq!(early.alloc_range(&wish), Err(Error::NoSpace));
    gets(&mut early, wish, Some(3));
}

#[test]
fn other_nodes_serve_unless_it_must_be_this_one() {
    let mut early = two_nodes();
    let on = |number, nr| Wish {
        node: node(number),
        ..wish(nr)
    };
    let exactly = |number, nr| Wish {
        exact: true,
        ..on(number, nr)
    };
    gets(&mut early, on(0, 2), Some(6));
    gets(&mut early, exactly(0, 6), None);
    gets(&mut early, on(0, 6), Some(10));
    gets(&mut early, exactly(5, 1), None);
    gets(&mut early, on(5, 1), Some(9));
    // The node is named where it was found.
    let on_node = of(RegionKind::Allocated, node(0));
    holds(
        &early,
        Which::Reserved,
        &[(6, 8, on_node), (9, 16, ALLOCATED)],
    );
}

/// A node that is full is left before the lower bound is.
#[test]
fn node_is_given_up_before_the_lower_bound() {
    let mut early = two_nodes();
    let wish = Wish {
        min: PhysAddr::new(8 * PAGE),
        node: node(0),
        ..wish(1)
    };
    gets(&mut early, wish, Some(15));
    gets(
        &mut early,
        Wish {
            exact: true,
            ..wish
        },
        Some(7),
    );
}

#[test]
fn alignment_is_a_power_of_two_or_a_cache_line() {
    let mut early = early();
    early
        .add(bytes(2 * PAGE + 1, 2 * PAGE + 300), None)
        .expect("room");
    let align = |align| Wish {
        size: Bytes::new(8),
        align: Bytes::new(align),
        ..Wish::default()
    };
    assert_eq!(early.alloc(&align(24)), Err(Error::BadAlign));
    let base = |found: Result<PhysRange, Error>| found.map(|range| range.start().get() - 2 * PAGE);
    assert_eq!(base(early.alloc(&align(0))), Ok(256));
    assert_eq!(base(early.alloc(&align(1))), Ok(292));
    assert_eq!(base(early.alloc(&align(32))), Ok(224));
    assert_eq!(base(early.alloc(&align(256))), Err(Error::NoSpace));
    let low = Wish {
        bottom_up: true,
        ..align(2)
    };
    assert_eq!(base(early.alloc(&low)), Ok(2));
}

#[test]
fn first_page_is_never_allocated() {
    let mut early = early();
    early.add(bytes(0, 2 * PAGE), None).expect("room");
    gets(&mut early, wish(2), None);
    gets(&mut early, wish(1), Some(1));
    gets(&mut early, wish(1), None);
}

#[test]
fn no_byte_is_found_and_not_reserved() {
    let mut early = two_nodes();
    gets(&mut early, wish(0), Some(16));
    let up = Wish {
        bottom_up: true,
        ..wish(0)
    };
    gets(&mut early, up, Some(1));
    assert_eq!(early.regions(Which::Reserved), []);
    // Behind the last reservation nothing is free; between two is a place of no byte.
    early.reserve(pages(15, 16), None).expect("room");
    gets(&mut early, wish(0), Some(15));
    early.reserve(pages(13, 15), What::new("a")).expect("room");
    gets(&mut early, wish(0), Some(15));
    early.free(pages(0, 20)).expect("room");
    early.reserve(pages(0, 20), None).expect("room");
    gets(&mut early, wish(0), None);
}

#[test]
fn sizes_and_alignments_past_the_address_space_find_nothing() {
    let mut early = early();
    let top = PhysRange::capped(PhysAddr::new(usize::MAX - PAGE), Bytes::new(PAGE));
    early.add(top, None).expect("room");
    for bottom_up in [false, true] {
        for (size, align) in [(usize::MAX, 1), (PAGE + 1, 1), (1, PAGE), (1, 1 << 63)] {
            let wish = Wish {
                size: Bytes::new(size),
                align: Bytes::new(align),
                bottom_up,
                ..Wish::default()
            };
            // The address space ends one byte before a page does.
            let last = PhysAddr::MAX.align_down(Bytes::new(PAGE));
            let expected = match (size, align) {
                (1, PAGE) => Ok(PhysRange::capped(last, wish.size)),
                _ => Err(Error::NoSpace),
            };
            assert_eq!(early.find_only(&wish), expected, "{wish:?}");
        }
    }
}

impl Early {
    /// Allocates and frees again.
    fn find_only(&mut self, wish: &Wish) -> Result<PhysRange, Error> {
        let range = self.alloc(wish)?;
        assert_eq!(self.free(range), Ok(range.size()));
        Ok(range)
    }
}

#[test]
fn full_array_of_reservations_stops_an_allocation() {
    let mut early = early_of(2);
    early.add(pages(1, 9), None).expect("room");
    early.reserve(pages(2, 3), None).expect("room");
    early.reserve(pages(4, 5), None).expect("room");
    let need = Error::NeedLarger {
        which: Which::Reserved,
        len: 4,
    };
    assert_eq!(early.alloc(&wish(1)), Err(need));
    assert_eq!(early.reserved_size(), Bytes::new(2 * PAGE));
    // No place is another answer than no entry.
    assert_eq!(early.alloc(&wish(5)), Err(Error::NoSpace));
    let longer = vec![Region::default(); 4];
    assert!(early.replace(Which::Reserved, longer).is_ok());
    gets(&mut early, wish(1), Some(8));
}

#[test]
fn trim_leaves_whole_pages() {
    let mut early = early();
    early.add(bytes(PAGE + 1, 3 * PAGE), node(0)).expect("room");
    early
        .add(bytes(3 * PAGE, 4 * PAGE - 1), node(1))
        .expect("room");
    early
        .add(bytes(5 * PAGE, 6 * PAGE + 7), node(1))
        .expect("room");
    let top = PhysRange::capped(PhysAddr::new(usize::MAX - 9), Bytes::new(9));
    early.add(top, node(1)).expect("room");
    assert_eq!(early.trim(), Bytes::new(2 * (PAGE - 1) + 7 + 9));
    holds(
        &early,
        Which::Memory,
        &[(2, 3, memory(0)), (5, 6, memory(1))],
    );
    assert_eq!(early.phys_mem_size(), Bytes::new(2 * PAGE));
    assert_eq!(early.trim(), Bytes::ZERO);
}

#[test]
fn free_ranges_are_memory_less_reservations() {
    let mut early = two_nodes();
    early.reserve(pages(0, 2), None).expect("room");
    early.reserve(pages(3, 4), None).expect("room");
    early.reserve(pages(4, 5), What::new("a")).expect("room");
    early.reserve(pages(15, 99), None).expect("room");
    let free = |start, end, number| Free {
        range: pages(start, end),
        node: node(number),
    };
    let all = [free(2, 3, 0), free(5, 8, 0), free(8, 15, 1)];
    assert_eq!(early.free_ranges(None).collect::<Vec<_>>(), all);
    let of_node: Vec<_> = early.free_ranges(node(1)).rev().collect();
    assert_eq!(of_node, [free(8, 15, 1)]);
    assert_eq!(early.free_ranges(node(2)).count(), 0);
}

#[test]
fn questions_about_ranges() {
    let mut early = two_nodes();
    early.reserve(pages(4, 5), None).expect("room");
    for (start, end, is_memory, is_reserved) in [
        (0, 1, false, false),
        (0, 2, true, false),
        (4, 4, true, false),
        (3, 5, true, true),
        (5, 8, true, false),
        (16, 17, false, false),
    ] {
        let range = pages(start, end);
        assert_eq!(early.overlaps(Which::Memory, range), is_memory, "{range}");
        let found = early.overlaps(Which::Reserved, range);
        assert_eq!(found, is_reserved, "{range}");
    }
    assert!(early.is_region_memory(pages(1, 8)));
    assert!(!early.is_region_memory(pages(7, 9)), "two regions");
    assert!(!early.is_region_memory(pages(15, 17)));
    let owner = early.find(Which::Memory, PhysAddr::new(9 * PAGE));
    assert_eq!(owner.and_then(|it| it.owner.node), node(1));
    assert_eq!(early.start_of_dram(), Some(PhysAddr::new(PAGE)));
    assert_eq!(early.end_of_dram(), Some(PhysAddr::new(16 * PAGE)));
}

#[test]
fn reset_forgets_all_but_the_arrays() {
    let mut early = two_nodes();
    gets(&mut early, wish(1), Some(15));
    early.set_limit(PhysAddr::ZERO);
    assert_eq!(early.snapshot().count(), 3);
    early.reset();
    assert_eq!(early.snapshot().count(), 0);
    assert_eq!(early.limit(), PhysAddr::MAX);
    assert_eq!(early.phys_mem_size(), Bytes::ZERO);
    assert_eq!(early.reserved_size(), Bytes::ZERO);
    assert_eq!(early.check(), Ok(()));
}

#[test]
fn check_names_a_region_in_the_wrong_array() {
    let mut early = two_nodes();
    assert_eq!(
        early.memory.add(pages(20, 21), RESERVED),
        Ok(Bytes::new(PAGE))
    );
    let found = Violation {
        which: Which::Memory,
        place: 2,
        rule: Rule::Kind,
    };
    assert_eq!(early.check(), Err(found));
}
