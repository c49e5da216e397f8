// SPDX-License-Identifier: GPL-2.0

//! What each account has, counted, and compared with what its holders say.
//!
//!   number    0    1        2
//!   frames    -    3 of 12  1 of 1      blocks and their pages, by a walk over the frames
//!   holders   -    3 of 12  -           by those who hold them: account 2 is wrong
//!
//! # Locking     values of whoever counts.
//! # Cost        16 bytes an account.
//! # Limits      what changes while it is counted may look wrong.
//! # Reference   none: the kernel has no second account of who has its pages.

use core::{
    fmt,
    ops::DerefMut, //
};

use super::{
    table::Violation,
    Account,
    Accounts,
    Entry,
    Owner, //
};
use crate::algo::units::NrPages;

/// How much an account has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Blocks.
    pub blocks: usize,
    /// Their pages.
    pub pages: NrPages,
}

impl Share {
    /// Adds a block of so many pages.
    pub fn add(&mut self, pages: NrPages) {
        self.blocks += 1;
        self.pages += pages;
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} blocks of {} pages", self.blocks, self.pages)
    }
}

/// What each account has, by its number, in storage of the caller.
pub struct Shares<S>(S);

impl<S: DerefMut<Target = [Share]>> Shares<S> {
    /// Nothing, for as many accounts as the storage is long.
    pub fn new(mut storage: S) -> Self {
        storage.fill(Share::default());
        Self(storage)
    }

    /// Adds a block; `false` if the storage has no place for that account.
    pub fn add(&mut self, account: Account, pages: NrPages) -> bool {
        let share = self.0.get_mut(account.index());
        share.map(|it| it.add(pages)).is_some()
    }

    /// What an account has.
    pub fn get(&self, account: Account) -> Share {
        self.0.get(account.index()).copied().unwrap_or_default()
    }

    /// The accounts that have something.
    pub fn some(&self) -> impl Iterator<Item = (Account, Share)> + '_ {
        let numbered = (0..).map(Account::new).zip(self.0.iter().copied());
        numbered.filter(|(_, share)| share.blocks > 0)
    }
}

/// What is wrong with who has blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrongOwners {
    /// The table of accounts contradicts itself.
    Table(Violation),
    /// Blocks have the number of an account that is not open, or of none.
    Closed(Account, Share),
    /// What the frames of an account come to is not what its holders have: frames, holders.
    Held(Account, Share, Share),
}

impl fmt::Display for WrongOwners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table(violation) => write!(f, "{violation}"),
            Self::Closed(account, share) => {
                write!(f, "account {}: closed, and has {share}", account.get())
            }
            Self::Held(account, frames, held) => {
                let number = account.get();
                write!(f, "account {number}: {frames} by frames, {held} by holders")
            }
        }
    }
}

impl<S: DerefMut<Target = [Entry]>> Accounts<S> {
    /// Compares what the frames say of their owners with what holders have, who are those of the
    /// accounts that `is_held` picks.
    ///
    /// # Errors
    ///
    /// The first that is wrong.
    pub fn compare<T: DerefMut<Target = [Share]>>(
        &self,
        frames: &Shares<T>,
        holders: &Shares<T>,
        is_held: impl Fn(&Owner) -> bool,
    ) -> Result<(), WrongOwners> {
        self.check().map_err(WrongOwners::Table)?;
        for account in (0..=u16::MAX).map(Account::new).take(self.size()) {
            let (frames, held) = (frames.get(account), holders.get(account));
            // No block is nobody's.
            if frames.blocks > 0 && !self.is_open(account) {
                return Err(WrongOwners::Closed(account, frames));
            }
            let is_known = held.blocks > 0 || self.owner(account).is_some_and(&is_held);
            if is_known && frames != held {
                return Err(WrongOwners::Held(account, frames, held));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        GroupId,
        UserKind,
        LEAST, //
    };
    use super::*;

    type Counted = Shares<Vec<Share>>;

    fn shares(blocks: &[(Account, usize)]) -> Counted {
        let mut shares = Shares::new(vec![Share::default(); LEAST]);
        for &(account, pages) in blocks {
            assert!(shares.add(account, NrPages::new(pages)));
        }
        shares
    }

    #[test]
    fn shares_are_sums_of_blocks() {
        let (one, two) = (Account::new(1), Account::new(2));
        let mut it = shares(&[(one, 4), (two, 1), (one, 8)]);
        assert_eq!(it.get(one).to_string(), "2 blocks of 12 pages");
        assert_eq!(it.some().map(|(it, _)| it).collect::<Vec<_>>(), [one, two]);
        assert!(!it.add(Account::new(64), NrPages::new(1)));
    }

    /// Open, and held: as many. Open, and nobody says what it has: any. Closed: none.
    #[test]
    fn frames_are_compared_with_holders() {
        let mut accounts = Accounts::new(vec![Entry::default(); LEAST]).unwrap();
        let mut open = |kind| {
            let owner = Owner::unnamed(kind, GroupId::ROOT);
            accounts.open(&owner).unwrap()
        };
        let (lab, bench, bad) = (
            open(UserKind::Lab),
            open(UserKind::Bench),
            open(UserKind::Bad),
        );
        assert!(accounts.close(bad));
        let compare = |frames: &[_], held: &[_]| {
            let is_held = |it: &Owner| it.kind() == UserKind::Lab;
            accounts.compare(&shares(frames), &shares(held), is_held)
        };
        assert_eq!(compare(&[(lab, 2), (bench, 1)], &[(lab, 2)]), Ok(()));
        let held = |it: Result<_, _>| matches!(it, Err(WrongOwners::Held(..)));
        assert!(held(compare(&[(lab, 2)], &[])));
        assert!(held(compare(&[(lab, 2)], &[(lab, 1), (lab, 1)])));
        assert!(held(compare(&[], &[(bench, 1)])));
        let closed = |it: Result<_, _>| matches!(it, Err(WrongOwners::Closed(..)));
        assert!(closed(compare(&[(bad, 1)], &[(bad, 1)])));
        assert!(closed(compare(&[(Account::NONE, 1)], &[])));
    }
}
