// SPDX-License-Identifier: GPL-2.0

//! GFP flags: from the names a user writes to the bits this kernel gives them.
//!
//! # Cost        a look-up by name walks a table of some forty names.
//! # Limits      flags that would make an allocation endless, or let it eat the last reserves, are
//!               refused here: see [`Gfp::check`].
//! # Reference   `include/linux/gfp_types.h`, `include/linux/gfp.h`: `gfp_zone()`,
//!               `gfp_migratetype()`; `mm/page_alloc.c`: `__alloc_pages_slowpath()`.

use core::fmt;

use kernel::{
    bindings,
    prelude::*, //
};

use super::{
    ffi,
    zone, //
};
use crate::algo::{
    gfp::{
        Flag,
        FlagSet,
        Gfp as Expression, //
    },
    snapshot::ListKind,
    units::{
        Migratetype,
        ZoneKind, //
    },
};

/// The flags of one allocation, with this kernel's bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gfp(bindings::gfp_t);

/// Why Linux must not see some flags.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// A name that this kernel does not define.
    UnknownName(Flag),
    /// Bits above the last flag.
    UnknownBits(u32),
    /// Zone modifiers that `gfp_zone()` has no zone for; `VM_BUG_ON` in Linux.
    ZoneModifiers,
    /// `__GFP_MOVABLE` with `__GFP_RECLAIMABLE`; `VM_WARN_ON` in Linux.
    Mobility,
    /// `__GFP_NOFAIL`: would never return while memory is short.
    NoFail,
    /// A migratetype that is no request's: highatomic, CMA, isolate.
    Type(Migratetype),
    /// `__GFP_MEMALLOC`: would take the pages that reclaim itself lives on.
    MemAlloc,
    /// `__GFP_HIGHMEM`, `__GFP_DMA32` or `__GFP_MOVABLE` for an object of a slab; the first two are
    /// answered with a stack in the log by Linux (`kmalloc_fix_flags()`).
    Slab,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownName(flag) => write!(f, "this kernel does not define {flag}"),
            Self::UnknownBits(bits) => {
                write!(
                    f,
                    "the bits {bits:#x} are above this kernel's last GFP flag"
                )
            }
            Self::ZoneModifiers => f.write_str(
                "these zone modifiers exclude each other; take one of __GFP_DMA, __GFP_DMA32 \
                 and __GFP_HIGHMEM, with or without __GFP_MOVABLE where a zone exists for both",
            ),
            Self::Mobility => f.write_str(
                "__GFP_MOVABLE and __GFP_RECLAIMABLE exclude each other; take one of them",
            ),
            Self::NoFail => f.write_str(
                "__GFP_NOFAIL would not return while memory is short; take __GFP_RETRY_MAYFAIL",
            ),
            Self::Type(migratetype) => write!(
                f,
                "Linux takes no request for {migratetype} pages; take unmovable, movable or \
                 reclaimable"
            ),
            Self::MemAlloc => f.write_str(
                "__GFP_MEMALLOC takes the pages that reclaim itself needs; take __GFP_HIGH",
            ),
            Self::Slab => f.write_str(
                "slabs come from no zone of __GFP_HIGHMEM, __GFP_DMA32 or __GFP_MOVABLE; leave \
                 those away, or take __GFP_DMA",
            ),
        }
    }
}

impl Gfp {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// What most kernel code asks with.
    pub const KERNEL: Self = Self(bindings::GFP_KERNEL);
    /// Only the preferred node, from its no-fallback list.
    pub const THISNODE: Self = Self(bit(bindings::___GFP_THISNODE_BIT));
    /// No message in the kernel log when the allocation fails.
    pub const NOWARN: Self = Self(bit(bindings::___GFP_NOWARN_BIT));

    /// The memory is zeroed.
    pub const ZERO: Self = Self(bit(bindings::___GFP_ZERO_BIT));
    /// Memory that need not be in the kernel's mapping.
    pub const HIGHMEM: Self = Self(bit(bindings::___GFP_HIGHMEM_BIT));

    const DMA32: Self = Self(bit(bindings::___GFP_DMA32_BIT));
    const MEMALLOC: Self = Self(bit(bindings::___GFP_MEMALLOC_BIT));
    const MOVABLE: Self = Self(bit(bindings::___GFP_MOVABLE_BIT));
    const NOFAIL: Self = Self(bit(bindings::___GFP_NOFAIL_BIT));
    pub(super) const RECLAIMABLE: Self = Self(bit(bindings::___GFP_RECLAIMABLE_BIT));

    /// The flags a user wrote, with this kernel's bits.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownName`]: this kernel is without a flag that others have.
    pub fn new(expression: Expression) -> Result<Self, Refusal> {
        let unknown = expression.flags().find(|&flag| value_of(flag).is_none());
        if let Some(flag) = unknown {
            return Err(Refusal::UnknownName(flag));
        }
        // No flag is without a value, see above.
        Ok(Self(expression.bits(|flag| value_of(flag).unwrap_or(0))))
    }

    /// The flags with these names.
    ///
    /// # Errors
    ///
    /// As [`Gfp::new`].
    pub fn of(names: &[Flag]) -> Result<Self, Refusal> {
        let expression = names.iter().fold(Expression::default(), |sum, &flag| {
            sum.or(Expression::from_flag(flag))
        });
        Self::new(expression)
    }

    /// These flags for an allocation of this type.
    ///
    /// # Errors
    ///
    /// [`Refusal::Type`]: Linux takes no request for that type.
    pub fn with_type(self, migratetype: Migratetype) -> Result<Self, Refusal> {
        match migratetype {
            Migratetype::Unmovable => Ok(self),
            Migratetype::Movable => Ok(self | Self::MOVABLE),
            Migratetype::Reclaimable => Ok(self | Self::RECLAIMABLE),
            _ => Err(Refusal::Type(migratetype)),
        }
    }

    /// Checks that Linux may see these flags.
    ///
    /// # Errors
    ///
    /// The rule they break; those that Linux would answer with a WARN or a BUG are among them.
    pub fn check(self) -> Result<Self, Refusal> {
        // SAFETY: Takes and returns numbers.
        if !unsafe { ffi::oxmm_gfp_known(self.0) } {
            return Err(Refusal::UnknownBits(self.0));
        }
        if self.zone().is_none() {
            return Err(Refusal::ZoneModifiers);
        }
        if self.contains(Self::MOVABLE | Self::RECLAIMABLE) {
            return Err(Refusal::Mobility);
        }
        if self.contains(Self::NOFAIL) {
            return Err(Refusal::NoFail);
        }
        if self.contains(Self::MEMALLOC) {
            return Err(Refusal::MemAlloc);
        }
        Ok(self)
    }

    /// Checks that Linux's slab allocator may see these flags.
    ///
    /// # Errors
    ///
    /// The rule they break: those of [`Gfp::check`], and zones that slabs do not come from.
    pub fn check_slab(self) -> Result<Self, Refusal> {
        let others = [Self::HIGHMEM, Self::DMA32, Self::MOVABLE];
        if others.iter().any(|&other| self.contains(other)) {
            return Err(Refusal::Slab);
        }
        self.check()
    }

    /// The highest zone that these flags may take pages from (`gfp_zone()`).
    pub fn zone(self) -> Option<ZoneKind> {
        // SAFETY: Takes and returns numbers.
        zone::kind_of_index(unsafe { ffi::oxmm_gfp_zone(self.0) })
    }

    /// The single flags in it; one that this kernel defines as 0 never is.
    pub fn flags(self) -> FlagSet {
        let holds = |flag: &Flag| {
            let bits = value_of(*flag).unwrap_or(0);
            bits != 0 && self.contains(Self(bits))
        };
        Flag::singles().filter(holds).collect()
    }

    /// Which of a node's lists a request with these flags walks (`gfp_zonelist()`).
    pub fn list(self) -> ListKind {
        match self.contains(Self::THISNODE) && cfg!(CONFIG_NUMA) {
            true => ListKind::NoFallback,
            false => ListKind::Fallback,
        }
    }

    /// Whether all of `other`'s flags are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// These flags without `other`'s.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The bits, as C's `gfp_t`.
    pub const fn as_raw(self) -> bindings::gfp_t {
        self.0
    }
}

impl core::ops::BitOr for Gfp {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for Gfp {
    /// Prints the name of each flag, and what has no name as a number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let single = |flag: &Flag| value_of(*flag).filter(|bits| bits.is_power_of_two());
        let mut rest = self.0;
        for flag in Flag::ALL {
            let Some(bit) = single(flag).filter(|bit| rest & bit != 0) else {
                continue;
            };
            rest &= !bit;
            write!(f, "{flag}{}", if rest == 0 { "" } else { "|" })?;
        }
        if rest != 0 || *self == Self::NONE {
            write!(f, "{rest:#x}")?;
        }
        Ok(())
    }
}

const fn bit(number: u32) -> bindings::gfp_t {
    1 << number
}

/// What this kernel defines `flag` as; `None` if it does not.
fn value_of(flag: Flag) -> Option<bindings::gfp_t> {
    let name = flag.name();
    let mut gfp = 0;
    // SAFETY: `name` is `len()` bytes long, and `gfp` is a local of the type that is written.
    let known = unsafe { ffi::oxmm_gfp_by_name(name.as_ptr().cast(), name.len(), &mut gfp) };
    known.then_some(gfp)
}

#[kunit_tests(oxmm_gfp)]
mod tests {
    use super::*;

    fn named(flags: &[Flag]) -> Result<Gfp, Refusal> {
        Gfp::of(flags)?.check()
    }

    /// Names have the bits that C gives them.
    #[test]
    fn names_have_the_bits_of_c() {
        assert!(named(&[Flag::GfpKernel]) == Ok(Gfp::KERNEL));
        assert!(named(&[Flag::Thisnode]) == Ok(Gfp::THISNODE));
        assert!(named(&[Flag::Reclaim, Flag::Io, Flag::Fs]) == Ok(Gfp::KERNEL));
    }

    /// Zones are those of `gfp_zone()`.
    #[test]
    fn zones_are_those_that_flags_reach() {
        assert_eq!(Gfp::KERNEL.zone(), Some(ZoneKind::Normal));
        let movable = Gfp(bindings::__GFP_HIGHMEM) | Gfp::MOVABLE;
        assert_eq!(movable.zone(), Some(ZoneKind::Movable));
    }

    /// What would hang, starve or break Linux is refused, each with its own reason.
    #[test]
    fn dangerous_flags_are_refused() {
        let refusal = |flags: &[Flag]| named(flags).err();
        assert_eq!(
            refusal(&[Flag::GfpKernel, Flag::Nofail]),
            Some(Refusal::NoFail)
        );
        assert_eq!(refusal(&[Flag::Memalloc]), Some(Refusal::MemAlloc));
        assert_eq!(
            refusal(&[Flag::Dma, Flag::Highmem]),
            Some(Refusal::ZoneModifiers)
        );
        assert_eq!(
            refusal(&[Flag::Movable, Flag::Reclaimable]),
            Some(Refusal::Mobility)
        );
        let unknown = Gfp(1 << 31).check().err();
        assert_eq!(unknown, Some(Refusal::UnknownBits(1 << 31)));
    }

    /// Every name of the grammar is known to 7.2; a later kernel may have dropped one.
    #[test]
    fn most_names_are_known() {
        let known = Flag::ALL.iter().filter(|&&flag| value_of(flag).is_some());
        assert!(known.count() + 3 > Flag::COUNT);
    }
}
