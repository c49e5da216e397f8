// SPDX-License-Identifier: GPL-2.0

//! Threads on chosen CPUs: a closure on several of them at once, in process context.
//!
//!   on_cpus(&[0, 1], |place| ...)     place 0 on CPU 0, place 1 on CPU 1, side by side
//!
//! `cpu::on_each_cpu` interrupts CPUs, where nothing may sleep; these are tasks.
//!
//! # Locking     waits for the threads: process context, no lock held that the closure takes.
//! # Cost        a thread made and ended for each CPU: some 50 microseconds.
//! # Limits      a CPU that goes offline meanwhile loses its thread to another.
//! # Reference   `kernel/kthread.c`: `kthread_create_on_cpu()`, `kthread_stop()`.

use core::ptr::NonNull;

use kernel::{
    bindings,
    ffi::{
        c_int,
        c_void, //
    },
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Full, //
        },
        Completion, //
    }, //
};

use super::ffi;

/// What all threads share.
struct Work<'a, F> {
    work: &'a F,
    /// How many threads have yet to be done.
    left: Atomic<usize>,
    done: Pin<KBox<Completion>>,
}

/// What a thread runs: its part of the work.
struct Job<'a, F> {
    shared: &'a Work<'a, F>,
    place: usize,
}

/// A thread, started or not; dropping it waits for its end.
///
/// # Invariants
///
/// The thread does not end before it is stopped.
struct Thread(NonNull<bindings::task_struct>);

impl Drop for Thread {
    fn drop(&mut self) {
        // SAFETY: By the invariant the thread is there, and only this value stops it.
        unsafe { ffi::oxmm_thread_stop(self.0.as_ptr()) };
    }
}

/// Runs `work` once for each CPU, on that CPU, all at the same time, and waits until all are done.
///
/// # Errors
///
/// ENOMEM; `work` has not run at all then.
pub fn on_cpus<F: Fn(usize) + Sync>(cpus: &[u32], work: F) -> Result {
    if cpus.is_empty() {
        return Ok(());
    }
    let shared = Work {
        work: &work,
        left: Atomic::new(cpus.len()),
        done: KBox::pin_init(Completion::new(), GFP_KERNEL)?,
    };
    let mut jobs = KVec::with_capacity(cpus.len(), GFP_KERNEL)?;
    for place in 0..cpus.len() {
        let shared = &shared;
        jobs.push(Job { shared, place }, GFP_KERNEL)?;
    }
    // Dropped, which is waited for, before the jobs. One that was not started runs nothing.
    let mut threads = KVec::with_capacity(cpus.len(), GFP_KERNEL)?;
    for (job, &cpu) in jobs.iter().zip(cpus) {
        // SAFETY: `run::<F>` expects what is given here: a job, which lives until the thread has
        // been waited for, and which shares with others what is `Sync` alone.
        let thread = unsafe {
            ffi::oxmm_thread_on(cpu, run::<F>, core::ptr::from_ref(job).cast_mut().cast())
        };
        // INVARIANT: `run` waits to be stopped.
        threads.push(Thread(NonNull::new(thread).ok_or(ENOMEM)?), GFP_KERNEL)?;
    }
    for thread in &threads {
        // SAFETY: By the invariant the thread is there.
        unsafe { ffi::oxmm_thread_start(thread.0.as_ptr()) };
    }
    // A thread that is stopped before it ran would not run.
    shared.done.wait_for_completion();
    Ok(())
}

/// Runs the job at `data`, then waits to be stopped.
///
/// # Safety
///
/// `data` is a `Job<F>` that lives until this thread was stopped.
unsafe extern "C" fn run<F: Fn(usize) + Sync>(data: *mut c_void) -> c_int {
    // SAFETY: The caller's promise.
    let job = unsafe { &*data.cast_const().cast::<Job<'_, F>>() };
    (job.shared.work)(job.place);
    if job.shared.left.fetch_sub(1, Full) == 1 {
        job.shared.done.complete_all();
    }
    // SAFETY: This is a kernel thread.
    unsafe { ffi::oxmm_thread_wait_for_stop() };
    0
}

#[kunit_tests(oxmm_thread)]
mod tests {
    use super::*;
    use crate::linux::node::online_cpus;
    use kernel::{
        cpu::CpuId,
        sync::atomic::{
            Atomic,
            Relaxed, //
        }, //
    };

    /// The closure runs once on each of the CPUs, and all are done when the call returns.
    #[test]
    fn each_cpu_runs_its_part() -> Result {
        let mut cpus = KVec::new();
        for cpu in online_cpus() {
            cpus.push(cpu, GFP_KERNEL)?;
        }
        let (runs, right) = (Atomic::new(0usize), Atomic::new(0usize));
        on_cpus(&cpus, |place| {
            runs.fetch_add(1, Relaxed);
            let here = CpuId::current().as_u32();
            right.fetch_add(usize::from(cpus.get(place) == Some(&here)), Relaxed);
        })?;
        assert_eq!(runs.load(Relaxed), cpus.len());
        assert_eq!(right.load(Relaxed), cpus.len());
        Ok(())
    }

    /// The threads are there at the same time: the first waits for the last.
    #[test]
    fn threads_run_side_by_side() -> Result {
        let mut cpus = KVec::new();
        for cpu in online_cpus() {
            cpus.push(cpu, GFP_KERNEL)?;
        }
        let there = Atomic::new(0usize);
        on_cpus(&cpus, |_| {
            there.fetch_add(1, Relaxed);
            while there.load(Relaxed) < cpus.len() {
                crate::linux::cond_resched();
            }
        })
    }
}
