// SPDX-License-Identifier: GPL-2.0

//! Tests of blocks that are held while they are moved.

#[kernel::prelude::kunit_tests(oxmm_private_holders)]
mod suite {
    use super::super::*;
    use crate::algo::{
        snapshot::would::Asked,
        units::Migratetype, //
    };
    use crate::linux::gfp::Gfp;
    use crate::private::{
        testing,
        FreePages, //
    };

    /// A machine and two blocks of its first node that were given out as movable; nobody holds them.
    fn with_blocks(check: impl FnOnce(&Private, Block, Block)) {
        let Some(manager) = testing::manager(FreePages::AsLeft) else {
            return;
        };
        let node = manager.nodes().find(|&node| {
            let node = manager.node(node);
            node.is_some_and(|it| it.managed > NrPages::ZERO)
        });
        let Some(node) = node else { return };
        let plan = manager.plan(Asked {
            migratetype: Migratetype::Movable,
            ..testing::asked(&manager, ORDER, Gfp::KERNEL, node)
        });
        let (Ok(one), Ok(two)) = (manager.alloc(&plan), manager.alloc(&plan)) else {
            return;
        };
        check(&manager, one, two);
        assert!(testing::is_sound(&manager));
    }

    const ORDER: Order = Order::ZERO;

    fn entries(manager: &Private, blocks: [Block; 2]) -> [bool; 2] {
        blocks.map(|block| {
            let page = manager.machine.page_of(block);
            page.is_some_and(|page| manager.machine.holders.find(page).is_some())
        })
    }

    /// Block and contents are where they were moved to, and so is the entry; the holder frees that.
    #[test]
    fn a_holder_follows_its_block() {
        with_blocks(|manager, one, two| {
            let Ok(held) = manager.hold(one, ORDER, true) else {
                return;
            };
            assert!(manager.fill(&held, 77));
            assert_eq!(entries(manager, [one, two]), [true, false]);
            assert!(manager.machine.move_held(one, two, ORDER));
            assert_eq!(held.block(), two);
            assert_eq!(manager.first_wrong(&held, 77), None);
            assert_eq!(entries(manager, [one, two]), [false, true]);
            assert_eq!(manager.let_go(&held), Ok(()));
            assert_eq!(entries(manager, [one, two]), [false, false]);
            assert_eq!(manager.free(one, ORDER), Ok(()));
            assert!(manager.free(two, ORDER).is_err());
        });
    }

    /// The holder frees the block in the middle of a move: the mover comes too late, and the block
    /// stays where it was.
    #[test]
    fn a_free_ends_a_move() {
        with_blocks(|manager, one, two| {
            let Ok(held) = manager.hold(one, ORDER, true) else {
                return;
            };
            let page = manager.machine.page_of(one).unwrap_or_default();
            let Some(cell) = manager.machine.holders.find(page) else {
                return;
            };
            assert!(cell.enter(one));
            // Another mover has to leave it.
            assert!(!manager.machine.move_held(one, two, ORDER));
            assert_eq!(manager.machine.end_hold(&held), one);
            assert!(!cell.leave(one, two));
            assert!(!manager.machine.move_held(one, two, ORDER));
            assert_eq!(entries(manager, [one, two]), [false, false]);
            assert_eq!(manager.free(one, ORDER), Ok(()));
            assert_eq!(manager.free(two, ORDER), Ok(()));
        });
    }

    /// What nobody holds, what is held in place, and a block of another order are not moved.
    #[test]
    fn others_are_not_moved() {
        with_blocks(|manager, one, two| {
            assert!(!manager.machine.move_held(one, two, ORDER));
            let Ok(fixed) = manager.hold(one, ORDER, false) else {
                return;
            };
            assert!(!manager.machine.move_held(one, two, ORDER));
            assert_eq!(fixed.block(), one);
            let Ok(held) = manager.hold(two, ORDER, true) else {
                return;
            };
            let other = Order::new(3).unwrap_or_default();
            assert!(!manager.machine.move_held(two, one, other));
            assert_eq!(held.block(), two);
            assert_eq!(manager.let_go(&fixed), Ok(()));
            assert_eq!(manager.let_go(&held), Ok(()));
        });
    }

    /// While somebody reads a block it is not moved; afterwards it is.
    #[test]
    fn a_block_stays_while_it_is_read() {
        with_blocks(|manager, one, two| {
            let Ok(held) = manager.hold(one, ORDER, true) else {
                return;
            };
            let moved = held.stay(|_| manager.machine.move_held(one, two, ORDER));
            assert!(!moved);
            assert!(manager.machine.move_held(one, two, ORDER));
            assert_eq!(manager.let_go(&held), Ok(()));
            assert_eq!(manager.free(one, ORDER), Ok(()));
        });
    }

    /// Site and frame come back from the word, whatever they are.
    #[test]
    fn a_word_keeps_its_block() {
        for (site, frame) in [(0, 0), (u16::MAX, u32::MAX), (1, 1 << 31), (3, 7)] {
            let frame = FrameIdx::new(frame);
            let block = Block { site, frame };
            assert_eq!(block_of(word_of(block)), block);
            assert_eq!(block_of(word_of(block) | BUSY), block);
            assert_eq!(word_of(block) & (BUSY | GONE), 0);
        }
    }
}
