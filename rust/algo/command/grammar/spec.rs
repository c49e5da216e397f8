// SPDX-License-Identifier: GPL-2.0

//! What the tables of the grammar consist of: commands, keys, and how a command takes a key.
//!
//! # Locking     none: constants.
//! # Cost        a lookup is linear in the tables.
//! # Limits      none.
//! # Reference   grammar.rs has the tables.

use super::{
    Title,
    COMMANDS,
    QUERIES, //
};
use crate::algo::command::{
    args::Args,
    error::ParseError,
    Command, //
};

/// A key of commands.
#[derive(Debug, PartialEq, Eq)]
pub struct Key {
    /// The part before `=`.
    pub name: &'static str,
    /// What the value is, as the end of a sentence that starts with the name; empty for a word that
    /// takes no value.
    pub meaning: &'static str,
}

pub(super) const fn key(name: &'static str, meaning: &'static str) -> Key {
    Key { name, meaning }
}

/// How a command takes a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Always given.
    Required,
    /// Exactly one of all keys marked so is given.
    OneOf,
    /// Given or not.
    Optional,
}

/// A key of one command.
#[derive(Debug)]
pub struct Use {
    /// The key.
    pub key: &'static Key,
    /// Whether it must be given.
    pub need: Need,
}

pub(super) const fn req(key: &'static Key) -> Use {
    Use {
        key,
        need: Need::Required,
    }
}

pub(super) const fn one(key: &'static Key) -> Use {
    Use {
        key,
        need: Need::OneOf,
    }
}

pub(super) const fn opt(key: &'static Key) -> Use {
    Use {
        key,
        need: Need::Optional,
    }
}

/// Makes the typed command of checked words.
pub(in crate::algo::command) type Build =
    for<'a> fn(&Args<'a>) -> Result<Command<'a>, ParseError<'a>>;

/// One command of the grammar; it prints as its usage.
#[derive(Debug)]
pub struct Spec {
    /// The first word.
    pub verb: &'static str,
    /// The second word; empty if the verb stands alone.
    pub noun: &'static str,
    /// What it takes, in the order of the canonical line.
    pub keys: &'static [Use],
    /// What it does, in the third person.
    pub meaning: &'static str,
    pub(in crate::algo::command) build: Build,
}

impl Spec {
    /// Finds the command of a verb and a noun; the noun is empty for a verb that stands alone.
    pub(in crate::algo::command) fn find(verb: &str, noun: &str) -> Option<&'static Self> {
        COMMANDS
            .iter()
            .find(|spec| spec.verb == verb && spec.noun == noun)
    }

    /// Finds what a view takes.
    pub(in crate::algo::command) fn find_query(view: &str) -> Option<&'static Self> {
        QUERIES.iter().find(|spec| spec.verb == view)
    }

    /// Walks the keys of one need.
    pub(in crate::algo::command) fn keys_of(
        &self,
        need: Need,
    ) -> impl Iterator<Item = &'static Key> {
        self.keys
            .iter()
            .filter(move |it| it.need == need)
            .map(|it| it.key)
    }

    /// Returns verb and noun.
    pub(in crate::algo::command) fn title(&self) -> Title<'_> {
        Title(self)
    }
}
