// SPDX-License-Identifier: GPL-2.0

//! What a view shows of a slab cache at one moment: plain values, the same for every manager.
//!
//!   objects made  =  used  +  free on slabs  +  free in per-CPU sheaves  +  free in barns
//!      `Totals`                 `NodeSlabs`        `CpuSheaves`               `Barn`
//!
//! What /proc/slabinfo calls active is everything but the free objects on partial slabs, so that
//! objects which lie free in sheaves and barns pass for used there. `Totals::used` does not count
//! them.
//!
//! # Locking     none: copies; whoever takes one says what it held meanwhile.
//! # Limits      nodes and CPUs are not of one moment: sums of a cache at work may be off by what
//!               was allocated and freed meanwhile, and never wrap.
//! # Reference   `mm/slub.c`: `struct kmem_cache_node`, `struct slub_percpu_sheaves`,
//!               `get_slabinfo()`.

use core::fmt;

use super::units::{
    named,
    Bytes,
    NrPages,
    Order, //
};

/// Why something is not known: a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unknown(pub &'static str);

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

/// How a cache lays its objects out, and what it does with them.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// What the user of an object may use.
    pub object_size: Bytes,
    /// From one object to the next.
    pub size: Bytes,
    /// What an object's address is a multiple of.
    pub align: usize,
    /// The order of a slab.
    pub order: Order,
    /// How many objects are in a slab.
    pub objs_per_slab: usize,
    /// The order of a slab when memory is short.
    pub min_order: Order,
    /// How many objects are in such a slab.
    pub min_objs_per_slab: usize,
    /// How many wholly free slabs a node keeps.
    pub min_partial: usize,
    /// How many objects a sheaf has; 0 if the cache is without sheaves.
    pub sheaf_capacity: usize,
    /// How many other caches are this one.
    pub aliases: usize,
    /// Whether objects have a constructor.
    pub has_constructor: bool,
}

impl Shape {
    /// Bytes of an object that its user may not use.
    pub fn waste_per_object(&self) -> Bytes {
        Bytes::new(self.size.get().saturating_sub(self.object_size.get()))
    }

    /// Bytes of a slab that belong to no object.
    pub fn waste_per_slab(&self, page_shift: u32) -> Bytes {
        let slab = self.slab_bytes(page_shift).get();
        Bytes::new(slab.saturating_sub(self.size.get().saturating_mul(self.objs_per_slab)))
    }

    /// The size of a slab.
    pub fn slab_bytes(&self, page_shift: u32) -> Bytes {
        let bytes = self.order.nr_pages().bytes(page_shift);
        bytes.unwrap_or_default()
    }
}

named! {
    /// How full a slab on a partial list is: none of its objects is in use, less than a quarter of
    /// them, and so on.
    pub enum Fullness {
        Free = "free",
        Below25 = "<25%",
        Below50 = "<50%",
        Below75 = "<75%",
        Below100 = "<100%",
        Full = "full",
    }
}

impl Fullness {
    /// The class of a slab that has `inuse` of its `objects` in use.
    pub const fn of(inuse: usize, objects: usize) -> Self {
        if inuse == 0 {
            return Self::Free;
        }
        if inuse >= objects {
            return Self::Full;
        }
        match inuse * 4 / objects {
            0 => Self::Below25,
            1 => Self::Below50,
            2 => Self::Below75,
            _ => Self::Below100,
        }
    }
}

/// The partial list of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Partial {
    /// How many slabs are on it.
    pub slabs: usize,
    /// How many of them were looked at.
    pub walked: usize,
    /// Free objects of those.
    pub free: usize,
    /// Objects of those that are not free.
    pub inuse: usize,
    /// How full those are, by `Fullness::index`.
    pub fullness: [usize; Fullness::COUNT],
}

impl Partial {
    /// Counts one slab more.
    pub fn count(&mut self, inuse: usize, objects: usize) {
        self.walked += 1;
        self.free += objects.saturating_sub(inuse);
        self.inuse += inuse;
        if let Some(slabs) = self.fullness.get_mut(Fullness::of(inuse, objects).index()) {
            *slabs += 1;
        }
    }

    /// Whether there were more slabs than were looked at.
    pub const fn has_more(&self) -> bool {
        self.walked < self.slabs
    }
}

/// The sheaves that a node keeps for its CPUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Barn {
    /// Sheaves with objects.
    pub full: usize,
    /// Sheaves without.
    pub empty: usize,
    /// Free objects in the full ones.
    pub objects: usize,
}

/// What a cache has on one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeSlabs {
    /// How many slabs it has there, and how many objects those have; `None` if nobody counts them.
    pub made: Option<(usize, usize)>,
    /// Its partial list; `None` for a node that has none, since it has no memory.
    pub partial: Option<Partial>,
    /// Its barn; `None` without one.
    pub barn: Option<Barn>,
}

/// The sheaves of one CPU, by the number of free objects in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuSheaves {
    /// What is allocated from and freed to.
    pub main: usize,
    /// What comes next.
    pub spare: Option<usize>,
    /// What waits for a grace period; not free before that.
    pub rcu_free: Option<usize>,
}

/// A whole cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Slabs and the objects in them; `None` if nobody counts them.
    pub made: Option<(usize, usize)>,
    /// Slabs on partial lists.
    pub partial: usize,
    /// Wholly free ones of those.
    pub free_slabs: usize,
    /// Free objects on partial lists.
    pub free_on_slabs: usize,
    /// Free objects in the sheaves of CPUs.
    pub free_in_sheaves: usize,
    /// Free objects in barns.
    pub free_in_barns: usize,
    /// Objects that wait for a grace period in a CPU's sheaf.
    pub waiting: usize,
    /// Whether a partial list was too long to be counted to its end.
    pub has_more: bool,
}

impl Totals {
    /// A cache of which nothing has been seen yet.
    pub const NOTHING: Self = Self {
        made: Some((0, 0)),
        partial: 0,
        free_slabs: 0,
        free_on_slabs: 0,
        free_in_sheaves: 0,
        free_in_barns: 0,
        waiting: 0,
        has_more: false,
    };

    /// Adds what is on one node.
    pub fn add_node(&mut self, node: &NodeSlabs) {
        let partial = node.partial.unwrap_or_default();
        self.made = match (self.made, node.made) {
            (Some((slabs, objects)), Some((more_slabs, more_objects))) => {
                Some((slabs + more_slabs, objects + more_objects))
            }
            // A node without a partial list has no slabs that could be counted.
            (made, None) if node.partial.is_none() => made,
            _ => None,
        };
        self.partial += partial.slabs;
        self.free_slabs += partial.fullness.first().copied().unwrap_or(0);
        self.free_on_slabs += partial.free;
        self.free_in_barns += node.barn.map_or(0, |barn| barn.objects);
        self.has_more |= partial.has_more();
    }

    /// Adds what is in one CPU's sheaves.
    pub fn add_cpu(&mut self, cpu: &CpuSheaves) {
        self.free_in_sheaves += cpu.main + cpu.spare.unwrap_or(0);
        self.waiting += cpu.rcu_free.unwrap_or(0);
    }

    /// Slabs, if they are counted.
    pub fn slabs(&self) -> Option<usize> {
        self.made.map(|(slabs, _)| slabs)
    }

    /// Objects made, used or not, if they are counted.
    pub fn objects(&self) -> Option<usize> {
        self.made.map(|(_, objects)| objects)
    }

    /// Objects that somebody has: neither free on a slab, nor in a sheaf, nor in a barn.
    pub fn used(&self) -> Option<usize> {
        let free = self.free_in_sheaves + self.free_in_barns + self.waiting;
        self.slabinfo_active()
            .map(|active| active.saturating_sub(free))
    }

    /// What /proc/slabinfo calls active.
    pub fn slabinfo_active(&self) -> Option<usize> {
        self.objects()
            .map(|objects| objects.saturating_sub(self.free_on_slabs))
    }

    /// Pages of its slabs, each of `order`.
    pub fn pages(&self, order: Order) -> Option<NrPages> {
        order.nr_pages().checked_mul(self.slabs()?)
    }
}

named! {
    /// What is known of an object of a slab.
    pub enum ObjectState {
        Allocated = "allocated",
        /// On its slab's freelist.
        Free = "free",
        /// In a sheaf of a CPU or a barn.
        InSheaf = "in-sheaf",
        /// Not on the freelist; whether in a sheaf is not to be found out for a cache that may go
        /// away meanwhile.
        NotOnSlab = "allocated-or-in-sheaf",
        /// The slab changed while it was looked at.
        Changing = "changing",
    }
}

/// The name that a cache has in the kernel.
///
/// # Invariants
///
/// It ends at the first 0, or with the array.
#[derive(Clone, Copy, Debug)]
pub struct Name([u8; Self::MAX]);

impl Name {
    /// The longest name that is kept whole.
    pub const MAX: usize = 64;

    /// Keeps a name, or what fits of it.
    pub fn new(name: &[u8]) -> Self {
        let mut kept = [0; Self::MAX];
        for (byte, &of) in kept.iter_mut().zip(name) {
            *byte = of;
        }
        // INVARIANT: what is not of the name is 0.
        Self(kept)
    }

    /// The text; `?` for a name that is none.
    pub fn as_str(&self) -> &str {
        let name = self.0.split(|&byte| byte == 0).next().unwrap_or(&[]);
        core::str::from_utf8(name).unwrap_or("?")
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A class of `kmalloc()`: a cache of objects of one size.
#[derive(Clone, Copy, Debug)]
pub struct Class {
    /// The largest request that it serves.
    pub size: Bytes,
    /// The largest request that is too small for it.
    pub below: Bytes,
    /// Its name and layout.
    pub shape: Result<(Name, Shape), Unknown>,
}

impl Class {
    /// The most bytes that a request can leave unused: one byte above the class below.
    pub fn worst_waste(&self) -> Bytes {
        let least = self.below.saturating_add(Bytes::new(1));
        self.size.saturating_sub(least)
    }
}

/// What a request takes.
#[derive(Clone, Copy, Debug)]
pub struct Fit {
    /// Who serves it.
    pub name: Name,
    /// What the user may use of what was given.
    pub usable: Bytes,
    /// How it is laid out.
    pub shape: Result<Shape, Unknown>,
}

/// What a request of some size takes, from `kmalloc()` and from caches made for it.
#[derive(Clone, Copy, Debug)]
pub struct Fits {
    /// The request.
    pub asked: Bytes,
    /// From `kmalloc()`.
    pub kmalloc: Fit,
    /// From a cache of its own.
    pub own: Result<Fit, Unknown>,
    /// From a cache of its own whose objects start at cache lines.
    pub own_at_lines: Result<Fit, Unknown>,
}

/// A part of a whole in per mille; 0 of nothing.
pub const fn per_mille(part: usize, whole: usize) -> usize {
    match whole {
        0 => 0,
        _ => part.saturating_mul(1000) / whole,
    }
}

/// Where in a slab an address is.
#[derive(Clone, Copy, Debug)]
pub struct ObjectPlace {
    /// The cache.
    pub cache: Name,
    /// What the user of an object may use.
    pub object_size: Bytes,
    /// From one object to the next.
    pub size: Bytes,
    /// Which object of the slab it is; `None` behind the last one.
    pub index: Option<usize>,
    /// How far the address is into the object.
    pub offset: usize,
    /// Objects of the slab.
    pub objects: usize,
    /// Those that are not on the slab's freelist.
    pub inuse: usize,
    /// What is known of the object.
    pub state: ObjectState,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fullness_rises_with_the_objects_in_use() {
        let classes = [(0, 8), (1, 8), (2, 8), (4, 8), (6, 8), (7, 8), (8, 8)];
        let names = classes.map(|(inuse, objects)| Fullness::of(inuse, objects).name());
        assert_eq!(
            names,
            ["free", "<25%", "<50%", "<75%", "<100%", "<100%", "full"]
        );
    }

    /// 3 slabs of 8: one full, one half, one free; 5 objects lie in sheaves, 3 in a barn.
    #[test]
    fn what_is_free_is_not_used() {
        let mut partial = Partial {
            slabs: 2,
            ..Partial::default()
        };
        partial.count(4, 8);
        partial.count(0, 8);
        let mut totals = Totals::NOTHING;
        totals.add_node(&NodeSlabs {
            made: Some((3, 24)),
            partial: Some(partial),
            barn: Some(Barn {
                full: 1,
                empty: 0,
                objects: 3,
            }),
        });
        totals.add_cpu(&CpuSheaves {
            main: 4,
            spare: Some(1),
            rcu_free: None,
        });
        assert_eq!(totals.slabinfo_active(), Some(12));
        assert_eq!(totals.used(), Some(4));
        assert_eq!((totals.partial, totals.free_slabs), (2, 1));
        assert!(!totals.has_more);
    }

    /// A node without memory has neither slabs nor a counter for them.
    #[test]
    fn a_memoryless_node_leaves_the_count_known() {
        let mut totals = Totals::NOTHING;
        totals.add_node(&NodeSlabs::default());
        assert_eq!(totals.objects(), Some(0));
        totals.add_node(&NodeSlabs {
            partial: Some(Partial::default()),
            ..NodeSlabs::default()
        });
        assert_eq!((totals.objects(), totals.used()), (None, None));
    }
}
