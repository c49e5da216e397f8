// SPDX-License-Identifier: GPL-2.0

//! Slab caches of one's own: a network driver's 1500 bytes, packed closer than `kmalloc()` would.
//!
//!   kmalloc(1500)     |<-- 1500 -->|<- 548 lost ->|<-- 1500 -->|<- 548 lost ->|   a class for 2048
//!   plain cache       |<-- 1500 -->|4|<-- 1500 -->|4|<-- 1500 -->|4|              to the next word
//!   with constructor  |<-- 1500 -->|12|<-- 1500 -->|12|<-- 1500 -->|12|           and a word more
//!
//!   insmod sample_kmem_cache.ko count=64
//!   dmesg | grep sample_kmem_cache
//!   cd /sys/kernel/slab/sample-packet && grep . object_size slab_size objs_per_slab total_objects
//!   rmmod sample_kmem_cache
//!
//! What to try, and what to see:
//!
//!   count=64       the constructor runs more than 64 times: for every object of each slab, when the
//!                  slab is made. It does not run when an object is freed and taken again: the second
//!                  round finds the packets of the first one, as they were left
//!   count=4096     now it runs in the second round as well: of slabs that are wholly free Linux
//!                  keeps a few, and gives the others back to the buddy
//!   in the source  make `DATA` 1017, so that a packet has 1025 bytes: right above a class a cache
//!                  saves most. With 2000 bytes a class fits nearly, and it saves little
//!   slab_debug=ZP,sample-packet on the kernel's command line: objects grow by red zones, and by what
//!                  finds a write after free. KASAN has them grow as well, and keeps freed objects
//!                  back, so that the constructor runs for new ones
//!
//! Where the eight bytes go that a constructor costs: free objects are a list, which is linked through
//! their own bytes. But what a constructor made must stay, and so the link needs a word behind it.
//!
//! Other reasons for a cache of one's own: its name in /proc/slabinfo, so that a leak has an address;
//! and no object of someone else in the same slab, which a stray write could reach. Without
//! `NO_MERGE` Linux might give this cache the slabs of another one with objects of about its size.
//!
//! # Locking     none of its own.
//! # Limits      what is lost is measured, and of very few objects no two may be neighbours.
//! # Reference   `mm/slub.c`: `calculate_sizes()`, `setup_object()`, `kmem_cache_alloc_bulk()`;
//!               `mm/slab_common.c`: `kmem_cache_destroy()`.

use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};
use oxmm::{
    algo::units::Bytes,
    linux::{
        self,
        gfp::Gfp,
        kmalloc,
        kmem_cache::{
            typed::{
                Construct,
                Constructed,
                KmemCache,
                Object, //
            },
            Flags,
            Refusal, //
        },
    },
};

module! {
    type: KmemCaches,
    name: "sample_kmem_cache",
    authors: ["The oxmm developers"],
    description: "Makes slab caches of a type, and shows what their objects cost",
    license: "GPL",
    params: {
        count: usize {
            default: 64,
            description: "How many objects to take, 2 to 4096",
        },
    },
}

/// How many objects may be taken.
const COUNT: core::ops::RangeInclusive<usize> = 2..=4096;

/// The bytes of a packet besides the two numbers.
const DATA: usize = 1492;

/// What the driver has many of: 1500 bytes.
struct Packet {
    /// Which run of the constructor made it.
    _made: u32,
    /// How often it was taken since.
    uses: u32,
    _data: [u8; DATA],
}

/// How many packets were made so far.
static MADE: Atomic<u32> = Atomic::new(0);

impl Construct for Packet {
    /// In C a constructor gets a pointer to bytes and returns nothing, and whether it filled all of
    /// them in is its own affair. Here it has to return a packet.
    fn construct() -> Self {
        Self {
            _made: MADE.fetch_add(1, Relaxed),
            uses: 0,
            _data: [0; DATA],
        }
    }
}

/// A cache whose free objects are packets too.
type Packets = KmemCache<Packet, Constructed>;

/// A packet on loan: it holds a reference to its cache.
type Loan = Object<Packet, Arc<Packets>, Constructed>;

/// The module: a cache, and packets of it.
///
/// In C one frees every object and then destroys the cache; the other way round Linux prints "Objects
/// remaining", and the cache is there for ever. Rust drops fields from top to bottom, which is the
/// wrong way round here, and yet nothing goes wrong: the last object takes the cache along.
struct KmemCaches {
    cache: Arc<Packets>,
    _packets: KVec<Loan>,
}

impl kernel::Module for KmemCaches {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let count: usize = linux::parameter(module_parameters::count.value());
        if !COUNT.contains(&count) {
            return Err(EINVAL);
        }
        show_cost("kmalloc", kmalloc::roundup(SIZE));
        plain(count)?;

        let cache = Packets::with_constructor(c"sample-packet", Flags::NO_MERGE).map_err(errno)?;
        let cache = Arc::new(cache, GFP_KERNEL)?;
        let packets = take(&cache, count)?;
        show_cost(
            "constructed",
            distance(packets.iter().map(|packet| &**packet))?,
        );
        show_packets("first", &packets);
        drop(packets);
        let packets = take(&cache, count)?;
        show_packets("again", &packets);
        Ok(Self {
            cache,
            _packets: packets,
        })
    }
}

impl Drop for KmemCaches {
    fn drop(&mut self) {
        // The fields are dropped after this function, in their order; see above.
        let left = self.cache.nr_objects();
        pr_info!("{left} packets are freed, then the cache\n");
    }
}

const SIZE: Bytes = Bytes::new(size_of::<Packet>());

/// Why there is no cache, for `insmod`, which gets a number only.
fn errno(refusal: Refusal) -> Error {
    pr_err!("{}\n", format_args!("{refusal}"));
    match refusal {
        Refusal::NoMemory => ENOMEM,
        _ => EINVAL,
    }
}

/// A cache without a constructor, for a moment: the value is moved in when an object is allocated,
/// and dropped when it is freed.
///
/// The objects are taken in bulk: one call empties what this CPU has at hand, where `count` calls
/// would each find the way in and out. They borrow the cache, which costs nothing; and should this
/// function drop it before them, it would not compile.
///
/// # Errors
///
/// ENOMEM; what was allocated by then is dropped on the way out, there is no label to jump to.
fn plain(count: usize) -> Result {
    let cache = KmemCache::new(c"sample-plain", Flags::NO_MERGE).map_err(errno)?;
    let packets = KmemCache::alloc_bulk(&cache, count, Gfp::KERNEL, |number| Packet {
        _made: u32::try_from(number).unwrap_or(u32::MAX),
        uses: 1,
        _data: [0; DATA],
    })?;
    show_cost("plain", distance(packets.iter().map(|packet| &**packet))?);
    cache.free_bulk(packets);
    Ok(())
}

/// Takes packets out of the cache, and notes in each that it was.
///
/// # Errors
///
/// ENOMEM.
fn take(cache: &Arc<Packets>, count: usize) -> Result<KVec<Loan>> {
    let mut packets = KVec::with_capacity(count, GFP_KERNEL)?;
    for _ in 0..count {
        let mut packet = KmemCache::take(cache.clone(), Gfp::KERNEL, None)?;
        packet.uses = packet.uses.wrapping_add(1);
        packets.push(packet, GFP_KERNEL)?;
    }
    Ok(packets)
}

/// Prints what a packet costs.
fn show_cost(whence: &str, taken: Bytes) {
    pr_info!(
        "{whence}: {} bytes asked, {} taken, {} lost\n",
        SIZE.get(),
        taken.get(),
        taken.saturating_sub(SIZE).get()
    );
}

/// How far neighbours in a slab are apart: the least distance of all.
///
/// # Errors
///
/// ENOMEM, for a sorted list of addresses.
fn distance<'a>(packets: impl Iterator<Item = &'a Packet>) -> Result<Bytes> {
    let mut addresses = KVec::new();
    for packet in packets {
        addresses.push(core::ptr::from_ref(packet).addr(), GFP_KERNEL)?;
    }
    addresses.sort_unstable();
    let (firsts, nexts) = (addresses.iter(), addresses.iter().skip(1));
    let distances = firsts.zip(nexts).map(|(first, next)| next - first);
    Ok(distances.min().map_or(SIZE, Bytes::new))
}

/// Prints how many of the packets were used before, and how many were ever made.
///
/// Of the first round some were made and not taken: with the objects that were asked for, SLUB fills
/// an array for this CPU, its sheaf, to have the next ones at hand.
fn show_packets(when: &str, packets: &[Loan]) {
    pr_info!(
        "{when}: {} packets taken, {} of them used before; constructor ran {} times\n",
        packets.len(),
        packets.iter().filter(|packet| packet.uses > 1).count(),
        MADE.load(Relaxed)
    );
}
