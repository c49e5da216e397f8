// SPDX-License-Identifier: GPL-2.0

//! The caches that a user made, by name, and who is at them.
//!
//!   create    name is free -> made -> in the table
//!   pin       in the table -> pinned: commands that allocate, views that read
//!   destroy   closing, so that nobody pins it any more -> no pins, no objects -> out -> destroyed
//!
//! A manager destroys a cache before its name is free again: two caches of one name would make
//! Linux warn.
//!
//! # Locking     `admin` is held while a cache is made or destroyed, which sleeps; inside of it
//!               `table`, which is held for look-ups only. Whoever holds a pin takes neither.
//! # Cost        a look-up is linear in the names.
//! # Limits      the manager limits their number: what a cache takes for itself is not in `max_mb`.
//! # Reference   `mm/slab_common.c`: `kmem_cache_sanity_check()`, `kmem_cache_destroy()`.

use kernel::{
    new_condvar, new_mutex,
    prelude::*,
    sync::{
        CondVar,
        Mutex, //
    },
};

use super::{
    Cache,
    Lab,
    Manager,
    Refusal, //
};
use crate::algo::{
    snapshot_slab::{
        ObjectPlace,
        ObjectState,
        Unknown, //
    },
    units::{
        Address,
        Pfn, //
    }, //
};
use crate::linux::quietly;

/// All caches of one manager.
#[pin_data]
pub(super) struct Caches<C: Cache> {
    #[pin]
    admin: Mutex<()>,
    #[pin]
    table: Mutex<KVec<Entry<C>>>,
    #[pin]
    unpinned: CondVar,
}

/// One cache.
struct Entry<C> {
    name: KVec<u8>,
    cache: C,
    pins: usize,
    closing: bool,
}

/// A cache that is not destroyed while this lives.
pub struct Pinned<'a, C: Cache> {
    // Dropped before the pin: who destroys the cache must drop the last copy.
    cache: C,
    hold: Hold<'a, C>,
}

/// What keeps a cache from being destroyed.
struct Hold<'a, C: Cache> {
    caches: &'a Caches<C>,
    name: KVec<u8>,
}

fn copy_of(name: &[u8]) -> Result<KVec<u8>, Refusal> {
    let mut copy = KVec::new();
    copy.extend_from_slice(name, quietly())
        .map_err(|_| Refusal::NoTable)?;
    Ok(copy)
}

fn position<C>(table: &[Entry<C>], name: &[u8]) -> Option<usize> {
    table.iter().position(|entry| *entry.name == *name)
}

impl<C: Cache> Caches<C> {
    /// No caches.
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            admin <- new_mutex!((), "oxmm::caches::admin"),
            table <- new_mutex!(KVec::new(), "oxmm::caches::table"),
            unpinned <- new_condvar!("oxmm::caches::unpinned"),
        })
    }

    /// Makes a cache of this name with `make`.
    ///
    /// # Errors
    ///
    /// [`Refusal::CacheExists`], [`Refusal::NoTable`], and those of `make`.
    pub(super) fn create(
        &self,
        name: &str,
        make: impl FnOnce() -> Result<C, Refusal>,
    ) -> Result<(), Refusal> {
        let _admin = self.admin.lock();
        let name = copy_of(name.as_bytes())?;
        {
            let mut table = self.table.lock();
            if position(&table, &name).is_some() {
                return Err(Refusal::CacheExists);
            }
            table.reserve(1, quietly()).map_err(|_| Refusal::NoTable)?;
        }
        let entry = Entry {
            name,
            cache: make()?,
            pins: 0,
            closing: false,
        };
        // There is room, see above: only who holds `admin` adds.
        let pushed = self.table.lock().push_within_capacity(entry);
        debug_assert!(pushed.is_ok());
        Ok(())
    }

    /// Destroys a cache that has no objects; waits until nobody is at it.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoCache`], [`Refusal::CacheInUse`], [`Refusal::Interrupted`]; the cache stays
    /// then.
    pub(super) fn destroy(&self, name: &str) -> Result<(), Refusal> {
        let _admin = self.admin.lock();
        let mut table = self.table.lock();
        // Only who holds `admin` moves entries, so that the place stays good.
        let at = position(&table, name.as_bytes()).ok_or(Refusal::NoCache)?;
        loop {
            let entry = table.get_mut(at).ok_or(Refusal::NoCache)?;
            let objects = entry.cache.nr_objects();
            if objects > 0 {
                entry.closing = false;
                return Err(Refusal::CacheInUse(objects));
            }
            if entry.pins == 0 {
                break;
            }
            entry.closing = true;
            if self.unpinned.wait_interruptible(&mut table) {
                if let Some(entry) = table.get_mut(at) {
                    entry.closing = false;
                }
                return Err(Refusal::Interrupted);
            }
        }
        let entry = table.remove(at);
        drop(table);
        // Destroys the cache, before `admin` lets the name be used again.
        drop(entry);
        Ok(())
    }

    /// Finds a cache and keeps it.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoCache`], also for one that is being destroyed; [`Refusal::NoTable`].
    pub(super) fn pin(&self, name: &str) -> Result<Pinned<'_, C>, Refusal> {
        let name = copy_of(name.as_bytes())?;
        let mut table = self.table.lock();
        let at = position(&table, &name).ok_or(Refusal::NoCache)?;
        match table.get_mut(at) {
            Some(entry) if !entry.closing => {
                entry.pins += 1;
                Ok(Pinned {
                    cache: entry.cache.clone(),
                    hold: Hold { caches: self, name },
                })
            }
            _ => Err(Refusal::NoCache),
        }
    }

    /// The names of all caches, in the order they were made.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoTable`].
    pub(super) fn names(&self) -> Result<KVec<KVec<u8>>, Refusal> {
        let mut names = KVec::new();
        for entry in self.table.lock().iter() {
            names
                .push(copy_of(&entry.name)?, quietly())
                .map_err(|_| Refusal::NoTable)?;
        }
        Ok(names)
    }
}

impl<C: Cache> Pinned<'_, C> {
    /// The cache.
    pub fn get(&self) -> &C {
        &self.cache
    }

    /// The name that the user gave it.
    pub fn name(&self) -> &str {
        core::str::from_utf8(&self.hold.name).unwrap_or("?")
    }
}

impl<C: Cache> Drop for Hold<'_, C> {
    fn drop(&mut self) {
        let mut table = self.caches.table.lock();
        let at = position(&table, &self.name);
        if let Some(entry) = at.and_then(|at| table.get_mut(at)) {
            debug_assert!(entry.pins > 0);
            entry.pins = entry.pins.saturating_sub(1);
        }
        drop(table);
        self.caches.unpinned.notify_all();
    }
}

impl<M: Manager> Lab<M> {
    /// The object of a slab at an address in this page, or at the page's start.
    ///
    /// Whether an object lies in a sheaf can be said of caches that cannot go away meanwhile: those
    /// that the user made are pinned, one after the other, until one knows.
    ///
    /// # Errors
    ///
    /// Why it is not known.
    pub fn object_in(
        &self,
        pfn: Pfn,
        address: Option<Address>,
    ) -> Result<Option<ObjectPlace>, Unknown> {
        let manager = self.manager();
        let place = manager.object_in(pfn, address, None)?;
        if place.is_none_or(|it| it.state != ObjectState::NotOnSlab) {
            return Ok(place);
        }
        let names = self.caches.names().unwrap_or_default();
        let mut pinned = names
            .iter()
            .filter_map(|name| self.cache(core::str::from_utf8(name).ok()?));
        let known = pinned.find_map(|cache| {
            let place = manager.object_in(pfn, address, Some(cache.get()));
            place.ok()?.filter(|it| it.state != ObjectState::NotOnSlab)
        });
        Ok(known.or(place))
    }
}

#[kunit_tests(oxmm_caches)]
mod tests {
    use kernel::sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    };

    use super::*;
    use crate::algo::{
        snapshot_slab::{
            CpuSheaves,
            NodeSlabs,
            Shape,
            Totals,
            Unknown, //
        },
        units::{
            Bytes,
            NodeId, //
        },
    };

    /// A cache whose number of objects the test sets.
    #[derive(Clone)]
    struct Fake(Arc<Atomic<usize>>);

    impl Cache for Fake {
        fn object_size(&self) -> Bytes {
            Bytes::new(8)
        }

        fn nr_objects(&self) -> usize {
            self.0.load(Relaxed)
        }

        fn shrink(&self) {}

        fn constructed(&self) -> Option<u64> {
            None
        }

        fn shape(&self) -> Result<Shape, Unknown> {
            Err(FAKE)
        }

        fn slabs(&self, _: NodeId) -> Result<NodeSlabs, Unknown> {
            Err(FAKE)
        }

        fn sheaves(&self, _: u32) -> Result<CpuSheaves, Unknown> {
            Err(FAKE)
        }

        fn totals(&self) -> Result<Totals, Unknown> {
            Err(FAKE)
        }
    }

    const FAKE: Unknown = Unknown("it is a fake");

    fn make() -> Result<Fake, Refusal> {
        let objects = Arc::new(Atomic::new(0), GFP_KERNEL);
        objects.map(Fake).map_err(|_| Refusal::NoTable)
    }

    /// A name is one cache's as long as that lives, and is listed as long.
    #[test]
    fn a_name_is_one_caches() -> Result {
        let caches = KBox::pin_init(Caches::<Fake>::new(), GFP_KERNEL)?;
        assert!(caches.create("a", make).is_ok());
        assert!(matches!(
            caches.create("a", make),
            Err(Refusal::CacheExists)
        ));
        assert!(caches.create("b", make).is_ok());
        assert!(caches.names().is_ok_and(|names| names.len() == 2));
        assert!(caches.destroy("a").is_ok());
        assert!(matches!(caches.destroy("a"), Err(Refusal::NoCache)));
        assert!(matches!(caches.pin("a"), Err(Refusal::NoCache)));
        assert!(caches.create("a", make).is_ok());
        Ok(())
    }

    /// A cache that could not be made leaves its name free.
    #[test]
    fn a_failure_leaves_the_name_free() -> Result {
        let caches = KBox::pin_init(Caches::<Fake>::new(), GFP_KERNEL)?;
        let failed = caches.create("a", || Err(Refusal::NoTable));
        assert!(matches!(failed, Err(Refusal::NoTable)));
        assert!(caches.names().is_ok_and(|names| names.is_empty()));
        assert!(caches.create("a", make).is_ok());
        Ok(())
    }

    /// Objects keep a cache; so it can be pinned and used after the refusal.
    #[test]
    fn objects_keep_a_cache() -> Result {
        let caches = KBox::pin_init(Caches::<Fake>::new(), GFP_KERNEL)?;
        assert!(caches.create("a", make).is_ok());
        let objects = caches.pin("a").map(|pinned| pinned.get().clone());
        let objects = objects.map_err(|_| ENOENT)?;
        objects.0.store(3, Relaxed);
        assert!(matches!(caches.destroy("a"), Err(Refusal::CacheInUse(3))));
        assert!(caches.pin("a").is_ok_and(|it| it.name() == "a"));
        objects.0.store(0, Relaxed);
        assert!(caches.destroy("a").is_ok());
        Ok(())
    }
}
