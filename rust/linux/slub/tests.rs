// SPDX-License-Identifier: GPL-2.0

//! Tests of the truth about caches, and of the layout rule against real ones.

#[kernel::prelude::kunit_tests(oxmm_slub)]
mod suite {
    use kernel::{
        bindings,
        prelude::*, //
    };

    use super::super::{
        proof::*,
        Slub, //
    };
    use crate::{
        algo::{
            slab::layout::{
                Layout,
                Machine,
                Wanted, //
            },
            units::Bytes, //
        },
        linux::{
            ffi,
            gfp::Gfp,
            kmalloc,
            kmem_cache::{
                Cache,
                Config,
                Flags, //
            },
            pages::MAX_ORDER,
            PAGE_SHIFT, //
        },
    };

    const PLAIN: Config<'static> = Config {
        name: c"kunit-slub",
        size: Bytes::new(1500),
        align: None,
        flags: Flags::NO_MERGE,
        constructor: None,
    };

    /// The mirror holds for this kernel, and again.
    #[test]
    fn the_mirror_holds() {
        assert_eq!(prove(), Ok(()));
        assert!(Slub::get().is_ok());
    }

    /// What is not there is not read.
    #[test]
    fn memory_that_is_not_there_is_not_read() {
        assert_eq!(peek::<usize>(0), None);
        assert_eq!(peek_text::<8>(usize::MAX - 8), None);
        assert_eq!(slab_of(0), None);
        assert_eq!(slab_of(usize::MAX), None);
        assert!(cache_of(0, c"kmem_cache").is_none());
    }

    /// A wrong mirror is found out: another struct does not pass for a cache, nor for a list.
    #[test]
    fn another_struct_is_no_cache() {
        let Ok(memory) = kmalloc::Kmalloc::alloc(Bytes::new(512), Gfp::KERNEL | Gfp::ZERO, None)
        else {
            return;
        };
        let addr = memory.addr().as_ptr().expose_provenance();
        assert!(cache_struct(addr).is_none());
        assert!(list(addr).is_none());
        assert!(cache_of(addr, c"kmem_cache").is_none());
        assert!(is_kmalloced(addr, 512).is_some());
        assert!(is_kmalloced(addr, 513).is_none());
    }

    /// What is held is used, wherever the rest lies; a slab's objects are all accounted for.
    #[test]
    fn what_is_held_is_used() {
        let (Ok(slub), Ok(cache)) = (Slub::get(), Cache::create(&PLAIN)) else {
            return;
        };
        let known = slub.cache(&cache);
        let mut held = KVec::new();
        for (allocs, frees) in [(1, 0), (300, 100), (5, 206), (0, 0)] {
            for _ in 0..allocs {
                if let Ok(object) = cache.alloc(Gfp::KERNEL, None) {
                    assert!(held.push(object, GFP_KERNEL).is_ok());
                }
            }
            held.truncate(held.len() - frees);
            assert!(is_used(&known, cache.nr_objects(), 306).is_ok());
        }
        assert_eq!((held.len(), cache.nr_objects()), (0, 0));
    }

    /// An object knows its cache and its place; it is allocated while it is held and not after.
    #[test]
    fn an_object_knows_its_place() {
        let (Ok(slub), Ok(cache)) = (Slub::get(), Cache::create(&PLAIN)) else {
            return;
        };
        let Ok(object) = cache.alloc(Gfp::KERNEL, None) else {
            return;
        };
        let addr = object.addr().as_ptr().expose_provenance();
        let place = |addr| slub.place(addr, Some(&cache)).ok().flatten();
        let Some(inside) = place(addr + 7) else {
            assert!(cfg!(CONFIG_KFENCE));
            return;
        };
        assert_eq!(inside.cache.as_str(), "oxmm-kunit-slub");
        assert_eq!((inside.offset, inside.object_size.get()), (7, 1500));
        assert_eq!(inside.state.name(), "allocated");
        drop(object);
        let state = place(addr).map(|place| place.state.name());
        let kept_back = cfg!(CONFIG_KASAN_GENERIC) && state == Some("allocated");
        assert!(kept_back || matches!(state, None | Some("free" | "in-sheaf")));
    }

    fn machine() -> Machine {
        // SAFETY: The shim takes nothing and returns a number.
        let present = unsafe { ffi::oxmm_num_present_cpus() };
        let cpus = match present {
            // As SLUB does, which trusts no machine of one CPU.
            1 => kernel::cpu::nr_cpu_ids(),
            more => more,
        };
        Machine {
            page_shift: PAGE_SHIFT,
            cpus: crate::algo::units::usize_from(cpus),
            cache_line: crate::algo::units::usize_from(bindings::L1_CACHE_BYTES),
            min_align: bindings::ARCH_SLAB_MINALIGN,
            max_order: MAX_ORDER,
        }
    }

    /// What the rule says of a request is what a cache made for it has.
    #[track_caller]
    fn is_laid_out(wanted: Wanted, flags: Flags) {
        let config = Config {
            name: c"kunit-layout",
            size: Bytes::new(wanted.size),
            align: (wanted.align > 0).then_some(wanted.align),
            flags: flags | Flags::NO_MERGE,
            constructor: None,
        };
        let (Ok(slub), Ok(cache)) = (Slub::get(), Cache::create(&config)) else {
            return;
        };
        let shape = slub.cache(&cache).shape();
        let layout = Layout::new(&machine(), &wanted);
        let shown = layout.map(|it| (it.size, it.align, it.order, it.objects));
        let real = (
            shape.size.get(),
            shape.align,
            shape.order,
            shape.objs_per_slab,
        );
        assert_eq!(shown, Some(real));
        let capacity = layout.map(|it| it.sheaf_capacity(&machine()));
        assert!(shape.sheaf_capacity == 0 || Some(shape.sheaf_capacity) == capacity);
    }

    fn of(size: usize) -> Wanted {
        Wanted {
            size,
            ..Wanted::default()
        }
    }

    /// The rule of sizes and orders holds for real caches, where KASAN adds nothing.
    #[test]
    fn the_layout_is_that_of_real_caches() {
        if cfg!(any(CONFIG_KASAN_GENERIC, CONFIG_KASAN_SW_TAGS)) {
            return;
        }
        for size in [
            1, 7, 8, 9, 24, 64, 65, 96, 100, 192, 200, 255, 256, 500, 512, 600, 1000, 1024, 1500,
            2000, 2048, 3000, 4096, 5000, 8192, 9000, 16_384, 20_000, 32_768,
        ] {
            is_laid_out(of(size), Flags::NONE);
            let align = 512;
            is_laid_out(Wanted { align, ..of(size) }, Flags::NONE);
            let is_line_aligned = true;
            let lines = Wanted {
                is_line_aligned,
                ..of(size)
            };
            is_laid_out(lines, Flags::HWCACHE_ALIGN);
            let keeps_bytes = true;
            let stale = Wanted {
                keeps_bytes,
                ..of(size)
            };
            is_laid_out(stale, Flags::TYPESAFE_BY_RCU);
            let has_red_zone = true;
            let watched = Wanted {
                has_red_zone,
                ..of(size)
            };
            is_laid_out(watched, Flags::RED_ZONE);
            let is_poisoned = true;
            let filled = Wanted {
                is_poisoned,
                ..watched
            };
            is_laid_out(filled, Flags::RED_ZONE | Flags::POISON);
        }
        is_laid_out(of(32_769), Flags::NONE);
        is_laid_out(of(1 << 20), Flags::NONE);
    }
}
