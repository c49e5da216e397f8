// SPDX-License-Identifier: GPL-2.0

//! The words of one command line, sorted into the keys of its command.
//!
//!   "order=3 tag=x"    keys   order  node  gfp  ...  tag
//!                      values "3"    -     -         "x"
//!
//! # Locking     none.
//! # Cost        O(words x keys); 16 bytes a key on the stack.
//! # Limits      a blank ends a word always: there is no quoting.
//! # Reference   grammar.rs is the table that this file obeys.

use super::error::{
    KeyFault,
    ParseError, //
};
use super::grammar::{
    Key,
    Need,
    Spec,
    MAX_KEYS, //
};
use super::value::Value;

/// The values given for the keys of one command.
///
/// # Invariants
///
/// Every required key has a value, and exactly one key of those marked `Need::OneOf`, if there are
/// any.
pub(super) struct Args<'a> {
    spec: &'static Spec,
    /// Parallel to `spec.keys`; a key that takes no value has the empty text.
    values: [Option<&'a str>; MAX_KEYS],
}

impl<'a> Args<'a> {
    /// Sorts the words that follow verb and noun.
    pub(super) fn read(
        spec: &'static Spec,
        words: impl Iterator<Item = &'a str>,
    ) -> Result<Self, ParseError<'a>> {
        let mut args = Self {
            spec,
            values: [None; MAX_KEYS],
        };
        for word in words {
            args.put(word)?;
        }
        args.check_needs()?;
        // INVARIANT: just checked.
        Ok(args)
    }

    fn put(&mut self, word: &'a str) -> Result<(), ParseError<'a>> {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word, None),
        };
        let Some((key, place)) = self
            .spec
            .keys
            .iter()
            .map(|it| it.key)
            .zip(&mut self.values)
            .find(|(key, _)| key.name == name)
        else {
            return Err(self.fault(match value {
                Some(_) => KeyFault::UnknownKey(name),
                None => KeyFault::UnknownWord(word),
            }));
        };
        if place.is_some() {
            return Err(self.fault(KeyFault::Twice(key)));
        }
        *place = Some(match (value, key.meaning.is_empty()) {
            (None, true) => "",
            (Some(_), true) => return Err(ParseError::UnexpectedValue { key }),
            (None | Some(""), false) => return Err(ParseError::MissingValue { key }),
            (Some(value), false) => value,
        });
        Ok(())
    }

    fn check_needs(&self) -> Result<(), ParseError<'a>> {
        let spec = self.spec;
        if let Some(key) = spec.keys_of(Need::Required).find(|key| !self.has(key)) {
            return Err(self.fault(KeyFault::Missing(key)));
        }
        let given = spec.keys_of(Need::OneOf).filter(|key| self.has(key));
        match (given.count(), spec.keys_of(Need::OneOf).count()) {
            (1, _) | (0, 0) => Ok(()),
            (0, _) => Err(self.fault(KeyFault::MissingChoice)),
            _ => Err(self.fault(KeyFault::Conflict)),
        }
    }

    const fn fault(&self, fault: KeyFault<'a>) -> ParseError<'a> {
        ParseError::BadKeys {
            spec: self.spec,
            fault,
        }
    }

    fn text(&self, key: &Key) -> Option<&'a str> {
        let mut pairs = self.spec.keys.iter().zip(&self.values);
        pairs.find_map(|(it, value)| value.filter(|_| it.key.name == key.name))
    }

    /// Says whether a key was given.
    pub(super) fn has(&self, key: &Key) -> bool {
        self.text(key).is_some()
    }

    /// Returns the value of a key, if it was given.
    pub(super) fn get<T: Value<'a>>(&self, key: &'static Key) -> Result<Option<T>, ParseError<'a>> {
        let value = self.text(key).map(T::read).transpose();
        value.map_err(|fault| fault.at(key))
    }

    /// Returns the value of a key that must have been given.
    pub(super) fn need<T: Value<'a>>(&self, key: &'static Key) -> Result<T, ParseError<'a>> {
        self.get(key)?.ok_or(self.fault(KeyFault::Missing(key)))
    }
}
