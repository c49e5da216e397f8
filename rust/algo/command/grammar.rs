// SPDX-License-Identifier: GPL-2.0

//! The grammar of the commands as data: what the parser obeys, errors quote and the help prints.
//!
//!   COMMANDS   verb, noun, keys (required, one of, optional), meaning, builder of the command
//!   QUERIES    the same for what is written to a view; the verb is the view's name
//!   Key        name and meaning of one `key=value`; with the other types in spec
//!   help       how all of that prints
//!
//! # Locking     none: constants.
//! # Cost        a lookup is linear in the table, which has some thirty lines.
//! # Limits      a key has one meaning, but that `node` of `machine` and `memblock add` is never `any`.
//! # Reference   DESIGN.md section 3.

mod help;
mod spec;

pub use help::Help;
pub(super) use help::{
    join,
    Title, //
};
pub use spec::{
    Key,
    Need,
    Spec,
    Use, //
};

use super::{
    admin,
    alloc,
    memblock,
    query, //
};
use spec::{
    key,
    one,
    opt,
    req, //
};

pub(super) const ADDR: Key = key("addr", "a kernel address, as 0xffff888000100000");
pub(super) const ALIGN: Key = key("align", "a power of two of bytes, as 64 or 4K");
pub(super) const ALL: Key = key("all", "");
pub(super) const BASE: Key = key("base", PHYS_ADDRESS);
pub(super) const BOTTOM_UP: Key = key("bottom_up", "0, or 1 for the lowest place that fits");
pub(super) const BYTES: Key = key("bytes", "a size of 1 or more, as 4096, 64K, 10M or 1G");
pub(super) const CACHE: Key = key("cache", CACHE_NAME);
pub(super) const CMA: Key = key("cma", "a size of 1 or more, as 16M");
pub(super) const COUNT: Key = key("count", "a number from 1 to 1000000");
pub(super) const CPUS: Key = key("cpus", "a rising list of CPUs from 0 to 8191, as 0-1,4");
pub(super) const CTOR: Key = key("ctor", "0, or 1 for a constructor that fills new objects");
pub(super) const DEFER: Key = key("defer", "0, or 1 for after a grace period");
pub(super) const DISTANCE: Key = key(
    "distance",
    "the distances to node 0, 1 and so on, each from 10 to 254, as 10,20",
);
pub(super) const EXACT: Key = key("exact", "0, or 1 for the node asked for or none");
pub(super) const FILL: Key = key("fill", "0, or 1 to write a pattern to all of it for verify");
pub(super) const FLAGS: Key = key(
    "flags",
    "a list as poison,track of hwalign, account, reclaim, typesafe, no_merge, redzone, poison, \
     track, checks",
);
pub(super) const GFP: Key = key(
    "gfp",
    "GFP_ names, __GFP_ names or 32-bit numbers, joined by |",
);
pub(super) const ID: Key = key("id", "a number from 1 on, as live shows it");
pub(super) const KIND: Key = key("kind", "one of anon, file, kernel");
pub(super) const MAX: Key = key("max", PHYS_ADDRESS);
pub(super) const MEM: Key = key("mem", "a size of 1 or more, as 64M");
pub(super) const MEMCG: Key = key("memcg", PATH_NAME);
pub(super) const MIN: Key = key("min", PHYS_ADDRESS);
pub(super) const NAME: Key = key("name", CACHE_NAME);
pub(super) const NODE: Key = key("node", "a node from 0 to 1023, or any");
pub(super) const NODE_ID: Key = key("node", "a node from 0 to 1023");
pub(super) const NODES: Key = key("nodes", "a rising list of nodes from 0 to 1023, as 0,2-3");
pub(super) const OFFSET: Key = key(
    "offset",
    "a number of bytes from the start of the page, as 12",
);
pub(super) const OOM_GROUP: Key = key("memory.oom.group", "0 or 1");
pub(super) const ORDER: Key = key("order", "a number from 0 to 18");
pub(super) const PATH: Key = key("path", PATH_NAME);
pub(super) const PATTERN: Key = key("pattern", "one of fifo, lifo, random");
pub(super) const PFN: Key = key("pfn", "the number of a page frame, as 4660 or 0x1234");
pub(super) const POLICY: Key = key("policy", "one of local, bind, preferred, interleave");
pub(super) const ROUNDS: Key = key("rounds", "a number from 1 to 1000000");
pub(super) const SHADOW: Key = key("shadow", "0, or 1 for a node without memory behind it");
pub(super) const SIZE: Key = key("size", "a size of 1 or more, as 100, 64K, 10M or 1G");
pub(super) const TAG: Key = key("tag", "1 to 32 printable characters without blanks");
pub(super) const THREADS: Key = key("threads", "a number from 1 to 1000000, at most one a CPU");
pub(super) const TYPE: Key = key(
    "type",
    "one of unmovable, movable, reclaimable, highatomic, cma, isolate",
);
pub(super) const VALUE: Key = key("value", "a number, as 1");
pub(super) const WORK: Key = key("work", "one of pair, bulk, batch, remote, floor");
pub(super) const ZONES: Key = key(
    "zones",
    "a list of sizes for dma, dma32, normal, movable, device, as dma32:16M,normal:48M",
);
pub(super) const MEMORY_MIN: Key = key("memory.min", LIMIT);
pub(super) const MEMORY_LOW: Key = key("memory.low", LIMIT);
pub(super) const MEMORY_HIGH: Key = key("memory.high", LIMIT);
pub(super) const MEMORY_MAX: Key = key("memory.max", LIMIT);
pub(super) const MEMORY_SWAP_HIGH: Key = key("memory.swap.high", LIMIT);
pub(super) const MEMORY_SWAP_MAX: Key = key("memory.swap.max", LIMIT);

const CACHE_NAME: &str = "1 to 32 printable characters without blanks and /";
const LIMIT: &str = "a size, as 0, 64K, 10M or 1G, or max";
const PATH_NAME: &str = "/ or names after /, as /a/b, up to 256 characters";
const PHYS_ADDRESS: &str = "a physical address, as 0x100000 or 16M";

/// Most keys that a command takes.
pub(super) const MAX_KEYS: usize = 12;

/// The grammar.
pub const COMMANDS: &[Spec] = &[
    Spec {
        verb: "alloc",
        noun: "pages",
        keys: &[
            opt(&ORDER),
            opt(&NODE),
            opt(&POLICY),
            opt(&NODES),
            opt(&GFP),
            opt(&COUNT),
            opt(&TYPE),
            opt(&FILL),
            opt(&MEMCG),
            opt(&KIND),
            opt(&TAG),
        ],
        meaning: "allocates count blocks of 2^order pages",
        build: alloc::pages,
    },
    Spec {
        verb: "alloc",
        noun: "range",
        keys: &[
            req(&SIZE),
            opt(&ALIGN),
            opt(&MIN),
            opt(&MAX),
            opt(&NODE),
            opt(&BOTTOM_UP),
            opt(&GFP),
            opt(&TYPE),
            opt(&FILL),
            opt(&TAG),
        ],
        meaning: "allocates whole pages that follow each other, moving what is in the way",
        build: alloc::range,
    },
    Spec {
        verb: "alloc",
        noun: "object",
        keys: &[
            one(&SIZE),
            one(&CACHE),
            opt(&NODE),
            opt(&GFP),
            opt(&COUNT),
            opt(&MEMCG),
            opt(&KIND),
            opt(&TAG),
        ],
        meaning: "allocates count objects by size (kmalloc) or from a cache",
        build: alloc::object,
    },
    Spec {
        verb: "alloc",
        noun: "percpu",
        keys: &[req(&SIZE), opt(&ALIGN), opt(&GFP), opt(&COUNT), opt(&TAG)],
        meaning: "allocates count per-CPU variables",
        build: alloc::percpu,
    },
    Spec {
        verb: "alloc",
        noun: "vmalloc",
        keys: &[
            req(&SIZE),
            opt(&ALIGN),
            opt(&NODE),
            opt(&GFP),
            opt(&COUNT),
            opt(&TAG),
        ],
        meaning: "allocates count virtually contiguous areas",
        build: alloc::vmalloc,
    },
    Spec {
        verb: "add",
        noun: "percpu",
        keys: &[req(&ID), opt(&VALUE)],
        meaning: "adds value, or 1, to the first word of every CPU's copy, each on its own CPU",
        build: alloc::add_percpu,
    },
    Spec {
        verb: "free",
        noun: "",
        keys: &[one(&ID), one(&TAG), one(&ALL), opt(&DEFER)],
        meaning: "frees one allocation, those of a tag, or all",
        build: alloc::free,
    },
    Spec {
        verb: "verify",
        noun: "",
        keys: &[one(&ID), one(&TAG), one(&ALL)],
        meaning: "reads what was filled, and says where it has other contents now",
        build: alloc::verify,
    },
    Spec {
        verb: "compact",
        noun: "",
        keys: &[opt(&ORDER), opt(&NODE)],
        meaning: "moves blocks for one of this order in each zone, or as many pageblocks as can be",
        build: admin::compact,
    },
    Spec {
        verb: "isolate",
        noun: "",
        keys: &[req(&PFN), one(&COUNT), one(&SIZE)],
        meaning: "has nothing allocated from the pageblocks of these pages",
        build: admin::isolate,
    },
    Spec {
        verb: "unisolate",
        noun: "",
        keys: &[req(&PFN), one(&COUNT), one(&SIZE)],
        meaning: "ends the isolation of these pages' pageblocks",
        build: admin::unisolate,
    },
    Spec {
        verb: "drain",
        noun: "",
        keys: &[],
        meaning: "empties the per-CPU lists",
        build: admin::drain,
    },
    Spec {
        verb: "poke",
        noun: "",
        keys: &[req(&PFN), req(&OFFSET), req(&VALUE)],
        meaning: "changes a byte of a page that nobody has, as a bug would",
        build: admin::poke,
    },
    Spec {
        verb: "unpoison",
        noun: "",
        keys: &[one(&PFN), one(&ALL)],
        meaning: "takes a page, or all, back into use that was found to be damaged",
        build: admin::unpoison,
    },
    Spec {
        verb: "shrink",
        noun: "",
        keys: &[req(&CACHE)],
        meaning: "gives the empty slabs of a cache back",
        build: admin::shrink,
    },
    Spec {
        verb: "cache",
        noun: "create",
        keys: &[req(&NAME), req(&SIZE), opt(&ALIGN), opt(&FLAGS), opt(&CTOR)],
        meaning: "makes a cache of objects of one size",
        build: admin::cache_create,
    },
    Spec {
        verb: "cache",
        noun: "destroy",
        keys: &[req(&NAME)],
        meaning: "removes a cache that holds no object",
        build: admin::cache_destroy,
    },
    Spec {
        verb: "memcg",
        noun: "create",
        keys: &[req(&PATH)],
        meaning: "makes a memory cgroup",
        build: admin::memcg_create,
    },
    Spec {
        verb: "memcg",
        noun: "remove",
        keys: &[req(&PATH)],
        meaning: "removes a memory cgroup that has no child",
        build: admin::memcg_remove,
    },
    Spec {
        verb: "memcg",
        noun: "set",
        keys: &[
            req(&PATH),
            one(&MEMORY_MIN),
            one(&MEMORY_LOW),
            one(&MEMORY_HIGH),
            one(&MEMORY_MAX),
            one(&MEMORY_SWAP_HIGH),
            one(&MEMORY_SWAP_MAX),
            one(&OOM_GROUP),
        ],
        meaning: "sets one protection or limit of a memory cgroup",
        build: admin::memcg_set,
    },
    Spec {
        verb: "memcg",
        noun: "reclaim",
        keys: &[req(&PATH), req(&BYTES)],
        meaning: "reclaims memory from a memory cgroup",
        build: admin::memcg_reclaim,
    },
    Spec {
        verb: "machine",
        noun: "",
        keys: &[
            req(&NODE_ID),
            opt(&MEM),
            opt(&ZONES),
            opt(&CPUS),
            opt(&DISTANCE),
            opt(&CMA),
            opt(&SHADOW),
        ],
        meaning: "describes one node of the next machine",
        build: admin::machine_node,
    },
    Spec {
        verb: "machine",
        noun: "build",
        keys: &[opt(&ORDER)],
        meaning: "makes the machine that was described, with blocks up to order, when nothing is \
                  allocated",
        build: admin::machine_build,
    },
    Spec {
        verb: "machine",
        noun: "reset",
        keys: &[],
        meaning: "goes back to the machine of load time, when nothing is allocated",
        build: admin::machine_reset,
    },
    Spec {
        verb: "memblock",
        noun: "add",
        keys: &[req(&BASE), req(&SIZE), opt(&NODE_ID)],
        meaning: "adds early memory; what is memory already keeps its node",
        build: memblock::add,
    },
    Spec {
        verb: "memblock",
        noun: "remove",
        keys: &[req(&BASE), req(&SIZE)],
        meaning: "takes early memory away",
        build: memblock::remove,
    },
    Spec {
        verb: "memblock",
        noun: "reserve",
        keys: &[req(&BASE), req(&SIZE)],
        meaning: "reserves a range, whether it is memory or not",
        build: memblock::reserve,
    },
    Spec {
        verb: "memblock",
        noun: "free",
        keys: &[req(&BASE), req(&SIZE)],
        meaning: "frees what is reserved or allocated of a range",
        build: memblock::free,
    },
    Spec {
        verb: "memblock",
        noun: "alloc",
        keys: &[
            req(&SIZE),
            opt(&ALIGN),
            opt(&MIN),
            opt(&MAX),
            opt(&NODE),
            opt(&EXACT),
            opt(&BOTTOM_UP),
        ],
        meaning: "finds early memory and reserves it; min is given up, and node without exact",
        build: memblock::alloc,
    },
    Spec {
        verb: "memblock",
        noun: "reset",
        keys: &[],
        meaning: "forgets all early memory and reservations",
        build: memblock::reset,
    },
];

/// What is written to a view before it is read.
pub const QUERIES: &[Spec] = &[
    Spec {
        verb: "would",
        noun: "",
        keys: &[
            opt(&ORDER),
            opt(&TYPE),
            opt(&NODE),
            opt(&POLICY),
            opt(&NODES),
            opt(&GFP),
        ],
        meaning: "which zone would serve an allocation, and which rule stops the others",
        build: query::would,
    },
    Spec {
        verb: "page",
        noun: "",
        keys: &[one(&PFN), one(&ADDR), one(&ID)],
        meaning: "all that is known of one page",
        build: query::page,
    },
    Spec {
        verb: "kmalloc",
        noun: "",
        keys: &[req(&SIZE)],
        meaning: "which class an object of this size takes, and what a cache of its own would",
        build: query::kmalloc,
    },
    Spec {
        verb: "gfp",
        noun: "",
        keys: &[req(&GFP)],
        meaning: "what flags mean",
        build: query::gfp,
    },
    Spec {
        verb: "bench",
        noun: "",
        keys: &[
            req(&WORK),
            opt(&ORDER),
            opt(&NODE),
            opt(&GFP),
            opt(&COUNT),
            opt(&PATTERN),
            opt(&THREADS),
            opt(&ROUNDS),
        ],
        meaning: "how long allocating and freeing pages takes; it is measured at once",
        build: query::bench,
    },
];
