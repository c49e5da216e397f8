// SPDX-License-Identifier: GPL-2.0

//! All that Linux knows of one page: where it is, who has it, what it holds.
//!
//!   pfn -> section -> frame -> zone lock: in a free block?  copy of struct page
//!                           -> no reference: in a list of some CPU?
//!
//! # Locking     the zone lock for eleven steps and a copy; then `pcp->lock` of one CPU after the
//!               other, for a page without a reference alone. Nothing else is held, so that all
//!               else is of the moment it was copied, and may fit together no better.
//! # Cost        O(orders), and for a page without a reference at most [`MAX_STEPS`] list entries of
//!               every CPU, giving way after each.
//! # Limits      lists longer than that make the answer [`PagePlace::Unknown`]. Pages of slabs are
//!               charged object by object and have no group of their own.
//! # Reference   `fs/proc/page.c`: `stable_page_flags()`; `mm/util.c`: `snapshot_page()`.

use kernel::{
    bindings,
    prelude::*, //
};

use super::{
    cond_resched,
    ffi::{
        self,
        PageCopy, //
    },
    frame::{
        self,
        Frame, //
    },
    hotplug::Reader,
    node::online_cpus,
    pageblock,
    pcp,
    zone::Zone, //
};
use crate::algo::{
    snapshot::{
        Lru,
        Mapping,
        OnlinePage,
        Page,
        PagePlace,
        PageType,
        Pageblock,
        PcpList, //
    },
    units::{
        NrPages,
        Order,
        Pfn, //
    },
};

/// The most list entries of one CPU that are searched for a page.
const MAX_STEPS: usize = 5_000;

/// How often a page that moves between the buddy and the CPUs' lists is looked for.
const TRIES: usize = 3;

/// All that is known of a page, whether there is one or not; the path of the group that it is
/// charged to goes into `path`.
pub fn look(pfn: Pfn, path: &mut [u8]) -> Page {
    Page {
        pfn,
        section: frame::section(pfn),
        present: frame::is_present(pfn),
        online: online(pfn, path),
    }
}

fn online(pfn: Pfn, path: &mut [u8]) -> Option<OnlinePage> {
    let mut tries = TRIES;
    let (copy, place) = loop {
        let (copy, place) = place_once(pfn)?;
        tries -= 1;
        if tries == 0 || !matches!(place, PagePlace::Unknown) {
            break (copy, place);
        }
    };
    let reader = Reader::new();
    let frame = reader.frame(pfn)?;
    let zone = frame.zone();
    let folio = Flags(copy.folio_flags);
    let page_type = type_of(copy.page_type);
    Some(OnlinePage {
        node: zone.and_then(|zone| zone.node_id()),
        zone: zone.and_then(|zone| zone.kind()),
        pageblock: pageblock_of(&frame),
        place,
        flags: copy.flags,
        folio_flags: copy.folio_flags,
        page_type,
        refcount: i64::from(copy.refcount),
        mapcount: i64::from(copy.mapcount),
        is_compound: copy.is_compound != 0,
        head: Pfn::new(copy.head_pfn),
        order: copy.order,
        reserved: Flags(copy.flags).has(bindings::pageflags_PG_reserved),
        // The word is the owner's own where there is a type, and stale where the page is free.
        mapping: mapping(copy.mapping).filter(|_| {
            page_type.is_none() && matches!(place, PagePlace::Allocated | PagePlace::Frozen)
        }),
        lru: folio.lru(),
        swap_backed: folio.has(bindings::pageflags_PG_swapbacked),
        group: frame.group(path),
        owner: None,
        last_owner: None,
    })
}

/// A copy of the page, and who has it; `Unknown` if that may be found out by looking again.
fn place_once(pfn: Pfn) -> Option<(PageCopy, PagePlace)> {
    let reader = Reader::new();
    let frame = reader.frame(pfn)?;
    let zone = frame.zone()?;
    let locked = zone.lock();
    let free = zone.free_block(&reader, &locked, pfn);
    let copy = frame.copy();
    drop(locked);
    drop(reader);
    let place = match free {
        Some((head, order)) => PagePlace::Free { head, order },
        None if copy.refcount > 0 => PagePlace::Allocated,
        // What is on a list is no compound and has no type.
        None if copy.is_compound != 0 || type_of(copy.page_type).is_some() => PagePlace::Frozen,
        None => match search(pfn, &zone) {
            Search::Found(place) => place,
            Search::Nowhere if stayed_away(pfn, &zone) => PagePlace::Frozen,
            Search::Nowhere | Search::Stopped => PagePlace::Unknown,
        },
    };
    Some((copy, place))
}

/// Whether a page that was in no list has still no reference and is not in the buddy, so that it
/// did not move there meanwhile.
fn stayed_away(pfn: Pfn, zone: &Zone) -> bool {
    let reader = Reader::new();
    let locked = zone.lock();
    let free = zone.free_block(&reader, &locked, pfn);
    free.is_none()
        && reader
            .frame(pfn)
            .is_some_and(|frame| frame.copy().refcount == 0)
}

/// How a search of the CPUs' lists ended.
enum Search {
    Found(PagePlace),
    Nowhere,
    Stopped,
}

/// Looks for a page in the lists that the CPUs keep of its zone.
fn search(pfn: Pfn, zone: &Zone) -> Search {
    let mut outcome = Search::Nowhere;
    for cpu in online_cpus() {
        match search_cpu(pfn, zone, cpu) {
            Search::Nowhere => {}
            Search::Found(place) => return Search::Found(place),
            Search::Stopped => outcome = Search::Stopped,
        }
        cond_resched();
    }
    outcome
}

fn search_cpu(pfn: Pfn, zone: &Zone, cpu: u32) -> Search {
    let reader = Reader::new();
    let (Some(frame), Some(lists)) = (reader.frame(pfn), zone.lock_pcp(&reader, cpu)) else {
        return Search::Stopped;
    };
    let mut steps = 0;
    for (index, head) in lists.lists().iter().enumerate() {
        let Some(list) = pcp::list(index) else {
            continue;
        };
        let mut walk = lists.walk(head);
        while walk.step() {
            steps += 1;
            if steps > MAX_STEPS {
                return Search::Stopped;
            }
            if let Some(head) = first_if_in(&frame, walk.entry(), &list) {
                return Search::Found(PagePlace::Pcp { cpu, head, list });
            }
        }
    }
    Search::Nowhere
}

/// The first page of the block that this entry of a CPU's list stands for, if `frame` is in it.
fn first_if_in(
    frame: &Frame<'_>,
    entry: *const bindings::list_head,
    list: &PcpList,
) -> Option<Pfn> {
    // SAFETY: Takes the address of an entry, which is the field `pcp_list` of a page.
    let first = unsafe { ffi::oxmm_pcp_entry_to_pfn(entry) };
    let first = Pfn::new(first);
    let offset = frame.pfn().checked_sub(first)?;
    (offset < list.order.nr_pages()).then_some(first)
}

fn pageblock_of(frame: &Frame<'_>) -> Option<Pageblock> {
    let order = pageblock::order()?;
    let bits = pageblock::Bits::new(frame.pageblock_bits()?);
    Some(Pageblock {
        start: frame.pfn().align_down(order),
        pages: order.nr_pages(),
        free: NrPages::ZERO,
        migratetype: bits.migratetype,
        isolated: bits.isolated,
        skipped: bits.skipped,
    })
}

/// The flags of a page.
struct Flags(usize);

impl Flags {
    /// Whether this one is set.
    fn has(&self, flag: bindings::pageflags) -> bool {
        self.0.checked_shr(flag).unwrap_or(0) & 1 != 0
    }

    fn lru(&self) -> Option<Lru> {
        if !self.has(bindings::pageflags_PG_lru) {
            return None;
        }
        Some(if self.has(bindings::pageflags_PG_unevictable) {
            Lru::Unevictable
        } else if self.has(bindings::pageflags_PG_swapbacked) {
            Lru::Anon
        } else {
            Lru::File
        })
    }
}

/// What stands in place of the map count, if anything does (`page_type_has_type()`).
fn type_of(word: u32) -> Option<PageType> {
    let top = word >> 24;
    if !(0x80..bindings::pagetype_PGTY_mapcount_underflow).contains(&top) {
        return None;
    }
    Some(match top {
        bindings::pagetype_PGTY_buddy => PageType::Buddy,
        bindings::pagetype_PGTY_offline => PageType::Offline,
        bindings::pagetype_PGTY_table => PageType::Table,
        bindings::pagetype_PGTY_guard => PageType::Guard,
        bindings::pagetype_PGTY_hugetlb => PageType::Hugetlb,
        bindings::pagetype_PGTY_slab => PageType::Slab,
        bindings::pagetype_PGTY_zsmalloc => PageType::Zsmalloc,
        bindings::pagetype_PGTY_unaccepted => PageType::Unaccepted,
        bindings::pagetype_PGTY_large_kmalloc => PageType::LargeKmalloc,
        _ => PageType::Other,
    })
}

fn mapping(kind: u32) -> Option<Mapping> {
    match kind {
        1 => Some(Mapping::File),
        2 => Some(Mapping::Anon),
        3 => Some(Mapping::Ksm),
        _ => None,
    }
}

/// The names of the flags that are set, as this kernel has them.
pub fn flags(flags: usize) -> impl Iterator<Item = &'static str> {
    let all = (0..).map_while(|index| {
        let mut mask = 0;
        // SAFETY: Takes any number; `mask` is a local.
        let name = unsafe { ffi::oxmm_page_flag(index, &mut mask) };
        if name.is_null() {
            return None;
        }
        // SAFETY: Not null, and then a string constant of this module.
        Some((unsafe { CStr::from_char_ptr(name) }, mask))
    });
    all.filter(move |(_, mask)| flags & mask != 0)
        .filter_map(|(name, _)| name.to_str().ok())
}

#[kunit_tests(oxmm_page)]
mod tests {
    use super::*;
    use crate::linux::{
        gfp::Gfp,
        node::Node,
        pages::Pages, //
    };

    /// A page that is held is allocated, has one reference and is nobody's mapping.
    #[test]
    fn a_held_page_is_allocated() {
        let Ok(pages) = Pages::alloc(Order::ZERO, Gfp::KERNEL, None) else {
            return;
        };
        let page = look(pages.pfn(), &mut [0; 8]);
        assert!(page.present);
        assert!(page.online.is_some());
        let Some(page) = page.online else { return };
        assert!(matches!(page.place, PagePlace::Allocated));
        assert_eq!((page.refcount, page.mapcount), (1, 0));
        assert_eq!((page.node, page.zone), (pages.node(), pages.zone()));
        assert_eq!(page.page_type, None);
        assert_eq!(page.mapping, None);
    }

    /// A page that was just freed is in a list of a CPU, or went on to the buddy.
    #[test]
    fn a_freed_page_is_found() {
        let Ok(pages) = Pages::alloc(Order::ZERO, Gfp::KERNEL, None) else {
            return;
        };
        let pfn = pages.pfn();
        drop(pages);
        let place = look(pfn, &mut []).online.map(|page| page.place);
        // Somebody may have taken it meanwhile; a page cannot be lost.
        assert!(place.is_some());
    }

    /// Every page of a free block is found from wherever it is asked for.
    #[test]
    fn pages_of_a_free_block_are_free() {
        let mut zones = Node::online().flat_map(|node| node.populated_zones());
        let free = zones.find_map(|zone| zone.pageblocks().find(|it| it.free == it.pages));
        let Some(block) = free else { return };
        let at = |offset| look(block.start + NrPages::new(offset), &mut []).online;
        let is_free = |page: &OnlinePage| matches!(page.place, PagePlace::Free { .. });
        // Another task may take a part of it meanwhile, but not all of it.
        let seen = (0..block.pages.get())
            .filter_map(at)
            .filter(is_free)
            .count();
        assert!(seen > 0);
    }

    /// What is past all memory has no `struct page`, and asking for it does no harm.
    #[test]
    fn nonsense_is_not_present() {
        for pfn in [usize::MAX, usize::MAX >> 12, 1 << 51, 1 << 40] {
            let page = look(Pfn::new(pfn), &mut [0; 8]);
            assert!(!page.present && page.online.is_none());
        }
    }

    /// Flags have names, and each name has a bit of its own.
    #[test]
    fn flags_have_names() {
        assert_eq!(flags(0).count(), 0);
        assert!(flags(usize::MAX).count() > 15);
        let locked = 1 << bindings::pageflags_PG_locked;
        assert!(flags(locked).eq(["locked"]));
    }
}
