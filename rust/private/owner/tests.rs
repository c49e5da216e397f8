// SPDX-License-Identifier: GPL-2.0

//! Tests of who has blocks, on machines of their own.

#[kernel::prelude::kunit_tests(oxmm_private_owner)]
mod suite {
    use super::super::*;
    use crate::algo::{
        gfp::Flag,
        units::NrPages, //
    };
    use crate::linux::gfp::Gfp;
    use crate::private::{
        testing,
        FreePages,
        Plan, //
    };

    fn manager() -> Option<Arc<Private>> {
        let manager = testing::manager(FreePages::AsLeft);
        assert!(manager.is_some());
        manager
    }

    fn owner(name: &str) -> Owner {
        let owner = Owner::new(UserKind::Lab, name, GroupId::ROOT);
        owner.unwrap_or(Owner::unnamed(UserKind::Bad, GroupId::ROOT))
    }

    /// A plan for blocks of an order from the first node.
    fn plan(manager: &Private, order: u32, account: Account) -> Option<Plan> {
        let (order, node) = (Order::new(order)?, manager.nodes().next()?);
        let asked = testing::asked(manager, order, Gfp::KERNEL, node);
        assert!(!asked.flags.contains(Flag::Zero));
        Some(manager.plan(asked).with_account(account))
    }

    fn share(manager: &Private, of: &Owner) -> Share {
        let owners = manager.owners().unwrap_or_default();
        let mut found = owners.iter().filter(|(it, _)| it.as_ref() == Some(of));
        found.next().map_or(Share::default(), |&(_, share)| share)
    }

    /// A name has one number while it is open, and each is closed as often as it was opened.
    #[test]
    fn an_account_is_open_until_the_last_is_dropped() {
        let Some(manager) = manager() else { return };
        let (first, again) = (manager.open(&owner("a")), manager.open(&owner("a")));
        let other = manager.open(&owner("b"));
        let (Ok(first), Ok(again), Ok(other)) = (first, again, other) else {
            return;
        };
        assert!(first.account() == again.account() && first.account() != other.account());
        let number = first.account();
        let is_open = || manager.machine.ledger.accounts.lock().is_open(number);
        drop(first);
        assert!(is_open());
        drop(again);
        assert!(!is_open());
        assert_eq!(manager.machine.ledger.owner(number), Some(owner("a")));
    }

    /// More accounts than the table begins with, each with its own number and name.
    #[test]
    fn the_table_grows() {
        use kernel::str::CString;
        let Some(manager) = manager() else { return };
        let mut open = KVVec::new();
        for number in 0..3 * LEAST {
            let name = CString::try_from_fmt(fmt!("t{number}"));
            let Ok(name) = name else { return };
            let opened = manager.open(&owner(name.to_str().unwrap_or("")));
            let Ok(opened) = opened else { return };
            let pushed = open.push(opened, GFP_KERNEL);
            assert!(pushed.is_ok());
        }
        let (size, sound) = {
            let accounts = manager.machine.ledger.accounts.lock();
            (accounts.size(), accounts.check().is_ok())
        };
        assert!(size > 3 * LEAST && sound);
        assert_eq!(
            open.get(100)
                .and_then(|it| manager.machine.ledger.owner(it.account())),
            Some(owner("t100"))
        );
    }

    /// Who has blocks is counted to the page, of every order, and the page says it too; once they are
    /// free, who had them.
    #[test]
    fn blocks_are_counted_by_owner() {
        let Some(manager) = manager() else { return };
        let Ok(open) = manager.open(&owner("x")) else {
            return;
        };
        let mut sum = Share::default();
        let mut blocks = KVVec::new();
        for number in [0, 3, 9, 0] {
            let Some(plan) = plan(&manager, number, open.account()) else {
                return;
            };
            let Ok(block) = manager.alloc(&plan) else {
                continue;
            };
            let order = plan.asked().order;
            sum.add(order.nr_pages());
            let pushed = blocks.push((block, order), GFP_KERNEL);
            assert!(pushed.is_ok());
            let last =
                manager.pfn(block).unwrap_or_default() + (order.nr_pages() - NrPages::new(1));
            assert_eq!(manager.owner_of(last), (Some(owner("x")), None));
        }
        assert_eq!(share(&manager, &owner("x")), sum);
        for (block, order) in blocks.drain_all() {
            let pfn = manager.pfn(block).unwrap_or_default();
            assert_eq!(manager.free(block, order), Ok(()));
            let (now, last) = manager.owner_of(pfn);
            assert!(now.is_none() && (last == Some(owner("x")) || order.get() == 9));
        }
        assert_eq!(share(&manager, &owner("x")), Share::default());
    }

    /// What the frames say is compared with what holders say: too much, too little, nobody.
    #[test]
    fn check_finds_what_holders_do_not_know() {
        let Some(manager) = manager() else { return };
        let Ok(open) = manager.open(&owner("x")) else {
            return;
        };
        let account = open.account();
        let is_held = |it: &Owner| it.kind() == UserKind::Lab;
        let check = |pages: usize| {
            let held = |shares: &mut Counted| {
                if pages > 0 {
                    shares.add(account, NrPages::new(pages));
                }
            };
            manager.check_owners(held, is_held)
        };
        assert_eq!(check(0), Ok(Ok(())));
        assert!(matches!(check(1), Ok(Err(WrongOwners::Held(..)))));
        let Some(plan) = plan(&manager, 1, account) else {
            return;
        };
        let Ok(block) = manager.alloc(&plan) else {
            return;
        };
        assert_eq!(check(2), Ok(Ok(())));
        assert!(matches!(check(1), Ok(Err(WrongOwners::Held(..)))));
        assert!(matches!(check(0), Ok(Err(WrongOwners::Held(..)))));
        drop(open);
        assert!(matches!(check(2), Ok(Err(WrongOwners::Closed(..)))));
        assert_eq!(manager.free(block, plan.asked().order), Ok(()));
        assert_eq!(check(0), Ok(Ok(())));
    }
}
