// SPDX-License-Identifier: GPL-2.0

//! Counters with a copy for each CPU: no lock, no cache line that CPUs take from each other.
//!
//!                 CPU 0   CPU 1   CPU 2   CPU 3
//!   static HITS      15      15      15      15    DEFINE_PER_CPU(): the module's own
//!   PerCpu           15      15      16      15    alloc_percpu(): made at run time
//!                                                  who wants the sum reads all copies
//!
//!   insmod sample_percpu_counter.ko add=3 times=5
//!   dmesg | grep sample_percpu_counter
//!   rmmod sample_percpu_counter
//!
//! What to try, and what to see:
//!
//!   add=3 times=5      each online CPU has counted 15 in both, and one of them 1 more: the one that
//!                      `insmod` ran on
//!   taskset 4 insmod sample_percpu_counter.ko
//!                      that one is CPU 2 now
//!   echo 0 > /sys/devices/system/cpu/cpu1/online, then `insmod`
//!                      CPU 1 has its copies, for it may come back, and they are 0
//!   in the source      replace the body of `on_each_cpu()` below by `HITS.this_cpu()`: it does not
//!                      compile, because an interrupt might count in the same `Cell` meanwhile
//!
//! Why not one atomic counter? It would count right as well, and all CPUs would wait for its cache
//! line. With copies counting is cheap and reading is dear: right for what is counted often and read
//! rarely, as the kernel's own statistics are.
//!
//! # Locking     none: a CPU counts in its own copy, with interrupts off.
//! # Limits      a sum of copies that still count is a sum of no one moment.
//! # Reference   `include/linux/percpu-defs.h`; `kernel/smp.c`: `on_each_cpu_cond_mask()`; the same
//!               idea, grown up: `lib/percpu_counter.c`.

use core::cell::Cell;

use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};
use oxmm::linux::{
    self,
    cpu::on_each_cpu,
    gfp::Gfp,
    percpu::PerCpu, //
};

module! {
    type: PercpuCounter,
    name: "sample_percpu_counter",
    authors: ["The oxmm developers"],
    description: "Counts on each CPU in copies of its own",
    license: "GPL",
    params: {
        add: u64 {
            default: 3,
            description: "What each CPU adds",
        },
        times: u32 {
            default: 5,
            description: "How often, 0 to 1000",
        },
    },
}

/// How often all CPUs may be interrupted.
const MAX_TIMES: u32 = 1000;

/// How many CPUs are printed; machines have thousands.
const MAX_LINES: usize = 64;

oxmm::per_cpu! {
    /// The module's own: its loader makes a copy for every possible CPU, which begins like this.
    ///
    /// A `Cell` is the plainest thing to count in, and no two may touch it at a time. So the
    /// compiler lets nobody have it who cannot show that interrupts are off: neither another task
    /// nor an interrupt comes in between then, and no other CPU is given this copy.
    static HITS: Cell<u64> = Cell::new(0);
}

/// The module.
struct PercpuCounter {
    /// Made at run time, freed with the module. An `Atomic` may be looked at by others while its CPU
    /// counts, so that any CPU can read all copies.
    _counter: PerCpu<Atomic<u64>>,
}

impl kernel::Module for PercpuCounter {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let add: u64 = linux::parameter(module_parameters::add.value());
        let times: u32 = linux::parameter(module_parameters::times.value());
        if times > MAX_TIMES {
            return Err(EINVAL);
        }
        let counter = made()?;
        for _ in 0..times {
            // Interrupts every other CPU and waits for the slowest. Each of them runs this, and gets
            // `irqs` as the proof that its interrupts are off.
            on_each_cpu(|irqs| {
                let hits = HITS.local(irqs);
                hits.set(hits.get().wrapping_add(add));
                counter.local(irqs).fetch_add(add, Relaxed);
            });
            // So many interrupts all at once are much for a machine that others work on.
            linux::cond_resched();
        }
        count_here(&counter);
        show(&counter)?;
        Ok(Self { _counter: counter })
    }
}

/// Makes a counter of zeroes.
fn made() -> Result<PerCpu<Atomic<u64>>> {
    PerCpu::new(Gfp::KERNEL, |_cpu| Atomic::new(0)).map_err(|_| ENOMEM)
}

/// Counts one on the CPU that this task is on.
///
/// Without `this_cpu()`, between finding the copy and adding to it, the task might be moved to
/// another CPU: the right sum in the wrong copy, or with a `Cell` even a wrong sum. As long as `here`
/// lives the task stays where it is (`get_cpu_var()`), and must not sleep.
fn count_here(counter: &PerCpu<Atomic<u64>>) {
    let here = counter.this_cpu();
    here.fetch_add(1, Relaxed);
    let cpu = here.cpu();
    drop(here);
    pr_info!("this task counted one more on CPU {cpu}\n");
}

/// Prints each CPU's copies, and their sums.
///
/// # Errors
///
/// ENOMEM.
fn show(counter: &PerCpu<Atomic<u64>>) -> Result {
    // `HITS` cannot be read from here: each CPU is asked to copy its own to where others may look.
    let hits = made()?;
    on_each_cpu(|irqs| hits.local(irqs).store(HITS.local(irqs).get(), Relaxed));

    let mut sums = (0u64, 0u64);
    for (line, ((cpu, hits), (_, count))) in hits.iter().zip(counter.iter()).enumerate() {
        let (hits, count) = (hits.load(Relaxed), count.load(Relaxed));
        sums = (sums.0.wrapping_add(hits), sums.1.wrapping_add(count));
        if line < MAX_LINES {
            pr_info!("CPU {cpu}: static {hits}, made {count}\n");
        }
    }
    pr_info!("sum: static {}, made {}\n", sums.0, sums.1);
    Ok(())
}
