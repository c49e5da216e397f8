// SPDX-License-Identifier: GPL-2.0

//! `page`: write how a page is named, then read all that is known of it, a fact a line.
//!
//!   echo pfn=0x1234 >page                 its number
//!   echo addr=0xffff888000100000 >page    a kernel address inside of it
//!   echo id=12 >page                      the first page of an allocation that is held
//!
//! Every fact has its line in every record; `-` says that the page has no such thing, and where
//! `online` is `no` nothing that a `struct page` would say is there.
//!
//! `owner` is whose account the private manager noted when it gave the block out, as `owners` prints
//! it; `last_owner` who had the last block that began there, or with poison=1 that covered it. `held_by`
//! is the id in `live`.
//!
//! # Limits      the facts of a page that somebody uses are of the moment and may change while they
//!               are read; see linux/page.rs for what belongs together.
//! # Reference   Documentation/admin-guide/mm/pagemap.rst; algo/snapshot/page.rs.

use core::{
    fmt::{
        self,
        Write, //
    },
    marker::PhantomData, //
};

use kernel::prelude::*;

use super::{
    live::OrDash,
    Rooms,
    Side, //
};
use crate::algo::{
    command::{
        PageQuery,
        Query,
        View, //
    },
    snapshot::{
        self,
        AddressKind,
        OnlinePage,
        PagePlace,
        PageType, //
    },
    units::{
        Address,
        NrPages,
        Pfn, //
    },
};
use crate::lab::{
    Holding,
    Lab,
    Manager, //
};
use crate::linux::{
    debugfs::{
        File,
        Text, //
    },
    quietly,
    Hashed,
    PAGE_SHIFT, //
};

/// The longest path of a group that is shown (`PATH_MAX`).
const MAX_PATH: usize = 4096;

/// The file.
pub(super) struct Page<M>(PhantomData<M>);

impl<M: Manager> File<Rooms> for Page<M>
where
    Rooms: Side<M>,
{
    const NAME: &'static CStr = c"page";
    const MODE: u16 = 0o600;

    fn write(rooms: &Rooms, input: &[u8]) -> Result {
        rooms.lab().ask(View::Page, input)
    }

    fn refuse(rooms: &Rooms, length: usize) {
        rooms.lab().refuse(length);
    }

    fn read(rooms: &Rooms, out: &mut Text) -> Result {
        let lab = rooms.lab();
        let Some(Query::Page(asked)) = lab.asked(View::Page) else {
            row(out, "what", "value")?;
            return row(out, "asked", "-");
        };
        let manager = lab.manager();
        let (kind, pfn, address) = find(lab, &manager, asked);
        row(out, "what", "value")?;
        match asked {
            PageQuery::Pfn(pfn) => row(out, "asked", format_args!("pfn={pfn}"))?,
            PageQuery::Address(at) => row(out, "asked", format_args!("addr={}", Hashed(at)))?,
            PageQuery::Id(id) => row(out, "asked", format_args!("id={id}"))?,
        }
        row(out, "address", OrDash(kind))?;
        let Some(pfn) = pfn else {
            row(out, "pfn", "-")?;
            return row(out, "present", "no");
        };
        let mut path = KVec::from_elem(0, MAX_PATH, quietly())?;
        let page = manager.page(pfn, &mut path);
        place_in_memory(&page, out)?;
        if let Some(online) = &page.online {
            position(online, out)?;
            state(online, out)?;
            flags(&manager, online, out)?;
            counts(pfn, online, out)?;
            usage(online, &path, out)?;
            object(lab, (pfn, address), online, out)?;
        }
        if let Some(online) = &page.online {
            let group = online.owner.map(|it| it.group());
            row(out, "owner", OrDash(online.owner))?;
            row(out, "owner_group", OrDash(group))?;
            row(out, "last_owner", OrDash(online.last_owner))?;
        }
        row(out, "held_by", OrDash(lab.holder_of(pfn)))
    }
}

/// Where the address lies that is asked for, the page, and the address if it leads into an object.
type Found = (Option<AddressKind>, Option<Pfn>, Option<Address>);

fn find<M: Manager>(lab: &Lab<M>, manager: &M, asked: PageQuery) -> Found {
    match asked {
        PageQuery::Pfn(pfn) => (None, Some(pfn), None),
        PageQuery::Address(address) => {
            let translation = manager.translate(address);
            let linear = Some(address).filter(|_| translation.kind == AddressKind::DirectMap);
            (Some(translation.kind), translation.pfn, linear)
        }
        PageQuery::Id(id) => {
            let (pfn, address) = lab.inspect(id.get(), first_page).unwrap_or_default();
            (None, pfn, address)
        }
    }
}

/// The first page of what is held, and its address if it lies in the linear mapping.
fn first_page<H: Holding>(holding: &H) -> (Option<Pfn>, Option<Address>) {
    let copy = || holding.copies().next().map(|copy| copy.pfn);
    let page = || holding.pages(NrPages::ZERO).next().map(|page| page.pfn);
    let place = holding.place();
    let is_area = holding.pages(NrPages::ZERO).next().is_some();
    (
        place.pfn.or_else(copy).or_else(page),
        holding.address().filter(|_| !is_area),
    )
}

fn row(out: &mut Text, what: &str, value: impl fmt::Display) -> Result {
    Ok(writeln!(out, "{what:<20} {value}")?)
}

fn yes(is: bool) -> &'static str {
    if is {
        "yes"
    } else {
        "no"
    }
}

fn place_in_memory(page: &snapshot::Page, out: &mut Text) -> Result {
    let bytes = page.pfn.get().checked_mul(1 << PAGE_SHIFT);
    let section = page.section.as_ref();
    row(out, "pfn", page.pfn)?;
    row(out, "physical", OrDash(bytes.map(Hex)))?;
    row(out, "present", yes(page.present))?;
    row(out, "section", OrDash(section.map(|it| it.nr)))?;
    row(
        out,
        "section_present",
        OrDash(section.map(|it| yes(it.present))),
    )?;
    row(
        out,
        "section_online",
        OrDash(section.map(|it| yes(it.online))),
    )?;
    row(
        out,
        "section_early",
        OrDash(section.map(|it| yes(it.early))),
    )?;
    let block = section.filter(|it| it.present).and_then(|it| it.block);
    row(out, "memory_block", OrDash(block))?;
    row(out, "online", yes(page.online.is_some()))
}

fn position(page: &OnlinePage, out: &mut Text) -> Result {
    let block = page.pageblock.as_ref();
    row(out, "node", OrDash(page.node))?;
    row(out, "zone", OrDash(page.zone))?;
    row(out, "pageblock", OrDash(block.map(|it| it.start)))?;
    row(
        out,
        "pageblock_type",
        OrDash(block.and_then(|it| it.migratetype)),
    )?;
    row(
        out,
        "pageblock_isolated",
        OrDash(block.map(|it| yes(it.isolated))),
    )?;
    row(
        out,
        "pageblock_skipped",
        OrDash(block.map(|it| yes(it.skipped))),
    )
}

fn state(page: &OnlinePage, out: &mut Text) -> Result {
    let (state, head, order, list) = match &page.place {
        PagePlace::Free { head, order } => ("free", Some(head), Some(*order), None),
        PagePlace::Pcp { cpu, head, list } => {
            ("pcp", Some(head), Some(list.order), Some((*cpu, list)))
        }
        PagePlace::Frozen => ("frozen", None, None, None),
        PagePlace::Allocated => ("allocated", None, None, None),
        PagePlace::Unknown => ("unknown", None, None, None),
    };
    row(out, "state", state)?;
    row(out, "free_head", OrDash(head))?;
    row(out, "free_order", OrDash(order))?;
    row(out, "pcp_cpu", OrDash(list.map(|(cpu, _)| cpu)))?;
    match list {
        Some((_, list)) => row(
            out,
            "pcp_list",
            format_args!("{}{}", list.types, list.order),
        ),
        None => row(out, "pcp_list", "-"),
    }
}

/// The flags of a compound are those of its first page; the word of any other page holds more than
/// flags, and is shown as a number alone.
fn flags<M: Manager>(manager: &M, page: &OnlinePage, out: &mut Text) -> Result {
    write!(out, "{:<20} ", "flags")?;
    let mut comma = "";
    for name in manager.page_flags(page.folio_flags) {
        write!(out, "{comma}{name}")?;
        comma = ",";
    }
    writeln!(out, "{}", if comma.is_empty() { "-" } else { "" })?;
    row(out, "flags_raw", Hex(page.flags))?;
    row(out, "folio_flags_raw", Hex(page.folio_flags))
}

fn counts(pfn: Pfn, page: &OnlinePage, out: &mut Text) -> Result {
    row(out, "type", OrDash(page.page_type))?;
    row(out, "refcount", page.refcount)?;
    row(out, "mapcount", page.mapcount)?;
    let compound = match page.is_compound {
        false => "no",
        true if pfn == page.head => "head",
        true => "tail",
    };
    row(out, "compound", compound)?;
    row(
        out,
        "compound_head",
        OrDash(page.is_compound.then_some(page.head)),
    )?;
    row(
        out,
        "compound_order",
        OrDash(page.is_compound.then_some(page.order)),
    )
}

fn usage(page: &OnlinePage, path: &[u8], out: &mut Text) -> Result {
    row(out, "reserved", yes(page.reserved))?;
    row(out, "mapping", OrDash(page.mapping))?;
    row(out, "lru", OrDash(page.lru))?;
    row(out, "swap_backed", yes(page.swap_backed))?;
    let group = page.group.as_ref();
    let path = group.and_then(|it| path.get(..it.path));
    row(
        out,
        "memcg",
        OrDash(path.filter(|it| !it.is_empty()).map(Escaped)),
    )?;
    row(out, "memcg_ino", OrDash(group.map(|it| it.ino)))?;
    row(out, "memcg_online", OrDash(group.map(|it| yes(it.online))))
}

/// The object of a slab that is at the address asked for, or at the page's start.
fn object<M: Manager>(
    lab: &Lab<M>,
    (pfn, address): (Pfn, Option<Address>),
    page: &OnlinePage,
    out: &mut Text,
) -> Result {
    let place = match page.page_type {
        Some(PageType::Slab) => lab.object_in(pfn, address),
        _ => Ok(None),
    };
    match &place {
        Ok(Some(place)) => row(out, "slab_cache", place.cache)?,
        Ok(None) => row(out, "slab_cache", "-")?,
        // Why is said in `caches`.
        Err(_) => row(out, "slab_cache", "unknown")?,
    }
    let place = place.ok().flatten();
    let place = place.as_ref();
    row(out, "slab_objects", OrDash(place.map(|it| it.objects)))?;
    row(out, "slab_inuse", OrDash(place.map(|it| it.inuse)))?;
    row(out, "object_size", OrDash(place.map(|it| it.size.get())))?;
    row(out, "object_index", OrDash(place.and_then(|it| it.index)))?;
    row(out, "object_state", OrDash(place.map(|it| it.state)))
}

/// A number in base 16.
struct Hex(usize);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// A path of which what is no graphic character is written as \ooo, as in /proc/mounts.
struct Escaped<'a>(&'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &byte in self.0 {
            if byte.is_ascii_graphic() && byte != b'\\' {
                f.write_char(char::from(byte))?;
            } else {
                write!(f, "\\{byte:03o}")?;
            }
        }
        Ok(())
    }
}
