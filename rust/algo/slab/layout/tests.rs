// SPDX-License-Identifier: GPL-2.0

//! Tests of the layout rule: a table of sizes, and what must hold of every slab.

use super::*;

const MACHINE: Machine = Machine {
    page_shift: 12,
    cpus: 4,
    cache_line: 64,
    min_align: 8,
    max_order: match Order::new(10) {
        Some(order) => order,
        None => Order::ZERO,
    },
};

fn of(size: usize) -> Wanted {
    Wanted {
        size,
        ..Wanted::default()
    }
}

/// Size, order and objects as a machine of four CPUs shows them in /sys/kernel/slab.
#[track_caller]
fn is(wanted: Wanted, size: usize, order: u32, objects: usize) {
    let layout = Layout::new(&MACHINE, &wanted).unwrap();
    let shown = (layout.size, layout.order.get(), layout.objects);
    assert_eq!(shown, (size, order, objects), "{wanted:?}");
}

#[test]
fn sizes_and_orders_are_those_of_slub() {
    is(of(1), 8, 0, 512);
    is(of(8), 8, 0, 512);
    is(of(9), 16, 0, 256);
    is(of(96), 96, 0, 42);
    is(of(192), 192, 0, 21);
    is(of(256), 256, 0, 16);
    is(of(512), 512, 1, 16);
    is(of(1024), 1024, 2, 16);
    is(of(1500), 1504, 3, 21);
    is(of(2048), 2048, 3, 16);
    is(of(4096), 4096, 3, 8);
    is(of(8192), 8192, 3, 4);
    is(of(20_000), 20_000, 3, 1);
    is(of(32_769), 32_776, 4, 1);
}

#[test]
fn a_free_pointer_outside_takes_a_word() {
    let keeps_bytes = true;
    is(
        Wanted {
            keeps_bytes,
            ..of(200)
        },
        208,
        0,
        19,
    );
    let is_poisoned = true;
    is(
        Wanted {
            is_poisoned,
            ..of(196)
        },
        208,
        0,
        19,
    );
}

#[test]
fn red_zones_lie_on_both_sides() {
    let has_red_zone = true;
    // 64 of the object, a word behind, a word between, a word before.
    is(
        Wanted {
            has_red_zone,
            ..of(64)
        },
        88,
        0,
        46,
    );
    // The object leaves room in its own word, and is too small for a pointer.
    is(
        Wanted {
            has_red_zone,
            ..of(7)
        },
        32,
        0,
        128,
    );
}

#[test]
fn lines_are_halved_for_small_objects() {
    let is_line_aligned = true;
    is(
        Wanted {
            is_line_aligned,
            ..of(65)
        },
        128,
        0,
        32,
    );
    is(
        Wanted {
            is_line_aligned,
            ..of(33)
        },
        64,
        0,
        64,
    );
    is(
        Wanted {
            is_line_aligned,
            ..of(32)
        },
        32,
        0,
        128,
    );
    is(
        Wanted {
            align: 512,
            ..of(100)
        },
        512,
        1,
        16,
    );
}

#[test]
fn more_cpus_want_more_objects() {
    let orders = [1, 4, 16, 64, 1024].map(|cpus| {
        let machine = Machine { cpus, ..MACHINE };
        Layout::new(&machine, &of(256)).unwrap().order.get()
    });
    assert_eq!(orders, [0, 0, 1, 1, 2]);
}

#[test]
fn what_is_no_request_has_no_layout() {
    let none = |wanted| Layout::new(&MACHINE, &wanted).is_none();
    assert!(none(of(0)));
    assert!(none(of(usize::MAX)));
    assert!(none(of((4 << 20) + 1)));
    assert!(none(Wanted { align: 3, ..of(8) }));
    assert!(none(Wanted {
        align: 1 << 63,
        ..of(8)
    }));
}

/// Whatever is asked for: objects do not overlap, and the rest is smaller than an object.
#[test]
fn a_slab_is_filled() {
    for size in (1..40_000).step_by(7) {
        let layout = Layout::new(&MACHINE, &of(size)).unwrap();
        assert!(layout.size >= size && layout.size % layout.align == 0);
        assert!(layout.rest(&MACHINE) < layout.size, "{size}");
    }
}

#[test]
fn sheaves_fill_an_object_of_kmalloc() {
    let capacities = [8, 256, 1024, 4096].map(|size| {
        let layout = Layout::new(&MACHINE, &of(size)).unwrap();
        layout.sheaf_capacity(&MACHINE)
    });
    assert_eq!(capacities, [60, 28, 12, 4]);
}

#[test]
fn classes_are_the_least_that_fit() {
    for size in 1..=8192 {
        let least = KMALLOC_CLASSES.iter().copied().find(|&class| class >= size);
        assert_eq!(kmalloc_class(size), least, "{size}");
    }
    assert_eq!((kmalloc_class(0), kmalloc_class(8193)), (None, None));
}

#[test]
fn the_worst_request_is_one_above_the_class_below() {
    let waste = |class| worst_waste(Bytes::new(class)).get();
    assert_eq!([8, 16, 96, 128, 2048].map(waste), [7, 7, 31, 31, 1023]);
}
