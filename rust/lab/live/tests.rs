// SPDX-License-Identifier: GPL-2.0

//! Tests of what is held: ids, tags, limits.

#[kernel::prelude::kunit_tests(oxmm_live)]
mod suite {
    use super::super::*;
    use crate::algo::{
        snapshot,
        units::{
            Address,
            NrPages, //
        },
    };
    use crate::lab::Contents;
    use core::num::NonZeroU64;

    /// Something held, known by its pfn, that takes no memory.
    struct Fake(usize);

    impl Holding for Fake {
        fn place(&self) -> Place {
            Place::default()
        }

        fn covers(&self, pfn: Pfn) -> bool {
            pfn == Pfn::new(self.0)
        }

        fn copies(&self) -> impl Iterator<Item = snapshot::CpuCopy> {
            core::iter::empty()
        }

        fn value(&self, _: u32) -> Option<u64> {
            None
        }

        fn fill(&mut self, _: NonZeroU64) -> bool {
            false
        }

        fn contents(&self) -> Contents {
            Contents::Unknown
        }

        fn address(&self) -> Option<Address> {
            None
        }

        fn pages(&self, _: NrPages) -> impl Iterator<Item = snapshot::AreaPage> {
            core::iter::empty()
        }

        fn add_on_each_cpu(&self, _: u64) -> bool {
            false
        }
    }

    const PAGE: Bytes = Bytes::new(4096);

    fn fill(live: &mut Live<Fake>, tag: &str, count: usize) -> Result<(u64, u64), Refusal> {
        let mut holdings = KVVec::new();
        for pfn in 0..count {
            let pushed = holdings.push(Fake(pfn), GFP_KERNEL);
            pushed.map_err(|_| Refusal::NoTable)?;
        }
        let asked = Asked::new(Kind::Pages, (PAGE, PAGE), Gfp::default());
        live.add(&asked.named(Some(tag), None)?, &mut holdings)
    }

    fn take(live: &mut Live<Fake>, tag: &str) -> usize {
        let last = live.last_id();
        let (mut taken, mut from) = (0, Some(1));
        while let Some(id) = from {
            let mut batch = Batch::new();
            from = live.take_batch((id, last), |asked| asked.tag() == Some(tag), &mut batch);
            assert!(batch.holdings.iter().flatten().count() == batch.count);
            assert_eq!(batch.taken[Kind::Pages.index()].get(), 4096 * batch.count);
            taken += batch.count;
        }
        taken
    }

    fn take_id(live: &mut Live<Fake>, id: u64) -> Option<Fake> {
        let mut batch = Batch::new();
        let taken = live.take_id(id, &mut batch);
        assert_eq!(batch.count, usize::from(taken));
        batch.holdings.into_iter().flatten().next()
    }

    /// Ids rise and are never used again, whatever was freed before.
    #[test]
    fn ids_are_never_used_again() {
        let mut live = Live::new(PAGE);
        assert!(fill(&mut live, "a", 3).is_ok_and(|ids| ids == (1, 3)));
        assert_eq!(take(&mut live, "a"), 3);
        assert!(fill(&mut live, "a", 2).is_ok_and(|ids| ids == (4, 5)));
        assert!(take_id(&mut live, 2).is_none());
        assert!(take_id(&mut live, 4).is_some_and(|it| it.0 == 0));
        assert!(take_id(&mut live, 4).is_none());
    }

    /// A tag takes its own, over more than one batch, and leaves the rest in order.
    #[test]
    fn a_tag_takes_its_own() {
        let mut live = Live::new(PAGE);
        for _ in 0..3 {
            assert!(fill(&mut live, "a", BATCH + 1).is_ok());
            assert!(fill(&mut live, "b", 7).is_ok());
        }
        assert_eq!(take(&mut live, "a"), 3 * (BATCH + 1));
        assert_eq!(take(&mut live, "a"), 0);
        let held = live.held().unwrap_or_default();
        assert_eq!(held.len(), 21);
        assert!(held.iter().all(|it| it.asked.tag() == Some("b")));
        assert!(held.iter().is_sorted_by_key(|it| it.id));
        assert_eq!(take(&mut live, "b"), 21);
        assert!(live.held().is_ok_and(|held| held.is_empty()));
    }

    /// A page leads to the oldest that covers it, and an id to what has it.
    #[test]
    fn a_page_leads_to_its_holder() {
        let mut live = Live::new(PAGE);
        assert!(fill(&mut live, "a", 5).is_ok());
        assert_eq!(live.holder_of(Pfn::new(3)), Some(4));
        assert_eq!(live.holder_of(Pfn::new(5)), None);
        assert!(live.get(4).is_some_and(|it| it.0 == 3));
        assert!(take_id(&mut live, 4).is_some());
        assert_eq!(live.holder_of(Pfn::new(3)), None);
        assert!(live.get(4).is_none());
    }

    /// Promises stop at the limit, and what returns can be promised again, whatever the kind.
    #[test]
    fn promises_stop_at_the_limit() {
        let mut live = Live::<Fake>::new(Bytes::new(8));
        let bytes = |number| Some(Bytes::new(number));
        assert!(live.promise(Kind::Pages, bytes(5)).is_ok());
        assert!(live.promise(Kind::Object, bytes(3)).is_ok());
        assert!(live.promise(Kind::Percpu, bytes(1)).is_err());
        live.returned(Kind::Pages, Bytes::new(3));
        assert!(live.promise(Kind::Vmalloc, bytes(3)).is_ok());
        assert!(live.promise(Kind::Pages, None).is_err());
        assert!(live.promise(Kind::Pages, bytes(usize::MAX)).is_err());
        assert_eq!(live.totals().map(Bytes::get), [2, 3, 0, 3]);
    }
}
