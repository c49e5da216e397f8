// SPDX-License-Identifier: GPL-2.0

//! The grammar as text: the title and the usage of a command, and the whole help.
//!
//!   free id=|tag=|all [defer=]
//!       frees one allocation, those of a tag, or all
//!
//! # Locking     none: prints constants.
//! # Cost        O(grammar); each key is looked for among those before it.
//! # Limits      none.
//! # Reference   DESIGN.md section 3.

use core::fmt;

use super::{
    Key,
    Need,
    Spec,
    COMMANDS,
    QUERIES, //
};

/// Prints verb and noun of a command.
pub(in crate::algo::command) struct Title<'a>(pub(super) &'a Spec);

impl fmt::Display for Title<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.verb)?;
        if !self.0.noun.is_empty() {
            write!(f, " {}", self.0.noun)?;
        }
        Ok(())
    }
}

/// Prints a list with something between its items.
pub(in crate::algo::command) fn join(
    f: &mut fmt::Formatter<'_>,
    between: &str,
    mut items: impl Iterator<Item = impl fmt::Display>,
) -> fmt::Result {
    if let Some(first) = items.next() {
        write!(f, "{first}")?;
    }
    items.try_for_each(|item| write!(f, "{between}{item}"))
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let equals = if self.meaning.is_empty() { "" } else { "=" };
        write!(f, "{}{}", self.name, equals)
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.title())?;
        for key in self.keys_of(Need::Required) {
            write!(f, " {key}")?;
        }
        if self.keys_of(Need::OneOf).next().is_some() {
            f.write_str(" ")?;
            join(f, "|", self.keys_of(Need::OneOf))?;
        }
        if self.keys_of(Need::Optional).next().is_some() {
            f.write_str(" [")?;
            join(f, " ", self.keys_of(Need::Optional))?;
            f.write_str("]")?;
        }
        Ok(())
    }
}

/// The whole grammar as text: a line for each command and query, then a line for each key.
#[derive(Clone, Copy, Debug)]
pub struct Help;

impl fmt::Display for Help {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for spec in COMMANDS {
            writeln!(f, "{spec}\n    {}", spec.meaning)?;
        }
        writeln!(
            f,
            "\nWritten to the view of that name, without the name, before it is read:"
        )?;
        for spec in QUERIES {
            writeln!(f, "{spec}\n    {}", spec.meaning)?;
        }
        writeln!(f)?;
        let specs = || COMMANDS.iter().chain(QUERIES);
        let keys = || specs().flat_map(|spec| spec.keys).map(|it| it.key);
        for (i, key) in keys().enumerate() {
            if !key.meaning.is_empty() && !keys().take(i).any(|earlier| earlier == key) {
                writeln!(f, "{:16} {}", key.name, key.meaning)?;
            }
        }
        Ok(())
    }
}
