// SPDX-License-Identifier: GPL-2.0

//! Tests of caches of bytes.

#[kernel::prelude::kunit_tests(oxmm_kmem_cache)]
mod suite {
    use super::super::*;

    const PLAIN: Config<'static> = Config {
        name: c"kunit-plain",
        size: Bytes::new(200),
        align: None,
        flags: Flags::NO_MERGE,
        constructor: None,
    };

    fn refused(config: Config<'_>) -> Option<Refusal> {
        Cache::create(&config).err()
    }

    /// Objects are counted while they are held; they lie where the alignment says.
    #[test]
    fn objects_are_counted_and_aligned() {
        let config = Config {
            align: Some(512),
            ..PLAIN
        };
        let Ok(cache) = Cache::create(&config) else {
            return;
        };
        let mut held = KVec::new();
        for nr in 1..40 {
            let Ok(object) = cache.alloc(Gfp::KERNEL, None) else {
                break;
            };
            assert_eq!(object.addr().as_ptr().addr() % 512, 0);
            assert!(object.node().is_some() && object.zone().is_some());
            if held.push(object, GFP_KERNEL).is_ok() {
                assert_eq!(cache.nr_objects(), nr);
            }
        }
        drop(held);
        assert_eq!(cache.nr_objects(), 0);
    }

    /// An object keeps its cache; with the last of both the name is free again.
    #[test]
    fn an_object_keeps_its_cache_and_name() {
        let Ok(cache) = Cache::create(&PLAIN) else {
            return;
        };
        let object = cache.alloc(Gfp::KERNEL, None);
        drop(cache);
        assert!(object.is_ok());
        assert_eq!(refused(PLAIN), Some(Refusal::NameTaken));
        drop(object);
        assert!(Cache::create(&PLAIN).is_ok());
    }

    /// The constructor runs once for each object of a slab, and not again for its next owner.
    #[test]
    fn the_constructor_runs_once_for_each_object() {
        let config = Config {
            constructor: Some(Constructor::Pattern),
            ..PLAIN
        };
        let Ok(cache) = Cache::create(&config) else {
            return;
        };
        assert_eq!(cache.constructed(), Some(0));
        let first = cache.alloc(Gfp::KERNEL, None).ok();
        let runs = cache.constructed();
        assert!(runs > Some(0));
        assert!(first.and_then(|object| object.constructed_as()) < runs);
        for _ in 0..100 {
            let object = cache.alloc(Gfp::KERNEL, None).ok();
            assert!(object.and_then(|object| object.constructed_as()).is_some());
        }
        // KASAN keeps freed objects back, so that the next one may be of a new slab.
        assert!(cfg!(CONFIG_KASAN_GENERIC) || cache.constructed() == runs);
        let zeroed = cache.alloc(Gfp::KERNEL | Gfp::ZERO, None).err();
        assert_eq!(zeroed, Some(Refusal::Zeroed));
    }

    /// In bulk as many objects are given as were asked for; what the taker refuses is freed.
    #[test]
    fn bulk_gives_all_and_frees_what_is_refused() {
        let Ok(cache) = Cache::create(&PLAIN) else {
            return;
        };
        let mut held = KVec::new();
        let taken = cache.alloc_bulk(Gfp::KERNEL, 100, |object| {
            held.push(object, GFP_KERNEL).map_err(|_| Refusal::NoMemory)
        });
        assert!(taken.is_ok());
        assert_eq!((held.len(), cache.nr_objects()), (100, 100));
        let refused = cache.alloc_bulk(Gfp::KERNEL, 100, |_| Err(Refusal::TooMany));
        assert_eq!(refused, Err(Refusal::TooMany));
        assert_eq!(cache.nr_objects(), 100);
    }

    /// Objects come from the node they are asked from; alone a memoryless node gives none.
    #[test]
    fn nodes_give_their_own() {
        let Ok(cache) = Cache::create(&PLAIN) else {
            return;
        };
        for node in Node::online() {
            let alone = cache.alloc(Gfp::KERNEL | Gfp::THISNODE, Some(node));
            assert_eq!(alone.is_ok(), node.has_memory());
            assert!(cache.alloc(Gfp::KERNEL, Some(node)).is_ok());
            if let Ok(object) = alone {
                assert_eq!(object.node(), Some(node.id()));
            }
        }
    }

    /// What Linux would answer with a WARN, a division by zero or a stack is refused before.
    #[test]
    fn bad_configurations_are_refused() {
        let size = |size| refused(Config { size, ..PLAIN });
        let align = |align| {
            refused(Config {
                align: Some(align),
                ..PLAIN
            })
        };
        let name = |name| refused(Config { name, ..PLAIN });
        for bad in [0, MAX_SIZE.get() + 1, usize::MAX].map(Bytes::new) {
            assert_eq!(size(bad), Some(Refusal::Size(bad)));
        }
        for bad in [0, 3, 1 << 21, usize::MAX] {
            assert_eq!(align(bad), Some(Refusal::Align(bad)));
        }
        for bad in [c"", c"a b", c"a/b", c":a", c"\xc3\xa4"] {
            assert_eq!(name(bad), Some(Refusal::Name));
        }
        assert_eq!(size(MAX_SIZE), None);
        assert_eq!(align(MAX_SIZE.get()), None);
    }
}
