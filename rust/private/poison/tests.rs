// SPDX-License-Identifier: GPL-2.0

//! Tests of poison, on machines of their own.

#[kernel::prelude::kunit_tests(oxmm_private_poison)]
mod suite {
    use super::super::*;
    use crate::linux::{
        gfp::Gfp,
        PAGE_SHIFT, //
    };
    use crate::private::{
        owner::{
            GroupId,
            Owner,
            UserKind, //
        },
        testing,
        FreePages,
        Open,
        Plan, //
    };
    use kernel::sync::Arc;

    fn manager() -> Option<Arc<Private>> {
        let manager = testing::manager(FreePages::Poisoned);
        assert!(manager.is_some());
        manager
    }

    fn user(manager: &Arc<Private>) -> Option<Arc<Open>> {
        let owner = Owner::new(UserKind::Lab, "x", GroupId::ROOT)?;
        manager.open(&owner).ok()
    }

    fn plan(manager: &Private, order: u32, account: Account) -> Option<Plan> {
        let (order, node) = (Order::new(order)?, manager.nodes().next()?);
        let asked = testing::asked(manager, order, Gfp::KERNEL, node);
        Some(manager.plan(asked).with_account(account))
    }

    fn faults(manager: &Private) -> KVVec<u64> {
        let mut counts = KVVec::new();
        for (_, count) in manager.machine.poison.iter().flat_map(|it| it.counters()) {
            let pushed = counts.push(count, GFP_KERNEL);
            assert!(pushed.is_ok());
        }
        counts
    }

    fn is_sound(manager: &Private) -> bool {
        testing::is_sound(manager)
            && manager.check_owners(|_| {}, |it| it.kind() == UserKind::Bad) == Ok(Ok(()))
    }

    /// Writes a byte through the linear mapping, as a holder would.
    fn write(manager: &Private, block: Block, offset: usize, byte: u8) {
        if let Some(start) = manager.address(block) {
            let place = core::ptr::with_exposed_provenance_mut::<u8>(start.get() + offset);
            // SAFETY: The block has this byte in the linear mapping.
            unsafe { place.write_volatile(byte) };
        }
    }

    /// Allocates a block of this order, lets its holder write to it after it has freed it, and
    /// allocates until that is found; expects one page to be kept out.
    fn written_after_free(number: u32, offset: usize, byte: u8, single_bit: u64) {
        let Some(manager) = manager() else { return };
        let Some(user) = user(&manager) else { return };
        let Some(plan) = plan(&manager, number, user.account()) else {
            return;
        };
        let order = plan.asked().order;
        let Ok(block) = manager.alloc(&plan) else {
            return;
        };
        write(&manager, block, offset, 1);
        assert_eq!(manager.free(block, order), Ok(()));
        write(&manager, block, offset, byte);
        let again = manager.alloc(&plan);
        assert!(again.is_ok() && again != Ok(block));
        if let Ok(again) = again {
            assert_eq!(manager.free(again, order), Ok(()));
        }
        let counts = faults(&manager);
        assert_eq!(counts.first(), Some(&single_bit));
        assert_eq!(counts.get(1), Some(&(1 - single_bit)));
        assert_eq!(counts.get(2), Some(&1));
        assert!(is_sound(&manager));
        let reports = manager.reports().unwrap_or_default();
        let page = NrPages::new(offset >> PAGE_SHIFT);
        let pfn = manager.pfn(block).unwrap_or_default() + page;
        assert!(reports.first().is_some_and(|it| {
            it.pfn == pfn
                && it.damage.first() == offset & ((1 << PAGE_SHIFT) - 1)
                && it.last_owner.is_some_and(|owner| owner.name() == "x")
        }));
        let now = manager.owner_of(pfn).0;
        assert!(now.is_some_and(|owner| owner.kind() == UserKind::Bad));
        assert_eq!(manager.unpoison(Some(pfn + NrPages::new(1))), NrPages::ZERO);
        assert_eq!(manager.unpoison(Some(pfn)), NrPages::new(1));
        assert!(is_sound(&manager) && faults(&manager).get(2) == Some(&0));
    }

    #[test]
    fn a_write_after_free_is_found() {
        written_after_free(0, 100, 0x00, 0);
    }

    #[test]
    fn a_bit_that_flips_is_told_apart() {
        written_after_free(0, 4095, 0xaa ^ 0x10, 1);
    }

    /// The third page of a block of order 3: the other seven are free again.
    #[test]
    fn one_page_of_a_block_is_kept_out() {
        written_after_free(3, 2 << PAGE_SHIFT, 0x5a, 0);
    }

    #[test]
    fn one_page_of_a_pageblock_is_kept_out() {
        written_after_free(9, 300 << PAGE_SHIFT, 0x5a, 0);
    }

    /// All memory is poison from the start, also what nobody has had yet; what is in use or not there
    /// is not changed.
    #[test]
    fn free_pages_can_be_poked_and_others_not() {
        let Some(manager) = manager() else { return };
        let Some(user) = user(&manager) else { return };
        let Some(plan) = plan(&manager, 0, user.account()) else {
            return;
        };
        let Ok(block) = manager.alloc(&plan) else {
            return;
        };
        let pfn = manager.pfn(block).unwrap_or_default();
        let none = Pfn::new(usize::MAX);
        assert_eq!(manager.poke(none, 0, 1), Err(Unpokable::NoPage));
        assert_eq!(manager.poke(pfn, 0, 1), Err(Unpokable::InUse));
        assert_eq!(manager.free(block, Order::ZERO), Ok(()));
        let size = 1 << PAGE_SHIFT;
        assert_eq!(manager.poke(pfn, size, 1), Err(Unpokable::NoByte));
        assert_eq!(manager.poke(pfn, size - 1, POISON), Ok(POISON));
        manager.drain();
        assert_eq!(manager.poke(pfn, 5, POISON), Ok(POISON));
        assert!(faults(&manager).iter().all(|&count| count == 0));
    }

    /// A wrong free wipes nothing.
    #[test]
    fn a_wrong_free_leaves_contents_alone() {
        let Some(manager) = manager() else { return };
        let Some(user) = user(&manager) else { return };
        let Some(plan) = plan(&manager, 2, user.account()) else {
            return;
        };
        let Ok(block) = manager.alloc(&plan) else {
            return;
        };
        write(&manager, block, 3, 0x77);
        let wrong = Order::new(1).unwrap_or_default();
        assert!(manager.free(block, wrong).is_err());
        let arena = manager.machine.arenas.get(usize::from(block.site));
        let byte = || {
            let (run, page) = arena?.run_of(block.frame)?;
            run.byte(page, 3)
        };
        assert_eq!(byte(), Some(0x77));
        assert_eq!(manager.free(block, plan.asked().order), Ok(()));
        assert_eq!(byte(), Some(POISON));
    }
}
