// SPDX-License-Identifier: GPL-2.0

//! Tests of machines that commands described.

#[kernel::prelude::kunit_tests(oxmm_private_control)]
mod suite {
    use super::super::*;
    use crate::algo::{
        buddy::zone::Memory,
        command::{
            lines,
            Command, //
        },
        machine,
        snapshot::{
            would::Asked,
            Region,
            RegionKind, //
        },
        units::{
            Address,
            NrPages,
            Order, //
        },
    };
    use crate::linux::{
        gfp::Gfp,
        PAGE_SHIFT, //
    };
    use crate::private::{
        testing::{
            self,
            is_sound, //
        },
        Miss, //
    };

    const MOST: Bytes = Bytes::new(16 << 20);

    /// The machine of these lines.
    fn build(
        control: &Control,
        text: &[u8],
        order: Option<u32>,
    ) -> Result<Arc<Private>, BuildError> {
        for line in lines(text) {
            if let Ok(Some(Command::MachineNode(node))) = line.command {
                control.describe(&node)?;
            }
        }
        control.build(order.and_then(Order::new))
    }

    /// What flags come down to on the first node, in zones up to Normal.
    fn asked(manager: &Private, gfp: Gfp, order: u32) -> Asked {
        let order = Order::new(order).unwrap_or_default();
        Asked {
            highest: ZoneKind::Normal,
            ..testing::asked(manager, order, gfp, NodeId::FIRST)
        }
    }

    /// Zones have the sizes that were said, are memory from the start, and CMA areas are reserved.
    #[test]
    fn a_machine_is_what_was_said() -> Result {
        let control = Control::new(Bytes::ZERO, MOST, FreePages::AsLeft)?;
        let text = b"machine node=0 zones=dma32:4M,normal:4M cma=2M\nmachine node=2 mem=1M";
        let machine = build(&control, text, None).map_err(|_| ENOMEM)?;
        let pages = |node: u32, kind| {
            let zone = machine.zone(NodeId::new(node)?, kind)?;
            Some((zone.managed.get(), zone.cma.get(), zone.free.get()))
        };
        // What the tables of a node leave of its highest zone; they end where it does.
        let left = |node, pages: usize| {
            let is_table = |it: &Region| {
                it.owner.kind == RegionKind::Allocated && it.owner.node == NodeId::new(node)
            };
            let tables = machine.early().filter(is_table).map(|it| it.range.size());
            pages
                - tables
                    .map(|it| it.get())
                    .sum::<usize>()
                    .div_ceil(1 << PAGE_SHIFT)
        };
        let (low, high) = (left(0, 1024), left(2, 256));
        assert!(low < 1024 && high < 256);
        assert_eq!(pages(0, ZoneKind::Dma32), Some((1024, 0, 1024)));
        assert_eq!(pages(0, ZoneKind::Normal), Some((low, 512, low)));
        assert_eq!(pages(2, ZoneKind::Normal), Some((high, 0, high)));
        assert_eq!(pages(1, ZoneKind::Normal), None);
        let sum = |kind| {
            let regions = machine.early().filter(|it| it.owner.kind == kind);
            regions.fold(0, |sum, it| sum + it.range.size().get())
        };
        assert_eq!(sum(RegionKind::Memory), 9 << 20);
        assert_eq!(sum(RegionKind::Reserved), 2 << 20);
        assert!(is_sound(&machine));
        Ok(())
    }

    /// The tables of a machine are in pages of its own, which are reserved.
    #[test]
    fn tables_are_in_early_memory() -> Result {
        let control = Control::new(Bytes::ZERO, MOST, FreePages::AsLeft)?;
        let text = b"machine node=0 mem=8M\nmachine node=1 mem=64G shadow=1";
        let machine = build(&control, text, None).map_err(|_| ENOMEM)?;
        let mut reserved = machine.machine.sites.iter().map(|site| {
            let regions = site.zone.memory().regions();
            let address = Address::new(regions.as_ptr().addr());
            let page = machine.translate(address).pfn.map(|pfn| machine.page(pfn));
            page.and_then(|page| page.online).map(|page| page.reserved)
        });
        assert_eq!(reserved.next(), Some(Some(true)));
        // Where there is no memory nothing is reserved.
        assert_eq!(reserved.next(), Some(None));
        Ok(())
    }

    /// A page of a shadow has a number and no address; zeroing it does nothing.
    #[test]
    fn a_shadow_has_no_address() -> Result {
        let control = Control::new(Bytes::ZERO, MOST, FreePages::AsLeft)?;
        let text = b"machine node=0 mem=4G shadow=1";
        let machine = build(&control, text, Some(17)).map_err(|_| ENOMEM)?;
        assert!(machine.has_shadow() && machine.largest() == Order::new(17).unwrap_or_default());
        for order in [0, 3, 17] {
            let plan = machine.plan(asked(&machine, Gfp::KERNEL | Gfp::ZERO, order));
            let block = machine.alloc(&plan);
            assert!(block.is_ok());
            if let Ok(block) = block {
                assert!(machine.pfn(block).is_some() && machine.address(block).is_none());
                assert!(machine.free(block, plan.asked().order).is_ok());
            }
        }
        machine.drain();
        assert!(is_sound(&machine));
        Ok(())
    }

    /// What cannot be built says why, and the draft is there for another try.
    #[test]
    fn a_failed_build_keeps_the_draft() -> Result {
        let control = Control::new(Bytes::ZERO, MOST, FreePages::AsLeft)?;
        let empty = control.build(None).err();
        assert_eq!(empty, Some(BuildError::Draft(machine::Error::NoNode)));
        let refused = build(&control, b"machine node=0 mem=1M", Some(12)).err();
        assert!(matches!(refused, Some(BuildError::Order { .. })));
        assert!(control.build(None).is_ok());
        let refused = build(&control, b"machine node=1 mem=64M", None).err();
        assert!(matches!(refused, Some(BuildError::Memory { .. })));
        control.forget();
        let refused = build(&control, b"machine node=0 mem=16384G shadow=1", None).err();
        assert!(matches!(refused, Some(BuildError::State { .. })));
        Ok(())
    }

    /// States of frames come out of what the tables have left, and then there are none.
    #[test]
    fn states_keep_to_the_budget() -> Result {
        let control = Control::new(Bytes::ZERO, Bytes::new(1 << 20), FreePages::AsLeft)?;
        let text = b"machine node=0 mem=16G shadow=1";
        let machine = build(&control, text, None).map_err(|_| ENOMEM)?;
        // A page of each region, which needs its states.
        let small = machine.plan(asked(&machine, Gfp::KERNEL, 0));
        let large = machine.plan(asked(&machine, Gfp::KERNEL, 10));
        let mut blocks = KVVec::new();
        let miss = loop {
            let block = machine
                .alloc(&small)
                .and_then(|block| blocks.push((block, 0), GFP_KERNEL).map_err(|_| Miss::Empty));
            if let Err(miss) = block {
                break miss;
            }
            // The rest of a region, in whole blocks.
            for _ in 0..32 {
                if let Ok(block) = machine.alloc(&large) {
                    let _ = blocks.push((block, 10), GFP_KERNEL);
                }
            }
            assert!(blocks.len() < 1 << 20);
        };
        assert!(matches!(miss, Miss::NotReady(_)));
        for (block, order) in blocks.drain_all() {
            let order = Order::new(order).unwrap_or_default();
            assert!(machine.free(block, order).is_ok());
        }
        machine.drain();
        let free = machine.node(NodeId::FIRST).map(|node| node.free);
        assert_eq!(free, Some(NrPages::new(16 << 18)));
        assert!(is_sound(&machine));
        Ok(())
    }
}
