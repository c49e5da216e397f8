// SPDX-License-Identifier: GPL-2.0

//! Who holds the blocks of a zone, told naively: a map of blocks, and what is written in each frame.
//!
//! A block's holder has a tag, which it wrote into each of its frames. It finds it there again
//! however often the block was moved, or else somebody else wrote there.

use std::collections::BTreeMap;

use crate::algo::buddy::zone::compact::Mover;
use crate::algo::buddy::zone::{Memory, Miss, Want, Zone};
use crate::algo::units::{FrameIdx, Migratetype, Order};

/// A block and its holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its size.
    pub order: Order,
    /// Whether it may be moved.
    pub is_movable: bool,
    /// What its holder wrote.
    pub tag: u32,
}

/// All holders, and the contents of all frames.
pub struct Holders {
    held: BTreeMap<u32, Held>,
    contents: Vec<u32>,
    last_tag: u32,
}

impl Holders {
    /// Nobody holds any of so many frames.
    pub fn new(frames: usize) -> Self {
        Self {
            held: BTreeMap::new(),
            contents: vec![0; frames],
            last_tag: 0,
        }
    }

    /// The blocks that are held.
    pub const fn held(&self) -> &BTreeMap<u32, Held> {
        &self.held
    }

    /// The block that a frame is in.
    pub fn holder(&self, frame: u32) -> Option<(u32, Held)> {
        let (&head, &held) = self.held.range(..=frame).next_back()?;
        (frame - head < 1 << held.order.get()).then_some((head, held))
    }

    /// Takes note of a block that was given out, which must not overlap another, and writes into it.
    pub fn hold(&mut self, head: FrameIdx, order: Order, is_movable: bool) {
        assert!(head.is_aligned(order));
        let end = head.get() + (1 << order.get());
        let before = self.held.range(..end).next_back();
        assert!(before.is_none_or(|(&it, held)| it + (1 << held.order.get()) <= head.get()));
        self.last_tag += 1;
        let tag = self.last_tag;
        self.write(head.get(), order, tag);
        let held = Held {
            order,
            is_movable,
            tag,
        };
        self.held.insert(head.get(), held);
    }

    /// Forgets a block, which is about to be freed; its contents have to be there still.
    pub fn let_go(&mut self, head: u32) -> Held {
        let held = self.held.remove(&head).expect("a block that is held");
        self.assert_has(head, held);
        held
    }

    fn frames(&mut self, head: u32, order: Order) -> &mut [u32] {
        let start = FrameIdx::new(head).index();
        &mut self.contents[start..start + order.nr_pages().get()]
    }

    fn write(&mut self, head: u32, order: Order, tag: u32) {
        self.frames(head, order).fill(tag);
    }

    fn assert_has(&mut self, head: u32, held: Held) {
        let frames = self.frames(head, held.order);
        assert!(frames.iter().all(|it| *it == held.tag), "at {head}");
    }

    /// Every holder finds its tag.
    pub fn check(&mut self) {
        for (head, held) in self.held.clone() {
            self.assert_has(head, held);
        }
    }

    /// Allocates a block; `false` if there is none.
    pub fn alloc<M: Memory>(&mut self, zone: &Zone<M>, cpu: usize, want: &Want) -> bool {
        match zone.alloc(cpu, want) {
            Ok(head) => {
                let is_movable = want.migratetype() == Migratetype::Movable;
                self.hold(head, want.order(), is_movable);
                true
            }
            Err(miss) => {
                assert_eq!(miss, Miss::Empty);
                false
            }
        }
    }

    /// Frees the block at this place among those that are held, if there is one.
    pub fn free<M: Memory>(&mut self, zone: &Zone<M>, cpu: usize, which: usize) {
        let nth = which % self.held.len().max(1);
        if let Some(head) = self.held.keys().nth(nth).copied() {
            self.free_at(zone, cpu, head);
        }
    }

    /// Frees the block that starts here.
    pub fn free_at<M: Memory>(&mut self, zone: &Zone<M>, cpu: usize, head: u32) {
        let held = self.let_go(head);
        assert_eq!(zone.free(cpu, FrameIdx::new(head), held.order), Ok(()));
    }
}

impl Mover for Holders {
    fn move_block(&mut self, from: FrameIdx, to: FrameIdx, order: Order) -> bool {
        let Some(held) = self.held.remove(&from.get()) else {
            return false;
        };
        assert_eq!((held.order, held.is_movable), (order, true));
        self.assert_has(from.get(), held);
        let end = to.get() + (1 << order.get());
        let before = self.held.range(..end).next_back();
        assert!(before.is_none_or(|(&it, held)| it + (1 << held.order.get()) <= to.get()));
        self.write(from.get(), order, 0);
        self.write(to.get(), order, held.tag);
        self.held.insert(to.get(), held);
        true
    }
}
