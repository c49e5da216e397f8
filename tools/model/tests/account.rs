// SPDX-License-Identifier: GPL-2.0

//! Accounts beside naive models: a map of who has which number, and a map of blocks to owners.

use std::collections::BTreeMap;

use oxmm_model::algo::buddy::account::{
    Account,
    Accounts,
    Entry,
    Full,
    GroupId,
    Owner,
    UserKind,
    LEAST,
    MOST, //
};
use oxmm_model::algo::buddy::pcp::Tuning;
use oxmm_model::algo::buddy::span::Span;
use oxmm_model::algo::buddy::zone::{
    Memory,
    Miss,
    Owned,
    Want, //
};
use oxmm_model::algo::snapshot::Watermark;
use oxmm_model::algo::units::{
    FrameIdx,
    Migratetype,
    NrPages,
    Order, //
};
use oxmm_model::algo::watermark::AllocFlags;
use oxmm_model::drawn::{
    compact,
    drawn,
    task, //
};
use oxmm_model::host::{
    zone,
    LoneZone, //
};
use proptest::prelude::*;

// ---- the table ------------------------------------------------------------------------------

fn owner(number: u16) -> Owner {
    let kind = UserKind::ALL[usize::from(number) % 2];
    let name = format!("t{}", number / 6);
    Owner::new(kind, &name, GroupId::new(number % 3)).expect("a short name")
}

/// What each account is, and how often it is open; what is closed is forgotten at once.
#[derive(Default)]
struct Naive(BTreeMap<u16, (Owner, u32)>);

impl Naive {
    fn open(&mut self, owner: Owner, got: Result<Account, Full>, size: usize) {
        let known = self.0.iter_mut().find(|(_, it)| it.0 == owner);
        match (known, got) {
            (Some((number, (_, times))), Ok(account)) => {
                assert_eq!(account.get(), *number, "an owner has one number");
                *times += 1;
            }
            (None, Ok(account)) => {
                assert_ne!(account, Account::NONE);
                let before = self.0.insert(account.get(), (owner, 1));
                assert_eq!(before, None, "a number has one owner");
            }
            (_, Err(Full)) => assert_eq!(self.0.len(), size - 1),
        }
    }

    fn close(&mut self, account: Account, got: bool) {
        let times = self.0.get_mut(&account.get()).map(|it| &mut it.1);
        assert_eq!(times.is_some(), got);
        if let Some(times) = times {
            *times -= 1;
            if *times == 0 {
                self.0.remove(&account.get());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Numbers are one to one for as long as they are open, whatever is opened and closed.
    #[test]
    fn numbers_and_owners_belong_together(
        actions in prop::collection::vec((0..4u8, 0..400u16), 1..1200),
        grows in any::<bool>(),
    ) {
        let mut table = Accounts::new(vec![Entry::default(); LEAST]).expect("a right size");
        let mut naive = Naive::default();
        for (verb, number) in actions {
            if verb > 0 {
                if let Some(size) = table.wants().filter(|_| grows) {
                    table.grow(vec![Entry::default(); size]);
                }
                let got = table.open(&owner(number));
                naive.open(owner(number), got, table.size());
            } else {
                let account = Account::new(number % 300);
                naive.close(account, table.close(account));
            }
            prop_assert_eq!(table.nr_open(), naive.0.len());
        }
        prop_assert_eq!(table.check(), Ok(()));
        for (&number, (owner, _)) in &naive.0 {
            prop_assert_eq!(table.owner(Account::new(number)), Some(owner));
            prop_assert!(table.is_open(Account::new(number)));
        }
        prop_assert!(!grows || table.size() <= MOST);
    }
}

// ---- the frames -----------------------------------------------------------------------------

const TUNING: Tuning = Tuning {
    batch: 31,
    high_min: 60,
    high_max: 500,
    keeps_high_batch: false,
};

const FRAMES: u32 = 40_000;

fn two_regions() -> LoneZone {
    let zone: LoneZone = zone(2, 2, TUNING);
    let frames = NrPages::new(usize::try_from(FRAMES).expect("few"));
    zone.add(FrameIdx::new(512), frames, Migratetype::Movable);
    zone
}

fn order(number: u32) -> Order {
    Order::new(number).expect("an order")
}

fn want(order: Order, migratetype: Migratetype, account: u16) -> Want {
    let mut want = Want::new(order, migratetype, AllocFlags::new(Watermark::Min));
    want.account = Account::new(account);
    want
}

/// Every block that was given out, by a walk.
fn walked(zone: &LoneZone) -> Vec<Owned> {
    let mut all = Vec::new();
    for region in 0..zone.memory().regions().len() {
        zone.each_owned(region, |it| all.push(it));
    }
    all
}

/// Blocks and who has them, told naively.
type Map = BTreeMap<u32, (Order, u16)>;

fn agree(zone: &LoneZone, map: &Map) {
    let walked = walked(zone);
    let found: Map = walked
        .iter()
        .map(|it| (it.head.get(), (it.order, it.account.get())))
        .collect();
    assert_eq!(walked.len(), found.len());
    assert_eq!(&found, map);
    assert_eq!(zone.check(2), Ok(()));
}

/// Frees one of the blocks.
fn free(zone: &LoneZone, map: &mut Map, which: usize) {
    let Some(nth) = which.checked_rem(map.len()) else {
        return;
    };
    let (&head, &(order, account)) = map.iter().nth(nth).expect("one of them");
    let at = FrameIdx::new(head);
    assert_eq!(zone.free(which % 2, at, order), Ok(()));
    map.remove(&head);
    // Nobody has it, and who had it is known.
    assert_eq!(zone.account_at(at, order).get(), account);
}

/// Keeps a frame of a new block out of use.
fn keep_out(zone: &LoneZone, map: &mut Map, of: Order, inside: u32) {
    let Ok(head) = zone.alloc(0, &want(of, Migratetype::Unmovable, 7)) else {
        return;
    };
    let kept = FrameIdx::new(head.get() + inside % (1 << of.get()));
    let outside = FrameIdx::new(head.get() ^ 1 << of.get());
    let bad = Account::new(9);
    assert_eq!(
        zone.keep_out((head, of), outside, bad),
        Err(Miss::Corrupt(head))
    );
    assert_eq!(zone.keep_out((head, of), kept, bad), Ok(()));
    map.insert(kept.get(), (Order::ZERO, 9));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The walk finds what was given out and to whom, after every action of any kind.
    #[test]
    fn blocks_are_whose_they_were_given_to(
        actions in prop::collection::vec((0..16u8, 0..11u32, any::<u16>()), 1..60),
    ) {
        let zone = two_regions();
        let mut map = Map::new();
        for (verb, of, which) in actions {
            let of = order(of);
            match verb {
                0..=7 => {
                    let account = which % 5;
                    if let Ok(head) = zone.alloc(0, &want(of, Migratetype::Movable, account)) {
                        prop_assert_eq!(map.insert(head.get(), (of, account)), None);
                    }
                }
                8..=11 => free(&zone, &mut map, usize::from(which)),
                12 | 13 => keep_out(&zone, &mut map, of, u32::from(which)),
                14 => {
                    let mut some = [FrameIdx::default(); 40];
                    let nr = zone.alloc_bulk(1, &want(Order::ZERO, Migratetype::Movable, 6), &mut some);
                    map.extend(some[..nr].iter().map(|it| (it.get(), (Order::ZERO, 6))));
                }
                _ => {
                    let span = Span::new(FrameIdx::new(u32::from(which) / 2), NrPages::new(37)).expect("a span");
                    if zone.alloc_range(span, Migratetype::Movable).is_ok() {
                        zone.set_account(span, Account::new(8));
                        map.extend(span.blocks(order(10)).map(|(at, of)| (at.get(), (of, 8))));
                    }
                }
            }
            agree(&zone, &map);
        }
        while !map.is_empty() {
            free(&zone, &mut map, 0);
        }
        agree(&zone, &map);
        prop_assert_eq!(zone.pages_of(None), NrPages::ZERO);
    }
}

/// Each block that compaction moves keeps its owner: here the holder's own tag.
#[test]
fn compaction_takes_accounts_along() {
    let (zone, mut holders) = drawn(["MM.MMMMM", "M.M.M.M.", "M.MM.MMM", "....M..."]);
    let account = |tag: u32| Account::new(u16::try_from(tag).expect("few holders"));
    let before = holders.held().clone();
    for (&head, held) in &before {
        let span = Span::block(FrameIdx::new(head), held.order).expect("a block");
        zone.set_account(span, account(held.tag));
    }
    compact(&zone, &mut holders, &task(9));
    let stayed = |it: &&u32| before.contains_key(it);
    assert!(holders.held().keys().filter(|it| !stayed(it)).count() >= 64);
    let owned = walked(&zone);
    assert_eq!(owned.len(), before.len());
    for it in owned {
        let (head, held) = holders.holder(it.head.get()).expect("it is held");
        assert_eq!((head, account(held.tag)), (it.head.get(), it.account));
    }
}

/// A block is wiped once before it is free: not twice, not with another order, and nobody frees it
/// while it is wiped.
#[test]
fn a_block_is_wiped_before_it_is_free() {
    let zone = two_regions();
    for of in [order(0), order(3), order(9)] {
        let head = zone
            .alloc(0, &want(of, Migratetype::Movable, 1))
            .expect("there is enough");
        let other = order(of.get() + 1);
        let mut wiped = 0;
        assert!(zone.retire(head, other, || wiped += 1).is_err());
        let freed = || assert!(zone.free(0, head, of).is_err(), "it is wiped just now");
        assert_eq!(zone.retire(head, of, freed), Ok(()));
        assert_eq!(zone.retire(head, of, || wiped += 1), Ok(()));
        assert_eq!(zone.free(0, head, of), Ok(()));
        assert!(zone.retire(head, of, || wiped += 1).is_err());
        assert_eq!(wiped, 1);
        assert_eq!(zone.check(2), Ok(()));
    }
}
