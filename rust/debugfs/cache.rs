// SPDX-License-Identifier: GPL-2.0

//! `cache/NAME/`: a directory for each cache that was made, with a file for each fact.
//!
//!   as in /sys/kernel/slab/NAME/:   object_size slab_size align order objs_per_slab min_partial
//!                                   sheaf_capacity aliases slabs partial total_objects objects
//!                                   objects_partial      numbers, by node where it has nodes
//!   nobody else shows:              used cpu_sheaves barns partial_fullness waste slabinfo
//!
//! It is there from `cache create` to `cache destroy`. A reader that is inside while its cache is
//! destroyed reads to the end or gets ENOENT.
//!
//! # Locking     a read keeps its cache from being destroyed until it has ended.
//! # Limits      a fact that is not known reads `unknown`, and then why.
//! # Reference   `mm/slub.c`: `show_slab_objects()`, `get_slabinfo()`.

use core::{
    fmt::Write,
    marker::PhantomData, //
};

use kernel::{
    prelude::*,
    sync::Arc, //
};

use super::caches::{
    More,
    OrDash, //
};
use crate::algo::{
    snapshot_slab::{
        Fullness,
        NodeSlabs,
        Shape,
        Unknown, //
    },
    units::NodeId, //
};
use crate::lab::{
    Cache,
    Lab,
    Manager, //
};
use crate::linux::{
    debugfs::{
        Dir,
        File,
        Folder,
        Text, //
    },
    PAGE_SHIFT, //
};

/// What the files of one directory show: a cache by name.
pub(super) struct Named<M: Manager> {
    lab: Arc<Lab<M>>,
    name: KVec<u8>,
}

/// Makes the directories those of the caches that there are.
///
/// # Errors
///
/// ENOMEM; what could be done is done.
pub(super) fn follow<M: Manager>(folder: &Folder<Named<M>>, lab: &Arc<Lab<M>>) -> Result {
    let make = |name: &[u8]| {
        let mut copy = KVec::new();
        copy.extend_from_slice(name, GFP_KERNEL)?;
        let named = Named {
            lab: lab.clone(),
            name: copy,
        };
        Ok(KBox::new(named, GFP_KERNEL)?.into())
    };
    folder.follow(|| lab.cache_names(), make, fill)
}

/// A cache, with the lab that says which nodes there are.
struct At<'a, M: Manager> {
    manager: &'a M,
    cache: &'a M::Cache,
    name: &'a str,
}

/// A fact of a cache: a file.
trait Fact: 'static {
    const NAME: &'static CStr;

    /// Prints the file; the inner error is why it cannot.
    fn show<M: Manager>(at: &At<'_, M>, out: &mut Text) -> Result<Result<(), Unknown>>;
}

/// The file of a fact.
struct Of<F>(PhantomData<F>);

impl<M: Manager, F: Fact> File<Named<M>> for Of<F> {
    const NAME: &'static CStr = F::NAME;

    fn read(named: &Named<M>, out: &mut Text) -> Result {
        let name = core::str::from_utf8(&named.name).map_err(|_| EINVAL)?;
        let cache = named.lab.cache(name).ok_or(ENOENT)?;
        let manager = named.lab.manager();
        let at = At {
            manager: &manager,
            cache: cache.get(),
            name,
        };
        if let Err(why) = F::show(&at, out)? {
            out.clear();
            writeln!(out, "unknown\n# {}", why.0)?;
        }
        Ok(())
    }
}

/// Facts that are one number of the layout.
macro_rules! numbers {
    ($($Fact:ident $name:literal $number:expr;)+) => {$(
        struct $Fact;

        impl Fact for $Fact {
            const NAME: &'static CStr = $name;

            fn show<M: Manager>(at: &At<'_, M>, out: &mut Text) -> Result<Result<(), Unknown>> {
                let number: fn(&Shape) -> usize = $number;
                match at.cache.shape() {
                    Ok(shape) => Ok(Ok(writeln!(out, "{}", number(&shape))?)),
                    Err(why) => Ok(Err(why)),
                }
            }
        }
    )+};
}

numbers! {
    ObjectSize c"object_size" |shape| shape.object_size.get();
    SlabSize c"slab_size" |shape| shape.size.get();
    Align c"align" |shape| shape.align;
    Order c"order" |shape| shape.order.index();
    ObjsPerSlab c"objs_per_slab" |shape| shape.objs_per_slab;
    MinPartial c"min_partial" |shape| shape.min_partial;
    SheafCapacity c"sheaf_capacity" |shape| shape.sheaf_capacity;
    Aliases c"aliases" |shape| shape.aliases;
}

/// Facts that are a sum and its part on each node, as sysfs prints them.
macro_rules! by_node {
    ($($Fact:ident $name:literal $number:expr;)+) => {$(
        struct $Fact;

        impl Fact for $Fact {
            const NAME: &'static CStr = $name;

            fn show<M: Manager>(at: &At<'_, M>, out: &mut Text) -> Result<Result<(), Unknown>> {
                nodes(at, $number, out)
            }
        }
    )+};
}

by_node! {
    Slabs c"slabs" |node| node.made.map(|(slabs, _)| slabs);
    TotalObjects c"total_objects" |node| node.made.map(|(_, objects)| objects);
    Objects c"objects" |node| {
        let partial = node.partial.unwrap_or_default();
        node.made.map(|(_, objects)| objects.saturating_sub(partial.free))
    };
    Partial c"partial" |node| Some(node.partial?.slabs);
    ObjectsPartial c"objects_partial" |node| Some(node.partial?.inuse);
}

fn nodes<M: Manager>(
    at: &At<'_, M>,
    number: fn(&NodeSlabs) -> Option<usize>,
    out: &mut Text,
) -> Result<Result<(), Unknown>> {
    let mut parts = KVec::<(NodeId, usize)>::new();
    for node in at.manager.nodes() {
        let slabs = match at.cache.slabs(node) {
            Ok(slabs) => slabs,
            Err(why) => return Ok(Err(why)),
        };
        match number(&slabs) {
            Some(part) => parts.push((node, part), GFP_KERNEL)?,
            // A node without memory has none to count.
            None if slabs.partial.is_none() => {}
            None => {
                return Ok(Err(Unknown(
                    "this kernel counts no slabs (CONFIG_SLUB_DEBUG)",
                )))
            }
        }
    }
    let sum: usize = parts.iter().map(|&(_, part)| part).sum();
    write!(out, "{sum}")?;
    for (node, part) in parts.iter().filter(|(_, part)| *part > 0) {
        write!(out, " N{node}={part}")?;
    }
    Ok(Ok(writeln!(out)?))
}

/// Facts that are tables.
macro_rules! tables {
    ($($Fact:ident $name:literal $show:ident;)+) => {$(
        struct $Fact;

        impl Fact for $Fact {
            const NAME: &'static CStr = $name;

            fn show<M: Manager>(at: &At<'_, M>, out: &mut Text) -> Result<Result<(), Unknown>> {
                $show(at, out)
            }
        }
    )+};
}

tables! {
    Used c"used" used;
    CpuSheaves c"cpu_sheaves" cpu_sheaves;
    Barns c"barns" barns;
    PartialFullness c"partial_fullness" partial_fullness;
    Waste c"waste" waste;
    Slabinfo c"slabinfo" slabinfo;
}

/// Passes on why something is not known as the inner error.
macro_rules! known {
    ($asked:expr) => {
        match $asked {
            Ok(known) => known,
            Err(why) => return Ok(Err(why)),
        }
    };
}

/// Where all objects are: a line for each place.
fn used<M: Manager>(at: &At<'_, M>, out: &mut Text) -> Result<Result<(), Unknown>> {
    let totals = known!(at.cache.totals());
    writeln!(out, "{:<11} {:>10}", "objects", OrDash(totals.objects()))?;
    writeln!(out, "{:<11} {:>10}", "used", OrDash(totals.used()))?;
    writeln!(out, "{:<11} {:>10}", "held", at.cache.nr_objects())?;
    let on_slabs = More(totals.free_on_slabs, totals.has_more);
    writeln!(out, "{:<11} {on_slabs:>10}", "on_slabs")?;
    writeln!(out, "{:<11} {:>10}", "in_sheaves", totals.free_in_sheaves)?;
    writeln!(out, "{:<11} {:>10}", "in_barns", totals.free_in_barns)?;
    writeln!(out, "{:<11} {:>10}", "waiting", totals.waiting)?;
    let runs = at.cache.constructed();
    Ok(Ok(writeln!(
        out,
        "{:<11} {:>10}",
        "constructed",
        OrDash(runs)
    )?))
}

/// A line for each CPU: free objects in its sheaves.
fn cpu_sheaves<M: Manager>(at: &At<'_, M>, out: &mut Text) -> Result<Result<(), Unknown>> {
    let capacity = known!(at.cache.shape()).sheaf_capacity;
    writeln!(
        out,
        "{:<4} {:<4} {:>8} {:>6} {:>6} {:>8}",
        "cpu", "node", "capacity", "main", "spare", "rcu_free"
    )?;
    if capacity == 0 {
        return Ok(Ok(()));
    }
    for node in at.manager.nodes() {
        for cpu in at.manager.cpus(node) {
            let sheaves = known!(at.cache.sheaves(cpu));
            writeln!(
                out,
                "{cpu:<4} {node:<4} {capacity:>8} {:>6} {:>6} {:>8}",
                sheaves.main,
                OrDash(sheaves.spare),
                OrDash(sheaves.rcu_free)
            )?;
        }
    }
    Ok(Ok(()))
}

/// A line for each node that has a barn.
fn barns<M: Manager>(at: &At<'_, M>, out: &mut Text) -> Result<Result<(), Unknown>> {
    writeln!(
        out,
        "{:<4} {:>6} {:>6} {:>8}",
        "node", "full", "empty", "objects"
    )?;
    for node in at.manager.nodes() {
        if let Some(barn) = known!(at.cache.slabs(node)).barn {
            writeln!(
                out,
                "{node:<4} {:>6} {:>6} {:>8}",
                barn.full, barn.empty, barn.objects
            )?;
        }
    }
    Ok(Ok(()))
}

/// A line for each node that can have slabs: its partial list, by how full the slabs are.
fn partial_fullness<M: Manager>(at: &At<'_, M>, out: &mut Text) -> Result<Result<(), Unknown>> {
    write!(out, "{:<4} {:>8}", "node", "slabs")?;
    for class in Fullness::ALL {
        write!(out, " {class:>6}")?;
    }
    writeln!(out, " {:>8} {:>8}", "inuse", "on_slabs")?;
    for node in at.manager.nodes() {
        let Some(partial) = known!(at.cache.slabs(node)).partial else {
            continue;
        };
        write!(out, "{node:<4} {:>8}", partial.slabs)?;
        for slabs in partial.fullness {
            write!(out, " {slabs:>6}")?;
        }
        let on_slabs = More(partial.free, partial.has_more());
        writeln!(out, " {:>8} {on_slabs:>8}", partial.inuse)?;
    }
    Ok(Ok(()))
}

/// Bytes that nobody can use: of an object, of a slab, of all slabs; and those of free objects.
fn waste<M: Manager>(at: &At<'_, M>, out: &mut Text) -> Result<Result<(), Unknown>> {
    let shape = known!(at.cache.shape());
    let totals = known!(at.cache.totals());
    let per_slab = shape.waste_per_slab(PAGE_SHIFT);
    let times = |bytes: usize, count: Option<usize>| count.map(|it| bytes.saturating_mul(it));
    let object = shape.waste_per_object().get();
    let unused = totals
        .objects()
        .and_then(|objects| Some(objects.saturating_sub(totals.used()?)));
    writeln!(out, "{:<14} {object:>10}", "per_object")?;
    writeln!(out, "{:<14} {:>10}", "per_slab", per_slab.get())?;
    let objects = OrDash(times(object, totals.objects()));
    writeln!(out, "{:<14} {objects:>10}", "in_objects")?;
    let rests = OrDash(times(per_slab.get(), totals.slabs()));
    writeln!(out, "{:<14} {rests:>10}", "at_slab_ends")?;
    let free = OrDash(times(shape.size.get(), unused));
    Ok(Ok(writeln!(out, "{:<14} {free:>10}", "in_free")?))
}

/// What /proc/slabinfo says of it, in its first six columns.
fn slabinfo<M: Manager>(at: &At<'_, M>, out: &mut Text) -> Result<Result<(), Unknown>> {
    let shape = known!(at.cache.shape());
    let totals = known!(at.cache.totals());
    writeln!(
        out,
        "# name active_objs num_objs objsize objperslab pagesperslab"
    )?;
    Ok(Ok(writeln!(
        out,
        "{} {} {} {} {} {}",
        at.name,
        OrDash(totals.slabinfo_active()),
        OrDash(totals.objects()),
        shape.size.get(),
        shape.objs_per_slab,
        shape.order.nr_pages()
    )?))
}

fn fill<M: Manager>(dir: &Dir<'_, Named<M>>) -> Result {
    dir.file::<Of<ObjectSize>>()?;
    dir.file::<Of<SlabSize>>()?;
    dir.file::<Of<Align>>()?;
    dir.file::<Of<Order>>()?;
    dir.file::<Of<ObjsPerSlab>>()?;
    dir.file::<Of<MinPartial>>()?;
    dir.file::<Of<SheafCapacity>>()?;
    dir.file::<Of<Aliases>>()?;
    dir.file::<Of<Slabs>>()?;
    dir.file::<Of<TotalObjects>>()?;
    dir.file::<Of<Objects>>()?;
    dir.file::<Of<Partial>>()?;
    dir.file::<Of<ObjectsPartial>>()?;
    dir.file::<Of<Used>>()?;
    dir.file::<Of<CpuSheaves>>()?;
    dir.file::<Of<Barns>>()?;
    dir.file::<Of<PartialFullness>>()?;
    dir.file::<Of<Waste>>()?;
    dir.file::<Of<Slabinfo>>()
}
