// SPDX-License-Identifier: GPL-2.0

//! Tests of caches of values: construction, drops, and what keeps a cache.

#[kernel::prelude::kunit_tests(oxmm_typed_cache)]
mod suite {
    use super::super::*;

    /// A value that tells of its drop.
    struct Told<'a>(&'a Atomic<usize>, u8);

    impl Drop for Told<'_> {
        fn drop(&mut self) {
            self.0.add(1, Relaxed);
        }
    }

    #[repr(align(128))]
    struct Wide([u8; 130]);

    /// A value drops once, when its object does, or not at all if it was moved out.
    #[test]
    fn values_drop_with_their_objects() {
        let drops = Atomic::new(0);
        let cache = KmemCache::new(c"oxmm-kunit-told", Flags::NO_MERGE);
        let Ok(cache) = cache else { return };
        let alloc = |mark| KmemCache::alloc(&cache, Told(&drops, mark), Gfp::KERNEL, None);
        let (one, two) = (alloc(1), alloc(2));
        assert_eq!((drops.load(Relaxed), cache.nr_objects()), (0, 2));
        drop(one);
        assert_eq!((drops.load(Relaxed), cache.nr_objects()), (1, 1));
        let value = two.map(Object::into_inner);
        assert_eq!((drops.load(Relaxed), cache.nr_objects()), (1, 0));
        assert!(value.is_ok_and(|value| value.1 == 2));
        assert_eq!(drops.load(Relaxed), 2);
    }

    /// Objects are aligned for their type, on the node that was asked for, and apart.
    #[test]
    fn objects_are_aligned_and_apart() {
        let cache = KmemCache::<Wide>::new(c"oxmm-kunit-wide", Flags::NO_MERGE);
        let Ok(cache) = cache else { return };
        let all = KmemCache::alloc_bulk(&cache, 100, Gfp::KERNEL, |mark| {
            Wide([u8::try_from(mark).unwrap_or(0); 130])
        });
        let Ok(mut all) = all else { return };
        assert_eq!((all.len(), cache.nr_objects()), (100, 100));
        for (mark, object) in all.iter().enumerate() {
            assert_eq!(core::ptr::from_ref(&**object).addr() % 128, 0);
            assert!(object.0.iter().all(|&byte| usize::from(byte) == mark));
        }
        all.truncate(30);
        assert_eq!(cache.nr_objects(), 30);
        for node in Node::online() {
            let alone = Gfp::KERNEL | Gfp::THISNODE | Gfp::NOWARN;
            let object = KmemCache::alloc(&cache, Wide([0; 130]), alone, Some(node));
            assert_eq!(object.is_ok(), node.has_memory());
        }
    }

    /// With `Arc` an object keeps its cache, whichever is dropped first.
    #[test]
    fn an_object_keeps_its_cache() {
        let drops = Atomic::new(0);
        let cache = KmemCache::new(c"oxmm-kunit-kept", Flags::NO_MERGE);
        let cache = cache
            .ok()
            .and_then(|cache| Arc::new(cache, GFP_KERNEL).ok());
        let Some(cache) = cache else { return };
        let value = Told(&drops, 3);
        let object = KmemCache::alloc(cache.clone(), value, Gfp::KERNEL, None);
        drop(cache);
        assert!(object.as_ref().is_ok_and(|object| object.1 == 3));
        assert_eq!(drops.load(Relaxed), 0);
        drop(object);
        assert_eq!(drops.load(Relaxed), 1);
    }

    /// In bulk every value is dropped once, of this cache and of another.
    #[test]
    fn bulk_frees_all() {
        let drops = Atomic::new(0);
        let make = |name| KmemCache::new(name, Flags::NO_MERGE);
        let (Ok(cache), Ok(other)) = (make(c"oxmm-kunit-bulk"), make(c"oxmm-kunit-other")) else {
            return;
        };
        let value = |_| Told(&drops, 0);
        let objects = KmemCache::alloc_bulk(&cache, 75, Gfp::KERNEL, value);
        let more = KmemCache::alloc_bulk(&other, 5, Gfp::KERNEL, value);
        let (Ok(mut objects), Ok(more)) = (objects, more) else {
            return;
        };
        for object in more {
            assert!(objects.push(object, GFP_KERNEL).is_ok());
        }
        assert_eq!((cache.nr_objects(), other.nr_objects()), (75, 5));
        cache.free_bulk(objects);
        assert_eq!((cache.nr_objects(), other.nr_objects()), (0, 0));
        assert_eq!(drops.load(Relaxed), 80);
    }

    static MADE: Atomic<usize> = Atomic::new(0);

    /// A value that says which run of the constructor made it, and how often it was used.
    struct Numbered {
        run: usize,
        uses: usize,
    }

    impl Construct for Numbered {
        fn construct() -> Self {
            Self {
                run: MADE.fetch_add(1, Relaxed),
                uses: 0,
            }
        }
    }

    /// The constructor runs once for each object; the next owner finds what the last one left.
    #[test]
    fn constructed_values_stay() {
        let cache = KmemCache::<Numbered, _>::with_constructor(c"oxmm-kunit-made", Flags::NO_MERGE);
        let Ok(cache) = cache else { return };
        let mut uses = 0;
        for _ in 0..1000 {
            let Ok(mut object) = KmemCache::take(&cache, Gfp::KERNEL, None) else {
                return;
            };
            assert!(object.run < MADE.load(Relaxed));
            object.uses += 1;
            uses = uses.max(object.uses);
        }
        // A thousand uses of far fewer objects, unless KASAN keeps each back after its use.
        assert!(cfg!(CONFIG_KASAN_GENERIC) || (MADE.load(Relaxed) < 900 && uses > 1));
        assert!(KmemCache::take(&cache, Gfp::KERNEL | Gfp::ZERO, None).is_err());
    }

    /// A value that cannot be made leaves no object; one that is made in place is pinned.
    #[test]
    fn values_are_made_in_place() {
        let cache = KmemCache::<u64>::new(c"oxmm-kunit-pinned", Flags::NO_MERGE);
        let Ok(cache) = cache else { return };
        // SAFETY: Writes nothing and fails.
        let failing = unsafe { pin_init::pin_init_from_closure(|_: *mut u64| Err(EBUSY)) };
        let failed = KmemCache::pin_init(&cache, failing, Gfp::KERNEL, None);
        assert_eq!(failed.err().map(Error::to_errno), Some(EBUSY.to_errno()));
        assert_eq!(cache.nr_objects(), 0);
        let made = KmemCache::pin_init(&cache, 7u64, Gfp::KERNEL, None);
        assert!(made.is_ok_and(|value| *value == 7));
    }
}
