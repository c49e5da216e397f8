// SPDX-License-Identifier: GPL-2.0

//! From a kernel address to the page behind it.
//!
//!   direct map, image     arithmetic, checked by `virt_addr_valid()`
//!   vmalloc, modules      the kernel's page tables, by `vmalloc_to_page()`
//!   vmemmap               the page that the `struct page` there describes
//!
//! # Locking     interrupts are off while page tables are read, as in `get_user_pages_fast()`: a
//!               table is freed after other CPUs have flushed their TLBs, which they do in an
//!               interrupt that waits for this one.
//! # Cost        O(levels of the page tables).
//! # Limits      any number may be asked: user addresses, holes and non-canonical ones lead nowhere.
//!               Where TLBs are flushed without an interrupt, a table that a huge mapping replaces
//!               in this very moment may be read after it was freed. With SPARSEMEM but without
//!               VMEMMAP the page tables are not read.
//! # Reference   `mm/vmalloc.c`: `vmalloc_to_page()`; `arch/x86/mm/physaddr.c`.

use super::{
    ffi,
    hotplug::Reader, //
};
use crate::algo::{
    snapshot::{
        AddressKind,
        Translation, //
    },
    units::{
        Address,
        Pfn, //
    },
};

/// Where a kernel address leads; any number may be given.
pub fn translate(address: Address) -> Translation {
    let mut pfn = 0;
    // SAFETY: Takes any number; `pfn` is a local.
    let kind = match unsafe { ffi::oxmm_address_to_pfn(address.get(), &mut pfn) } {
        1 => AddressKind::DirectMap,
        2 => AddressKind::Image,
        3 => AddressKind::Vmalloc,
        4 => AddressKind::Module,
        5 => AddressKind::Vmemmap,
        _ => AddressKind::None,
    };
    Translation {
        kind,
        pfn: (pfn != usize::MAX).then_some(Pfn::new(pfn)),
    }
}

/// Where a page is in the linear mapping; `None` for a page that is not online.
pub fn linear(pfn: Pfn) -> Option<Address> {
    let reader = Reader::new();
    // SAFETY: The page is there as long as `reader`; all pages of 64-bit kernels are mapped.
    let start = unsafe { ffi::oxmm_page_address(reader.frame(pfn)?.as_ptr()) };
    Some(Address::new(start.addr()))
}

#[kernel::prelude::kunit_tests(oxmm_address)]
mod tests {
    use super::*;
    use crate::algo::units::Order;
    use crate::linux::{
        gfp::Gfp,
        pages::Pages,
        PAGE_SHIFT, //
    };

    fn of<T: ?Sized>(it: &T) -> Translation {
        translate(Address::new(core::ptr::from_ref(it).cast::<u8>().addr()))
    }

    /// An object of kmalloc() lies in the direct map, one of vmalloc() in that area; both lead to
    /// a page.
    #[test]
    fn objects_lead_to_pages() {
        use kernel::alloc::{flags::GFP_KERNEL, KVec, VVec};
        let object = KVec::<u8>::with_capacity(64, GFP_KERNEL);
        assert!(object.is_ok_and(|mut it| {
            it.push(1, GFP_KERNEL).is_ok() && of(it.as_slice()).kind == AddressKind::DirectMap
        }));
        let area = VVec::<u8>::with_capacity(2 << PAGE_SHIFT, GFP_KERNEL);
        assert!(area.is_ok_and(|mut it| {
            let pushed = it.push(1, GFP_KERNEL).is_ok();
            pushed
                && of(it.as_slice()).kind == AddressKind::Vmalloc
                && of(it.as_slice()).pfn.is_some()
        }));
    }

    /// The `struct page` of a page leads to that page.
    #[test]
    fn a_struct_page_leads_to_its_page() {
        let Ok(pages) = Pages::alloc(Order::ZERO, Gfp::KERNEL, None) else {
            return;
        };
        let at = translate(pages.struct_page());
        if at.kind == AddressKind::Vmemmap {
            assert_eq!(at.pfn, Some(pages.pfn()));
        }
    }

    /// What is no kernel address leads nowhere, and nothing is read there.
    #[test]
    fn nonsense_leads_nowhere() {
        for address in [0, 1, 4096, usize::MAX, 1 << 63, 0x1234_5678_9abc_def0] {
            let at = translate(Address::new(address));
            assert!(at.kind == AddressKind::None || at.pfn.is_some());
        }
        assert_eq!(translate(Address::new(0)).pfn, None);
    }
}
