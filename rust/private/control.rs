// SPDX-License-Identifier: GPL-2.0

//! Who builds machines: the draft of the next one, the mirror of Linux's, and scratch early memory.
//!
//!   node ... node    the draft grows, line by line
//!   build            a machine of the draft
//!   mirror           that of load time, which was made once
//!   forget           once another machine runs, the next one is described anew
//!
//! Which machine runs is for the caller to say: it keeps a reference to it, and whoever works with
//! one that was replaced goes on with that until it lets go.
//!
//! # Locking     `work` is the lock `control` (rank 1): a mutex, held while a machine is built.
//! # Cost        tables for [`NODES`] nodes, 10 KiB; the mirror keeps its memory while another
//!               machine runs, so that the way back needs none.
//! # Limits      the CPUs of a machine are some of those that Linux can have.
//! # Reference   algo/machine.rs, algo/memblock.rs.

#[cfg(CONFIG_KUNIT)]
mod tests;

use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
};

use super::{
    build::BuildError,
    early::{
        Early,
        EarlyDone,
        EarlyError, //
    },
    machine::Machine,
    FreePages,
    Private, //
};
use crate::algo::{
    command::{
        self,
        MachineNode, //
    },
    machine::{
        Draft,
        NodeDesc,
        NodeDraft,
        Room,
        Tables,
        Wanted,
        ZoneDesc, //
    },
    snapshot::Region,
    units::{
        usize_from,
        Bytes,
        NodeId,
        Order,
        ZoneKind, //
    },
};
use crate::linux::{
    quietly,
    PAGE_SHIFT, //
};

/// The most nodes of a machine.
const NODES: usize = 64;

/// What is behind the lock.
struct Work {
    nodes: KVVec<NodeDraft>,
    cpus: KVVec<Option<NodeId>>,
    distances: KVVec<u8>,
    scratch: Early,
}

/// Who builds machines.
#[pin_data]
pub struct Control {
    mirror: Arc<Private>,
    most: Bytes,
    free: FreePages,
    #[pin]
    work: Mutex<Work>,
}

impl Control {
    /// A mirror of Linux's machine with up to `arena` of each node; other machines with at most
    /// `most` memory behind their frames, and as much for their state.
    ///
    /// # Errors
    ///
    /// ENOMEM without memory for the tables.
    pub fn new(arena: Bytes, most: Bytes, free: FreePages) -> Result<Arc<Self>> {
        let mirror = Private::new(arena, free)?;
        let work = Work {
            nodes: KVVec::from_elem(NodeDraft::default(), NODES, quietly())?,
            cpus: KVVec::from_elem(None, usize_from(nr_cpus()), quietly())?,
            distances: KVVec::from_elem(0, NODES * NODES, quietly())?,
            scratch: Early::new().map_err(|_| ENOMEM)?,
        };
        let control = pin_init!(Self {
            mirror,
            most,
            free,
            work <- new_mutex!(work, "oxmm::control"),
        });
        Arc::pin_init(control, GFP_KERNEL)
    }

    /// The mirror of Linux's machine.
    pub fn mirror(&self) -> Arc<Private> {
        self.mirror.clone()
    }

    /// Adds a node to the draft.
    ///
    /// # Errors
    ///
    /// What is wrong with it; the draft is as it was.
    pub fn describe(&self, line: &MachineNode<'_>) -> Result<(), BuildError> {
        let mut work = self.work.lock();
        Ok(work.draft()?.add(line)?)
    }

    /// Makes the machine that the draft describes, with blocks up to this order; the draft is kept.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub fn build(&self, largest: Option<Order>) -> Result<Arc<Private>, BuildError> {
        let mut work = self.work.lock();
        let mut cpus = KVVec::from_elem(None, work.cpus.len(), quietly())?;
        let mut nodes = KVVec::from_elem(NodeDesc::EMPTY, NODES, quietly())?;
        let mut zones = KVVec::from_elem(ZoneDesc::EMPTY, NODES * ZoneKind::COUNT, quietly())?;
        let mut distances = KVVec::from_elem(0, NODES * NODES, quietly())?;
        let wanted = Wanted {
            largest,
            nr_cpus: nr_cpus(),
        };
        let room = Room {
            nodes: &mut nodes,
            zones: &mut zones,
            cpus: &mut cpus,
            distances: &mut distances,
        };
        let machine = work.draft()?.build(&wanted, room)?;
        let machine = Machine::described(&machine, self.most)?;
        Ok(Private::of(machine, self.free)?)
    }

    /// Says whether free pages are filled with poison, where there is memory behind them.
    pub fn poisons(&self) -> bool {
        self.free == FreePages::Poisoned
    }

    /// Forgets the draft.
    pub fn forget(&self) {
        // Always there: the tables were made for it.
        if let Ok(mut draft) = self.work.lock().draft() {
            draft.clear();
        }
    }

    /// Carries a command out on scratch early memory.
    ///
    /// # Errors
    ///
    /// Why it failed; nothing has changed.
    pub fn memblock(&self, command: &command::Memblock) -> Result<EarlyDone, EarlyError> {
        self.work.lock().scratch.run(command)
    }

    /// A copy of scratch early memory, memory first.
    ///
    /// # Errors
    ///
    /// [`EarlyError::NoTable`].
    pub fn scratch(&self) -> Result<KVVec<Region>, EarlyError> {
        self.work.lock().scratch.copy()
    }
}

impl Work {
    /// The draft that the tables hold.
    fn draft(&mut self) -> Result<Draft<'_>, BuildError> {
        let tables = Tables {
            nodes: &mut self.nodes,
            cpus: &mut self.cpus,
            distances: &mut self.distances,
        };
        Draft::new(tables, PAGE_SHIFT).ok_or(BuildError::NoTable)
    }
}

/// How many CPUs Linux can have.
fn nr_cpus() -> u32 {
    kernel::cpu::nr_cpu_ids()
}
