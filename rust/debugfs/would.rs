// SPDX-License-Identifier: GPL-2.0

//! `would`: write a request, read which zone would serve it, and which rule stops it elsewhere.
//!
//!   answer from_node from_zone order node list ...        the request as it was understood
//!   slow   1         Normal    3     0    fallback
//!
//!   attempt walks flags                                   what each attempt may do
//!   first   2     ALLOC_WMARK_LOW|ALLOC_KSWAPD
//!
//!   attempt step node zone   verdict   takes  free ...    a line for each attempt and zone
//!   first   0    0    Normal watermark -      1203
//!
//! `answer` is `first`, `slow`, `reclaim` (neither, and the request may wait for memory), `fails`
//! or `refused`. The lines of `slow` are what the slow path would find had the first attempt
//! failed. `left` is free less unusable, min and reserve: the request passes above 0. `largest` is
//! the largest block that the watermark test counts, `list` and `block` are what would be taken,
//! `pcp` is the reader's per-CPU list for the request. `policy` is that of the request, or `task`;
//! `nodes` is the nodemask that comes of it. `kswapd` of the zone's node is idle, busy, or
//! hopeless: it has given up and is not woken any more.
//!
//! # Limits      what `algo/would.rs` cannot see. A memory policy of the task that allocates, of
//!               which `policy` says `task` if the one that reads has one, may choose another node where none is named.
//!               One who asks and one who allocates are two: memory moves in between.
//! # Reference   algo/would.rs, algo/watermark.rs.

use core::{
    fmt::Write,
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
        NodeWish,
        Placement,
        Query,
        View, //
    },
    gfp::{
        Flag,
        Gfp, //
    },
    snapshot::would::{
        Asked,
        Candidate,
        Kswapd, //
    },
    units::{
        NodeId,
        Order,
        ZoneKind, //
    },
    would::{
        predict,
        Attempt,
        Judged,
        Prediction,
        Source, //
    },
};
use crate::lab::{
    Manager,
    PagesWish, //
};
use crate::linux::{
    debugfs::{
        File,
        Text, //
    },
    quietly, //
};

/// The file.
pub(super) struct Would<M>(PhantomData<M>);

impl<M: Manager> File<Rooms> for Would<M>
where
    Rooms: Side<M>,
{
    const NAME: &'static CStr = c"would";
    const MODE: u16 = 0o600;

    fn read(rooms: &Rooms, out: &mut Text) -> Result {
        let manager = &rooms.lab().manager();
        let (wish, placement) = request(rooms.lab().asked(View::Would));
        let placed = rooms.lab().placed_next(manager, &wish, &placement);
        match placed.and_then(|placed| manager.asked(&placed)) {
            Ok(asked) => {
                let policy = policy(&wish, &placement, &asked);
                answer(manager, (&wish, policy), &asked, out)
            }
            Err(refusal) => Ok(write!(out, "answer   says\nrefused  {refusal}\n")?),
        }
    }

    fn write(rooms: &Rooms, input: &[u8]) -> Result {
        rooms.lab().ask(View::Would, input)
    }
}

/// The request in a question; one page with GFP_KERNEL where none was asked.
fn request(query: Option<Query>) -> (PagesWish, Placement) {
    let Some(Query::Would {
        order,
        migratetype,
        node,
        placement,
        gfp,
    }) = query
    else {
        let page = PagesWish {
            order: Order::ZERO,
            gfp: Gfp::from_flag(Flag::GfpKernel),
            node: None,
            migratetype: None,
            nodes: None,
        };
        return (page, Placement::default());
    };
    let wish = PagesWish {
        order: order.unwrap_or(Order::ZERO),
        gfp: gfp.unwrap_or(Gfp::from_flag(Flag::GfpKernel)),
        node: match node {
            Some(NodeWish::Id(node)) => Some(node),
            Some(NodeWish::Any) | None => None,
        },
        migratetype,
        nodes: None,
    };
    (wish, placement)
}

/// The policy that chose node and nodemask: the request's own, or that of the task.
fn policy(wish: &PagesWish, placement: &Placement, asked: &Asked) -> &'static str {
    match (placement.policy, wish.node, placement.nodes) {
        (Some(policy), _, _) => policy.name(),
        (None, None, None) if asked.rules.has_policy => "task",
        _ => "-",
    }
}

fn answer<M: Manager>(
    manager: &M,
    request: (&PagesWish, &str),
    asked: &Asked,
    out: &mut Text,
) -> Result {
    // Memory for the list comes before the look at memory.
    let places = manager.zonelist(asked.node, asked.list).count();
    let mut list = KVVec::with_capacity(places, quietly())?;
    for candidate in manager.candidates(asked).take(places) {
        list.push(candidate, quietly())?;
    }
    let prediction = predict(asked, &list);
    head(request, asked, &list, &prediction, out)?;
    let attempts = [("first", &prediction.first), ("slow", &prediction.slow)];
    writeln!(out, "\nattempt walks alloc_flags")?;
    for (name, Attempt { walks, flags, .. }) in attempts {
        writeln!(out, "{name:<7} {walks:>5} {flags}")?;
    }
    columns(out)?;
    for (name, attempt) in attempts {
        for (step, candidate) in list.iter().enumerate() {
            let judged = attempt.judge(asked, &list, candidate);
            let takes = attempt.served_by == Some(step);
            write!(out, "{name:<7} {step:>4} ")?;
            line(candidate, &judged, takes, out)?;
        }
    }
    Ok(())
}

/// What becomes of the request, and the zone that serves it.
fn outcome(
    asked: &Asked,
    list: &[Candidate],
    prediction: &Prediction,
) -> (&'static str, Option<NodeId>, Option<ZoneKind>) {
    let (word, place) = match (prediction.first.served_by, prediction.slow.served_by) {
        (Some(place), _) => ("first", Some(place)),
        (None, Some(place)) => ("slow", Some(place)),
        (None, None) if asked.flags.contains(Flag::DirectReclaim) => ("reclaim", None),
        (None, None) => ("fails", None),
    };
    let zone = place.and_then(|place| list.get(place)).map(|it| &it.zone);
    (word, zone.map(|it| it.node), zone.map(|it| it.kind))
}

fn head(
    (wish, policy): (&PagesWish, &str),
    asked: &Asked,
    list: &[Candidate],
    prediction: &Prediction,
    out: &mut Text,
) -> Result {
    writeln!(
        out,
        "{:<7} {:>9} {:<9} {:>5} {:<11} {:>4} {:<10} {:<8} {:>4} {:<10} {:<10} gfp nodes",
        "answer",
        "from_node",
        "from_zone",
        "order",
        "type",
        "node",
        "list",
        "highest",
        "cpu",
        "policy",
        "bits"
    )?;
    let (word, node, zone) = outcome(asked, list, prediction);
    Ok(writeln!(
        out,
        "{word:<7} {:>9} {:<9} {:>5} {:<11} {:>4} {:<10} {:<8} {:>4} {policy:<10} {:<#10x} {} {}",
        OrDash(node),
        OrDash(zone),
        asked.order,
        asked.migratetype,
        asked.node,
        asked.list,
        asked.highest,
        asked.cpu,
        asked.bits,
        wish.gfp,
        OrDash(asked.nodes)
    )?)
}

fn columns(out: &mut Text) -> Result {
    Ok(writeln!(
        out,
        "\n{:<7} {:>4} {:>4} {:<8} {:<14} {:<5} {:>10} {:>9} {:>9} {:>9} {:>9} {:>10} {:>7} \
         {:<11} {:>5} {:>5} kswapd",
        "attempt",
        "step",
        "node",
        "zone",
        "verdict",
        "takes",
        "free",
        "unusable",
        "mark",
        "min",
        "reserve",
        "left",
        "largest",
        "list",
        "block",
        "pcp"
    )?)
}

fn line(candidate: &Candidate, judged: &Judged, takes: bool, out: &mut Text) -> Result {
    let verdict = judged.stopped_by.map_or("pass", |rule| rule.name());
    let takes = if takes { "yes" } else { "-" };
    let numbers = &judged.numbers;
    write!(
        out,
        "{:>4} {:<8} {verdict:<14} {takes:<5} {:>10} {:>9} {:>9} {:>9} {:>9} {:>10} {:>7} ",
        candidate.zone.node,
        candidate.zone.kind,
        numbers.free,
        numbers.unusable,
        numbers.mark,
        numbers.min,
        numbers.reserve,
        numbers.left,
        OrDash(numbers.largest)
    )?;
    let (list, block) = match judged.source {
        Some(Source::List { migratetype, order }) => (migratetype.name(), Some(order)),
        Some(Source::Pcp) => ("pcp", None),
        None => ("-", None),
    };
    let blocks = candidate.pcp.map(|list| list.blocks);
    let kswapd = match candidate.kswapd {
        Kswapd { is_idle: false, .. } => "busy",
        Kswapd {
            is_hopeless: true, ..
        } => "hopeless",
        _ => "idle",
    };
    Ok(writeln!(
        out,
        "{list:<11} {:>5} {:>5} {kswapd}",
        OrDash(block),
        OrDash(blocks)
    )?)
}
