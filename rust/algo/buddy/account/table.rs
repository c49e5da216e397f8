// SPDX-License-Identifier: GPL-2.0

//! The table of accounts: from who it is to a number and back, with how often each is open.
//!
//!   entries   [ none | lab:t1 x2 | bench x0 | lab x1 | never used ... ]   x: open so often
//!   chains    row of the hash -> entry -> entry             heads and links are in the entries
//!
//! # Locking     `&mut self`.
//! # Cost        see account.rs. Storage is a power of two of entries; the caller brings a larger one
//!               when [`Accounts::wants`] says so, and gets the old one back.
//! # Limits      an entry that is closed is forgotten in turn, not the one that is closed longest.
//! # Reference   lib/stackdepot.c, which never forgets.

use core::{
    fmt,
    ops::DerefMut, //
};

use super::{
    Account,
    Owner, //
};

/// The least entries of storage.
pub const LEAST: usize = 64;

/// The most, which are as many as there are numbers.
pub const MOST: usize = 1 << 16;

/// An account, or none; the entry of the same number as a row also has the head of its chain.
#[derive(Clone, Copy, Debug, Default)]
pub struct Entry {
    owner: Option<Owner>,
    opened: u32,
    /// The next account of the chain that this one is in; 0 ends it.
    next: u16,
    /// The first account whose hash is the number of this entry.
    head: u16,
}

/// All entries are of accounts that are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// What is wrong with a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// The account is in no chain, or in another one than its hash says, or twice.
    Chain(Account),
    /// Accounts that are open: counted, recounted.
    Open(usize, usize),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chain(account) => write!(f, "account {}: not where it is found", account.get()),
            Self::Open(kept, counted) => {
                write!(f, "open accounts: kept {kept}, counted {counted}")
            }
        }
    }
}

/// The accounts, in storage of the caller.
///
/// # Invariants
///
/// The storage has a power of two of entries, from `LEAST` to `MOST`. Entry 0 is of no account; each
/// other one with an owner is in the chain of its hash, once, and no two have the same owner. `open`
/// entries have been opened more often than closed.
pub struct Accounts<S> {
    entries: S,
    open: usize,
    /// Where the next entry is looked for that can be had.
    hand: usize,
}

impl<S: DerefMut<Target = [Entry]>> Accounts<S> {
    /// An empty table in storage that is as it was made; `None` if its size is not right.
    pub fn new(mut entries: S) -> Option<Self> {
        let size = entries.len();
        if !size.is_power_of_two() || !(LEAST..=MOST).contains(&size) {
            return None;
        }
        entries.fill(Entry::default());
        // INVARIANT: no entry has an owner.
        Some(Self {
            entries,
            open: 0,
            hand: 0,
        })
    }

    /// How many entries there are.
    pub fn size(&self) -> usize {
        self.entries.len()
    }

    /// How large storage should be, if it should be larger: half of it is open.
    pub fn wants(&self) -> Option<usize> {
        let size = self.size();
        (self.open * 2 >= size && size < MOST).then_some(size * 2)
    }

    /// Moves to larger storage, and returns what was used before; the storage itself if it is not
    /// larger, or not of a right size.
    pub fn grow(&mut self, mut larger: S) -> S {
        let size = larger.len();
        if !size.is_power_of_two() || size > MOST || size <= self.size() {
            return larger;
        }
        larger.fill(Entry::default());
        for (place, old) in larger.iter_mut().zip(self.entries.iter()) {
            (place.owner, place.opened) = (old.owner, old.opened);
        }
        let old = core::mem::replace(&mut self.entries, larger);
        // INVARIANT: numbers are kept, and each owner is entered into the chain of its new hash.
        (1..old.len()).for_each(|at| self.enter(at));
        old
    }

    /// The account of an owner, which is open once more from now on.
    ///
    /// # Errors
    ///
    /// [`Full`] if there is no number for it.
    pub fn open(&mut self, owner: &Owner) -> Result<Account, Full> {
        let at = match self.find(owner) {
            Some(at) => at,
            None => self.add(owner).ok_or(Full)?,
        };
        let entry = self.entries.get_mut(at).ok_or(Full)?;
        let opened = entry.opened.checked_add(1).ok_or(Full)?;
        // INVARIANT: counted with the first.
        self.open += usize::from(entry.opened == 0);
        entry.opened = opened;
        // CAST: there are at most 2^16 entries.
        Ok(Account::new(at as u16))
    }

    /// Closes an account once; `false`, and nothing is done, if it is not open.
    #[must_use]
    pub fn close(&mut self, account: Account) -> bool {
        let entry = self.entries.get_mut(account.index());
        let Some(entry) = entry.filter(|it| it.opened > 0) else {
            return false;
        };
        entry.opened -= 1;
        // INVARIANT: counted off with the last.
        self.open -= usize::from(entry.opened == 0);
        true
    }

    /// Who an account is, or was when it was open.
    pub fn owner(&self, account: Account) -> Option<&Owner> {
        self.entries.get(account.index())?.owner.as_ref()
    }

    /// Says whether an account is open.
    pub fn is_open(&self, account: Account) -> bool {
        let entry = self.entries.get(account.index());
        entry.is_some_and(|it| it.opened > 0)
    }

    /// How many accounts are open.
    pub const fn nr_open(&self) -> usize {
        self.open
    }

    /// Looks an owner up.
    fn find(&self, owner: &Owner) -> Option<usize> {
        let row = hash(owner) & (self.size() - 1);
        self.chain(row).find(|&at| {
            let entry = self.entries.get(at);
            entry.is_some_and(|it| it.owner.as_ref() == Some(owner))
        })
    }

    /// The accounts of a row; as many as there are entries at most, whatever the links say.
    fn chain(&self, row: usize) -> impl Iterator<Item = usize> + '_ {
        let mut at = self.entries.get(row).map_or(0, |it| it.head);
        (0..self.size()).map_while(move |_| {
            let here = usize::from(at);
            at = self.entries.get(here)?.next;
            (here != 0).then_some(here)
        })
    }

    /// Gives an owner an entry that nobody has open.
    fn add(&mut self, owner: &Owner) -> Option<usize> {
        let size = self.size();
        if self.open + 1 >= size {
            return None;
        }
        let mut turn = (1..=size).map(|step| (self.hand + step) & (size - 1));
        let at = turn.find(|&at| at != 0 && self.entries.get(at).is_some_and(|it| it.opened == 0));
        let at = at?;
        self.hand = at;
        self.leave(at);
        self.entries.get_mut(at)?.owner = Some(*owner);
        // INVARIANT: it was not found before.
        self.enter(at);
        Some(at)
    }

    /// Puts an entry into the chain of its owner, if it has one.
    fn enter(&mut self, at: usize) {
        let Some(owner) = self.entries.get(at).and_then(|it| it.owner) else {
            return;
        };
        let row = hash(&owner) & (self.size() - 1);
        // CAST: there are at most 2^16 entries.
        let first = at as u16;
        let Some(next) = self
            .entries
            .get_mut(row)
            .map(|it| core::mem::replace(&mut it.head, first))
        else {
            return;
        };
        if let Some(entry) = self.entries.get_mut(at) {
            entry.next = next;
        }
    }

    /// Takes an entry out of the chain of its owner, if it has one, and forgets who that was.
    fn leave(&mut self, at: usize) {
        let Some(entry) = self.entries.get_mut(at) else {
            return;
        };
        let next = core::mem::take(&mut entry.next);
        let Some(owner) = entry.owner.take() else {
            return;
        };
        let row = hash(&owner) & (self.size() - 1);
        let before = match self.entries.get(row).map(|it| usize::from(it.head)) {
            Some(head) if head == at => None,
            // The entry's own link is gone, but it is found before that is followed.
            _ => self.chain(row).find(|&it| {
                let entry = self.entries.get(it);
                entry.is_some_and(|it| usize::from(it.next) == at)
            }),
        };
        let link = match before {
            None => self.entries.get_mut(row).map(|it| &mut it.head),
            Some(before) => self.entries.get_mut(before).map(|it| &mut it.next),
        };
        if let Some(link) = link {
            *link = next;
        }
    }

    /// Recounts everything.
    ///
    /// # Errors
    ///
    /// The first violation.
    pub fn check(&self) -> Result<(), Violation> {
        let mut open = 0;
        for (at, entry) in self.entries.iter().enumerate() {
            // CAST: there are at most 2^16 entries.
            let account = Account::new(at as u16);
            open += usize::from(entry.opened > 0);
            let is_right = match &entry.owner {
                Some(owner) => self.find(owner) == Some(at) && self.times(owner, at) == 1,
                None => entry.opened == 0 && entry.next == 0,
            };
            if !is_right {
                return Err(Violation::Chain(account));
            }
        }
        match open == self.open {
            true => Ok(()),
            false => Err(Violation::Open(self.open, open)),
        }
    }

    /// How often an entry is in the chain of its owner.
    fn times(&self, owner: &Owner, at: usize) -> usize {
        let chain = self.chain(hash(owner) & (self.size() - 1));
        chain.filter(|&it| it == at).count()
    }
}

/// FNV-1a of all that an owner is.
fn hash(owner: &Owner) -> usize {
    let [low, high] = owner.group().get().to_le_bytes();
    // CAST: one of a few.
    let rest = [owner.kind().index() as u8, low, high];
    let bytes = owner.name().bytes().chain(rest);
    let sum = bytes.fold(0x811c_9dc5_u32, |sum, byte| {
        (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    // CAST: of 32 bits the upper half is mixed into the lower; `usize` has that many.
    (sum ^ sum >> 16) as usize
}

#[cfg(test)]
mod tests {
    use super::super::{
        GroupId,
        UserKind, //
    };
    use super::*;

    fn owner(number: usize) -> Owner {
        let group = GroupId::new(u16::try_from(number % 3).unwrap());
        Owner::new(UserKind::Lab, &number.to_string(), group).unwrap()
    }

    fn table(size: usize) -> Accounts<Vec<Entry>> {
        Accounts::new(vec![Entry::default(); size]).unwrap()
    }

    #[test]
    fn storage_is_a_power_of_two() {
        for (size, is_right) in [
            (0, false),
            (32, false),
            (64, true),
            (96, false),
            (1 << 16, true),
            (1 << 17, false),
        ] {
            assert_eq!(
                Accounts::new(vec![Entry::default(); size]).is_some(),
                is_right,
                "{size}"
            );
        }
    }

    #[test]
    fn the_same_owner_has_one_number() {
        let mut table = table(64);
        let first = table.open(&owner(1)).unwrap();
        assert_ne!(first, Account::NONE);
        assert_ne!(table.open(&owner(2)), Ok(first));
        assert_eq!(table.open(&owner(1)), Ok(first));
        assert_eq!(table.nr_open(), 2);
        assert!(table.close(first) && table.is_open(first));
        assert!(table.close(first) && !table.is_open(first));
        assert!(!table.close(first) && !table.close(Account::NONE));
        // Who it was is known on.
        assert_eq!(table.owner(first), Some(&owner(1)));
        assert_eq!(table.check(), Ok(()));
    }

    /// Name and group both tell owners apart.
    #[test]
    fn groups_and_kinds_have_accounts_of_their_own() {
        let mut table = table(64);
        let mut seen = Vec::new();
        for kind in UserKind::ALL {
            for group in [0, 1, 256] {
                let owner = Owner::new(*kind, "x", GroupId::new(group)).unwrap();
                let account = table.open(&owner).unwrap();
                assert!(!seen.contains(&account));
                seen.push(account);
            }
        }
    }

    #[test]
    fn a_full_table_takes_entries_that_are_closed_in_turn() {
        let mut table = table(64);
        let all: Vec<_> = (0..63).map(|it| table.open(&owner(it)).unwrap()).collect();
        assert_eq!(table.open(&owner(63)), Err(Full));
        assert!(table.close(all[5]) && table.close(all[40]));
        assert_eq!(table.open(&owner(63)), Ok(all[5]));
        assert_eq!(table.owner(all[5]), Some(&owner(63)));
        // The other is known still, and has its number again.
        assert_eq!(table.open(&owner(40)), Ok(all[40]));
        assert_eq!(table.open(&owner(5)), Err(Full));
        assert_eq!(table.check(), Ok(()));
    }

    #[test]
    fn growth_keeps_numbers() {
        let mut table = table(64);
        let numbers: Vec<_> = (0..32).map(|it| table.open(&owner(it)).unwrap()).collect();
        assert_eq!(table.wants(), Some(128));
        assert_eq!(table.grow(vec![Entry::default(); 64]).len(), 64);
        assert_eq!(table.size(), 64);
        assert_eq!(table.grow(vec![Entry::default(); 128]).len(), 64);
        assert_eq!((table.size(), table.wants()), (128, None));
        for (number, account) in numbers.iter().enumerate() {
            assert_eq!(table.owner(*account), Some(&owner(number)));
            assert_eq!(table.open(&owner(number)), Ok(*account));
        }
        assert_eq!(table.check(), Ok(()));
    }

    /// Every number but 0 can be had, and no more.
    #[test]
    fn there_are_65535_accounts() {
        let mut table = table(MOST);
        for number in 1..MOST {
            assert!(table.open(&owner(number)).is_ok());
        }
        assert_eq!(table.open(&owner(0)), Err(Full));
        assert_eq!((table.nr_open(), table.wants()), (MOST - 1, None));
    }

    #[test]
    fn check_finds_a_lost_entry() {
        let mut table = table(64);
        let account = table.open(&owner(1)).unwrap();
        let head = table.entries.iter().position(|it| it.head == account.get());
        table.entries[head.unwrap()].head = 0;
        assert_eq!(table.check(), Err(Violation::Chain(account)));
    }
}
