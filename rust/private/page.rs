// SPDX-License-Identifier: GPL-2.0

//! All that the private manager knows of one page, and where an address of the kernel leads.
//!
//!   address -> page of Linux -> arena -> frame -> pfn of this manager
//!   frame -> free block, list of a CPU, the block that was given out around it, or reserved
//!
//! # Locking     the region, then the lists of one CPU after the other: what moves from one to the
//!               other in between is found in neither and said to be unknown.
//! # Cost        O(CPUs x entries of their lists) for a page that is neither free nor given out.
//! # Limits      pages have no references, no flags and no users here but who allocated them.
//! # Reference   algo/snapshot/page.rs.

use super::{
    memory::ZoneMemory,
    view,
    Private, //
};
use crate::algo::{
    buddy::{
        frame::State,
        guarded::Guarded,
        pcp::{
            ListIdx,
            Pcp, //
        },
        walk::Site,
        zone::Memory,
        Offset,
        Region,
        FRAMES,
        PAGEBLOCK_ORDER, //
    },
    snapshot::{
        OnlinePage,
        Page,
        PagePlace,
        PageType,
        PcpList,
        Translation, //
    },
    units::{
        usize_from,
        Address,
        FrameIdx,
        NrPages,
        Order,
        Pfn, //
    },
};
use crate::linux::address;
use crate::seam::Relaxed;

type ZoneSite = Site<ZoneMemory>;

impl Private {
    /// Where an address leads; pages that are not this manager's are none.
    pub fn translate(&self, address: Address) -> Translation {
        let there = address::translate(address);
        let own = there.pfn.and_then(|pfn| self.own(pfn));
        Translation { pfn: own, ..there }
    }

    /// The page of this manager that a page of Linux is.
    fn own(&self, linux: Pfn) -> Option<Pfn> {
        self.machine.pairs().find_map(|(site, arena)| {
            let frame = arena.frame_of(linux)?;
            Some(site.pfn(frame))
        })
    }

    /// All that is known of a page.
    pub fn page(&self, pfn: Pfn) -> Page {
        let online = self.online(pfn);
        Page {
            pfn,
            section: None,
            present: online.is_some(),
            online,
        }
    }

    fn online(&self, pfn: Pfn) -> Option<OnlinePage> {
        let (place, frame) = self.machine.find(pfn)?;
        let site = self.machine.sites.get(usize::from(place))?;
        let number = frame.get();
        let at = Offset::new(number % FRAMES)?;
        let region = site.zone.memory().regions().get(number / FRAMES)?;
        let reserved = !region.with(|it: &mut Region| it.is_managed(at));
        if reserved && !self.machine.is_reserved(pfn) {
            return None;
        }
        let free = region.with(|it: &mut Region| it.free_block_of(at));
        let (place, head, order) = match free {
            _ if reserved => (PagePlace::Allocated, pfn, Order::ZERO),
            Some((_, order)) => {
                let order = order.min(site.zone.max_order());
                let head = pfn.align_down(order);
                (PagePlace::Free { head, order }, pfn, Order::ZERO)
            }
            None => match given_out(site, frame) {
                Some((head, order)) => (PagePlace::Allocated, head, order),
                None => (self.on_list(site, pfn), pfn, Order::ZERO),
            },
        };
        let (owner, last_owner) = match reserved {
            true => (None, None),
            false => self.owner_of(pfn),
        };
        let is_free = matches!(place, PagePlace::Free { head, .. } if head == pfn);
        Some(OnlinePage {
            node: Some(site.node),
            zone: Some(site.kind),
            pageblock: view::pageblock(site, number >> PAGEBLOCK_ORDER.get()),
            refcount: i64::from(matches!(place, PagePlace::Allocated)),
            place,
            flags: 0,
            folio_flags: 0,
            page_type: is_free.then_some(PageType::Buddy),
            mapcount: 0,
            is_compound: order > Order::ZERO,
            head,
            order: order.get(),
            reserved,
            mapping: None,
            lru: None,
            swap_backed: false,
            group: None,
            owner,
            last_owner,
        })
    }

    /// Looks for a page on the lists of all CPUs.
    fn on_list(&self, site: &ZoneSite, pfn: Pfn) -> PagePlace {
        let cpus = 0..u32::try_from(self.machine.nr_cpus()).unwrap_or(u32::MAX);
        let mut found = cpus.filter_map(|cpu| {
            let lists = site.zone.memory().lists(usize_from(cpu))?;
            let (head, list) = lists.with(|it| listed(it, site, pfn))?;
            Some(PagePlace::Pcp { cpu, head, list })
        });
        found.next().unwrap_or(PagePlace::Unknown)
    }
}

/// The block that was given out around a frame, and its first page.
fn given_out(site: &ZoneSite, frame: NrPages) -> Option<(Pfn, Order)> {
    Order::up_to(site.zone.max_order()).find_map(|order| {
        let first = frame.get() & !(order.nr_pages().get() - 1);
        let head = FrameIdx::new(u32::try_from(first).ok()?);
        let state = site.zone.memory().state_of(head, order)?.load(Relaxed);
        let given = State::from_byte(state).order()?;
        let reaches = frame.get() < first + given.nr_pages().get();
        reaches.then(|| (site.base + NrPages::new(first), given))
    })
}

/// The block around a page on the lists of a CPU, and which list has it.
fn listed(of: &Pcp, site: &ZoneSite, pfn: Pfn) -> Option<(Pfn, PcpList)> {
    ListIdx::all().find_map(|list| {
        let first = |&entry: &u32| site.base + NrPages::new(usize_from(entry));
        let covers = |head: &Pfn| pfn.align_down(list.order()) == *head;
        let head = of.entries(list).iter().map(first).find(covers)?;
        Some((head, view::pcp_list(of, list)))
    })
}
