// SPDX-License-Identifier: GPL-2.0

//! What gfp flags mean: flag by flag, and what a set of them makes of reclaim.
//!
//!   direct reclaim  kswapd   retry flag      Effort
//!   no              no                       none
//!   no              yes                      wake, or reserve with __GFP_HIGH
//!   yes             any      none            default
//!                            NORETRY, RETRY_MAYFAIL, NOFAIL: light, hard, endless
//!
//! # Locking     none: constants.
//! # Cost        O(1); old names O(names).
//! # Limits      what each flag does is said of the page allocator, in one sentence.
//! # Reference   include/linux/gfp_types.h; mm/page_alloc.c: __alloc_pages_slowpath();
//!               Documentation/core-api/memory-allocation.rst for the seven behaviours.

use super::{
    Flag,
    FlagSet, //
};
use crate::algo::units::named;

named! {
    /// How hard the allocator tries once nothing is free above the marks.
    pub enum Effort {
        /// Takes what is free, wakes nobody.
        None = "none",
        /// Wakes kswapd and gives up.
        Wake = "wake",
        /// Wakes kswapd and goes below min.
        Reserve = "reserve",
        /// Reclaims itself, over and over up to order 3.
        Default = "default",
        /// Reclaims itself, once.
        Light = "light",
        /// Reclaims itself while that brings anything.
        Hard = "hard",
        /// Reclaims itself for ever.
        Endless = "endless",
    }
}

named! {
    /// Whether the caller sees a failure.
    pub enum Failure {
        /// Whenever memory is short.
        Likely = "likely",
        /// Above order 3 or in a task that is being killed; else hardly ever.
        Rare = "rare",
        /// When reclaim and compaction have nothing left to give.
        Last = "last",
        /// Never.
        Never = "never",
    }
}

impl Effort {
    /// Finds the effort that flags ask for; of several retry flags the one that decides.
    pub const fn of(flags: FlagSet) -> Self {
        if !flags.contains(Flag::DirectReclaim) {
            return match (
                flags.contains(Flag::KswapdReclaim),
                flags.contains(Flag::High),
            ) {
                (false, _) => Self::None,
                (true, false) => Self::Wake,
                (true, true) => Self::Reserve,
            };
        }
        if flags.contains(Flag::Nofail) {
            Self::Endless
        } else if flags.contains(Flag::Noretry) {
            Self::Light
        } else if flags.contains(Flag::RetryMayfail) {
            Self::Hard
        } else {
            Self::Default
        }
    }

    /// Says whether the caller sees a failure.
    pub const fn failure(self) -> Failure {
        match self {
            Self::None | Self::Wake | Self::Reserve | Self::Light => Failure::Likely,
            Self::Default => Failure::Rare,
            Self::Hard => Failure::Last,
            Self::Endless => Failure::Never,
        }
    }

    /// Describes it in a sentence.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::None => {
                "takes what is free and leaves it at that: nobody reclaims, not even later, so \
                 that many of these drain a zone"
            }
            Self::Wake => {
                "never sleeps; kswapd is woken and reclaims for those who come later; fails when \
                 the zones are down at min"
            }
            Self::Reserve => {
                "never sleeps; kswapd is woken, and part of min may be used up meanwhile; fails \
                 when that is gone"
            }
            Self::Default => {
                "sleeps, reclaims and compacts; up to order 3 it repeats that and in the end has \
                 the OOM killer called, above it gives up"
            }
            Self::Light => {
                "sleeps, makes one round of reclaim and compaction, and fails rather than disturb \
                 anybody"
            }
            Self::Hard => {
                "sleeps and repeats reclaim and compaction while they get anywhere; fails instead \
                 of calling the OOM killer"
            }
            Self::Endless => {
                "sleeps and repeats for ever, OOM killer included; the caller has no way out, \
                 and above order 1 it is a mistake"
            }
        }
    }
}

impl Flag {
    /// Describes it in a sentence.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Dma => "the zone DMA and nothing above it",
            Self::Highmem => "the zone HighMem where there is one; on 64 bits the zone Normal",
            Self::Dma32 => "the zone DMA32 and nothing above it",
            Self::Movable => {
                "pages that can be moved: movable pageblocks and CMA, with __GFP_HIGHMEM the zone \
                 Movable too"
            }
            Self::Reclaimable => "pages that shrinkers give back: reclaimable pageblocks",
            Self::High => "urgent: half of min may be used, 5/8 if the caller cannot wait",
            Self::Io => "reclaim may start I/O",
            Self::Fs => "reclaim may call file systems; not while holding their locks",
            Self::Zero => "the pages come zeroed",
            Self::DirectReclaim => "the caller may sleep, and reclaims itself",
            Self::KswapdReclaim => "kswapd is woken when a zone is down at low",
            Self::Write => "the pages will be dirtied: spreads over nodes within dirty limits",
            Self::Nowarn => "a failure leaves no report in the kernel log",
            Self::RetryMayfail => "repeats reclaim while it gets anywhere, then fails",
            Self::Nofail => "repeats for ever; the caller cannot handle failure",
            Self::Noretry => "one round of reclaim, then fails",
            Self::Memalloc => "no watermark at all: for those who free memory by it",
            Self::Comp => "a compound page: head, tails, one reference count",
            Self::Nomemalloc => {
                "no reserves that __GFP_MEMALLOC, the task or lack of waiting would open"
            }
            Self::Hardwall => "stays within the nodes of the task's own cpuset",
            Self::Thisnode => "the node that is asked for or none: the nofallback list",
            Self::Account => "charged to the memory cgroup of the task",
            Self::Zerotags => "memory tags are zeroed too, where the hardware has them",
            Self::SkipZero => "not zeroed by init_on_alloc; HW_TAGS KASAN alone",
            Self::SkipKasan => "not unpoisoned by KASAN; HW_TAGS alone",
            Self::Nolockdep => "lockdep does not note the allocation",
            Self::NoObjExt => "a slab object without an extension for its owner; until 7.2",
            Self::Reclaim => "both kinds of reclaim: __GFP_DIRECT_RECLAIM and __GFP_KSWAPD_RECLAIM",
            Self::GfpAtomic => "cannot sleep, and is dear to do without: interrupts, spinlocks",
            Self::GfpKernel => "the usual one: kernel data, asked for where sleeping is allowed",
            Self::GfpKernelAccount => "as GFP_KERNEL, for what users cause and their group pays",
            Self::GfpNowait => "cannot sleep, and can do without",
            Self::GfpNoio => "on the way of block I/O: reclaim must not start more of it",
            Self::GfpNofs => "on the way of a file system: reclaim must not call back into it",
            Self::GfpUser => "for user space, and the kernel or a device uses it directly",
            Self::GfpDma => "for devices that reach the lowest memory only",
            Self::GfpDma32 => "for devices with 32 address bits",
            Self::GfpHighuser => "for user space; the kernel maps it before use",
            Self::GfpHighuserMovable => "for user space, and movable: anonymous and file pages",
            Self::GfpTranshugeLight => "a huge page if one is free at once",
            Self::GfpTranshuge => "a huge page, with direct compaction to make one",
        }
    }
}

/// Names of earlier kernels, and what became of each.
const OLD_NAMES: &[(&str, &str)] = &[
    (
        "__GFP_WAIT",
        "gone since 4.4: __GFP_RECLAIM has its bits, __GFP_DIRECT_RECLAIM its meaning",
    ),
    (
        "__GFP_NO_KSWAPD",
        "gone since 4.4: leave __GFP_KSWAPD_RECLAIM out",
    ),
    ("GFP_IOFS", "gone since 4.4: take __GFP_IO|__GFP_FS"),
    ("GFP_THISNODE", "gone since 4.1: take __GFP_THISNODE"),
    ("__GFP_REPEAT", "__GFP_RETRY_MAYFAIL since 4.13"),
    ("__GFP_OTHER_NODE", "gone, with what it counted"),
    ("__GFP_COLD", "gone since 4.15: lists are not hot or cold"),
    ("__GFP_NOTRACK", "gone since 4.15, with kmemcheck"),
    ("GFP_TEMPORARY", "gone since 4.14: take GFP_KERNEL"),
    (
        "__GFP_ATOMIC",
        "gone since 6.3: __GFP_HIGH without __GFP_DIRECT_RECLAIM",
    ),
    ("__GFP_SKIP_KASAN_POISON", "__GFP_SKIP_KASAN since 6.4"),
    ("__GFP_SKIP_KASAN_UNPOISON", "__GFP_SKIP_KASAN since 6.4"),
];

/// Says what became of a name that earlier kernels had, if it is one.
pub fn became(name: &str) -> Option<&'static str> {
    let (_, now) = OLD_NAMES.iter().find(|(old, _)| *old == name)?;
    Some(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn effort(flags: &[Flag], effort: Effort, failure: Failure) {
        let of = Effort::of(flags.iter().copied().collect());
        assert_eq!((of, of.failure()), (effort, failure));
    }

    #[test]
    fn flags_make_one_of_seven_efforts() {
        use Flag::{
            DirectReclaim,
            High,
            KswapdReclaim,
            Nofail,
            Noretry,
            RetryMayfail, //
        };

        effort(&[], Effort::None, Failure::Likely);
        effort(&[High, Noretry], Effort::None, Failure::Likely);
        effort(&[KswapdReclaim], Effort::Wake, Failure::Likely);
        effort(&[KswapdReclaim, High], Effort::Reserve, Failure::Likely);
        effort(&[DirectReclaim], Effort::Default, Failure::Rare);
        effort(&[DirectReclaim, High], Effort::Default, Failure::Rare);
        effort(&[DirectReclaim, Noretry], Effort::Light, Failure::Likely);
        effort(&[DirectReclaim, RetryMayfail], Effort::Hard, Failure::Last);
        effort(
            &[DirectReclaim, Noretry, RetryMayfail],
            Effort::Light,
            Failure::Likely,
        );
        effort(
            &[DirectReclaim, Nofail, Noretry],
            Effort::Endless,
            Failure::Never,
        );
    }

    #[test]
    fn old_names_are_answered_and_present_ones_are_not_old() {
        assert!(became("__GFP_WAIT").is_some_and(|now| now.contains("__GFP_DIRECT_RECLAIM")));
        for (old, _) in OLD_NAMES {
            assert_eq!(Flag::from_name(old), None, "{old}");
        }
        for flag in Flag::ALL {
            assert_eq!(became(flag.name()), None);
        }
    }

    #[test]
    fn sentences_are_lines() {
        let flags = Flag::ALL.iter().map(|flag| flag.sentence());
        let efforts = Effort::ALL.iter().map(|effort| effort.sentence());
        for sentence in flags.chain(efforts) {
            assert!(!sentence.is_empty() && !sentence.contains(['\n', '"']));
            assert!(!sentence.contains("  "), "{sentence}");
        }
    }
}
