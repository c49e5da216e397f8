// SPDX-License-Identifier: GPL-2.0

//! Who has what of the private manager: users of the lab and of benchmarks as owners.
//!
//! # Cost        see private/owner.rs.
//! # Limits      what is allocated or freed during a check may look wrong.
//! # Reference   `rust/private/owner.rs`.

use kernel::{
    prelude::*,
    sync::Arc, //
};

use super::Private;
use crate::lab::{
    Lab,
    Refusal, //
};
use crate::private::{
    Counted,
    GroupId,
    Open,
    Owner,
    Report,
    Share,
    UserKind,
    WrongOwners, //
};

impl Private {
    /// What each owner has, who has the most first.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub fn owners(&self) -> Result<KVVec<(Option<Owner>, Share)>> {
        self.manager.owners()
    }

    /// What was found to be bad, as far as it is kept.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub fn reports(&self) -> Result<KVVec<Report>> {
        self.manager.reports()
    }

    /// Opens the account of a user.
    pub(super) fn open(&self, kind: UserKind, name: &str) -> Result<Arc<Open>, Refusal> {
        let owner = Owner::new(kind, name, GroupId::ROOT).ok_or(Refusal::NoTable)?;
        self.manager.open(&owner).map_err(|_| Refusal::NoTable)
    }
}

impl Lab<Private> {
    /// Compares what the frames say of their owners with what is held.
    ///
    /// # Errors
    ///
    /// ENOMEM; inside, what is wrong.
    pub fn check_owners(&self) -> Result<Result<(), WrongOwners>> {
        let held = |shares: &mut Counted| self.each_held(|holding| holding.count(shares));
        let is_held = |owner: &Owner| matches!(owner.kind(), UserKind::Lab | UserKind::Bad);
        self.manager().manager.check_owners(held, is_held)
    }
}
