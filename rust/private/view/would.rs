// SPDX-License-Identifier: GPL-2.0

//! What the allocator looks at for a request, zone by zone.
//!
//! # Locking     regions and the lists of the CPU that asks, one after the other.
//! # Cost        counts the free blocks of every zone of the list.
//! # Limits      nobody reclaims yet, and so no reclaimer is ever at work; there are no cpusets.
//! # Reference   algo/snapshot/would.rs; algo/would.rs predicts from it.

use super::{
    count_blocks,
    signed,
    Private,
    ZoneSite, //
};
use crate::algo::{
    buddy::{
        guarded::Guarded,
        pcp::ListIdx,
        zone::Memory, //
    },
    snapshot::{
        would::{
            Asked,
            Blocks,
            Candidate,
            Kswapd, //
        },
        Count,
        Zone, //
    },
    units::{
        usize_from,
        NrPages, //
    },
};

impl Private {
    /// The zones that a request tries, in order, and all that decides about each.
    pub fn candidates(&self, asked: &Asked) -> impl Iterator<Item = Candidate> + '_ {
        let asked = *asked;
        let node = self.machine.node(asked.node);
        let list = node.and_then(|node| node.lists.get(asked.list.index()));
        let places = list.into_iter().flat_map(|list| list.iter());
        places
            .filter_map(move |&place| {
                let site = self.machine.sites.get(usize::from(place))?;
                Some((self.machine.zone(usize::from(place))?, site))
            })
            .filter(move |(_, site)| site.kind <= asked.highest)
            .map(move |(zone, site)| candidate(&asked, zone, site))
    }
}

fn candidate(asked: &Asked, zone: Zone, site: &ZoneSite) -> Candidate {
    let mut blocks = Blocks::default();
    count_blocks(site, |migratetype, order, count| {
        if count > 0 {
            blocks.set(order, migratetype, true);
        }
    });
    let list = ListIdx::of(asked.order, asked.migratetype);
    let lists = site.zone.memory().lists(usize_from(asked.cpu));
    let held = list.zip(lists).map(|(list, lists)| Count {
        blocks: lists.with(|it| it.length(list)),
        more: false,
    });
    Candidate {
        zone,
        cma_free: signed(&site.zone.figures().free_cma),
        drift_mark: NrPages::ZERO,
        blocks,
        pcp: held,
        has_cold: {
            let cpu = usize_from(asked.cpu);
            site.zone.has_cold(cpu, asked.order, asked.migratetype)
        },
        // Nobody reclaims yet, and so nobody is ever at it.
        kswapd: Kswapd {
            is_idle: true,
            is_hopeless: false,
        },
        is_allowed: true,
    }
}
