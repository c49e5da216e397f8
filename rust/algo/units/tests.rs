// SPDX-License-Identifier: GPL-2.0

//! Tests of the units: arithmetic at its ends, names, and what prints how.

use super::*;

#[test]
fn pfn_moves_by_pages_and_back() {
    let start = Pfn::new(0x1000);
    let end = start + NrPages::new(8);
    assert_eq!(end.get(), 0x1008);
    assert_eq!(end - start, NrPages::new(8));
}

#[test]
fn checked_arithmetic_ends_with_the_numbers() {
    let (last, one) = (Pfn::new(usize::MAX), NrPages::new(1));
    assert_eq!(last.checked_add(one), None);
    assert_eq!(Pfn::new(0).checked_sub(last), None);
    assert_eq!(NrPages::ZERO.checked_sub(one), None);
    assert_eq!(NrPages::new(usize::MAX).checked_add(one), None);
    assert_eq!(NrPages::new(usize::MAX).checked_mul(2), None);
    assert_eq!(NrPages::new(usize::MAX).bytes(12), None);
    assert_eq!(one.bytes(64), None);
}

#[test]
fn pfn_is_aligned_to_the_blocks_that_may_start_there() {
    let order = |number| Order::new(number).unwrap();
    assert!(Pfn::new(0x18).is_aligned(order(3)));
    assert!(!Pfn::new(0x18).is_aligned(order(4)));
    assert!(Pfn::new(0).is_aligned(Order::MAX));
    assert_eq!(Pfn::new(0x18).align_down(order(4)), Pfn::new(0x10));
    assert_eq!(Pfn::new(0x18).align_up(order(4)), Some(Pfn::new(0x20)));
    assert_eq!(Pfn::new(0x20).align_up(order(4)), Some(Pfn::new(0x20)));
    assert_eq!(Pfn::new(usize::MAX).align_up(order(1)), None);
}

#[test]
fn order_ends_at_its_maximum() {
    assert_eq!(Order::new(18), Some(Order::MAX));
    assert_eq!(Order::new(19), None);
    assert_eq!(Order::new(u32::MAX), None);
    assert_eq!(Order::up_to(Order::MAX).count(), Order::COUNT);
    assert_eq!(Order::MAX.nr_pages().get(), 262_144);
}

#[test]
fn node_ends_below_its_count() {
    assert_eq!(NodeId::new(1023).map(NodeId::int), Some(1023));
    assert_eq!(NodeId::new(1024), None);
    assert_eq!(NodeId::from_int(-1), None);
}

#[test]
fn bytes_print_with_the_largest_unit_that_leaves_no_rest() {
    let print = |number| Bytes::new(number).to_string();
    assert_eq!(print(0), "0");
    assert_eq!(print(1023), "1023");
    assert_eq!(print(1024), "1K");
    assert_eq!(print(1025), "1025");
    assert_eq!(print(3 << 20), "3M");
    assert_eq!(print(4096 << 30), "4096G");
}

#[test]
fn bytes_and_pages_convert_by_page_shift() {
    assert_eq!(NrPages::new(3).bytes(12), Some(Bytes::new(12288)));
    assert_eq!(Bytes::new(12287).whole_pages(12), NrPages::new(2));
    assert_eq!(Bytes::new(1).whole_pages(64), NrPages::ZERO);
}

#[test]
fn names_are_found_and_padded_as_the_kernel_pads_them() {
    assert_eq!(ZoneKind::from_name("DMA32"), Some(ZoneKind::Dma32));
    assert_eq!(ZoneKind::from_name("dma32"), None);
    assert_eq!(format!("{:>8}", ZoneKind::Normal), "  Normal");
    for (i, migratetype) in Migratetype::ALL.iter().enumerate() {
        assert_eq!(migratetype.index(), i);
    }
}
