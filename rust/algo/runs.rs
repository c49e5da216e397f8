// SPDX-License-Identifier: GPL-2.0

//! Pages of an area put together again where they follow each other in memory.
//!
//!   page of the area   0    1    2    3    4
//!   pfn               812  813  814   97   98     ->  3 pages from 812, 2 pages from 97
//!
//! # Locking     none: values.
//! # Cost        O(1) a page.
//! # Limits      a run ends where the node or the zone does.
//! # Reference   `mm/vmalloc.c`: `vm_area_alloc_pages()`, whose large orders make the runs.

use super::{
    snapshot::AreaPage,
    units::{
        NodeId,
        NrPages,
        Pfn,
        ZoneKind, //
    },
};

/// Pages of an area that follow each other in memory too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The place of the first in the area.
    pub offset: NrPages,
    /// How many they are.
    pub pages: NrPages,
    /// The first one's frame.
    pub pfn: Pfn,
    /// The node they are on.
    pub node: Option<NodeId>,
    /// The zone they are in.
    pub zone: Option<ZoneKind>,
}

/// Takes pages in the area's order and gives runs.
#[derive(Debug, Default)]
pub struct Merge {
    run: Option<Run>,
}

impl Merge {
    /// Takes the next page; the run before, if this page does not belong to it.
    pub fn add(&mut self, page: &AreaPage) -> Option<Run> {
        if let Some(run) = self.run.as_mut().filter(|run| run.goes_on_with(page)) {
            run.pages += NrPages::new(1);
            return None;
        }
        self.run.replace(Run {
            offset: page.offset,
            pages: NrPages::new(1),
            pfn: page.pfn,
            node: page.node,
            zone: page.zone,
        })
    }

    /// The last run; `None` if there was no page since the one before.
    pub fn finish(&mut self) -> Option<Run> {
        self.run.take()
    }
}

impl Run {
    fn goes_on_with(&self, page: &AreaPage) -> bool {
        self.offset.checked_add(self.pages) == Some(page.offset)
            && self.pfn.checked_add(self.pages) == Some(page.pfn)
            && (self.node, self.zone) == (page.node, page.zone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(offset: usize, pfn: usize, node: u32) -> AreaPage {
        AreaPage {
            offset: NrPages::new(offset),
            pfn: Pfn::new(pfn),
            node: NodeId::new(node),
            zone: Some(ZoneKind::Normal),
        }
    }

    /// Merges the pages and returns offset, pages and pfn of each run.
    fn merged(pages: &[AreaPage]) -> Vec<(usize, usize, usize)> {
        let mut merge = Merge::default();
        let mut runs: Vec<Run> = pages.iter().filter_map(|page| merge.add(page)).collect();
        runs.extend(merge.finish());
        assert_eq!(merge.finish(), None);
        runs.iter()
            .map(|run| (run.offset.get(), run.pages.get(), run.pfn.get()))
            .collect()
    }

    #[test]
    fn nothing_has_no_run() {
        assert_eq!(merged(&[]), []);
    }

    #[test]
    fn pages_that_follow_each_other_are_one_run() {
        let pages = [page(0, 812, 0), page(1, 813, 0), page(2, 814, 0)];
        assert_eq!(merged(&pages), [(0, 3, 812)]);
    }

    #[test]
    fn a_run_ends_at_a_gap_a_step_back_and_a_repetition() {
        let pages = [5, 6, 8, 7, 7, 8].iter().enumerate();
        let pages: Vec<_> = pages.map(|(offset, &pfn)| page(offset, pfn, 0)).collect();
        assert_eq!(merged(&pages), [(0, 2, 5), (2, 1, 8), (3, 1, 7), (4, 2, 7)]);
    }

    #[test]
    fn a_run_ends_with_its_node() {
        let pages = [page(0, 5, 0), page(1, 6, 1), page(2, 7, 1)];
        assert_eq!(merged(&pages), [(0, 1, 5), (1, 2, 6)]);
    }

    #[test]
    fn a_run_ends_where_pages_are_left_out() {
        assert_eq!(
            merged(&[page(0, 5, 0), page(2, 6, 0)]),
            [(0, 1, 5), (2, 1, 6)]
        );
    }
}
