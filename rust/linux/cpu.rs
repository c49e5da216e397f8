// SPDX-License-Identifier: GPL-2.0

//! Staying on a CPU, and running on all of them: evidence as types.
//!
//!   Pinned       preemption is off: this task stays on its CPU, interrupts still come
//!   IrqsOff      interrupts are off too: nothing else runs on this CPU
//!   on_each_cpu  a closure on every online CPU, with `IrqsOff` in hand
//!
//! # Examples
//!
//! ```
//! let hits = Atomic::new(0u64);
//! on_each_cpu(|irqs| {
//!     let _ = irqs.cpu();
//!     hits.fetch_add(1, Relaxed);
//! });
//! ```
//!
//! # Locking     who holds one of these must not sleep, nor wait for what sleeps.
//! # Cost        `Pinned` a counter of the CPU; `IrqsOff` two instructions; `on_each_cpu` interrupts
//!               every other CPU and waits for the slowest.
//! # Limits      machine checks and NMIs come all the same; nothing here can be reached from one.
//! # Reference   `include/linux/preempt.h`, `include/linux/irqflags.h`; `kernel/smp.c`:
//!               `smp_call_function_many_cond()`.

use core::marker::PhantomData;

use kernel::{
    cpu::CpuId,
    ffi::c_void, //
};

use super::ffi;

/// The CPU that this task runs on at the moment; it may move on.
#[inline]
pub fn current() -> u32 {
    match cfg!(CONFIG_SMP) {
        true => CpuId::current().as_u32(),
        // The only one; to ask for it would be a call.
        false => 0,
    }
}

/// Evidence that this task stays on its CPU; dropping it ends that.
///
/// # Invariants
///
/// Preemption was turned off by this task for this value, and is turned on again by its drop: it is
/// counted, so that several may end in any order.
#[must_use = "dropping it lets the task move on"]
pub struct Pinned {
    /// Not `Send`: it is about the CPU that it was made on.
    _here: PhantomData<*mut ()>,
}

impl Pinned {
    /// Stays on this CPU.
    pub fn new() -> Self {
        // SAFETY: Counts; may be called anywhere. The drop counts back.
        unsafe { ffi::oxmm_preempt_disable() };
        // INVARIANT: turned off just now.
        Self { _here: PhantomData }
    }

    /// The CPU.
    pub fn cpu(&self) -> u32 {
        CpuId::current().as_u32()
    }
}

impl Default for Pinned {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // SAFETY: By the invariant it is turned off for this value, on this CPU.
        unsafe { ffi::oxmm_preempt_enable() };
    }
}

/// Evidence that interrupts are off: nothing else runs on this CPU meanwhile.
///
/// It exists only while a closure runs that was called with them off. A guard would not do: of two
/// guards the older, dropped first, would turn interrupts on under the younger.
///
/// # Invariants
///
/// Interrupts of this CPU are off while a reference to it lives.
pub struct IrqsOff {
    /// Not `Send` and not `Sync`: it is about the CPU that it was made on.
    _here: PhantomData<*mut ()>,
}

impl IrqsOff {
    /// The CPU.
    pub fn cpu(&self) -> u32 {
        CpuId::current().as_u32()
    }
}

/// Runs `work` with the interrupts of this CPU off; they are then as they were before.
pub fn with_irqs_off<R>(work: impl FnOnce(&IrqsOff) -> R) -> R {
    // SAFETY: May be called anywhere; what it returns is restored below, in the same function.
    let flags = unsafe { ffi::oxmm_irq_save() };
    // INVARIANT: off until `work` returns, which cannot keep the reference.
    let result = work(&IrqsOff { _here: PhantomData });
    // SAFETY: The flags of the save above; a panic, which would pass by, ends the kernel.
    unsafe { ffi::oxmm_irq_restore(flags) };
    result
}

/// Runs `work` on every online CPU, this one among them, and waits until all are done.
///
/// On the other CPUs it runs in an interrupt, here with interrupts off: it must be short, and may
/// take no lock that anybody holds with interrupts on. A CPU that comes online meanwhile may be left
/// out. To be called in process context with interrupts on, and so not from within `work`.
pub fn on_each_cpu<F: Fn(&IrqsOff) + Sync>(work: F) {
    // SAFETY: `call::<F>` expects what is given here: an `F`, alive until it has run everywhere, for
    // the shim waits. It is `Sync`, as CPUs run it side by side.
    unsafe { ffi::oxmm_on_each_cpu(call::<F>, (&raw const work).cast_mut().cast()) };
}

/// Calls the closure at `work`.
///
/// # Safety
///
/// `work` points to an `F` that is not changed meanwhile; interrupts are off.
unsafe extern "C" fn call<F: Fn(&IrqsOff) + Sync>(work: *mut c_void) {
    // SAFETY: The caller's promise.
    let work = unsafe { &*work.cast_const().cast::<F>() };
    // INVARIANT: the caller's promise; `work` cannot keep the reference.
    work(&IrqsOff { _here: PhantomData });
}

#[kernel::prelude::kunit_tests(oxmm_cpu)]
mod tests {
    use super::*;
    use crate::linux::percpu::online_cpus;
    use kernel::sync::atomic::{
        Atomic,
        Relaxed, //
    };

    /// The closure runs once on every CPU, each time on another.
    #[test]
    fn every_cpu_runs_the_closure_once() {
        let runs = Atomic::new(0u64);
        let numbers = Atomic::new(0u64);
        on_each_cpu(|irqs| {
            runs.fetch_add(1, Relaxed);
            numbers.fetch_add(u64::from(irqs.cpu()), Relaxed);
        });
        assert_eq!(runs.load(Relaxed), online_cpus().map(|_| 1).sum::<u64>());
        assert_eq!(
            numbers.load(Relaxed),
            online_cpus().map(u64::from).sum::<u64>()
        );
    }

    /// A pinned task stays where it is, for as long as one of the two lives.
    #[test]
    fn a_pinned_task_stays() {
        let first = Pinned::new();
        let cpu = first.cpu();
        let second = Pinned::new();
        drop(first);
        for _ in 0..1000 {
            assert_eq!(second.cpu(), cpu);
        }
    }

    /// The closure's result comes back, and nesting keeps interrupts off until the outer ends.
    #[test]
    fn irqs_are_off_until_the_outer_closure_ends() {
        let same = with_irqs_off(|outer| {
            let cpu = outer.cpu();
            with_irqs_off(|inner| inner.cpu() == cpu) && outer.cpu() == cpu
        });
        assert!(same);
    }
}
