// SPDX-License-Identifier: GPL-2.0

//! Tests of the manager as a whole, on machines of their own beside that of the module.

#[kernel::prelude::kunit_tests(oxmm_private)]
mod suite {
    use super::super::*;
    use crate::algo::{
        snapshot::ListKind,
        sort::sort_by_key,
        units::Migratetype, //
    };
    use crate::linux::gfp::Gfp;
    use testing::{
        asked,
        is_sound, //
    };

    fn manager() -> Option<Arc<Private>> {
        let manager = testing::manager(FreePages::AsLeft);
        assert!(manager.is_some());
        manager
    }

    fn order(number: u32) -> Order {
        Order::new(number).unwrap_or_default()
    }

    fn free(manager: &Private) -> NrPages {
        let nodes = manager.nodes().filter_map(|node| manager.node(node));
        nodes.fold(NrPages::ZERO, |sum, node| sum + node.free)
    }

    /// Allocates until a plan fails.
    fn exhaust(manager: &Private, plan: &Plan) -> KVVec<Block> {
        let mut blocks = KVVec::new();
        while let Ok(block) = manager.alloc(plan) {
            if blocks.push(block, GFP_KERNEL).is_err() {
                break;
            }
        }
        blocks
    }

    /// Whatever the order, all that is given out comes back, and nothing is given out twice.
    #[test]
    fn all_that_is_given_out_comes_back() {
        let Some(manager) = manager() else { return };
        let start = free(&manager);
        for order in [0, 1, 3, 5, 9].map(order) {
            for node in manager.nodes() {
                let plan = manager.plan(asked(&manager, order, Gfp::KERNEL, node));
                let mut blocks = exhaust(&manager, &plan);
                assert!(is_sound(&manager));
                let mut pages: KVVec<_> = KVVec::new();
                for &block in blocks.iter() {
                    let pushed = pages.push(manager.pfn(block), GFP_KERNEL);
                    assert!(pushed.is_ok());
                }
                sort_by_key(&mut pages, |&pfn| pfn);
                let mut pairs = pages.iter().zip(pages.iter().skip(1));
                assert!(pairs.all(|(one, next)| one < next));
                for block in blocks.drain_all() {
                    assert_eq!(manager.free(block, order), Ok(()));
                }
                manager.drain();
                assert!(is_sound(&manager));
                assert_eq!(free(&manager), start);
            }
        }
    }

    /// A block is freed once, with its own order; what was refused changed nothing.
    #[test]
    fn wrong_frees_are_refused() {
        let Some(manager) = manager() else { return };
        let Some(node) = manager.nodes().next() else {
            return;
        };
        let plan = manager.plan(asked(&manager, order(2), Gfp::KERNEL, node));
        let Ok(block) = manager.alloc(&plan) else {
            return;
        };
        assert_eq!(
            manager.free(block, order(1)),
            Err(WrongFree::Order(order(2)))
        );
        assert_eq!(manager.free(block, order(2)), Ok(()));
        assert!(manager.free(block, order(2)).is_err());
        let nowhere = Block {
            site: u16::MAX,
            ..block
        };
        assert_eq!(manager.free(nowhere, order(2)), Err(WrongFree::NotManaged));
        assert!(is_sound(&manager));
    }

    /// A page that was written to by its last user is zeroed for the next who asks for that.
    #[test]
    fn zeroed_pages_are_zero() {
        let Some(manager) = manager() else { return };
        let Some(node) = manager.nodes().next() else {
            return;
        };
        let plain = manager.plan(asked(&manager, order(1), Gfp::KERNEL, node));
        let zeroed = manager.plan(asked(&manager, order(1), Gfp::KERNEL | Gfp::ZERO, node));
        let size = 2 << crate::linux::PAGE_SHIFT;
        for (plan, byte) in [(&plain, None), (&zeroed, Some(0))] {
            let Ok(block) = manager.alloc(plan) else {
                return;
            };
            let Some(start) = manager.address(block) else {
                return;
            };
            let start = core::ptr::with_exposed_provenance_mut::<u8>(start.get());
            for at in 0..size {
                // SAFETY: The block has so many bytes in the linear mapping, and nobody else uses
                // them.
                let place = unsafe { start.add(at) };
                // SAFETY: As above; a byte is valid for reads whatever was written there.
                let found = unsafe { place.read_volatile() };
                assert!(byte.is_none_or(|byte| byte == found));
                // SAFETY: As above.
                unsafe { place.write_volatile(0x5a) };
            }
            assert_eq!(manager.free(block, order(1)), Ok(()));
        }
    }

    /// A request is served from the node of the first zone of its list; of a memoryless node that is
    /// another's. A zone so small may have no pageblock whole, and is then not the first to be broken up.
    #[test]
    fn the_first_zone_of_the_list_serves() {
        let Some(manager) = manager() else { return };
        for node in manager.nodes() {
            let first = manager.zonelist(node, ListKind::Fallback).next();
            let plan = manager.plan(asked(&manager, order(0), Gfp::KERNEL, node));
            let Ok(block) = manager.alloc(&plan) else {
                return;
            };
            let place = manager.place(block);
            assert_eq!(place.map(|(node, _)| node), first.map(|zone| zone.node));
            assert_eq!(manager.free(block, order(0)), Ok(()));
            let alone = asked(&manager, order(0), Gfp::KERNEL | Gfp::THISNODE, node);
            let served = manager.alloc(&manager.plan(alone));
            let has_memory = manager
                .node(node)
                .is_some_and(|it| it.managed > NrPages::ZERO);
            assert_eq!(served.is_ok(), has_memory || !cfg!(CONFIG_NUMA));
            if let Ok(block) = served {
                assert_eq!(manager.free(block, order(0)), Ok(()));
            }
        }
    }

    /// A page is found free, given out and on a list of a CPU, and its pageblock has the type of who
    /// took it first.
    #[test]
    fn a_page_says_who_has_it() {
        use crate::algo::snapshot::PagePlace;
        let Some(manager) = manager() else { return };
        let Some(node) = manager.nodes().next() else {
            return;
        };
        let plan = manager.plan(asked(&manager, order(1), Gfp::KERNEL, node));
        let Ok(block) = manager.alloc(&plan) else {
            return;
        };
        let Some(pfn) = manager.pfn(block) else {
            return;
        };
        let place = |pfn| {
            manager
                .page(pfn)
                .online
                .map(|it| (it.place, it.head, it.order))
        };
        let second = pfn + NrPages::new(1);
        let given = place(second);
        assert!(matches!(given, Some((PagePlace::Allocated, head, 1)) if head == pfn));
        let online = manager.page(pfn).online;
        let migratetype = online.and_then(|it| it.pageblock?.migratetype);
        assert_eq!(migratetype, Some(Migratetype::Unmovable));
        assert_eq!(manager.free(block, order(1)), Ok(()));
        let freed = place(second);
        assert!(matches!(freed, Some((PagePlace::Pcp { head, .. }, ..)) if head == pfn));
        manager.drain();
        assert!(matches!(place(second), Some((PagePlace::Free { .. }, ..))));
        assert!(manager.page(Pfn::new(usize::MAX)).online.is_none());
    }
}
