// SPDX-License-Identifier: GPL-2.0

//! Who has the blocks of the manager: accounts that are open, and what each of them has.
//!
//!   command or benchmark -> Private::open -> Open (number) -> plan -> each block's number
//!                                             | kept by the plan and by whoever holds a block
//!   Private::owners: the numbers of all blocks, counted by a walk over the frames
//!
//! # Locking     the table of accounts is a mutex (rank 1), taken to open and to close an account and
//!               to look owners up; no other lock is held then, and memory for a larger table is
//!               allocated before it is taken.
//! # Cost        nothing for an allocation but its store of two bytes; a walk over the frames for
//!               each recount, which gives way between regions.
//! # Limits      groups are all the root: there is no tree of them yet. What is given out or freed
//!               during a recount may be in it or not.
//! # Reference   algo/buddy/account.rs; /sys/kernel/debug/page_owner, /proc/allocinfo.

mod tests;

use kernel::{
    new_mutex, pr_warn_once,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
};

use super::Private;
use crate::algo::{
    buddy::{
        account::{
            Accounts,
            Entry,
            Shares,
            LEAST, //
        },
        zone::Memory, //
    },
    sort::sort_by_key,
    units::{
        FrameIdx,
        NrPages,
        Order,
        Pfn, //
    },
};
use crate::linux::{
    cond_resched,
    quietly, //
};

pub use crate::algo::buddy::account::{
    Account,
    GroupId,
    Owner,
    Share,
    UserKind,
    WrongOwners, //
};

/// The accounts of a manager.
#[pin_data]
pub(super) struct Ledger {
    bad: Account,
    #[pin]
    accounts: Mutex<Accounts<KVVec<Entry>>>,
}

impl Ledger {
    /// One account, which stays open: that of pages which are kept out of use.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn new() -> Result<Pin<KBox<Self>>> {
        let entries = KVVec::from_elem(Entry::default(), LEAST, quietly())?;
        let mut accounts = Accounts::new(entries).ok_or(EINVAL)?;
        let bad = Owner::unnamed(UserKind::Bad, GroupId::ROOT);
        let bad = accounts.open(&bad).map_err(|_| ENOMEM)?;
        let ledger = pin_init!(Self {
            bad,
            accounts <- new_mutex!(accounts, "oxmm::accounts"),
        });
        KBox::pin_init(ledger, quietly())
    }

    /// The account of pages that are kept out of use.
    pub(super) fn bad(&self) -> Account {
        self.bad
    }

    /// Makes room, if that is to be had: what is there serves for long without it.
    fn grow(&self) {
        let wanted = self.accounts.lock().wants();
        let entries = wanted.map(|size| KVVec::from_elem(Entry::default(), size, quietly()));
        if let Some(Ok(entries)) = entries {
            // Dropped after the lock: what was there before, or else what another was quicker with.
            let _old = self.accounts.lock().grow(entries);
        }
    }

    fn open(&self, owner: &Owner) -> Result<Account> {
        self.grow();
        self.accounts.lock().open(owner).map_err(|_| ENOMEM)
    }

    fn close(&self, account: Account) {
        if !self.accounts.lock().close(account) {
            pr_warn_once!("an account was closed too often; see private/check\n");
        }
    }

    /// Who an account is, or was.
    pub(super) fn owner(&self, account: Account) -> Option<Owner> {
        self.accounts.lock().owner(account).copied()
    }
}

/// An account that is open until this is dropped; whoever has a block of it keeps it.
pub struct Open {
    manager: Arc<Private>,
    account: Account,
}

impl Open {
    /// The manager.
    pub fn manager(&self) -> &Arc<Private> {
        &self.manager
    }

    /// The number.
    pub fn account(&self) -> Account {
        self.account
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.manager.machine.ledger.close(self.account);
    }
}

/// What each account has.
pub type Counted = Shares<KVVec<Share>>;

impl Private {
    /// Opens the account of an owner.
    ///
    /// # Errors
    ///
    /// ENOMEM, for the table or for a number.
    pub fn open(self: &Arc<Self>, owner: &Owner) -> Result<Arc<Open>> {
        let account = self.machine.ledger.open(owner)?;
        // Closed again if there is no memory.
        let open = Open {
            manager: self.clone(),
            account,
        };
        Ok(Arc::new(open, GFP_KERNEL)?)
    }

    /// Whose a page is now, and whose it was when a block last began or was wiped there.
    pub fn owner_of(&self, pfn: Pfn) -> (Option<Owner>, Option<Owner>) {
        let place = self.machine.find(pfn).and_then(|(place, frame)| {
            let site = self.machine.sites.get(usize::from(place))?;
            Some((place, site, FrameIdx::new(u32::try_from(frame.get()).ok()?)))
        });
        let Some((place, site, frame)) = place else {
            return (None, None);
        };
        let now = site.zone.owned(frame).map(|it| it.account);
        // Of the pages of a block the first alone says who had it, unless each was noted.
        let last = now.is_none().then(|| match &self.machine.poison {
            Some(poison) => poison.last_account(place, frame),
            None => site.zone.account_at(frame, Order::ZERO),
        });
        let owner = |it: Account| self.machine.ledger.owner(it);
        (now.and_then(owner), last.and_then(owner))
    }

    /// Nothing, for as many accounts as there are.
    fn no_shares(&self) -> Result<Counted> {
        let size = self.machine.ledger.accounts.lock().size();
        let storage = KVVec::from_elem(Share::default(), size, quietly())?;
        Ok(Shares::new(storage))
    }

    /// Counts what each account has, frame by frame.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    fn shares(&self) -> Result<Counted> {
        let mut shares = self.no_shares()?;
        for site in self.machine.sites.iter() {
            for region in 0..site.zone.memory().regions().len() {
                site.zone.each_owned(region, |it| {
                    // What was opened since the table was measured is not in the count yet.
                    shares.add(it.account, it.order.nr_pages());
                });
                cond_resched();
            }
        }
        Ok(shares)
    }

    /// What each owner has, who has the most first; of blocks that nobody asked for the owner is
    /// `None`.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub fn owners(&self) -> Result<KVVec<(Option<Owner>, Share)>> {
        let shares = self.shares()?;
        let mut owners = KVVec::new();
        for (account, share) in shares.some() {
            owners.push((self.machine.ledger.owner(account), share), quietly())?;
        }
        sort_by_key(&mut owners, |(_, share)| core::cmp::Reverse(share.pages));
        Ok(owners)
    }

    /// Compares what the frames say of their owners with what holders have, who are those of
    /// accounts that `is_held` picks.
    ///
    /// # Errors
    ///
    /// ENOMEM; inside, the first that is wrong.
    pub fn check_owners(
        &self,
        held: impl FnOnce(&mut Counted),
        is_held: impl Fn(&Owner) -> bool,
    ) -> Result<Result<(), WrongOwners>> {
        let (frames, mut holders) = (self.shares()?, self.no_shares()?);
        held(&mut holders);
        if let Some(poison) = &self.machine.poison {
            for _ in 0..poison.kept_out() {
                holders.add(self.machine.ledger.bad(), NrPages::new(1));
            }
        }
        let accounts = self.machine.ledger.accounts.lock();
        Ok(accounts.compare(&frames, &holders, is_held))
    }
}
