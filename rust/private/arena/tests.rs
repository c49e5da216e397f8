// SPDX-License-Identifier: GPL-2.0

//! Tests of the memory that zones give out.

#[kernel::prelude::kunit_tests(oxmm_private_arena)]
mod suite {
    use super::super::*;
    use core::mem::MaybeUninit;

    /// Some pages of each node that has them.
    fn each(most: usize, mut check: impl FnMut(Node, &Arena)) {
        for node in Node::online().filter(Node::has_memory) {
            let source = Source::node(Some(node));
            let arena = source.and_then(|it| Arena::take(&it, NrPages::new(most)));
            assert!(arena.is_ok());
            if let Ok(arena) = arena {
                check(node, &arena);
            }
        }
    }

    /// Never more than asked for, and all of it from the node.
    #[test]
    fn an_arena_keeps_to_its_node_and_size() {
        each(5 * 1024 + 700, |node, arena| {
            assert!(arena.pages() <= NrPages::new(5 * 1024 + 512));
            let mut blocks = arena.blocks.iter();
            assert!(blocks.all(|block| block.pages.node() == Some(node.id())));
            let runs = arena
                .runs()
                .fold(NrPages::ZERO, |sum, (_, pages)| sum + pages);
            assert_eq!(runs, arena.pages());
            assert!(arena.spanned() >= arena.pages());
        });
    }

    /// Frames and pages lead to each other, and blocks are aligned in both.
    #[test]
    fn frames_and_pages_lead_to_each_other() {
        each(3 * 1024, |_, arena| {
            for (frame, pages) in arena.runs() {
                let last = frame.checked_add(pages - NrPages::new(1));
                for frame in [Some(frame), last].into_iter().flatten() {
                    let pfn = arena.pfn(frame);
                    assert!(pfn.is_some());
                    assert_eq!(pfn.and_then(|pfn| arena.frame_of(pfn)), Some(frame));
                }
                let pfn = arena.pfn(frame).unwrap_or_default();
                assert!(pfn.is_aligned(PAGEBLOCK_ORDER) && frame.is_aligned(PAGEBLOCK_ORDER));
            }
        });
    }

    /// All of it is there, from the first frame to the last, and no page twice.
    #[test]
    fn a_size_is_filled_without_holes() {
        let first = FrameIdx::new(512);
        let window = Order::new(9).unwrap_or_default();
        for pages in [1, 3, 512, 1300].map(NrPages::new) {
            let source = Source::node(None);
            let filled = source.map(|it| Arena::fill(&it, (first, pages), window));
            let Ok(Ok(arena)) = filled else {
                return;
            };
            assert_eq!(arena.pages(), pages);
            for frame in (0..pages.get()).filter_map(|at| first.checked_add(NrPages::new(at))) {
                let pfn = arena.pfn(frame);
                assert_eq!(pfn.and_then(|pfn| arena.frame_of(pfn)), Some(frame));
            }
            assert_eq!(arena.pfn(FrameIdx::new(511)), None);
        }
    }

    /// Memory of a zone is of that zone, or it is not taken.
    #[test]
    fn a_zone_gives_its_own_memory() {
        for node in Node::online() {
            for &kind in ZoneKind::ALL {
                let source = Source::zone(node, kind);
                let arena = source.and_then(|it| Arena::take(&it, NrPages::new(2048)));
                assert!(arena.is_ok_and(|arena| {
                    let mut blocks = arena.blocks.iter();
                    blocks.all(|it| it.pages.zone() == Some(kind))
                }));
            }
        }
    }

    /// What is not part of the arena has no frame, and nothing is asked for nothing.
    #[test]
    fn other_pages_have_no_frame() {
        each(0, |node, arena| {
            assert_eq!(arena.pages(), NrPages::ZERO);
            assert_eq!(arena.pfn(FrameIdx::new(0)), None);
            let pages = Pages::alloc(Order::ZERO, Gfp::KERNEL, Some(node));
            let frame = pages.ok().and_then(|pages| arena.frame_of(pages.pfn()));
            assert_eq!(frame, None);
        });
    }

    /// A pattern is found where it was written, and where it was copied to, and nowhere else.
    #[test]
    fn a_block_is_copied_with_its_pattern() {
        each(2048, |_, arena| {
            let Some((frame, _)) = arena.runs().next() else {
                return;
            };
            let (one, some) = (NrPages::new(1), NrPages::new(16));
            let (Some(to), Some(behind)) = (
                frame.checked_add(NrPages::new(32)),
                frame.checked_add(NrPages::new(33)),
            ) else {
                return;
            };
            assert!(arena.write(frame, some, 1) && arena.write(to, some, 2));
            assert_eq!(arena.first_wrong(frame, some, 1), None);
            assert_eq!(arena.first_wrong(to, some, 1), Some(NrPages::ZERO));
            arena.copy(frame, to, some);
            assert_eq!(arena.first_wrong(to, some, 1), None);
            assert!(arena.write(behind, one, 1));
            assert_eq!(arena.first_wrong(to, some, 1), Some(NrPages::new(1)));
            assert_eq!(arena.first_wrong(frame, some, 1), None);
            assert!(!arena.write(FrameIdx::new(u32::MAX), one, 1));
        });
    }

    /// Exactly the pages of the block are zeroed, which may be parts of several runs.
    #[test]
    fn a_block_is_zeroed_and_no_other() {
        for node in Node::online().filter(Node::has_memory).take(1) {
            let source = Source::node(Some(node));
            let arena = source.and_then(|it| Arena::take(&it, NrPages::new(1024)));
            let Ok(mut arena) = arena else {
                return;
            };
            for block in arena.blocks.iter_mut() {
                let bytes = block.pages.as_uninit();
                assert!(bytes.is_ok_and(|it| {
                    it.fill(MaybeUninit::new(0xa5));
                    true
                }));
            }
            let Some((frame, pages)) = arena.runs().next() else {
                return;
            };
            let Some(at) = frame.checked_add(NrPages::new(8)) else {
                return;
            };
            arena.zero(at, NrPages::new(8));
            let first = arena.blocks.first_mut();
            let Some(Ok(bytes)) = first.map(|it| it.pages.as_uninit()) else {
                return;
            };
            let page = 1 << crate::linux::PAGE_SHIFT;
            assert_eq!(bytes.len(), pages.get() * page);
            for (number, bytes) in bytes.chunks(page).enumerate() {
                let expected = if (8..16).contains(&number) { 0 } else { 0xa5 };
                // SAFETY: All bytes were written above.
                let is_expected = |it: &MaybeUninit<u8>| unsafe { it.assume_init() } == expected;
                assert!(bytes.iter().all(is_expected));
            }
        }
    }
}
