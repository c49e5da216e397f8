// SPDX-License-Identifier: GPL-2.0

//! The parts of a zone: the page lists of a CPU, and pageblocks.
//!
//! # Locking     the lists, or the region, while one is looked at.
//! # Cost        a pageblock of a region with holes looks at each of its frames.
//! # Reference   algo/snapshot/pcp.rs, algo/snapshot/pageblock.rs.

use super::{
    Private,
    ZoneSite, //
};
use crate::algo::{
    buddy::{
        guarded::Guarded,
        pcp::{
            ListIdx,
            Pcp, //
        },
        zone::Memory,
        Offset,
        PageblockIdx,
        FRAMES,
        PAGEBLOCKS,
        PAGEBLOCK_ORDER,
        REGION_ORDER, //
    },
    snapshot::{
        self,
        Count,
        Drift,
        Pageblock,
        PcpList, //
    },
    units::{
        usize_from,
        NodeId,
        NrPages,
        ZoneKind, //
    },
};

impl Private {
    /// The page lists that a CPU keeps of a zone.
    pub fn pcp(&self, id: NodeId, kind: ZoneKind, cpu: u32) -> Option<snapshot::Pcp> {
        let site = self.machine.site(id, kind)?;
        let lists = site.zone.memory().lists(usize_from(cpu))?;
        Some(lists.with(|it| pcp(it)))
    }

    /// A zone's pageblocks that have frames, from low to high.
    pub fn pageblocks(&self, id: NodeId, kind: ZoneKind) -> impl Iterator<Item = Pageblock> + '_ {
        let site = self.machine.site(id, kind);
        let blocks = site.map_or(0, |it| it.zone.memory().regions().len() * PAGEBLOCKS);
        (0..blocks).filter_map(move |block| pageblock(site?, block))
    }
}

/// A number of frames that a CPU keeps.
fn kept(frames: u32) -> NrPages {
    NrPages::new(usize_from(frames))
}

fn pcp(of: &Pcp) -> snapshot::Pcp {
    let tuning = of.tuning();
    let mut lists = [None; snapshot::Pcp::MAX_LISTS];
    for (place, list) in lists.iter_mut().zip(ListIdx::all()) {
        *place = Some(pcp_list(of, list));
    }
    snapshot::Pcp {
        count: NrPages::new(of.count()),
        high: kept(of.high()),
        batch: kept(tuning.batch),
        high_min: kept(tuning.high_min),
        high_max: kept(tuning.high_max),
        flags: of.flags(),
        alloc_factor: of.alloc_factor(),
        free_count: kept(of.free_count()),
        expire: None,
        drift: Drift::default(),
        lists,
    }
}

/// A list of a CPU, whose lock is held.
pub(in crate::private) fn pcp_list(of: &Pcp, list: ListIdx) -> PcpList {
    PcpList {
        order: list.order(),
        types: list.types(),
        blocks: Count {
            blocks: of.length(list),
            more: false,
        },
    }
}

/// A pageblock of a zone, counted from its base; `None` if it has no frames.
pub(in crate::private) fn pageblock(site: &ZoneSite, block: usize) -> Option<Pageblock> {
    let region = site.zone.memory().regions().get(block / PAGEBLOCKS)?;
    let at = PageblockIdx::new(block % PAGEBLOCKS)?;
    let first = at.first().get();
    let size = PAGEBLOCK_ORDER.nr_pages().get();
    let start = NrPages::new(((block / PAGEBLOCKS) << REGION_ORDER.get()) + first);
    region.with(|it| {
        let frames = (first..first + size).filter_map(Offset::new);
        let count = match it.managed() {
            FRAMES => size,
            _ => frames.filter(|&at| it.is_managed(at)).count(),
        };
        (count > 0).then(|| Pageblock {
            start: site.base + start,
            pages: NrPages::new(count),
            free: NrPages::new(it.free_in(at)),
            migratetype: Some(it.migratetype(at)),
            isolated: it.is_isolated(at),
            skipped: false,
        })
    })
}
