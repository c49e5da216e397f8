// SPDX-License-Identifier: GPL-2.0

//! A directory whose subdirectories come and go while the tree lives, each with a state of its own.
//!
//!   Folder::follow([a, b])   then   Folder::follow([b, c])
//!     cache/a/ ...                    a/ removed, after its readers; then its state dropped
//!     cache/b/ ...                    b/ stays
//!                                     c/ made
//!
//! # Locking     `Inner` is a mutex that is held while directories are made and removed. Removing one
//!               waits for the callbacks of its files that run: none of those may call `follow`.
//!               Files of the tree outside of the folder may: they are not waited for.
//! # Cost        `follow` compares every name with every subdirectory.
//! # Limits      a name that is gone and there again between two calls keeps its state.
//! # Reference   `fs/debugfs/inode.c`: `debugfs_remove()`.

use core::ptr::NonNull;

use kernel::{
    bindings, new_mutex,
    prelude::*,
    str::CString,
    sync::{
        Arc,
        Mutex, //
    },
};

use super::{
    create_dir,
    quietly,
    Dir,
    Tree, //
};

/// A directory of a [`Tree`] with subdirectories that come and go.
#[pin_data]
pub struct Folder<T: Send + Sync + 'static> {
    #[pin]
    inner: Mutex<Inner<T>>,
}

/// # Invariants
///
/// `dentry` is a live directory: the tree that it is in closes the folder, which empties this, before
/// it removes its directories.
struct Inner<T: Send + Sync + 'static> {
    dentry: Option<NonNull<bindings::dentry>>,
    entries: KVec<Entry<T>>,
}

struct Entry<T: Send + Sync + 'static> {
    name: KVec<u8>,
    _files: Tree<T>,
}

// SAFETY: The dentry is only given to debugfs functions, which lock for themselves; all else is
// `Send`.
unsafe impl<T: Send + Sync + 'static> Send for Inner<T> {}

/// What a tree does with its folders, whatever their states are.
pub(super) trait Close: Send + Sync {
    /// Removes all subdirectories, and makes no more.
    fn close(&self);
}

impl<T: Send + Sync + 'static> Close for Folder<T> {
    fn close(&self) {
        let mut inner = self.inner.lock();
        inner.dentry = None;
        let entries = core::mem::take(&mut inner.entries);
        drop(inner);
        drop(entries);
    }
}

impl<T: Send + Sync + 'static> Folder<T> {
    /// A folder over a directory that the caller's tree has, and closes this before it removes it.
    pub(super) fn new(dentry: NonNull<bindings::dentry>) -> Result<Arc<Self>> {
        // INVARIANT: the caller's promise.
        let inner = Inner {
            dentry: Some(dentry),
            entries: KVec::new(),
        };
        Arc::pin_init(
            pin_init!(Self { inner <- new_mutex!(inner, "oxmm::folder") }),
            GFP_KERNEL,
        )
    }

    /// Makes the subdirectories those that `names` gives, which is called under the lock: removes
    /// what is not among them, then makes what is new, with the state that `make` makes of its name
    /// and the files that `fill` gives it.
    ///
    /// # Errors
    ///
    /// Those of `names`, `make` and `fill`, and ENOMEM. What could be done is done.
    pub fn follow(
        &self,
        names: impl FnOnce() -> Result<KVec<KVec<u8>>>,
        make: impl Fn(&[u8]) -> Result<Pin<KBox<T>>>,
        fill: impl Fn(&Dir<'_, T>) -> Result,
    ) -> Result {
        let mut inner = self.inner.lock();
        let Some(dentry) = inner.dentry else {
            return Ok(());
        };
        // Under the lock, so that an older list never undoes a newer one.
        let names = names()?;
        let entries = &mut inner.entries;
        entries.retain(|entry| names.iter().any(|name| **name == *entry.name));
        let mut outcome = Ok(());
        for name in names.iter() {
            if entries.iter().any(|entry| *entry.name == **name) {
                continue;
            }
            let made = Entry::new(dentry, name, &make, &fill)
                .and_then(|entry| Ok(entries.push(entry, quietly())?));
            outcome = outcome.and(made);
        }
        outcome
    }
}

impl<T: Send + Sync + 'static> Entry<T> {
    fn new(
        parent: NonNull<bindings::dentry>,
        name: &[u8],
        make: &impl Fn(&[u8]) -> Result<Pin<KBox<T>>>,
        fill: &impl Fn(&Dir<'_, T>) -> Result,
    ) -> Result<Self> {
        let mut copy = KVec::new();
        copy.extend_from_slice(name, quietly())?;
        let text = core::str::from_utf8(name).map_err(|_| EINVAL)?;
        let text = CString::try_from_fmt(fmt!("{text}"))?;
        let state = make(name)?;
        let files = Tree::made(create_dir(&text, parent.as_ptr())?, state)?;
        fill(&files.root())?;
        Ok(Self {
            name: copy,
            _files: files,
        })
    }
}
