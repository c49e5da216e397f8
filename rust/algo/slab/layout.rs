// SPDX-License-Identifier: GPL-2.0

//! How large an object becomes, how many make a slab, and of which order a slab is.
//!
//!   asked 1500 -> 1504 a word -> alignment -> size 1504; slab of order 3: 21 objects, 1184 bytes over
//!
//!   |<- object ->|<- to the word ->|<- red zone ->|<- free pointer ->|<- to the alignment ->|
//!
//! The free pointer lies inside of the object, unless the object may not be touched while it is free:
//! it has a constructor, is looked at by stale pointers, is poisoned, or is too small with a red zone.
//!
//! # Cost        O(orders).
//! # Limits      no tracks of users, whose size depends on the configuration, and nothing of KASAN's;
//!               `slab_min_objects=`, `slab_min_order=` and `slab_max_order=` of the kernel's command
//!               line are not known.
//! # Reference   `mm/slub.c`: `calculate_sizes()`, `calculate_order()`, `calc_slab_order()`,
//!               `calculate_sheaf_capacity()`; `mm/slab_common.c`: `calculate_alignment()`;
//!               `include/linux/slab.h`: `__kmalloc_index()`.

use crate::algo::units::{
    Bytes,
    Order, //
};

/// A machine word: what the free pointer is, and what objects are rounded up to.
pub const WORD: usize = size_of::<usize>();

/// The most objects of a slab: a slab counts them in 15 bits.
pub const MAX_OBJECTS: usize = 32_767;

/// The largest order that is taken for the sake of more objects.
const COSTLY: u32 = 3;

/// What the layout depends on besides the request.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// A page has `1 << page_shift` bytes.
    pub page_shift: u32,
    /// The CPUs that are there, which are thought to allocate all at a time.
    pub cpus: usize,
    /// Bytes of a cache line.
    pub cache_line: usize,
    /// The least alignment of any object.
    pub min_align: usize,
    /// The largest order that the buddy has.
    pub max_order: Order,
}

/// What is asked of a cache.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// The size of an object.
    pub size: usize,
    /// The least alignment; 0 for none.
    pub align: usize,
    /// Whether objects start at cache lines.
    pub is_line_aligned: bool,
    /// Whether the object keeps what it holds while it is free: it has a constructor, or is looked
    /// at by stale pointers.
    pub keeps_bytes: bool,
    /// Whether bytes around the object are watched.
    pub has_red_zone: bool,
    /// Whether free objects are filled.
    pub is_poisoned: bool,
}

/// A cache's layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// From one object to the next.
    pub size: usize,
    /// What an object's address is a multiple of.
    pub align: usize,
    /// The order of a slab.
    pub order: Order,
    /// How many objects a slab has.
    pub objects: usize,
}

impl Layout {
    /// Lays out what is wanted; `None` if there is no order for it, or it is no request: no byte, or
    /// an alignment that is no power of two.
    pub fn new(machine: &Machine, wanted: &Wanted) -> Option<Self> {
        if wanted.size == 0 || !(wanted.align == 0 || wanted.align.is_power_of_two()) {
            return None;
        }
        let align = alignment(machine, wanted);
        let size = with_metadata(wanted, align)?.checked_next_multiple_of(align)?;
        let order = slab_order(machine, size)?;
        let objects = fit(machine, order.get(), size);
        // As many as the slab's counter holds: see `slab_order`.
        (1..=MAX_OBJECTS).contains(&objects).then_some(Self {
            size,
            align,
            order,
            objects,
        })
    }

    /// Bytes of a slab that are no object's.
    pub fn rest(&self, machine: &Machine) -> usize {
        let slab = self.order.nr_pages().bytes(machine.page_shift);
        slab.unwrap_or_default()
            .get()
            .saturating_sub(self.size.saturating_mul(self.objects))
    }

    /// How many objects a CPU's sheaf has, if the cache has sheaves.
    pub fn sheaf_capacity(&self, machine: &Machine) -> usize {
        let wanted = match self.size {
            size if size >= 1 << machine.page_shift => 4,
            1024.. => 12,
            256.. => 26,
            _ => 60,
        };
        // A sheaf takes the whole object that `kmalloc()` gives for it.
        let taken = kmalloc_class(SHEAF + wanted * WORD).unwrap_or(SHEAF + wanted * WORD);
        (taken - SHEAF) / WORD
    }
}

/// What a sheaf has before its objects: two words of list, its cache, two numbers of 32 bits.
const SHEAF: usize = 3 * WORD + 8;

/// Objects at cache lines are aligned to a whole one, and small ones to the part of it that they
/// fit into.
fn alignment(machine: &Machine, wanted: &Wanted) -> usize {
    let mut align = wanted.align.max(machine.min_align);
    if wanted.is_line_aligned {
        let mut part = machine.cache_line;
        while part > 1 && wanted.size <= part / 2 {
            part /= 2;
        }
        align = align.max(part);
    }
    align.max(WORD)
}

/// The size of an object with what lies around it.
fn with_metadata(wanted: &Wanted, align: usize) -> Option<usize> {
    let mut size = wanted.size.checked_next_multiple_of(WORD)?;
    if wanted.has_red_zone && size == wanted.size {
        size = size.checked_add(WORD)?;
    }
    let is_small = wanted.has_red_zone && wanted.size < WORD;
    if wanted.keeps_bytes || wanted.is_poisoned || is_small {
        size = size.checked_add(WORD)?;
    }
    if wanted.has_red_zone {
        // One word after the object, and a whole alignment before it.
        let before = WORD.checked_next_multiple_of(align)?;
        size = size.checked_add(WORD)?.checked_add(before)?;
    }
    Some(size)
}

/// How many objects of `size` are in a slab of `order`.
fn fit(machine: &Machine, order: u32, size: usize) -> usize {
    slab_bytes(machine, order) / size.max(1)
}

fn slab_bytes(machine: &Machine, order: u32) -> usize {
    1usize.checked_shl(machine.page_shift + order).unwrap_or(0)
}

/// The least order whose slab holds so many bytes.
fn order_of(machine: &Machine, bytes: usize) -> u32 {
    let pages = bytes.div_ceil(1 << machine.page_shift).max(1);
    pages.next_power_of_two().trailing_zeros()
}

/// The order of a slab: the least that leaves at most a 16th of the slab over and has enough objects
/// for the CPUs; if none up to the costly order does, an 8th may be left over, and so on to a half;
/// if not one object fits into that order, the least order that it fits into.
fn slab_order(machine: &Machine, size: usize) -> Option<Order> {
    let bits = usize::BITS - machine.cpus.max(1).leading_zeros();
    let enough = 4 * (usize::try_from(bits).ok()? + 1);
    let objects = enough.min(fit(machine, COSTLY, size).max(1));
    let least = order_of(machine, objects.checked_mul(size)?);
    if fit(machine, least, size) > MAX_OBJECTS {
        return Order::new(order_of(machine, size * MAX_OBJECTS).saturating_sub(1));
    }
    let leaves = |order: u32, part: usize| {
        let slab = slab_bytes(machine, order);
        slab % size <= slab / part
    };
    for part in [16, 8, 4, 2] {
        if let Some(order) = (least..=COSTLY).find(|&order| leaves(order, part)) {
            return Order::new(order);
        }
    }
    Order::new(order_of(machine, size)).filter(|&order| order <= machine.max_order)
}

/// The object size of the class that `kmalloc()` serves a request from; `None` for none and for what
/// is larger than two pages, which comes in whole pages.
pub const fn kmalloc_class(size: usize) -> Option<usize> {
    match size {
        0 => None,
        1..=8 => Some(8),
        65..=96 => Some(96),
        129..=192 => Some(192),
        9..=8192 => Some(size.next_power_of_two()),
        _ => None,
    }
}

/// The object sizes of the classes of `kmalloc()`, from small to large.
pub const KMALLOC_CLASSES: &[usize] = &[
    8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096, 8192,
];

/// The most bytes that a request of a class can waste: it is one byte above the class below.
pub fn worst_waste(class: Bytes) -> Bytes {
    let class = class.get();
    let below = KMALLOC_CLASSES.iter().rev().find(|&&below| below < class);
    Bytes::new(class.saturating_sub(below.copied().unwrap_or(0) + 1))
}

#[cfg(test)]
mod tests;
