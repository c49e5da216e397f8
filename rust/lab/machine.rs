// SPDX-License-Identifier: GPL-2.0

//! The commands on machines: `machine node=`, `machine build`, `machine reset`, `memblock`.
//!
//!   build, reset   nothing held? -> make it -> still nothing held? -> it is the one from now on
//!
//! Whoever is looking at the old machine goes on with that, to the end of the view.
//!
//! # Locking     `live`, and inside of it `manager` for the exchange: from a promise until it is
//!               returned the machine stays. Neither while a machine is made or goes.
//! # Cost        that of making the machine; a copy of the manager for all else.
//! # Reference   `rust/private/control.rs`.

use core::mem;

use super::{
    run::Done,
    Lab,
    Manager,
    Refusal, //
};
use crate::algo::{
    command::Command,
    units::{
        Bytes,
        NrPages, //
    }, //
};
use crate::linux::bench::Since;
use crate::private::EarlyDone;

/// What a command on machines came to.
pub enum Changed<M> {
    /// The next machine has another node.
    Described,
    /// The manager of another machine, which is to replace the one that there is.
    Machine(M),
    /// Early memory is another.
    Early(EarlyDone),
}

impl<M: Manager> Lab<M> {
    /// The manager of the machine that there is now, which stays as it is for who has it.
    pub fn manager(&self) -> M {
        self.manager.lock().clone()
    }

    /// Checks that a promise was made for the machine that there is.
    ///
    /// # Errors
    ///
    /// [`Refusal::MachineChanged`]: it was replaced before the promise.
    pub(super) fn check_current(&self, manager: &M) -> Result<(), Refusal> {
        match self.manager().is(manager) {
            true => Ok(()),
            false => Err(Refusal::MachineChanged),
        }
    }

    /// Runs a command on machines or on early memory.
    pub(super) fn machine(&self, command: &Command<'_>) -> Result<Done, Refusal> {
        let replaces = matches!(
            command,
            Command::MachineBuild { .. } | Command::MachineReset
        );
        if replaces && M::HAS_MACHINES {
            check_unused(self.live.lock().in_use())?;
        }
        let since = Since::now();
        let next = match self.manager().machine(command)? {
            Changed::Described => return Ok(Done::Described),
            Changed::Early(done) => return Ok(Done::Early(done)),
            Changed::Machine(next) => next,
        };
        let nanoseconds = since.nanoseconds();
        self.exchange(next.clone())?;
        next.installed();
        if matches!(command, Command::MachineReset) {
            return Ok(Done::Reset);
        }
        let managed = |node| next.node(node).map(|node| node.managed);
        Ok(Done::Built {
            nodes: next.nodes().count(),
            pages: next
                .nodes()
                .filter_map(managed)
                .fold(NrPages::ZERO, |sum, it| sum + it),
            nanoseconds,
        })
    }

    /// Makes this manager the one that all work with from now on.
    fn exchange(&self, next: M) -> Result<(), Refusal> {
        let live = self.live.lock();
        check_unused(live.in_use())?;
        let old = mem::replace(&mut *self.manager.lock(), next);
        drop(live);
        // Its memory goes back without a lock.
        drop(old);
        Ok(())
    }
}

/// Checks that nothing is held and nothing promised.
fn check_unused((places, held): (usize, Bytes)) -> Result<(), Refusal> {
    match (places, held.get()) {
        (0, 0) => Ok(()),
        _ => Err(Refusal::MachineInUse { places, held }),
    }
}
