// SPDX-License-Identifier: GPL-2.0

//! Tests of machines: what lines make of memory, CPUs and distances, and the sentence for each
//! mistake.

use super::*;
use crate::algo::command::{
    parse,
    Command, //
};

const NODES: usize = 4;
const CPUS: usize = 8;

/// Tables for four nodes and eight CPUs.
struct Said {
    nodes: [NodeDraft; NODES],
    cpus: [Option<NodeId>; CPUS],
    distances: [u8; NODES * NODES],
}

impl Said {
    fn new() -> Self {
        Self {
            nodes: [NodeDraft::default(); NODES],
            cpus: [None; CPUS],
            distances: [0; NODES * NODES],
        }
    }

    fn draft(&mut self) -> Draft<'_> {
        let tables = Tables {
            nodes: &mut self.nodes,
            cpus: &mut self.cpus,
            distances: &mut self.distances,
        };
        Draft::new(tables, 12).unwrap()
    }

    fn says(&mut self, line: &str) -> Result<(), Error> {
        match parse(line.as_bytes()) {
            Ok(Some(Command::MachineNode(node))) => self.draft().add(&node),
            other => panic!("{line}: {other:?}"),
        }
    }
}

/// Makes a machine of these lines, and calls `look` with it.
#[track_caller]
fn build(lines: &[&str], largest: u32, look: impl FnOnce(Result<Machine<'_>, Error>)) {
    let mut said = Said::new();
    for line in lines {
        if let Err(error) = said.says(line) {
            return look(Err(error));
        }
    }
    let wanted = Wanted {
        largest: Order::new(largest),
        nr_cpus: 2,
    };
    let room = Room {
        nodes: &mut [NodeDesc::EMPTY; NODES],
        zones: &mut [ZoneDesc::EMPTY; NODES * ZoneKind::COUNT],
        cpus: &mut [None; CPUS],
        distances: &mut [0; NODES * NODES],
    };
    look(said.draft().build(&wanted, room));
}

/// Expects these zones: node, kind, start and end.
#[track_caller]
fn lays_out(lines: &[&str], largest: u32, expected: &[&str]) {
    build(lines, largest, |machine| {
        let zones = machine.unwrap().zones().iter();
        let zones = zones.map(|it| format!("{} {} {} {}", it.node, it.kind, it.start, it.end));
        assert_eq!(zones.collect::<Vec<_>>(), expected);
    });
}

/// Expects this sentence.
#[track_caller]
fn refuses(lines: &[&str], sentence: &str) {
    build(lines, 10, |machine| {
        assert_eq!(machine.unwrap_err().to_string(), sentence);
    });
}

/// What a user of numactl expects of a node: all in Normal, all CPUs, distance 10.
#[test]
fn one_line_is_a_machine() {
    lays_out(&["machine node=0 mem=64M"], 10, &["0 Normal 0 16384"]);
    build(&["machine node=0 mem=64M"], 10, |machine| {
        let machine = machine.unwrap();
        let node = machine.nodes()[0];
        assert_eq!((node.node, node.nr_cpus), (NodeId::FIRST, 2));
        assert_eq!(machine.node_of(1), Some(NodeId::FIRST));
        assert_eq!(machine.node_of(2), None);
        assert_eq!(machine.zones_of(&node), machine.zones());
        let distance = machine.distances().get(NodeId::FIRST, NodeId::FIRST);
        assert_eq!((distance, machine.largest()), (10, LARGEST_ORDER));
    });
}

/// The drawing at the head of the file, and the pfns of qemu/topologies/numa4 but for its first.
#[test]
fn low_zones_come_first() {
    lays_out(
        &[
            "machine node=0 zones=dma32:1G,normal:1G cpus=0-1",
            "machine node=1 mem=1G cpus=2",
        ],
        10,
        &[
            "0 DMA32 0 262144",
            "0 Normal 1048576 1310720",
            "1 Normal 1310720 1572864",
        ],
    );
    lays_out(
        &[
            "machine node=2 mem=128M",
            "machine node=0 mem=640M zones=dma:16M,dma32:496M,normal:128M cpus=0-1",
            "machine node=1 mem=256M cpus=2",
            "machine node=3 zones=normal:256M,movable:128M",
        ],
        10,
        &[
            "0 DMA 0 4096",
            "0 DMA32 4096 131072",
            "0 Normal 1048576 1081344",
            "1 Normal 1081344 1146880",
            "2 Normal 1146880 1179648",
            "3 Normal 1179648 1245184",
            "3 Movable 1245184 1277952",
        ],
    );
}

/// Without DMA32, Normal begins above DMA's 16 MiB; memory of devices is the last.
#[test]
fn other_memory_begins_above_the_limit_in_use() {
    lays_out(
        &[
            "machine node=0 zones=dma:4M,device:4M",
            "machine node=1 zones=dma:4M,normal:4M",
        ],
        10,
        &[
            "0 DMA 0 1024",
            "0 Device 5120 6144",
            "1 DMA 1024 2048",
            "1 Normal 4096 5120",
        ],
    );
}

/// A zone of an odd size is followed by a hole up to where a largest block may start.
#[test]
fn zones_start_where_a_largest_block_may() {
    let lines = ["machine node=0 mem=4100K", "machine node=1 mem=4M"];
    lays_out(&lines, 10, &["0 Normal 0 1025", "1 Normal 2048 3072"]);
    lays_out(&lines, 18, &["0 Normal 0 1025", "1 Normal 262144 263168"]);
    // Pageblocks are not shared, however small the largest order.
    lays_out(&lines, 0, &["0 Normal 0 1025", "1 Normal 1536 2560"]);
}

/// Frames are numbered from the region's start; 2^32 of them are the most.
#[test]
fn base_is_the_start_of_a_region() {
    let lines = ["machine node=0 mem=4M", "machine node=1 mem=16380G"];
    build(&lines, 10, |machine| {
        let zone = machine.unwrap().zones()[1];
        assert_eq!(zone.base, Pfn::new(0));
        assert_eq!(zone.start, Pfn::new(1024));
        assert_eq!(zone.nr_frames(), zone.spanned() + NrPages::new(1024));
    });
    build(&["machine node=0 mem=16384G"], 10, |machine| {
        assert_eq!(machine.unwrap().zones()[0].nr_frames(), MAX_FRAMES);
    });
    let sentence = "zone Normal of node 0 is too large; a zone has 4294967296 pages at most";
    refuses(&["machine node=0 mem=17179869188K"], sentence);
    refuses(&["machine node=0 mem=17179869183G"], sentence);
    refuses(
        &["machine node=0 mem=4M", "machine node=1 mem=16384G"],
        "zone Normal of node 1 is too large; a zone has 4294967296 pages at most",
    );
}

/// Node 1 has CPUs and no memory, node 2 memory of devices alone: neither is in a zonelist.
#[test]
fn memoryless_nodes_stay_memoryless() {
    let lines = [
        "machine node=0 mem=64M shadow=1",
        "machine node=1 cpus=0-3",
        "machine node=2 zones=device:64M",
    ];
    build(&lines, 10, |machine| {
        let machine = machine.unwrap();
        let numbers = |nodes: NodeMask| nodes.iter().map(NodeId::get).collect::<Vec<_>>();
        assert_eq!(machine.nodes().len(), 3);
        assert_eq!(numbers(machine.nodes_with(ZoneKind::ALL)), [0]);
        assert_eq!(numbers(machine.nodes_with(&[ZoneKind::Movable])), []);
        assert_eq!(numbers(machine.nodes_with_cpus()), [1]);
        assert_eq!(machine.nr_cpus(), 4);
        assert!(machine.zones_of(&machine.nodes()[1]).is_empty());
        let shadows = machine.nodes().iter().map(|node| node.is_shadow);
        assert!(shadows.eq([true, false, false]));
        let (node, kind) = (machine.nodes()[2].node, ZoneKind::Device);
        assert!(!machine.is_populated(Step { node, kind }));
    });
}

/// 1 to 0 is as 0 to 1, unless it is given; 2 names but what is missing.
#[test]
fn distances_hold_in_both_directions() {
    let lines = [
        "machine node=0 mem=4M distance=10,31",
        "machine node=1 mem=4M distance=32",
        "machine node=2 mem=4M distance=17,21,10,99",
    ];
    build(&lines, 10, |machine| {
        let distances = machine.unwrap().distances();
        let node = |number| NodeId::new(number).unwrap();
        let rows = (0..3).map(|from| [0, 1, 2].map(|to| distances.get(node(from), node(to))));
        let expected = [[10, 31, 17], [32, 10, 21], [17, 21, 10]];
        assert_eq!(rows.collect::<Vec<_>>(), expected);
    });
}

/// At the end of the highest zone that has room, in whole pageblocks.
#[test]
fn cma_is_at_the_end_of_a_zone() {
    let cma = |line: &str| {
        let mut found = Vec::new();
        build(&[line], 10, |machine| {
            let zones = machine.unwrap().zones().iter();
            found.extend(zones.map(|it| (it.cma_start.get(), it.cma.get())));
        });
        found
    };
    assert_eq!(cma("machine node=0 mem=10244K cma=4M"), [(1536, 1024)]);
    assert_eq!(cma("machine node=0 mem=4M cma=4M"), [(0, 1024)]);
    let both = "machine node=0 zones=dma32:8M,normal:2M,movable:8M cma=4M";
    let (dma32, normal) = ((1024, 1024), (1_049_088, 0));
    assert_eq!(cma(both), [dma32, normal, (1_051_136 + 512, 0)]);
}

#[test]
fn mistakes_of_a_line_are_named() {
    let node = "machine node=0 mem=64M cpus=1";
    refuses(
        &[node, "machine node=0 mem=4M"],
        "node 0 is described already; one line describes a node",
    );
    refuses(
        &["machine node=4"],
        "node 4 is too high; a machine has 4 nodes at most, from 0 on",
    );
    refuses(
        &[node, "machine node=1 cpus=0-2"],
        "CPU 1 is on node 0 already; a CPU is on one node",
    );
    refuses(
        &["machine node=0 cpus=0,8"],
        "CPU 8 is too high; a machine has 8 CPUs at most, from 0 on",
    );
    refuses(
        &["machine node=0 mem=10K"],
        "10K is not a whole number of pages of 4K",
    );
    refuses(
        &["machine node=0 mem=64M zones=dma32:16M,normal:47M"],
        "the zones of node 0 have 63M together, but mem is 64M; leave mem out, or make them equal",
    );
    refuses(
        &["machine node=0 mem=64M cma=1M"],
        "1M for CMA is not a whole number of pageblocks of 512 pages",
    );
    refuses(
        &["machine node=0 zones=normal:4M,movable:64M cma=6M"],
        "node 0 has no zone dma, dma32 or normal of 6M, which is to be for CMA",
    );
}

#[test]
fn wrong_distances_are_named() {
    refuses(
        &["machine node=1 mem=4M distance=20,20"],
        "the distance from node 1 to itself is 20; it must be 10",
    );
    refuses(
        &["machine node=1 mem=4M distance=10,10"],
        "the distance from node 1 to node 0 is 10; it must be above 10, which a node has to itself \
         alone",
    );
    refuses(
        &["machine node=0 mem=4M distance=10,20,20,20,20"],
        "node 0 has more distances than a machine has nodes, 4 at most",
    );
    refuses(
        &[
            "machine node=0 mem=4M distance=10,20",
            "machine node=1",
            "machine node=3",
        ],
        "no distance is given between node 0 and node 3, in neither direction; give all, or none \
         for 10 and 20",
    );
}

#[test]
fn mistakes_of_a_machine_are_named() {
    refuses(
        &[],
        "no node is described; say machine node=0 mem=64M first",
    );
    refuses(
        &["machine node=0 zones=movable:64M,device:64M cpus=0"],
        "no node has memory in dma, dma32 or normal; a machine needs some for itself",
    );
    refuses(
        &["machine node=0 zones=dma:16388K"],
        "zone DMA of node 0 would end at 16388K; that of the last node ends at 16M at most, each \
         beginning where a block of the largest order may",
    );
    refuses(
        &[
            "machine node=0 zones=dma32:3G",
            "machine node=1 zones=dma32:1028M",
        ],
        "zone DMA32 of node 1 would end at 4100M; that of the last node ends at 4G at most, each \
         beginning where a block of the largest order may",
    );
}

/// Without CPUs named or to be had, and with a table for one zone where two are.
#[test]
fn machine_needs_cpus_and_room() {
    let mut said = Said::new();
    said.says("machine node=0 zones=normal:4M,movable:4M")
        .unwrap();
    let mut fails = |nr_cpus, nr_zones| {
        let wanted = Wanted {
            largest: None,
            nr_cpus,
        };
        let room = Room {
            nodes: &mut [NodeDesc::EMPTY; 1],
            zones: &mut [ZoneDesc::EMPTY; 2][..nr_zones],
            cpus: &mut [None; CPUS],
            distances: &mut [0; 1],
        };
        said.draft().build(&wanted, room).err()
    };
    assert_eq!(fails(0, 2), Some(Error::NoCpu));
    assert_eq!(fails(1, 1), Some(Error::NoRoom));
    assert_eq!(fails(1, 2), None);
}

/// A line that fails at its last value changes nothing; what is cleared can be said again.
#[test]
fn refused_line_changes_nothing() {
    let mut said = Said::new();
    assert!(said
        .says("machine node=1 mem=4M cpus=0-3 distance=20,10,10")
        .is_err());
    assert_eq!(said.nodes, [NodeDraft::default(); NODES]);
    assert_eq!(said.cpus, [None; CPUS]);
    assert_eq!(said.distances, [0; NODES * NODES]);
    let line = "machine node=1 mem=4M cpus=0-3 distance=20,10";
    said.says(line).unwrap();
    said.draft().clear();
    assert_eq!(said.nodes, [NodeDraft::default(); NODES]);
    assert_eq!(said.cpus, [None; CPUS]);
    assert_eq!(said.distances, [0; NODES * NODES]);
    said.says(line).unwrap();
}
