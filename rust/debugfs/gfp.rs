// SPDX-License-Identifier: GPL-2.0

//! `gfp`: write flags, read what they mean; nothing written, all combinations that have a name.
//!
//!   what     value                          name       bits  zone   ... min_0  min  effort
//!   bits     0x920                          GFP_ATOMIC 0x820 Normal ... 37.5%  37.5% reserve
//!   effort   reserve
//!   ...                                     (a line for each, without a question)
//!
//! `min_0` and `min` are what must stay of the mark min in the slow path, for a single page and for
//! larger blocks. `first` and `slow` are alloc flags; the first attempt also has
//! `ALLOC_NOFRAGMENT` where the walk starts at Normal with a DMA32 below, as `would` shows.
//!
//! # Limits      what a flag does outside of the page allocator is left out.
//! # Reference   algo/gfp/meaning.rs, algo/watermark.rs; `include/linux/gfp_types.h`.

use core::{
    fmt::{
        self,
        Write, //
    },
    marker::PhantomData, //
};

use kernel::prelude::*;

use super::{
    live::OrDash,
    Rooms,
    Side, //
};
use crate::algo::{
    command::{
        Query,
        View, //
    },
    gfp::{
        Effort,
        Flag,
        FlagSet,
        Gfp, //
    },
    units::{
        NrPages,
        Order, //
    },
    would::{
        first_attempt,
        min_after_rights,
        slow_path,
        AllocFlags, //
    },
};
use crate::lab::{
    Decoded,
    Manager, //
};
use crate::linux::debugfs::{
    File,
    Text, //
};

/// The file.
pub(super) struct GfpFlags<M>(PhantomData<M>);

impl<M: Manager> File<Rooms> for GfpFlags<M>
where
    Rooms: Side<M>,
{
    const NAME: &'static CStr = c"gfp";
    const MODE: u16 = 0o600;

    fn read(rooms: &Rooms, out: &mut Text) -> Result {
        let manager = &rooms.lab().manager();
        match rooms.lab().asked(View::Gfp) {
            Some(Query::Gfp(gfp)) => one(manager, gfp, out),
            _ => all(manager, out),
        }
    }

    fn write(rooms: &Rooms, input: &[u8]) -> Result {
        rooms.lab().ask(View::Gfp, input)
    }
}

/// Yes or no.
const fn word(is_so: bool) -> &'static str {
    match is_so {
        true => "yes",
        false => "no",
    }
}

/// The marks of a request with these flags.
struct Rights {
    first: AllocFlags,
    slow: AllocFlags,
}

impl Rights {
    fn of(decoded: &Decoded, order: Order) -> Self {
        let Decoded { flags, rules, .. } = decoded;
        Self {
            first: first_attempt(order, *flags, rules, None),
            slow: slow_path(order, *flags, rules),
        }
    }

    /// What must stay of min.
    fn min(&self, flags: FlagSet) -> Percent {
        let whole = NrPages::new(1000);
        match flags.contains(Flag::Memalloc) && !flags.contains(Flag::Nomemalloc) {
            true => Percent(NrPages::ZERO),
            false => Percent(min_after_rights(whole, self.slow)),
        }
    }
}

/// A part of 1000, as a percentage.
struct Percent(NrPages);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thousandths = self.0.get();
        let width = f.width().unwrap_or(0).saturating_sub(3);
        write!(f, "{:>width$}.{}%", thousandths / 10, thousandths % 10)
    }
}

/// The order that stands for those above 0.
const LARGER: Order = match Order::new(1) {
    Some(order) => order,
    None => Order::MAX,
};

/// What one expression means, a line for each side of it, then a line for each flag.
fn one<M: Manager>(manager: &M, gfp: Gfp, out: &mut Text) -> Result {
    let decoded = match manager.decode(gfp) {
        Ok(decoded) => decoded,
        Err(refusal) => return Ok(write!(out, "what     value\nrefused  {refusal}\n")?),
    };
    let flags = decoded.flags;
    writeln!(out, "what     value\ngfp      {gfp}")?;
    writeln!(out, "bits     {:#x}", decoded.bits)?;
    writeln!(out, "flags    {flags}")?;
    writeln!(out, "zone     {}", OrDash(decoded.zone))?;
    writeln!(out, "list     {}", decoded.list)?;
    writeln!(out, "type     {}", flags.migratetype())?;
    reclaim(flags, out)?;
    for (suffix, order) in [("_0", Order::ZERO), ("", LARGER)] {
        let rights = Rights::of(&decoded, order);
        writeln!(out, "{:<8} {}", Named("first", suffix), rights.first)?;
        writeln!(out, "{:<8} {}", Named("slow", suffix), rights.slow)?;
        writeln!(out, "{:<8} {}", Named("min", suffix), rights.min(flags))?;
    }
    match decoded.refused {
        Some(refusal) => writeln!(out, "refused  {refusal}")?,
        None => writeln!(out, "refused  -")?,
    }
    writeln!(out, "\n{:<22} {:<10} meaning", "flag", "bits")?;
    let is_named = |&&flag: &&Flag| {
        flags.contains(flag) || !flag.is_single() && gfp.flags().any(|it| it == flag)
    };
    for &flag in Flag::ALL.iter().filter(is_named) {
        let bits = manager.decode(Gfp::from_flag(flag)).map_or(0, |it| it.bits);
        writeln!(out, "{flag:<22} {bits:<#10x} {}", flag.sentence())?;
    }
    Ok(())
}

/// A name and its suffix, padded as one.
struct Named(&'static str, &'static str);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = f.width().unwrap_or(0);
        let rest = width.saturating_sub(self.0.len());
        write!(f, "{}{:<rest$}", self.0, self.1)
    }
}

fn reclaim(flags: FlagSet, out: &mut Text) -> Result {
    let effort = Effort::of(flags);
    let sleeps = flags.contains(Flag::DirectReclaim);
    writeln!(out, "sleeps   {}", word(sleeps))?;
    writeln!(
        out,
        "kswapd   {}",
        word(flags.contains(Flag::KswapdReclaim))
    )?;
    writeln!(out, "io       {}", word(sleeps && flags.contains(Flag::Io)))?;
    writeln!(out, "fs       {}", word(sleeps && flags.contains(Flag::Fs)))?;
    writeln!(out, "effort   {effort}")?;
    writeln!(out, "reclaim  {}", effort.sentence())?;
    Ok(writeln!(out, "failure  {}", effort.failure())?)
}

/// A line for each combination that has a name.
fn all<M: Manager>(manager: &M, out: &mut Text) -> Result {
    writeln!(
        out,
        "{:<20} {:<9} {:<8} {:<11} {:<6} {:<6} {:<3} {:<3} {:<8} {:<7} {:>6} {:>6} flags",
        "name",
        "bits",
        "zone",
        "type",
        "sleeps",
        "kswapd",
        "io",
        "fs",
        "effort",
        "failure",
        "min_0",
        "min"
    )?;
    for &flag in Flag::ALL.iter().filter(|flag| !flag.is_single()) {
        // A name that this kernel does not define has no line.
        if let Ok(decoded) = manager.decode(Gfp::from_flag(flag)) {
            combination(flag, &decoded, out)?;
        }
    }
    Ok(())
}

fn combination(flag: Flag, decoded: &Decoded, out: &mut Text) -> Result {
    let flags = decoded.flags;
    let effort = Effort::of(flags);
    let sleeps = flags.contains(Flag::DirectReclaim);
    write!(
        out,
        "{flag:<20} {:<#9x} {:<8} {:<11} {:<6} {:<6} {:<3} {:<3} {effort:<8} {:<7} ",
        decoded.bits,
        OrDash(decoded.zone),
        flags.migratetype(),
        word(sleeps),
        word(flags.contains(Flag::KswapdReclaim)),
        word(sleeps && flags.contains(Flag::Io)),
        word(sleeps && flags.contains(Flag::Fs)),
        effort.failure()
    )?;
    let min = |order| Rights::of(decoded, order).min(flags);
    Ok(writeln!(
        out,
        "{:>6} {:>6} {flags}",
        min(Order::ZERO),
        min(LARGER)
    )?)
}
