// SPDX-License-Identifier: GPL-2.0

//! A zone with a record of who holds what: no frame may be given out twice, and what is freed comes
//! back whole.
//!
//! # Locking     the record has a lock that the checker does not know: it is held for no step.
//! # Cost        a recount at the end, of the states of all frames.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::algo::buddy::frame::WrongFree;
use crate::algo::buddy::guarded::Guarded;
use crate::algo::buddy::pcp::Tuning;
use crate::algo::buddy::span::Span;
use crate::algo::buddy::zone::compact::{
    Count,
    Mover, //
};
use crate::algo::buddy::zone::{
    Memory,
    Miss,
    Want,
    Zone, //
};
use crate::algo::buddy::{
    PageblockIdx,
    PAGEBLOCKS, //
};
use crate::algo::units::{
    FrameIdx,
    Migratetype,
    NrPages,
    Order, //
};
use crate::algo::watermark::AllocFlags;
use crate::seam::Relaxed;
use crate::storage::Storage;

/// Lists so short that few actions fill and drain them.
const TUNING: Tuning = Tuning {
    batch: 2,
    high_min: 4,
    high_max: 8,
    keeps_high_batch: false,
};

/// How a rig's zone is made.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Regions.
    pub regions: usize,
    /// Frames at the start of each.
    pub frames: usize,
    /// Frames of them that can be given out: the others must never be.
    pub with_states: usize,
    /// The largest order.
    pub max_order: u32,
}

/// A block that was given out.
#[derive(Debug)]
pub struct Held {
    frame: FrameIdx,
    order: Order,
}

impl Held {
    /// Its first frame.
    pub const fn frame(&self) -> FrameIdx {
        self.frame
    }

    /// Its pageblock, the first one of a large block.
    pub const fn pageblock(&self) -> usize {
        self.frame.index() / 512
    }
}

/// Moves blocks in the record.
struct Moves<'a>(&'a Mutex<BTreeMap<u32, Order>>);

impl Mover for Moves<'_> {
    fn move_block(&mut self, from: FrameIdx, to: FrameIdx, order: Order) -> bool {
        let mut held = self.0.lock().expect("no step ends with it held");
        // Whoever frees it has taken it out before.
        let Some(moved) = held.remove(&from.get()) else {
            return false;
        };
        assert_eq!((moved, held.insert(to.get(), order)), (order, None));
        true
    }
}

/// Free blocks by order, whatever their type.
type Shape = BTreeMap<u32, usize>;

/// A zone, and who holds what of it.
pub struct Rig {
    zone: Zone<Storage>,
    layout: Layout,
    cpus: usize,
    shape: Shape,
    held: Mutex<BTreeMap<u32, Order>>,
}

impl Rig {
    /// A zone of two regions with two pageblocks each.
    pub fn small(cpus: usize) -> Self {
        let layout = Layout {
            regions: 2,
            frames: 1024,
            with_states: 1024,
            max_order: 10,
        };
        Self::new(layout, cpus)
    }

    /// A zone for so many CPUs; all frames are movable.
    pub fn new(layout: Layout, cpus: usize) -> Self {
        let max_order = order(layout.max_order);
        let storage = Storage::new(layout.regions, layout.with_states, cpus, TUNING);
        let zone = Zone::new(storage, max_order);
        for region in 0..layout.regions {
            let start = FrameIdx::at(region, PageblockIdx::default().first());
            zone.add(start, NrPages::new(layout.frames), Migratetype::Movable);
        }
        let shape = shape(&zone);
        let held = Mutex::default();
        Self {
            zone,
            layout,
            cpus,
            shape,
            held,
        }
    }

    /// The zone.
    pub const fn zone(&self) -> &Zone<Storage> {
        &self.zone
    }

    /// Allocates a block, none of whose frames anybody may hold.
    pub fn alloc(
        &self,
        cpu: usize,
        order: Order,
        migratetype: Migratetype,
        flags: AllocFlags,
    ) -> Option<Held> {
        let want = Want::new(order, migratetype, flags);
        let frame = match self.zone.alloc(cpu, &want) {
            Ok(frame) => frame,
            Err(Miss::Empty) => return None,
            Err(miss) => panic!("{want:?}: {miss:?}"),
        };
        assert!(frame.is_aligned(order));
        let mut held = self.held.lock().expect("no step ends with it held");
        let end = frame.get() + (1 << order.get());
        let before = held.range(..end).next_back();
        if let Some((&start, holder)) = before {
            let is_apart = start + (1 << holder.get()) <= frame.get();
            assert!(is_apart, "frame {frame} of order {order} is given twice");
        }
        held.insert(frame.get(), order);
        Some(Held { frame, order })
    }

    /// Frees a block.
    pub fn free(&self, cpu: usize, it: Held) {
        self.disown(&it);
        assert_eq!(self.zone.free(cpu, it.frame, it.order), Ok(()), "{it:?}");
    }

    /// Takes a block out of the record, for somebody frees it by the number of its frame.
    pub fn disown(&self, it: &Held) {
        let mut held = self.held.lock().expect("no step ends with it held");
        assert_eq!(held.remove(&it.frame.get()), Some(it.order));
    }

    /// Allocates the movable block that starts with this frame, which is free.
    pub fn take(&self, frame: FrameIdx, order: Order) {
        let span = Span::block(frame, order).expect("a block of the zone");
        let taken = self.zone.alloc_range(span, Migratetype::Movable);
        assert_eq!(taken, Ok(()));
        let mut held = self.held.lock().expect("no step ends with it held");
        held.insert(frame.get(), order);
    }

    /// Frees the first block of this order in the record, wherever it is by now, in bulk or not;
    /// `false` if there is none.
    pub fn free_first(&self, cpu: usize, order: Order, in_bulk: bool) -> bool {
        let frame = {
            let mut held = self.held.lock().expect("no step ends with it held");
            let mut blocks = held.iter();
            let Some((&frame, _)) = blocks.find(|(_, &it)| it == order) else {
                return false;
            };
            held.remove(&frame);
            FrameIdx::new(frame)
        };
        match in_bulk {
            true => assert_eq!(self.zone.free_bulk(cpu, &[frame], order), Ok(())),
            false => assert_eq!(self.zone.free(cpu, frame, order), Ok(())),
        }
        true
    }

    /// Moves what is in a pageblock elsewhere, takes the pageblock and frees it; returns how many
    /// frames moved, none if it could not be emptied.
    pub fn clear(&self, pageblock: u32) -> u64 {
        let span = Span::block(FrameIdx::new(512 * pageblock), order(9)).expect("a pageblock");
        let mut mover = Moves(&self.held);
        let taken = self
            .zone
            .alloc_range_moving(span, Migratetype::Movable, &mut mover);
        let Ok(counts) = taken else {
            return 0;
        };
        assert_eq!(self.zone.free_range(span), Ok(()));
        counts.get(Count::Moved)
    }

    /// Frees a block without a look at the record.
    pub fn free_again(&self, cpu: usize, it: &Held, order: Order) -> Result<(), WrongFree> {
        self.zone.free(cpu, it.frame, order)
    }

    /// Drains all lists; then nothing may be held, every sum agrees, and blocks are as they were.
    pub fn finish(&self) {
        self.drain_all();
        assert_eq!(self.zone.check(self.cpus), Ok(()));
        let held = self.held.lock().expect("no step ends with it held");
        assert!(held.is_empty(), "the scenario left {held:?}");
        let managed = self.layout.regions * self.layout.frames;
        let free = self.zone.figures().free.load(Relaxed);
        assert_eq!(usize::try_from(free), Ok(managed));
        assert_eq!(shape(&self.zone), self.shape);
    }

    /// Drains the lists of every CPU.
    pub fn drain_all(&self) {
        for cpu in 0..self.cpus {
            self.zone.drain(cpu);
        }
    }

    /// Pageblocks of the highatomic reserve, counted.
    pub fn reserved(&self) -> usize {
        let regions = self.zone.memory().regions().iter();
        let reserved = regions.map(|region| {
            region.with(|it| {
                let types = PageblockIdx::all().map(|block| it.migratetype(block));
                types.filter(|&it| it == Migratetype::HighAtomic).count()
            })
        });
        reserved.sum()
    }

    /// The number of the pageblocks of the zone, holes with them.
    pub const fn pageblocks(&self) -> usize {
        self.layout.regions * PAGEBLOCKS
    }
}

fn shape(zone: &Zone<Storage>) -> Shape {
    let mut shape = Shape::new();
    for region in zone.memory().regions() {
        region.with(|it| {
            it.count_blocks(zone.max_order(), |_, order, count| {
                *shape.entry(order.get()).or_default() += count;
            });
        });
    }
    shape.retain(|_, &mut count| count > 0);
    shape
}

/// Makes an order of a number that is one.
pub fn order(number: u32) -> Order {
    Order::new(number).expect("an order")
}
