// SPDX-License-Identifier: GPL-2.0

//! Per-CPU variables with a type: a `T` for every possible CPU, made at run time or in the module.
//!
//!   per_cpu! { static HITS: Cell<u64> = Cell::new(0); }     a module's own, copied by its loader
//!   PerCpu::new(GFP_KERNEL, |cpu| ...)                      made at run time, freed when dropped
//!           \            /
//!           Copies<T>      local()     with interrupts off: any T, a Cell too
//!                          this_cpu()  with preemption off: T is Sync
//!                          on(), iter() from anywhere: T is Sync
//!
//! What makes a `T` that is no `Sync` safe: it is reached on its own CPU alone, and only where
//! interrupts are off, so that neither another task nor an interrupt handler comes between. A `T`
//! that is `Sync` stands others beside it, be they other CPUs or interrupts of its own.
//!
//! # Examples
//!
//! ```
//! // Counted with no atomic instruction and no shared cache line.
//! per_cpu! {
//!     static HITS: Cell<u64> = Cell::new(0);
//! }
//! with_irqs_off(|irqs| {
//!     let hits = HITS.local(irqs);
//!     hits.set(hits.get() + 1);
//! });
//!
//! // Summed over all CPUs, from anywhere.
//! let bytes = PerCpu::new(Gfp::KERNEL, |_cpu| Atomic::new(0u64))?;
//! bytes.this_cpu().fetch_add(1500, Relaxed);
//! let sum: u64 = bytes.iter().map(|(_cpu, bytes)| bytes.load(Relaxed)).sum();
//! ```
//!
//! # Locking     none: [`Pinned`] and [`IrqsOff`] are the evidence.
//! # Cost        an addition to find the copy; for that, one call of a shim.
//! # Limits      all static variables of a module have 8 KiB together (`PERCPU_MODULE_RESERVE`), and
//!               are not dropped. A copy of a CPU that is offline stays as it is.
//! # Reference   `include/linux/percpu-defs.h`; `kernel/module/main.c`: `percpu_modalloc()`,
//!               `percpu_modcopy()`.

use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    ops::Deref,
    ptr::{
        self,
        NonNull, //
    },
};

use kernel::{
    page::PAGE_SIZE,
    prelude::*, //
};

use super::{
    is_possible,
    possible_cpus,
    Percpu,
    Refusal, //
};
use crate::algo::units::Bytes;
use crate::linux::{
    cpu::{
        IrqsOff,
        Pinned, //
    },
    ffi,
    gfp::Gfp, //
};

/// The copies of a per-CPU variable.
///
/// # Invariants
///
/// `cookie` stands for per-CPU memory that has an initialised `T` for every possible CPU, lives at
/// least as long as this value, and is reached through this value alone.
pub struct Copies<T> {
    cookie: NonNull<T>,
    _owned: PhantomData<T>,
}

// SAFETY: The copies may be dropped by another task than the one that made them, as `T` may.
unsafe impl<T: Send> Send for Copies<T> {}

// SAFETY: A copy is reached by two at a time only where `T` is `Sync`. Else its CPU has it alone, with
// interrupts off; tasks take turns there, which `T: Send` allows.
unsafe impl<T: Send> Sync for Copies<T> {}

impl<T> Copies<T> {
    /// The copies of a static variable of this module; [`per_cpu!`] is how to make one.
    ///
    /// # Safety
    ///
    /// `slot` is a static that the module's loader copies for every possible CPU, or on a kernel
    /// for one CPU the one copy itself; nobody else uses it.
    pub const unsafe fn of_static(slot: *const Slot<T>) -> Self {
        // SAFETY: The address of a static is not null.
        let cookie = unsafe { NonNull::new_unchecked(slot.cast_mut().cast()) };
        // INVARIANT: the caller's promise; a module's per-CPU memory lives as long as its statics.
        Self {
            cookie,
            _owned: PhantomData,
        }
    }

    /// This CPU's copy.
    pub fn local<'a>(&'a self, _irqs: &'a IrqsOff) -> &'a T {
        // SAFETY: By the invariant this CPU has a copy; it stays this CPU while interrupts are off.
        let copy = unsafe { ffi::oxmm_this_cpu_ptr(self.cookie.as_ptr().cast()) };
        // SAFETY: By the invariant it is initialised and lives as long as `self`. Shared references
        // of this CPU are all there can be, for others exist only where `T` is `Sync`, and mutable
        // ones only of an exclusive `self`.
        unsafe { &*copy.cast_const().cast() }
    }

    /// Every CPU's copy, by CPU; while nobody else can reach them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut T)> {
        let this = &*self;
        possible_cpus().filter_map(move |cpu| {
            let mut copy = this.copy(cpu)?;
            // SAFETY: By the invariant it is initialised and lives as long as `self`, which is
            // borrowed exclusively; each CPU has its own, and comes once.
            Some((cpu, unsafe { copy.as_mut() }))
        })
    }

    /// A CPU's copy; `None` for a CPU that cannot be.
    fn copy(&self, cpu: u32) -> Option<NonNull<T>> {
        if !is_possible(cpu) {
            return None;
        }
        // SAFETY: By the invariant a possible CPU has a copy.
        let copy = unsafe { ffi::oxmm_per_cpu_ptr(self.cookie.as_ptr().cast(), cpu) };
        NonNull::new(copy.cast())
    }
}

impl<T: Sync> Copies<T> {
    /// This CPU's copy, while the task stays on it (`get_cpu_var()`).
    pub fn this_cpu(&self) -> This<'_, T> {
        let pinned = Pinned::new();
        // SAFETY: By the invariant this CPU has a copy; it stays this CPU while `pinned` lives.
        let copy = unsafe { ffi::oxmm_this_cpu_ptr(self.cookie.as_ptr().cast()) };
        This {
            // SAFETY: By the invariant it is initialised and lives as long as `self`; others may
            // look at it meanwhile, which `T: Sync` allows.
            copy: unsafe { &*copy.cast_const().cast() },
            pinned,
        }
    }

    /// A CPU's copy; `None` for a CPU that cannot be.
    pub fn on(&self, cpu: u32) -> Option<&T> {
        // SAFETY: By the invariant it is initialised and lives as long as `self`; others may look at
        // it meanwhile, which `T: Sync` allows.
        self.copy(cpu).map(|copy| unsafe { copy.as_ref() })
    }

    /// Every CPU's copy, by CPU.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        possible_cpus().filter_map(|cpu| Some((cpu, self.on(cpu)?)))
    }
}

/// This CPU's copy; the task stays on the CPU until it is dropped (`put_cpu_var()`).
pub struct This<'a, T> {
    copy: &'a T,
    pinned: Pinned,
}

impl<T> This<'_, T> {
    /// The CPU.
    pub fn cpu(&self) -> u32 {
        self.pinned.cpu()
    }
}

impl<T> Deref for This<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.copy
    }
}

/// A per-CPU variable that is made at run time; dropping it drops and frees all copies.
///
/// # Invariants
///
/// `copies` are those of `area`.
pub struct PerCpu<T> {
    copies: Copies<T>,
    /// Freed after `drop()` has dropped the copies.
    _area: Percpu,
}

impl<T> PerCpu<T> {
    /// Makes a copy for every possible CPU.
    ///
    /// # Errors
    ///
    /// As [`Percpu::alloc`]: a `T` has a size, and is not too large.
    pub fn new(gfp: Gfp, mut make: impl FnMut(u32) -> T) -> Result<Self, Refusal> {
        let area = Percpu::alloc(Bytes::new(size_of::<T>()), Some(align_of::<T>()), gfp)?;
        for cpu in possible_cpus() {
            if let Some(copy) = area.copy(cpu) {
                // SAFETY: The copy is ours, has the size and alignment of a `T`, and holds none yet.
                unsafe { copy.cast::<T>().write(make(cpu)) };
            }
        }
        // INVARIANT: every possible CPU's copy is initialised, and `area` lives as long.
        Ok(Self::of(area))
    }

    /// Makes a zeroed copy for every possible CPU.
    ///
    /// # Errors
    ///
    /// As [`PerCpu::new`].
    pub fn zeroed(gfp: Gfp) -> Result<Self, Refusal>
    where
        T: Zeroable,
    {
        let area = Percpu::alloc(Bytes::new(size_of::<T>()), Some(align_of::<T>()), gfp)?;
        // INVARIANT: Linux zeroes the copies, and zero is a `T`; `area` lives as long.
        Ok(Self::of(area))
    }

    fn of(area: Percpu) -> Self {
        Self {
            copies: Copies {
                cookie: area.cookie.cast(),
                _owned: PhantomData,
            },
            _area: area,
        }
    }
}

impl<T> Deref for PerCpu<T> {
    type Target = Copies<T>;

    fn deref(&self) -> &Copies<T> {
        &self.copies
    }
}

impl<T> PerCpu<T> {
    /// Every CPU's copy, by CPU; while nobody else can reach them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut T)> {
        self.copies.iter_mut()
    }
}

impl<T> Drop for PerCpu<T> {
    fn drop(&mut self) {
        for (_, copy) in self.copies.iter_mut() {
            // SAFETY: It is initialised, and nobody looks at it again: the area is freed next.
            unsafe { ptr::drop_in_place(copy) };
        }
    }
}

/// What a module's loader copies for every possible CPU: the first value of a static variable.
///
/// Nothing reads or writes it here: its address is changed to that of the copies when the module is
/// loaded, and stands for them as the cookie of made ones does.
#[repr(transparent)]
pub struct Slot<T>(UnsafeCell<T>);

// SAFETY: Nobody looks at it.
unsafe impl<T: Send> Sync for Slot<T> {}

impl<T> Slot<T> {
    /// A first value; a constant, so that copying its bytes makes others like it.
    pub const fn new(value: T) -> Self {
        // The loader aligns to no more.
        const { assert!(align_of::<T>() <= PAGE_SIZE) };
        Self(UnsafeCell::new(value))
    }
}

/// Defines a per-CPU variable of this module, as `DEFINE_PER_CPU()` does: a static [`Copies`].
///
/// The loader copies the section for every possible CPU, and points the section's symbols at the
/// copies. A kernel for one CPU has no such section; the variable is its own copy there.
#[macro_export]
macro_rules! per_cpu {
    ($($(#[$meta:meta])* $vis:vis static $NAME:ident: $T:ty = $value:expr;)+) => {$(
        $(#[$meta])*
        $vis static $NAME: $crate::linux::percpu::Copies<$T> = {
            #[cfg_attr(CONFIG_SMP, link_section = ".data..percpu")]
            static SLOT: $crate::linux::percpu::Slot<$T> =
                $crate::linux::percpu::Slot::new($value);
            // SAFETY: In the section that the loader copies, where there is one; out of sight for
            // all else.
            unsafe { $crate::linux::percpu::Copies::of_static(&raw const SLOT) }
        };
    )+};
}

#[cfg(CONFIG_KUNIT)]
crate::per_cpu! {
    /// Each CPU has its own, and all begin alike.
    static SEVENS: core::cell::Cell<u64> = core::cell::Cell::new(7);
    /// Not zero, not aligned like the one before, and not `Sync` either.
    static PAIR: core::cell::Cell<(u8, u16)> = core::cell::Cell::new((1, 2));
}

#[kunit_tests(oxmm_percpu_typed)]
mod tests {
    use super::*;
    use crate::linux::{
        cpu::{
            on_each_cpu,
            with_irqs_off, //
        },
        percpu::online_cpus,
    };
    use core::cell::Cell;
    use kernel::sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
    };

    /// A module's variable begins alike on every CPU, and each then counts for itself.
    #[test]
    fn a_static_variable_has_a_copy_for_each_cpu() {
        let (sum, odd) = (Atomic::new(0u64), Atomic::new(0u64));
        let read = || {
            sum.store(0, Relaxed);
            on_each_cpu(|irqs| {
                sum.fetch_add(SEVENS.local(irqs).get(), Relaxed);
                odd.fetch_add(u64::from(PAIR.local(irqs).get() != (1, 2)), Relaxed);
            });
            sum.load(Relaxed)
        };
        let cpus: u64 = online_cpus().map(|_| 1).sum();
        assert_eq!(read(), 7 * cpus);
        on_each_cpu(|irqs| SEVENS.local(irqs).set(7 + u64::from(irqs.cpu())));
        let numbers: u64 = online_cpus().map(u64::from).sum();
        assert_eq!(read(), 7 * cpus + numbers);
        on_each_cpu(|irqs| SEVENS.local(irqs).set(7));
        assert_eq!(read(), 7 * cpus);
        assert_eq!(odd.load(Relaxed), 0);
    }

    /// Copies of a module's variable are at addresses of their own.
    #[test]
    fn static_copies_are_apart() {
        let mut last = None;
        for cpu in possible_cpus() {
            let copy = SEVENS.copy(cpu);
            assert!(copy.is_some() && copy != last);
            last = copy;
        }
    }

    /// Each copy is what was made for its CPU, here and from afar.
    #[test]
    fn copies_are_made_for_their_cpu() -> Result<(), Refusal> {
        let numbers = PerCpu::new(Gfp::KERNEL, |cpu| Atomic::new(u64::from(cpu)))?;
        for (cpu, number) in numbers.iter() {
            assert_eq!(number.load(Relaxed), u64::from(cpu));
        }
        let here = numbers.this_cpu();
        assert_eq!(here.load(Relaxed), u64::from(here.cpu()));
        here.fetch_add(5, Relaxed);
        let cpu = here.cpu();
        drop(here);
        let five = numbers.on(cpu).map(|number| number.load(Relaxed));
        assert_eq!(five, Some(u64::from(cpu) + 5));
        assert!(numbers.on(kernel::cpu::nr_cpu_ids()).is_none());
        Ok(())
    }

    /// A variable that is not `Sync` counts with interrupts off, and is summed by its owner.
    #[test]
    fn a_cell_counts_on_its_cpu() -> Result<(), Refusal> {
        let mut hits = PerCpu::new(Gfp::KERNEL, |_| Cell::new(0u64))?;
        on_each_cpu(|irqs| {
            let hits = hits.local(irqs);
            hits.set(hits.get() + 2);
        });
        with_irqs_off(|irqs| {
            let hits = hits.local(irqs);
            hits.set(hits.get() + 1);
        });
        let sum: u64 = hits.iter_mut().map(|(_, hits)| *hits.get_mut()).sum();
        assert_eq!(sum, 1 + online_cpus().map(|_| 2).sum::<u64>());
        let zero = PerCpu::<Atomic<u64>>::new(Gfp::KERNEL, |_| Atomic::new(0))?;
        assert!(zero.iter().all(|(_, copy)| copy.load(Relaxed) == 0));
        let zero = PerCpu::<u64>::zeroed(Gfp::KERNEL)?;
        assert!(zero.iter().all(|(_, &copy)| copy == 0));
        Ok(())
    }

    /// What the copies own is dropped with them, once each.
    #[test]
    fn copies_are_dropped_with_the_variable() -> Result {
        struct Owner(Arc<Atomic<u64>>);
        impl Drop for Owner {
            fn drop(&mut self) {
                self.0.fetch_add(1, Relaxed);
            }
        }
        let drops = Arc::new(Atomic::new(0u64), GFP_KERNEL)?;
        let owners = PerCpu::new(Gfp::KERNEL, |_| Owner(drops.clone()));
        assert_eq!(drops.load(Relaxed), 0);
        drop(owners);
        assert_eq!(drops.load(Relaxed), possible_cpus().map(|_| 1).sum::<u64>());
        Ok(())
    }
}
