// SPDX-License-Identifier: GPL-2.0

//! What Linux gave out, of every kind, behind one type.
//!
//! # Cost        32 bytes; where it is, is looked up when it is asked for.
//! # Reference   `rust/linux/`: each variant is an owner of that room.

use core::{
    num::NonZeroU64,
    ptr::NonNull, //
};

use crate::algo::{
    snapshot::{
        AreaPage,
        CpuCopy, //
    },
    units::{
        Address,
        Bytes,
        NrPages,
        Pfn, //
    },
};
use crate::lab::{
    self,
    Contents,
    Place, //
};
use crate::linux::{
    exact::ExactPages,
    kmalloc::Kmalloc,
    kmem_cache::Object,
    pages::Pages,
    percpu::Percpu,
    vmalloc::Area,
    PAGE_SHIFT, //
};

/// What Linux gave out.
pub enum Holding {
    /// A run of pages, and the pattern that it was filled with.
    Pages(Pages, Option<NonZeroU64>),
    /// A run of pages that is no block.
    Range(ExactPages),
    /// An object that kmalloc() gave.
    Sized(Kmalloc),
    /// An object of a cache.
    Cached(Object),
    /// A per-CPU variable.
    Percpu(Percpu),
    /// A virtually contiguous area.
    Area(Area),
}

/// Whether memory that is physically contiguous from `addr`, in page `first`, reaches `pfn`.
fn reaches(addr: NonNull<u8>, first: Pfn, size: Bytes, pfn: Pfn) -> bool {
    let page = 1 << PAGE_SHIFT;
    let end = (addr.as_ptr().addr() & (page - 1)).saturating_add(size.get());
    pfn.checked_sub(first)
        .is_some_and(|offset| offset < NrPages::new(end.div_ceil(page)))
}

impl lab::Holding for Holding {
    fn place(&self) -> Place {
        match self {
            Self::Pages(pages, _) => Place {
                pfn: Some(pages.pfn()),
                order: Some(pages.order()),
                node: pages.node(),
                zone: pages.zone(),
            },
            Self::Range(pages) => Place {
                pfn: Some(pages.pfn()),
                order: None,
                node: pages.node(),
                zone: pages.zone(),
            },
            Self::Sized(memory) => Place {
                pfn: Some(memory.pfn()),
                order: None,
                node: memory.node(),
                zone: memory.zone(),
            },
            Self::Cached(object) => Place {
                pfn: Some(object.pfn()),
                order: None,
                node: object.node(),
                zone: object.zone(),
            },
            Self::Percpu(_) => Place::default(),
            Self::Area(area) => match area.pages().next() {
                Some(page) => Place {
                    pfn: Some(page.pfn),
                    order: None,
                    node: page.node,
                    zone: page.zone,
                },
                None => Place::default(),
            },
        }
    }

    fn covers(&self, pfn: Pfn) -> bool {
        match self {
            Self::Pages(pages, _) => pfn
                .checked_sub(pages.pfn())
                .is_some_and(|offset| offset < pages.nr_pages()),
            Self::Range(pages) => pfn
                .checked_sub(pages.pfn())
                .is_some_and(|offset| offset < pages.nr_pages()),
            Self::Sized(memory) => reaches(memory.addr(), memory.pfn(), memory.asked(), pfn),
            Self::Cached(object) => reaches(object.addr(), object.pfn(), object.size(), pfn),
            Self::Percpu(variable) => variable.copies().any(|copy| copy.pfn == pfn),
            Self::Area(area) => area.pages().any(|page| page.pfn == pfn),
        }
    }

    fn copies(&self) -> impl Iterator<Item = CpuCopy> {
        let variable = match self {
            Self::Percpu(variable) => Some(variable),
            _ => None,
        };
        variable.into_iter().flat_map(Percpu::copies)
    }

    fn value(&self, cpu: u32) -> Option<u64> {
        match self {
            Self::Percpu(variable) => variable.value(cpu),
            _ => None,
        }
    }

    fn fill(&mut self, first: NonZeroU64) -> bool {
        let Self::Pages(pages, filled) = self else {
            return false;
        };
        let is_filled = pages.fill_with(first.get()).is_ok();
        *filled = is_filled.then_some(first);
        is_filled
    }

    fn contents(&self) -> Contents {
        match self {
            Self::Pages(pages, Some(first)) => match pages.first_wrong(first.get()) {
                None => Contents::Intact,
                Some(page) => Contents::Wrong(page),
            },
            _ => Contents::Unknown,
        }
    }

    fn address(&self) -> Option<Address> {
        let number = |addr: NonNull<u8>| Address::new(addr.as_ptr().addr());
        match self {
            Self::Sized(memory) => Some(number(memory.addr())),
            Self::Cached(object) => Some(number(object.addr())),
            Self::Area(area) => Some(area.address()),
            Self::Pages(..) | Self::Range(_) | Self::Percpu(_) => None,
        }
    }

    fn pages(&self, from: NrPages) -> impl Iterator<Item = AreaPage> {
        let area = match self {
            Self::Area(area) => Some(area),
            _ => None,
        };
        area.into_iter().flat_map(move |area| area.pages_from(from))
    }

    fn add_on_each_cpu(&self, value: u64) -> bool {
        match self {
            Self::Percpu(variable) => variable.add_on_each_cpu(value),
            _ => return false,
        }
        true
    }
}
