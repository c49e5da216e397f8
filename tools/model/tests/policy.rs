// SPDX-License-Identifier: GPL-2.0

//! Requests with a nodemask on a small machine, and what CPUs count of the nodes that serve them.

use oxmm_model::algo::buddy::guarded::Guarded;
use oxmm_model::algo::buddy::pcp::Event;
use oxmm_model::algo::buddy::slow::alloc_slow;
use oxmm_model::algo::buddy::walk::{alloc, Machine, Plan};
use oxmm_model::algo::buddy::zone::{Memory, Miss};
use oxmm_model::algo::gfp::Flag;
use oxmm_model::algo::snapshot::would::Asked;
use oxmm_model::algo::units::{NodeId, NodeMask, Order, ZoneKind};
use oxmm_model::board::{Board, Part, CPUS};

const KERNEL: &[Flag] = &[Flag::Io, Flag::DirectReclaim, Flag::KswapdReclaim];

/// A request for a page on CPU 0, with the nodes whose bits are set as its nodemask.
fn request(board: &Board, node: usize, flags: &[Flag], nodes: Option<u32>) -> Asked {
    let mask = |bits: u32| -> NodeMask {
        let nodes = (0..32).filter(|&it| bits & 1 << it != 0);
        nodes.filter_map(NodeId::new).collect()
    };
    let flags = flags.iter().copied().collect();
    Asked {
        nodes: nodes.map(mask),
        ..board.ask(Order::ZERO, flags, 0, node)
    }
}

/// Allocates a page and holds it; returns the node that it is on.
fn take(board: &Board, asked: Asked) -> Result<u32, Miss> {
    let plan = Plan::new(board, asked);
    let block = alloc(board, 0, &plan).or_else(|_| alloc_slow(board, 0, &plan))?;
    board.hold(block, asked.order);
    Ok(board.sites()[usize::from(block.site)].node.get())
}

/// What the CPUs counted of a node's zones since the machine was made, all five numbers of NUMA.
fn numa(board: &Board, node: u32) -> [u64; 5] {
    let events = [
        Event::NumaHit,
        Event::NumaMiss,
        Event::NumaForeign,
        Event::NumaLocal,
        Event::NumaOther,
    ];
    events.map(|event| {
        let sites = board.sites().iter().filter(|it| it.node.get() == node);
        let of_cpu = |cpu| {
            sites
                .clone()
                .map(move |it| it.zone.memory().lists(cpu).unwrap())
        };
        let lists = (0..CPUS).flat_map(of_cpu);
        lists.map(|it| it.with(|pcp| pcp.event(event))).sum()
    })
}

/// Two nodes of memory, each the node of one CPU.
fn two_nodes() -> Board {
    let part = |node| Part {
        node,
        kind: ZoneKind::Normal,
        frames: 8 * 512,
        cma: 0,
    };
    Board::new(&[part(0), part(1)], 1024)
}

/// Requests for both nodes and with either in the nodemask, on a CPU of node 0: a hit is of the
/// first node that may serve, and what is foreign there is a miss elsewhere.
#[test]
fn numa_events_are_those_of_the_first_node_that_may_serve() {
    for (node, nodes, times, near, far) in [
        (0, None, 7, [7, 0, 0, 7, 0], [0; 5]),
        (1, None, 7, [0; 5], [7, 0, 0, 0, 7]),
        (0, Some(0b10), 7, [0; 5], [7, 0, 0, 0, 7]),
        (1, Some(0b01), 7, [7, 0, 0, 7, 0], [0; 5]),
        (0, Some(0b110), 7, [0; 5], [7, 0, 0, 0, 7]),
    ] {
        let board = two_nodes();
        let asked = request(&board, node, &[], nodes);
        (0..times).for_each(|_| assert!(take(&board, asked).is_ok()));
        assert_eq!(numa(&board, 0), near, "{node} {nodes:?}");
        assert_eq!(numa(&board, 1), far, "{node} {nodes:?}");
        board.finish();
    }
}

/// When node 0 is at its marks node 1 serves: each such block is foreign there and a miss here.
#[test]
fn blocks_of_another_node_are_foreign_where_they_were_wanted() {
    let board = two_nodes();
    let asked = request(&board, 0, KERNEL, None);
    while take(&board, asked).is_ok() {}
    let [hit, miss, foreign, local, other] = numa(&board, 0);
    assert!(hit > 1000);
    assert_eq!((miss, local, other), (0, hit, 0));
    assert!(foreign > 1000);
    assert_eq!(numa(&board, 1), [0, foreign, 0, 0, foreign]);
    board.finish();
}

/// A nodemask holds to the end for a request that can wait; one that cannot, and may use reserves,
/// is served from any node once its own have nothing; and a set without memory serves nobody.
#[test]
fn nodemask_yields_to_requests_above_policies() {
    let board = two_nodes();
    let kernel = request(&board, 0, KERNEL, Some(0b10));
    while take(&board, kernel).is_ok() {}
    assert_eq!(numa(&board, 0), [0; 5]);
    let high = request(&board, 0, &[Flag::High], Some(0b10));
    let nodes: Vec<_> = (0..2000).map_while(|_| take(&board, high).ok()).collect();
    assert_eq!((nodes.first(), nodes.last()), (Some(&1), Some(&0)));
    assert!(nodes.is_sorted_by(|one, next| one >= next));
    let nowhere = request(&board, 0, &[Flag::High], Some(0b100));
    assert_eq!(take(&board, nowhere), Err(Miss::Empty));
    board.finish();
}
