// SPDX-License-Identifier: GPL-2.0

//! Holds `mirror.rs` against the running kernel: nothing of it is believed before.
//!
//!   probe cache --> struct kmem_cache, an object of the cache "kmem_cache", whose object size Linux
//!        |          tells: that of the mirror, all that depends on the configuration included
//!        +-> fields are what was asked for; each node's struct is an object of "kmem_cache_node"
//!        +-> barns and sheaves take what `kmalloc()` takes for their size; a sheaf names its cache
//!        +-> 200 objects taken, 123 given back, the rest given back: the truth moves exactly so
//!
//! Until the structs are proven all reads go through `copy_from_kernel_nofault()`, so that a mirror
//! that is wrong leads to an answer and not to a fault.
//!
//! # Locking     none; done once, when the module is loaded.
//! # Cost        a cache, 200 objects, and four visits of every CPU.
//! # Limits      with KASAN, which keeps freed objects back, and KFENCE, which has some of its own,
//!               the last step asks for bounds and not for the number.
//! # Reference   `mm/slub.c`: `kmem_cache_init()`; `mm/slab_common.c`: `kmem_cache_size()`.

use core::{
    mem::{
        offset_of,
        MaybeUninit, //
    },
    ptr::NonNull, //
};

use kernel::{
    bindings,
    ffi::c_void,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Release, //
        },
        Arc, //
    },
    transmute::FromBytes, //
};

use super::{
    locked::LockedBarn,
    mirror::{
        Counters,
        KmemCache,
        KmemCacheNode,
        NodeBarn,
        PerNode,
        PercpuSheaves,
        Slab,
        SlabSheaf, //
    },
    Known, //
};
use crate::algo::{
    snapshot::AddressKind,
    snapshot_slab::Unknown,
    units::{
        usize_from,
        Address,
        Bytes, //
    },
};
use crate::linux::{
    address,
    ffi,
    gfp::Gfp,
    hotplug::Reader,
    kmalloc,
    kmem_cache::{
        Cache,
        Config,
        Constructor,
        Flags,
        Object, //
    },
    node::{
        self,
        Node, //
    },
    PAGE_SHIFT, //
};

/// Which step the proof came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    Unproven,
    Proven,
    NoProbe,
    NotASlab,
    CacheStruct,
    Fields,
    NodeStruct,
    BarnStruct,
    SheafStruct,
    Counts,
}

impl Outcome {
    const ALL: [Self; 10] = [
        Self::Unproven,
        Self::Proven,
        Self::NoProbe,
        Self::NotASlab,
        Self::CacheStruct,
        Self::Fields,
        Self::NodeStruct,
        Self::BarnStruct,
        Self::SheafStruct,
        Self::Counts,
    ];

    const fn why(self) -> &'static str {
        match self {
            Self::Unproven => "the kernel's slab structs have not been looked at yet",
            Self::Proven => "the kernel's slab structs are known",
            Self::NoProbe => "there was no memory to look at the kernel's slab structs",
            Self::NotASlab => "a cache's struct is not in a slab as it should be",
            Self::CacheStruct => "struct kmem_cache is laid out otherwise in this kernel",
            Self::Fields => "the fields of struct kmem_cache hold something else in this kernel",
            Self::NodeStruct => "struct kmem_cache_node is laid out otherwise in this kernel",
            Self::BarnStruct => "struct node_barn is laid out otherwise in this kernel",
            Self::SheafStruct => "struct slab_sheaf is laid out otherwise in this kernel",
            Self::Counts => {
                "a known number of objects was not found again in this kernel's structs"
            }
        }
    }
}

/// How the proof ended, as its place in `Outcome::ALL`.
static OUTCOME: Atomic<u32> = Atomic::new(0);

/// Holds the mirror against the kernel; the outcome is kept.
///
/// # Errors
///
/// Why the kernel's structs are not known.
pub fn prove() -> Result<(), Unknown> {
    let reached = check().err().unwrap_or(Outcome::Proven);
    let place = Outcome::ALL.iter().position(|&it| it == reached);
    // `Release` pairs with the `Acquire` of `outcome`.
    OUTCOME.store(
        place.and_then(|it| u32::try_from(it).ok()).unwrap_or(0),
        Release,
    );
    outcome()
}

/// How it ended.
pub(super) fn outcome() -> Result<(), Unknown> {
    let place = usize_from(OUTCOME.load(Acquire));
    match Outcome::ALL
        .get(place)
        .copied()
        .unwrap_or(Outcome::Unproven)
    {
        Outcome::Proven => Ok(()),
        doubt => Err(Unknown(doubt.why())),
    }
}

/// Copies a value out of memory that need not be there.
pub(super) fn peek<T: FromBytes>(from: usize) -> Option<T> {
    let mut value = MaybeUninit::<T>::uninit();
    let to = value.as_mut_ptr().cast();
    let from: *const c_void = core::ptr::with_exposed_provenance(from);
    // SAFETY: `to` is as long as the value; that `from` is not is what the call is for.
    let error = unsafe { bindings::copy_from_kernel_nofault(to, from, size_of::<T>()) };
    // SAFETY: All of its bytes were copied, and any bytes are a value.
    (error == 0).then(|| unsafe { value.assume_init() })
}

/// Copies text out of memory that need not be there, up to its NUL or the array's end.
pub(super) fn peek_text<const N: usize>(from: usize) -> Option<[u8; N]> {
    let mut text = [0; N];
    for (byte, at) in text.iter_mut().zip(from..) {
        *byte = peek(at)?;
        if *byte == 0 {
            break;
        }
    }
    Some(text)
}

/// The address of the `struct slab` that an address of the linear mapping is in; `None` if no slab
/// is there. Memory that goes offline may take it away: it is read by [`peek`] alone.
pub(super) fn slab_of(addr: usize) -> Option<usize> {
    let at = address::translate(Address::new(addr));
    let pfn = at.pfn.filter(|_| at.kind == AddressKind::DirectMap)?;
    let reader = Reader::new();
    // SAFETY: The page is there as long as `reader`, and so is the head of its compound.
    let page = unsafe { ffi::oxmm_slab_page(reader.frame(pfn)?.as_ptr()) };
    NonNull::new(page).map(|page| page.as_ptr().expose_provenance())
}

/// The address of the cache that an object is of, which must have this name.
pub(super) fn cache_of(object: usize, name: &CStr) -> Option<usize> {
    let slab = slab_of(object)?;
    let cache: usize = peek(slab + offset_of!(Slab, slab_cache))?;
    let text = peek_text::<32>(peek(cache + offset_of!(KmemCache, name))?)?;
    text.starts_with(name.to_bytes_with_nul()).then_some(cache)
}

/// What Linux says an object of the cache at this address has.
///
/// # Safety
///
/// There is a live `struct kmem_cache`.
unsafe fn object_size(cache: usize) -> usize {
    // SAFETY: The caller's promise.
    usize_from(unsafe { bindings::kmem_cache_size(core::ptr::with_exposed_provenance_mut(cache)) })
}

const SIZE: usize = 200;
const ALIGN: usize = 64;
const HELD: usize = 200;
const KEPT: usize = 77;

fn check() -> Result<(), Outcome> {
    let probe = Cache::create(&Config {
        name: c"proof",
        size: Bytes::new(SIZE),
        align: Some(ALIGN),
        flags: Flags::NO_MERGE,
        constructor: Some(Constructor::Pattern),
    })
    .map_err(|_| Outcome::NoProbe)?;
    let cache = probe.as_raw().as_ptr().expose_provenance();
    slab_of(cache).ok_or(Outcome::NotASlab)?;
    cache_struct(cache).ok_or(Outcome::CacheStruct)?;
    fields(cache, &probe).ok_or(Outcome::Fields)?;
    node_structs(cache).ok_or(Outcome::NodeStruct)?;
    let capacity: u32 = peek_field(cache, offset_of!(KmemCache, sheaf_capacity))?;
    if capacity > 0 {
        barn_structs(cache).ok_or(Outcome::BarnStruct)?;
        sheaf_structs(cache, usize_from(capacity)).ok_or(Outcome::SheafStruct)?;
    }
    counts(&probe)
}

fn peek_field<T: FromBytes>(cache: usize, offset: usize) -> Result<T, Outcome> {
    peek(cache + offset).ok_or(Outcome::Fields)
}

/// The struct ends with an entry for each node number, and Linux says how large it is.
pub(super) fn cache_struct(cache: usize) -> Option<()> {
    let meta = cache_of(cache, c"kmem_cache")?;
    let nodes = node::possible_numbers().count();
    let size = offset_of!(KmemCache, per_node) + nodes * size_of::<PerNode>();
    // SAFETY: `meta` has the name of a cache where the name should be; it is what made the probe's
    // struct, and is never destroyed.
    (unsafe { object_size(meta) } == size).then_some(())
}

/// The fields of the probe are what was asked for.
fn fields(cache: usize, probe: &Cache) -> Option<()> {
    let word = |offset| peek::<u32>(cache + offset).map(usize_from);
    let long = |offset| peek::<usize>(cache + offset);
    let size = word(offset_of!(KmemCache, size))?;
    let fits = |at| {
        let oo = word(at)?;
        let (order, objects) = (oo >> 16, oo & 0xffff);
        let is_slab = order <= crate::linux::pages::MAX_ORDER.index() && objects > 0;
        (is_slab && objects * size <= 1usize << PAGE_SHIFT << order).then_some(())
    };
    let inuse = word(offset_of!(KmemCache, inuse))?;
    let is_asked = word(offset_of!(KmemCache, object_size))? == SIZE
        && word(offset_of!(KmemCache, align))? >= ALIGN
        && word(offset_of!(KmemCache, refcount))? == 1
        && long(offset_of!(KmemCache, ctor))? == probe.constructor_address()?
        && Flags::from_bits(peek(cache + offset_of!(KmemCache, flags))?).contains(Flags::NO_MERGE);
    let is_sound = (SIZE..1 << 16).contains(&size)
        && size % ALIGN == 0
        && (SIZE..=size).contains(&inuse)
        && word(offset_of!(KmemCache, offset))? < size
        && word(offset_of!(KmemCache, red_left_pad))? < size
        && long(offset_of!(KmemCache, min_partial))? <= 10
        && word(offset_of!(KmemCache, sheaf_capacity))? <= 4096;
    fits(offset_of!(KmemCache, oo))?;
    fits(offset_of!(KmemCache, min))?;
    list(cache + offset_of!(KmemCache, list))?;
    let name = peek_text::<32>(long(offset_of!(KmemCache, name))?)?;
    let is_named = name.starts_with(c"oxmm-proof".to_bytes_with_nul());
    (is_asked && is_sound && is_named).then_some(())
}

/// A list leads forward and back to the same entry.
pub(super) fn list(head: usize) -> Option<()> {
    let next: usize = peek(head + offset_of!(bindings::list_head, next))?;
    let back: usize = peek(next + offset_of!(bindings::list_head, prev))?;
    (back == head).then_some(())
}

fn entry(cache: usize, node: usize, offset: usize) -> Option<usize> {
    let entries = cache + offset_of!(KmemCache, per_node);
    peek(entries + node * size_of::<PerNode>() + offset)
}

/// Each node with memory has a struct, an object of the cache of such structs.
fn node_structs(cache: usize) -> Option<()> {
    for id in node::possible_numbers() {
        let node = entry(cache, id.index(), offset_of!(PerNode, node))?;
        if node == 0 {
            let has_memory = Node::get(id).is_some_and(|node| node.has_memory());
            (!has_memory).then_some(())?;
            continue;
        }
        let meta = cache_of(node, c"kmem_cache_node")?;
        // SAFETY: `meta` has the name of a cache where the name should be, in the struct that was
        // found to be laid out so; it is never destroyed.
        (unsafe { object_size(meta) } == size_of::<KmemCacheNode>()).then_some(())?;
        list(node + offset_of!(KmemCacheNode, partial))?;
        (peek::<usize>(node + offset_of!(KmemCacheNode, nr_partial))? == 0).then_some(())?;
    }
    Some(())
}

/// What is at this address came from `kmalloc()`, which took what it takes for this size.
pub(super) fn is_kmalloced(addr: usize, size: usize) -> Option<()> {
    slab_of(addr)?;
    // SAFETY: The address is in a slab, and that of a struct of a live cache, which nobody frees
    // meanwhile.
    let taken = unsafe { bindings::ksize(core::ptr::with_exposed_provenance(addr)) };
    // A debugging kernel knows what was asked for, and says that.
    (taken == size || taken == kmalloc::roundup(Bytes::new(size)).get()).then_some(())
}

/// Each online node has a barn, which is empty yet.
fn barn_structs(cache: usize) -> Option<()> {
    for id in Node::online().map(|node| node.id()) {
        let barn = entry(cache, id.index(), offset_of!(PerNode, barn))?;
        is_kmalloced(barn, size_of::<NodeBarn>())?;
        list(barn + offset_of!(NodeBarn, sheaves_full))?;
        let counts: [u32; 2] = peek(barn + offset_of!(NodeBarn, nr_full))?;
        (counts == [0, 0]).then_some(())?;
    }
    Some(())
}

/// Each CPU has a main sheaf of this cache, which is empty yet.
fn sheaf_structs(cache: usize, capacity: usize) -> Option<()> {
    let cookie: usize = peek(cache + offset_of!(KmemCache, cpu_sheaves))?;
    for cpu in Node::online().flat_map(|node| node.cpus()) {
        // SAFETY: Adds two numbers; the CPU is possible.
        let own =
            unsafe { ffi::oxmm_per_cpu_ptr(core::ptr::with_exposed_provenance_mut(cookie), cpu) };
        let own = own.expose_provenance();
        let main: usize = peek(own + offset_of!(PercpuSheaves, main))?;
        is_kmalloced(
            main,
            offset_of!(SlabSheaf, objects) + capacity * size_of::<usize>(),
        )?;
        let owner: usize = peek(main + offset_of!(SlabSheaf, cache))?;
        let size: u32 = peek(main + offset_of!(SlabSheaf, size))?;
        (owner == cache && size == 0).then_some(())?;
        for other in [
            offset_of!(PercpuSheaves, spare),
            offset_of!(PercpuSheaves, rcu_free),
        ] {
            (peek::<usize>(own + other)? == 0).then_some(())?;
        }
    }
    Some(())
}

/// A known number of objects is found again, whether they are held, free in sheaves or on slabs.
fn counts(probe: &Arc<Cache>) -> Result<(), Outcome> {
    // INVARIANT: the struct is laid out as the steps above found, and `probe` keeps it.
    let known = Known {
        cache: probe.as_raw().cast(),
        _alive: core::marker::PhantomData,
    };
    let mut held = KVec::with_capacity(HELD, GFP_KERNEL).map_err(|_| Outcome::NoProbe)?;
    is_used(&known, 0, 0)?;
    for _ in 0..HELD {
        let object = probe.alloc(Gfp::KERNEL, None);
        let object = object.map_err(|_| Outcome::NoProbe)?;
        is_on_its_slab(&known, &object).ok_or(Outcome::Counts)?;
        held.push(object, GFP_KERNEL)
            .map_err(|_| Outcome::NoProbe)?;
    }
    is_used(&known, HELD, HELD)?;
    held.truncate(KEPT);
    is_used(&known, KEPT, HELD)?;
    held.truncate(0);
    is_used(&known, 0, HELD)?;
    let barns = node::possible_numbers().filter_map(|id| NonNull::new(known.per_node(id)?.barn));
    for barn in barns {
        // SAFETY: A barn of the probe, which lives; laid out as found above.
        let is_sound = unsafe { LockedBarn::new(barn) }.is_sound();
        is_sound.then_some(()).ok_or(Outcome::BarnStruct)?;
    }
    Ok(())
}

pub(super) fn is_used(known: &Known<'_>, held: usize, ever: usize) -> Result<(), Outcome> {
    let loose = cfg!(any(
        CONFIG_KASAN_GENERIC,
        CONFIG_KASAN_SW_TAGS,
        CONFIG_KFENCE
    ));
    let is_good = match known.totals().map(|totals| totals.used()) {
        Ok(Some(used)) if loose => used <= ever,
        Ok(Some(used)) => used == held,
        Ok(None) => cfg!(not(CONFIG_SLUB_DEBUG)),
        // The counts of slabs alone are not to be had then.
        Err(_) => true,
    };
    is_good.then_some(()).ok_or(Outcome::Counts)
}

fn is_on_its_slab(known: &Known<'_>, object: &Object) -> Option<()> {
    if cfg!(CONFIG_KFENCE) {
        return Some(());
    }
    let slab = slab_of(object.addr().as_ptr().expose_provenance())?;
    let owner: usize = peek(slab + offset_of!(Slab, slab_cache))?;
    let counters = Counters::from_word(peek(slab + offset_of!(Slab, counters))?);
    let shape = known.shape();
    let is_whole = [shape.objs_per_slab, shape.min_objs_per_slab].contains(&counters.objects());
    let is_inuse = (1..=counters.objects()).contains(&counters.inuse());
    (owner == known.cache.as_ptr().expose_provenance() && is_whole && is_inuse).then_some(())
}
