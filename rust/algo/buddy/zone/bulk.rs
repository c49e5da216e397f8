// SPDX-License-Identifier: GPL-2.0

//! Many blocks at a time: allocated to an array and freed from one.
//!
//!   alloc_bulk   list of the CPU ---> array; regions ---> array, if the list would hold too few
//!   free_bulk    as by [`Zone::free`], one after the other
//!
//! # Locking     the CPU's lists are locked once for all blocks, regions as in zone.rs.
//! # Cost        that of [`Zone::alloc`] and [`Zone::free`] without their lock.
//! # Reference   `mm/page_alloc.c`: `alloc_pages_bulk_noprof()`.

use super::{
    super::{
        frame::WrongFree,
        guarded::Guarded,
        pcp::Pcp, //
    },
    Memory,
    Want,
    Zone, //
};
use crate::algo::{
    units::{
        FrameIdx,
        Order, //
    },
    watermark::AllocFlag, //
};

impl<M: Memory> Zone<M> {
    /// Allocates a block for each place of `out` while there are any, with one lock for all of them;
    /// returns how many.
    ///
    /// Why there are no more [`Zone::alloc`] would say.
    pub fn alloc_bulk(&self, cpu: usize, want: &Want, out: &mut [FrameIdx]) -> usize {
        let Some(lists) = self.memory.lists(cpu) else {
            return 0;
        };
        let mut taken = 0;
        if want.list.exists() && !want.flags.has(AllocFlag::HighAtomic) {
            lists.with(|pcp| {
                self.settle_down(pcp, cpu);
                while let Some(rest) = out.get_mut(taken..).filter(|it| !it.is_empty()) {
                    match self.take_some(pcp, want, rest) {
                        0 => break,
                        more => taken += more,
                    }
                }
                super::note_list(pcp, want);
            });
        }
        let mut nr = 0;
        for at in 0..taken {
            let frame = out.get(at).map_or(0, |it| it.get());
            // What is in use is left alone.
            if let (Ok(frame), Some(place)) = (self.hand_out(frame, want), out.get_mut(nr)) {
                *place = frame;
                nr += 1;
            }
        }
        // Nothing is allocated that there is no place for.
        while let Some(place) = out.get_mut(nr) {
            let Ok(frame) = self.alloc(cpu, want) else {
                break;
            };
            *place = frame;
            nr += 1;
        }
        nr
    }

    /// Takes blocks from a list, or if that is empty from the regions: for the list if it then holds
    /// more than are wanted, straight to where they are wanted otherwise.
    fn take_some(&self, pcp: &mut Pcp, want: &Want, out: &mut [FrameIdx]) -> usize {
        let popped = pcp.pop_many(want.list, out);
        if popped > 0 {
            return popped;
        }
        let blocks = pcp.refill_blocks(want.list, self.pressure());
        if blocks > out.len() {
            return match (self.refill(pcp, want.list, want), out.first_mut()) {
                (Ok(frame), Some(place)) => {
                    *place = FrameIdx::new(frame);
                    1
                }
                _ => 0,
            };
        }
        let (wanted, mut hint) = (out.len(), pcp.hint(want.migratetype));
        let mut places = out.iter_mut();
        let taken = self.take_many(want, wanted, &mut hint, &mut |frame| {
            if let Some(place) = places.next() {
                *place = FrameIdx::new(frame);
            }
        });
        let taken = taken.unwrap_or(0);
        pcp.set_hint(want.migratetype, hint);
        pcp.note_past(want.list, taken);
        taken
    }

    /// Frees blocks of the same order, with one lock for all of them.
    ///
    /// # Errors
    ///
    /// What is wrong with the first that is wrong, and how many were freed: those before it.
    pub fn free_bulk(
        &self,
        cpu: usize,
        frames: &[FrameIdx],
        order: Order,
    ) -> Result<(), (usize, WrongFree)> {
        let Some(lists) = self.memory.lists(cpu) else {
            let mut frames = frames.iter().enumerate();
            return frames.try_for_each(|(nr, &it)| {
                let freed = self.free_direct(it, order);
                freed.map_err(|wrong| (nr, wrong))
            });
        };
        lists.with(|pcp| {
            for (nr, &frame) in frames.iter().enumerate() {
                let Some(place) = self.memory.state_of(frame, order) else {
                    return Err((nr, self.why_wrong(frame, order)));
                };
                if let Err(before) = self.put(pcp, frame, order, place) {
                    let freed = self.not_put(pcp, frame, order, before);
                    freed.map_err(|wrong| (nr, wrong))?;
                }
            }
            Ok(())
        })
    }
}
