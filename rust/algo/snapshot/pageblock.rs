// SPDX-License-Identifier: GPL-2.0

//! Pageblocks, and runs of neighbours that are alike.
//!
//!   blocks   M M M M U U i i . . M        (i: isolated, .: a hole)
//!   runs     M x 4, U x 2, i x 2, M x 1
//!
//! # Locking     none: copies.
//! # Cost        O(1) a block; a run is 56 bytes, whatever its length.
//! # Reference   `include/linux/pageblock-flags.h`.

use crate::algo::units::{
    Migratetype,
    NrPages,
    Pfn, //
};

/// One pageblock, or what of it belongs to the zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pageblock {
    /// Its first page.
    pub start: Pfn,
    /// How many pages of it belong to the zone.
    pub pages: NrPages,
    /// How many of them are free in the buddy.
    pub free: NrPages,
    /// Its migratetype, which an isolated block keeps; `None` for a number that has no name.
    pub migratetype: Option<Migratetype>,
    /// Whether nothing may be allocated from it for now.
    pub isolated: bool,
    /// Whether compaction found nothing in it to do.
    pub skipped: bool,
}

/// Pageblocks that follow each other and are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageblockRun {
    /// The first page of the first.
    pub start: Pfn,
    /// How many there are.
    pub blocks: usize,
    /// Their pages.
    pub pages: NrPages,
    /// Those of them that are free in the buddy.
    pub free: NrPages,
    /// How many of them compaction skips.
    pub skipped: usize,
    /// The migratetype of each.
    pub migratetype: Option<Migratetype>,
    /// Whether each is isolated.
    pub isolated: bool,
}

impl PageblockRun {
    fn new(block: Pageblock) -> Self {
        Self {
            start: block.start,
            blocks: 1,
            pages: block.pages,
            free: block.free,
            skipped: usize::from(block.skipped),
            migratetype: block.migratetype,
            isolated: block.isolated,
        }
    }

    fn continues_with(&self, block: &Pageblock) -> bool {
        self.start.checked_add(self.pages) == Some(block.start)
            && self.migratetype == block.migratetype
            && self.isolated == block.isolated
    }

    fn add(&mut self, block: Pageblock) {
        self.blocks += 1;
        self.pages += block.pages;
        self.free += block.free;
        self.skipped += usize::from(block.skipped);
    }
}

/// Merges the pageblocks of a zone, given from low to high, into runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct PageblockRuns {
    run: Option<PageblockRun>,
}

impl PageblockRuns {
    /// Takes the next block; returns the run before it when that does not go on with it.
    pub fn push(&mut self, block: Pageblock) -> Option<PageblockRun> {
        match &mut self.run {
            Some(run) if run.continues_with(&block) => {
                run.add(block);
                None
            }
            _ => self.run.replace(PageblockRun::new(block)),
        }
    }

    /// Returns the last run.
    pub fn finish(self) -> Option<PageblockRun> {
        self.run
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(at: usize, migratetype: Migratetype, isolated: bool) -> Pageblock {
        Pageblock {
            start: Pfn::new(at * 512),
            pages: NrPages::new(512),
            free: NrPages::new(at),
            migratetype: Some(migratetype),
            isolated,
            skipped: at % 2 == 0,
        }
    }

    fn merged(blocks: &[Pageblock]) -> Vec<PageblockRun> {
        let mut runs = PageblockRuns::default();
        let mut all: Vec<_> = blocks.iter().filter_map(|&it| runs.push(it)).collect();
        all.extend(runs.finish());
        all
    }

    /// M M U i i . M: a run ends at each change, and nothing is lost.
    #[test]
    fn runs_end_where_type_isolation_or_pfn_do() {
        use Migratetype::{Movable, Unmovable};
        let blocks = [
            block(0, Movable, false),
            block(1, Movable, false),
            block(2, Unmovable, false),
            block(3, Unmovable, true),
            block(4, Unmovable, true),
            block(6, Unmovable, true),
        ];
        let runs = merged(&blocks);
        let lengths: Vec<_> = runs.iter().map(|run| run.blocks).collect();
        assert_eq!(lengths, [2, 1, 2, 1]);
        assert_eq!(runs.iter().map(|run| run.skipped).sum::<usize>(), 4);
        let free: usize = runs.iter().map(|run| run.free.get()).sum();
        assert_eq!(free, 1 + 2 + 3 + 4 + 6);
        assert_eq!(runs[3].start, Pfn::new(6 * 512));
    }

    /// A zone that begins inside of a block: its part and the next whole block are one run.
    #[test]
    fn a_part_of_a_block_joins_the_next() {
        let mut part = block(0, Migratetype::Movable, false);
        part.start = Pfn::new(1);
        part.pages = NrPages::new(511);
        let runs = merged(&[part, block(1, Migratetype::Movable, false)]);
        assert_eq!(runs.len(), 1);
        assert_eq!(runs[0].pages, NrPages::new(1023));
    }

    #[test]
    fn no_block_makes_no_run() {
        assert!(merged(&[]).is_empty());
    }
}
