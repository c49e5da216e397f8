// SPDX-License-Identifier: GPL-2.0

//! Per-CPU memory of a size that is known at run time: a copy for every possible CPU.
//!
//!   Percpu::alloc(16 bytes)  cookie + offset of CPU 0 -> copy 0   8-byte word, 8 bytes
//!                            cookie + offset of CPU 1 -> copy 1   8-byte word, 8 bytes
//!
//! The copies are zero at first. What they begin with is a counter here, [`Percpu::value`]: as much
//! of a `u64` as a copy can hold. [`Percpu::add_on_each_cpu`] has each CPU count in its own copy.
//!
//! # Locking     none: a CPU stores only to its own copy, with interrupts off; others read words.
//! # Cost        an allocation zeroes all copies; `add_on_each_cpu` interrupts every other CPU
//!               and waits for it.
//! # Limits      at most [`MAX_SIZE`] bytes a copy, aligned to a page at most: Linux's own limits.
//!               Process context, interrupts on.
//! # Reference   `mm/percpu.c`: `pcpu_alloc_noprof()`, `free_percpu()`; `kernel/smp.c`:
//!               `on_each_cpu_cond_mask()`.

mod typed;

use core::{
    fmt,
    marker::PhantomData,
    ptr::NonNull, //
};

use kernel::{
    ffi::c_void,
    page::PAGE_SIZE, //
};

use super::{
    cpu::on_each_cpu,
    ffi,
    gfp::{
        self,
        Gfp, //
    },
    read_once, //
};
use crate::algo::{
    gfp::Flag,
    snapshot::CpuCopy,
    units::{
        Address,
        Bytes,
        NodeId,
        Pfn, //
    },
};

pub use typed::{
    Copies,
    PerCpu,
    Slot,
    This, //
};

/// The most bytes that a copy can have (`PCPU_MIN_UNIT_SIZE`).
pub const MAX_SIZE: Bytes = Bytes::new((32usize << 10).next_multiple_of(PAGE_SIZE));

/// Copies are multiples of this (`PCPU_MIN_ALLOC_SIZE`).
const GRAIN: usize = 4;

/// The flags that `pcpu_alloc_noprof()` looks at, or that ask for what it does anyway.
const TAKEN: &[Flag] = &[
    Flag::GfpKernelAccount,
    Flag::GfpAtomic,
    Flag::Nowarn,
    Flag::Noretry,
    Flag::Zero,
];

/// Why Linux must not see a request, or what became of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// A copy without a byte; WARN in Linux.
    Empty,
    /// A copy of more than [`MAX_SIZE`]; WARN in Linux.
    TooLarge(Bytes),
    /// An alignment that is no power of two, or more than a page; WARN in Linux.
    Align(usize),
    /// Flags that break a rule of [`Gfp::check`].
    Gfp(gfp::Refusal),
    /// Flags that Linux would leave out without a word.
    Flags(Gfp),
    /// There is no memory for the copies now.
    NoMemory,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "a copy has at least 1 byte and at most {MAX_SIZE}"),
            Self::TooLarge(size) => write!(
                f,
                "{size} for each CPU is more than the {MAX_SIZE} that Linux gives; take vmalloc"
            ),
            Self::Align(align) => write!(
                f,
                "per-CPU memory cannot be aligned to {align}; take a power of two up to {PAGE_SIZE}"
            ),
            Self::Gfp(refusal) => refusal.fmt(f),
            Self::Flags(flags) => write!(
                f,
                "Linux ignores {flags} for per-CPU memory; take parts of GFP_KERNEL, GFP_ATOMIC, \
                 __GFP_ACCOUNT, __GFP_NORETRY, __GFP_NOWARN and __GFP_ZERO"
            ),
            Self::NoMemory => f.write_str(
                "there is no memory for a copy for each possible CPU; free some, or ask for less",
            ),
        }
    }
}

impl From<gfp::Refusal> for Refusal {
    fn from(refusal: gfp::Refusal) -> Self {
        Self::Gfp(refusal)
    }
}

/// How many of a copy's first bytes are its word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Word {
    U8,
    U16,
    U32,
    U64,
}

impl Word {
    /// The widest word that a copy of `size` bytes can hold.
    fn widest_in(size: usize) -> Self {
        match size {
            0..2 => Self::U8,
            2..4 => Self::U16,
            4..8 => Self::U32,
            8.. => Self::U64,
        }
    }

    fn size(self) -> usize {
        match self {
            Self::U8 => size_of::<u8>(),
            Self::U16 => size_of::<u16>(),
            Self::U32 => size_of::<u32>(),
            Self::U64 => size_of::<u64>(),
        }
    }
}

/// An owned area of per-CPU memory.
///
/// # Invariants
///
/// `cookie` was returned by `pcpu_alloc_noprof()` for copies of `size` bytes that are aligned to
/// `word.size()`, and nobody else owns it. `size` is at least `word.size()`.
#[must_use = "dropping the area frees it"]
pub struct Percpu {
    cookie: NonNull<c_void>,
    size: Bytes,
    word: Word,
    _owned: PhantomData<u8>,
}

// SAFETY: Per-CPU memory may be freed by another task than the one that allocated it.
unsafe impl Send for Percpu {}

// SAFETY: `&Percpu` reads words, and stores to them only on the CPU whose copy it is, with
// interrupts off, so that no two stores meet; see `add_on_each_cpu()`.
unsafe impl Sync for Percpu {}

impl Percpu {
    /// Allocates a copy of `size` bytes, all zero, for every possible CPU; the copies are aligned
    /// to `align`, and to their word in any case.
    ///
    /// # Errors
    ///
    /// What Linux would answer with a WARN or ignore is refused before; [`Refusal::NoMemory`].
    pub fn alloc(size: Bytes, align: Option<usize>, gfp: Gfp) -> Result<Self, Refusal> {
        if size == Bytes::new(0) {
            return Err(Refusal::Empty);
        }
        if size > MAX_SIZE {
            return Err(Refusal::TooLarge(size));
        }
        let word = Word::widest_in(size.get());
        let align = align.unwrap_or(1);
        if !align.is_power_of_two() || align > PAGE_SIZE {
            return Err(Refusal::Align(align));
        }
        let ignored = gfp.check()?.without(Gfp::of(TAKEN)?);
        if ignored != Gfp::NONE {
            return Err(Refusal::Flags(ignored));
        }
        // SAFETY: Size, alignment and flags are in the bounds that Linux sets, see above. Process
        // context: callers of this room may sleep.
        let cookie =
            unsafe { ffi::oxmm_alloc_percpu(size.get(), align.max(word.size()), gfp.as_raw()) };
        // INVARIANT: Linux gave us this area of this size and alignment; the word fits the size.
        Ok(Self {
            cookie: NonNull::new(cookie).ok_or(Refusal::NoMemory)?,
            size,
            word,
            _owned: PhantomData,
        })
    }

    /// The bytes of each copy that were asked for.
    pub fn size(&self) -> Bytes {
        self.size
    }

    /// The bytes that the copies of all possible CPUs take together.
    pub fn taken(&self) -> Bytes {
        let copy = self.size.get().next_multiple_of(GRAIN);
        Bytes::new(copy.saturating_mul(possible_cpus().count()))
    }

    /// The copies, by CPU.
    pub fn copies(&self) -> impl Iterator<Item = CpuCopy> + '_ {
        possible_cpus().filter_map(|cpu| {
            let copy = self.copy(cpu)?;
            // SAFETY: By the invariant `copy` is in per-CPU memory that is ours, which is mapped.
            let page = NonNull::new(unsafe { ffi::oxmm_percpu_page(copy.as_ptr()) })?;
            // SAFETY: A page of ours, which stays where it is.
            let (pfn, nid) = unsafe {
                (
                    ffi::oxmm_page_to_pfn(page.as_ptr()),
                    ffi::oxmm_page_to_nid(page.as_ptr()),
                )
            };
            Some(CpuCopy {
                cpu,
                address: Address::new(copy.as_ptr().addr()),
                pfn: Pfn::new(pfn),
                node: NodeId::from_int(nid),
            })
        })
    }

    /// The word that a CPU's copy begins with; `None` for a CPU that cannot be.
    ///
    /// The word is read once, whole; its CPU may be counting meanwhile.
    pub fn value(&self, cpu: u32) -> Option<u64> {
        let copy = self.copy(cpu)?;
        // SAFETY: By the invariant the copy holds the word, aligned, and it is ours; words are
        // stored whole.
        Some(unsafe { load(copy, self.word) })
    }

    /// Adds `value` to the word of every online CPU's copy, on that CPU, and waits for all of them;
    /// the sum wraps at the width of the word.
    ///
    /// A CPU that comes online meanwhile may be left out.
    pub fn add_on_each_cpu(&self, value: u64) {
        on_each_cpu(|_irqs| {
            // SAFETY: By the invariant this CPU has a copy, and it stays this CPU: interrupts are off.
            let copy = unsafe { ffi::oxmm_this_cpu_ptr(self.cookie.as_ptr()) };
            let Some(copy) = NonNull::new(copy) else {
                return;
            };
            // SAFETY: By the invariant the copy holds the word, aligned. Only this CPU stores to
            // it, and interrupts are off, so that no other addition comes in between.
            unsafe { store(copy, self.word, load(copy, self.word).wrapping_add(value)) };
        });
    }

    /// A CPU's copy; `None` for a CPU that cannot be.
    fn copy(&self, cpu: u32) -> Option<NonNull<c_void>> {
        if !is_possible(cpu) {
            return None;
        }
        // SAFETY: By the invariant the cookie is one of ours, and a possible CPU has a copy.
        NonNull::new(unsafe { ffi::oxmm_per_cpu_ptr(self.cookie.as_ptr(), cpu) })
    }
}

impl Drop for Percpu {
    fn drop(&mut self) {
        // SAFETY: By the invariant this is the area that Linux gave us, and nobody else frees it;
        // `add_on_each_cpu()` waits for every CPU, and borrows the area.
        unsafe { ffi::oxmm_free_percpu(self.cookie.as_ptr()) };
    }
}

/// Reads the word at `copy`, once.
///
/// # Safety
///
/// `copy` is valid for reads of the word and aligned to it; only whole words are stored to it.
unsafe fn load(copy: NonNull<c_void>, word: Word) -> u64 {
    // SAFETY: The caller's promise, the same for each width.
    unsafe {
        match word {
            Word::U8 => read_once(copy.as_ptr().cast::<u8>()).into(),
            Word::U16 => read_once(copy.as_ptr().cast::<u16>()).into(),
            Word::U32 => read_once(copy.as_ptr().cast::<u32>()).into(),
            Word::U64 => read_once(copy.as_ptr().cast::<u64>()),
        }
    }
}

/// Stores as much of `value` as the word at `copy` can hold, once (`WRITE_ONCE()`).
///
/// # Safety
///
/// `copy` is valid for writes of the word and aligned to it; nobody else stores to it meanwhile.
unsafe fn store(copy: NonNull<c_void>, word: Word, value: u64) {
    // CAST: keeps the low bits, as the sum wraps at the width of the word.
    let (narrow, short, int) = (value as u8, value as u16, value as u32);
    // SAFETY: The caller's promise, the same for each width.
    unsafe {
        match word {
            Word::U8 => copy.as_ptr().cast::<u8>().write_volatile(narrow),
            Word::U16 => copy.as_ptr().cast::<u16>().write_volatile(short),
            Word::U32 => copy.as_ptr().cast::<u32>().write_volatile(int),
            Word::U64 => copy.as_ptr().cast::<u64>().write_volatile(value),
        }
    }
}

/// The CPUs that this machine can ever have, by number.
pub fn possible_cpus() -> impl Iterator<Item = u32> {
    (0..kernel::cpu::nr_cpu_ids()).filter(|&cpu| is_possible(cpu))
}

/// The CPUs that are online now, by number.
pub fn online_cpus() -> impl Iterator<Item = u32> {
    // SAFETY: The range keeps the number inside of the mask.
    (0..kernel::cpu::nr_cpu_ids()).filter(|&cpu| unsafe { ffi::oxmm_cpu_online(cpu) })
}

fn is_possible(cpu: u32) -> bool {
    // SAFETY: The first condition keeps the number inside of the mask.
    cpu < kernel::cpu::nr_cpu_ids() && unsafe { ffi::oxmm_cpu_possible(cpu) }
}

#[kernel::prelude::kunit_tests(oxmm_percpu)]
mod tests {
    use super::*;

    fn area(size: usize) -> Result<Percpu, Refusal> {
        Percpu::alloc(Bytes::new(size), None, Gfp::KERNEL)
    }

    /// Every possible CPU has a copy of its own, zero, at its own address.
    #[test]
    fn copies_are_zero_and_apart() -> Result<(), Refusal> {
        let area = area(24)?;
        let mut last = None;
        for (copy, cpu) in area.copies().zip(possible_cpus()) {
            assert_eq!(copy.cpu, cpu);
            assert_eq!(area.value(cpu), Some(0));
            assert!(copy.address.get() % 8 == 0 && Some(copy.address) != last);
            last = Some(copy.address);
        }
        assert_eq!(area.copies().count(), possible_cpus().count());
        assert_eq!(area.taken().get(), 24 * possible_cpus().count());
        Ok(())
    }

    /// Each CPU counts in its own copy, at the width of the word, which wraps.
    #[test]
    fn each_cpu_counts_in_its_own_copy() -> Result<(), Refusal> {
        for (size, low_bits) in [(1, 0xff), (3, 0xffff), (4, 0xffff_ffff), (8, u64::MAX)] {
            let area = area(size)?;
            area.add_on_each_cpu(u64::MAX);
            for cpu in possible_cpus() {
                // A CPU that is possible and not online has counted nothing.
                assert!(matches!(area.value(cpu), Some(0)) || area.value(cpu) == Some(low_bits));
            }
            let own = kernel::cpu::CpuId::current().as_u32();
            assert_eq!(area.value(own), Some(low_bits));
            area.add_on_each_cpu(3);
            assert_eq!(area.value(own), Some(2));
        }
        Ok(())
    }

    /// There is no copy for a CPU that cannot be.
    #[test]
    fn an_impossible_cpu_has_no_copy() -> Result<(), Refusal> {
        assert_eq!(area(8)?.value(kernel::cpu::nr_cpu_ids()), None);
        Ok(())
    }

    /// What Linux would answer with a WARN, or ignore, is refused; the limits themselves are not.
    #[test]
    fn limits_are_those_of_linux() {
        let refusal = |size, align, gfp| Percpu::alloc(Bytes::new(size), align, gfp).err();
        let max = MAX_SIZE.get();
        assert_eq!(refusal(0, None, Gfp::KERNEL), Some(Refusal::Empty));
        assert_eq!(refusal(max, Some(PAGE_SIZE), Gfp::KERNEL), None);
        assert_eq!(
            refusal(max + 1, None, Gfp::KERNEL),
            Some(Refusal::TooLarge(Bytes::new(max + 1)))
        );
        for align in [0, 24, 2 * PAGE_SIZE] {
            assert_eq!(
                refusal(8, Some(align), Gfp::KERNEL),
                Some(Refusal::Align(align))
            );
        }
        assert_eq!(
            refusal(8, None, Gfp::KERNEL | Gfp::THISNODE),
            Some(Refusal::Flags(Gfp::THISNODE))
        );
    }
}
