// SPDX-License-Identifier: GPL-2.0

//! The commands that change a manager and not what is held: compaction, isolation, caches, memory
//! cgroups, the machine, typed.
//!
//!   compact order=9 node=0          isolate pfn=4608 count=512        unisolate pfn=4608 size=2M
//!   cache create name=foo size=1500 align=64 flags=hwalign,redzone ctor=1
//!   cache destroy name=foo          shrink cache=foo          drain
//!   poke pfn=4660 offset=12 value=0xab        unpoison pfn=4660 | all
//!   memcg create path=/a            memcg remove path=/a
//!   memcg set path=/a memory.max=10M          memcg reclaim path=/a bytes=1M
//!   machine node=0 mem=64M zones=dma32:16M,normal:48M cpus=0-1 distance=10,20 cma=16M
//!   machine build order=10          machine reset
//!
//! # Locking     none: plain values, names borrow from the line.
//! # Cost        O(keys).
//! # Limits      one line describes one node; that the nodes make a machine is for `machine build`
//!               to say.
//! # Reference   grammar.rs says which command takes which key.

use core::fmt;

use super::alloc::put;
use super::args::Args;
use super::error::ParseError;
use super::grammar::{
    self,
    Key, //
};
use super::list::{
    CacheFlags,
    CpuList,
    Distances,
    ZoneSizes, //
};
use super::names::{
    CacheName,
    MemcgPath, //
};
use super::value::{
    Align,
    Count,
    Limit,
    NodeWish, //
};
use super::Command;
use crate::algo::units::{
    Bytes,
    NodeId,
    Order,
    Pfn, //
};

/// `cache create`: a cache to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheCreate<'a> {
    /// Its name.
    pub name: CacheName<'a>,
    /// The size of an object.
    pub size: Bytes,
    /// The least alignment of an object.
    pub align: Option<Align>,
    /// Its properties; without the key none.
    pub flags: Option<CacheFlags>,
    /// Whether a constructor fills each object of a new slab.
    pub ctor: bool,
}

/// `memcg set`: what to set in which group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemcgSet<'a> {
    /// The group.
    pub path: MemcgPath<'a>,
    /// The file of the group, and what is written to it.
    pub setting: Setting,
}

/// A file of a memory cgroup with its new value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// `memory.min`.
    Min(Limit),
    /// `memory.low`.
    Low(Limit),
    /// `memory.high`.
    High(Limit),
    /// `memory.max`.
    Max(Limit),
    /// `memory.swap.high`.
    SwapHigh(Limit),
    /// `memory.swap.max`.
    SwapMax(Limit),
    /// `memory.oom.group`.
    OomGroup(bool),
}

/// `machine node=`: one node of the next machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MachineNode<'a> {
    /// The node.
    pub node: NodeId,
    /// Its memory; without it the node has none.
    pub mem: Option<Bytes>,
    /// How its memory is divided; without it as the manager does.
    pub zones: Option<ZoneSizes>,
    /// Its CPUs; without it the node has none.
    pub cpus: Option<CpuList<'a>>,
    /// How far the nodes are; without it as the manager says.
    pub distance: Option<Distances<'a>>,
    /// How much of its memory is for CMA areas; without it none.
    pub cma: Option<Bytes>,
    /// Without memory behind its frames.
    pub shadow: bool,
}

/// `compact`: what to move blocks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compact {
    /// The order of the block that is wanted; without it as many pageblocks as can be.
    pub order: Option<Order>,
    /// The node whose zones are compacted; without it all.
    pub node: Option<NodeWish>,
}

/// `isolate` and `unisolate`: pages that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRange {
    /// The first one.
    pub pfn: Pfn,
    /// How many there are.
    pub extent: Extent,
}

/// How many pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// So many.
    Pages(Count),
    /// As have so many bytes.
    Size(Bytes),
}

pub(super) fn compact<'a>(args: &Args<'a>) -> Result<Command<'a>, ParseError<'a>> {
    Ok(Command::Compact(Compact {
        order: args.get(&grammar::ORDER)?,
        node: args.get(&grammar::NODE)?,
    }))
}

fn page_range<'a>(args: &Args<'a>) -> Result<PageRange, ParseError<'a>> {
    Ok(PageRange {
        pfn: args.need(&grammar::PFN)?,
        extent: match args.get(&grammar::COUNT)? {
            Some(count) => Extent::Pages(count),
            None => Extent::Size(args.need(&grammar::SIZE)?),
        },
    })
}

pub(super) fn isolate<'a>(args: &Args<'a>) -> Result<Command<'a>, ParseError<'a>> {
    page_range(args).map(Command::Isolate)
}

pub(super) fn unisolate<'a>(args: &Args<'a>) -> Result<Command<'a>, ParseError<'a>> {
    page_range(args).map(Command::Unisolate)
}

pub(super) fn drain<'a>(_: &Args<'a>) -> Result<Command<'a>, ParseError<'a>> {
    Ok(Command::Drain)
}

pub(super) fn poke<'a>(args: &Args<'a>) -> Result<Command<'a>, ParseError<'a>> {
    Ok(Command::Poke {
        pfn: args.need(&grammar::PFN)?,
        offset: args.need(&grammar::OFFSET)?,
        value: args.need(&grammar::VALUE)?,
    })
}

pub(super) fn unpoison<'a>(args: &Args<'a>) -> Result<Command<'a>, ParseError<'a>> {
    let pfn = args.get(&grammar::PFN)?;
    Ok(Command::Unpoison { pfn })
}

pub(super) fn shrink<'a>(args: &Args<'a>) -> Result<Command<'a>, ParseError<'a>> {
    let cache = args.need(&grammar::CACHE)?;
    Ok(Command::Shrink { cache })
}

pub(super) fn cache_create<'a>(args: &Args<'a>) -> Result<Command<'a>, ParseError<'a>> {
    Ok(Command::CacheCreate(CacheCreate {
        name: args.need(&grammar::NAME)?,
        size: args.need(&grammar::SIZE)?,
        align: args.get(&grammar::ALIGN)?,
        flags: args.get(&grammar::FLAGS)?,
        ctor: args.get(&grammar::CTOR)?.unwrap_or(false),
    }))
}

pub(super) fn cache_destroy<'a>(args: &Args<'a>) -> Result<Command<'a>, ParseError<'a>> {
    let name = args.need(&grammar::NAME)?;
    Ok(Command::CacheDestroy { name })
}

pub(super) fn memcg_create<'a>(args: &Args<'a>) -> Result<Command<'a>, ParseError<'a>> {
    let path = args.need(&grammar::PATH)?;
    Ok(Command::MemcgCreate { path })
}

pub(super) fn memcg_remove<'a>(args: &Args<'a>) -> Result<Command<'a>, ParseError<'a>> {
    let path = args.need(&grammar::PATH)?;
    Ok(Command::MemcgRemove { path })
}

pub(super) fn memcg_set<'a>(args: &Args<'a>) -> Result<Command<'a>, ParseError<'a>> {
    let path = args.need(&grammar::PATH)?;
    let setting = match LIMITS.iter().find(|(key, _)| args.has(key)) {
        Some((key, setting)) => setting(args.need(key)?),
        None => Setting::OomGroup(args.need(&grammar::OOM_GROUP)?),
    };
    Ok(Command::MemcgSet(MemcgSet { path, setting }))
}

type MakeSetting = fn(Limit) -> Setting;

/// Which setting a key with a limit makes.
const LIMITS: &[(&Key, MakeSetting)] = &[
    (&grammar::MEMORY_MIN, Setting::Min),
    (&grammar::MEMORY_LOW, Setting::Low),
    (&grammar::MEMORY_HIGH, Setting::High),
    (&grammar::MEMORY_MAX, Setting::Max),
    (&grammar::MEMORY_SWAP_HIGH, Setting::SwapHigh),
    (&grammar::MEMORY_SWAP_MAX, Setting::SwapMax),
];

pub(super) fn memcg_reclaim<'a>(args: &Args<'a>) -> Result<Command<'a>, ParseError<'a>> {
    Ok(Command::MemcgReclaim {
        path: args.need(&grammar::PATH)?,
        bytes: args.need(&grammar::BYTES)?,
    })
}

pub(super) fn machine_node<'a>(args: &Args<'a>) -> Result<Command<'a>, ParseError<'a>> {
    Ok(Command::MachineNode(MachineNode {
        node: args.need(&grammar::NODE_ID)?,
        mem: args.get(&grammar::MEM)?,
        zones: args.get(&grammar::ZONES)?,
        cpus: args.get(&grammar::CPUS)?,
        distance: args.get(&grammar::DISTANCE)?,
        cma: args.get(&grammar::CMA)?,
        shadow: args.get(&grammar::SHADOW)?.unwrap_or(false),
    }))
}

pub(super) fn machine_build<'a>(args: &Args<'a>) -> Result<Command<'a>, ParseError<'a>> {
    let order = args.get(&grammar::ORDER)?;
    Ok(Command::MachineBuild { order })
}

pub(super) fn machine_reset<'a>(_: &Args<'a>) -> Result<Command<'a>, ParseError<'a>> {
    Ok(Command::MachineReset)
}

impl fmt::Display for Compact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("compact")?;
        put(f, &grammar::ORDER, self.order)?;
        put(f, &grammar::NODE, self.node)
    }
}

impl fmt::Display for PageRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{} ", grammar::PFN, self.pfn)?;
        match self.extent {
            Extent::Pages(count) => write!(f, "{}{count}", grammar::COUNT),
            Extent::Size(size) => write!(f, "{}{size}", grammar::SIZE),
        }
    }
}

impl fmt::Display for CacheCreate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, size) = (self.name, self.size);
        write!(
            f,
            "cache create {}{name} {}{size}",
            grammar::NAME,
            grammar::SIZE
        )?;
        put(f, &grammar::ALIGN, self.align)?;
        put(f, &grammar::FLAGS, self.flags)?;
        put(f, &grammar::CTOR, self.ctor.then_some(1))
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, limit) = match *self {
            Self::Min(limit) => (&grammar::MEMORY_MIN, limit),
            Self::Low(limit) => (&grammar::MEMORY_LOW, limit),
            Self::High(limit) => (&grammar::MEMORY_HIGH, limit),
            Self::Max(limit) => (&grammar::MEMORY_MAX, limit),
            Self::SwapHigh(limit) => (&grammar::MEMORY_SWAP_HIGH, limit),
            Self::SwapMax(limit) => (&grammar::MEMORY_SWAP_MAX, limit),
            Self::OomGroup(on) => {
                return write!(f, "{}{}", grammar::OOM_GROUP, u8::from(on));
            }
        };
        write!(f, "{key}{limit}")
    }
}

impl fmt::Display for MemcgSet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, setting) = (self.path, self.setting);
        write!(f, "memcg set {}{path} {setting}", grammar::PATH)
    }
}

impl fmt::Display for MachineNode<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "machine {}{}", grammar::NODE_ID, self.node)?;
        put(f, &grammar::MEM, self.mem)?;
        put(f, &grammar::ZONES, self.zones)?;
        put(f, &grammar::CPUS, self.cpus)?;
        put(f, &grammar::DISTANCE, self.distance)?;
        put(f, &grammar::CMA, self.cma)?;
        put(f, &grammar::SHADOW, self.shadow.then_some(1))
    }
}
