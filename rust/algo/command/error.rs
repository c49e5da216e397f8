// SPDX-License-Identifier: GPL-2.0

//! Why a command line was refused, in one sentence that says what was wrong and what would be
//! right.
//!
//!   unknown key "ordr" for alloc pages; it takes order, node, policy, nodes, gfp, count, type, ...
//!
//! # Locking     none: borrows from the line and from the grammar.
//! # Cost        printing O(grammar); a sentence has a bounded length, for it quotes at most 40
//!               bytes of the line.
//! # Limits      one error a line: the first from the left, then what is missing, then what its
//!               values say.
//! # Reference   grammar.rs holds the words that are quoted.

use core::fmt;

use super::grammar::{
    join,
    Key,
    Need,
    Spec,
    COMMANDS,
    GFP, //
};
use super::MAX_LINE;
use crate::algo::gfp;

/// The class of an error, from which the caller chooses an errno.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrnoClass {
    /// Not in the grammar.
    BadInput,
    /// In the grammar, but the number is too small or too large.
    OutOfRange,
    /// A line or a name has too many bytes.
    TooLong,
}

/// What is wrong with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It has another form than the key asks for.
    Malformed,
    /// It is a name that is not known.
    UnknownName,
    /// It is a number that is too small or too large.
    OutOfRange,
    /// It is a name of too many bytes.
    TooLong,
}

/// What is wrong with the words after verb and noun.
#[derive(Clone, Copy, Debug)]
pub enum KeyFault<'a> {
    /// This word has no `=` and is none of those that need none.
    UnknownWord(&'a str),
    /// The command has no such key.
    UnknownKey(&'a str),
    /// It is given twice.
    Twice(&'static Key),
    /// It must be given.
    Missing(&'static Key),
    /// One of those that exclude each other must be given.
    MissingChoice,
    /// Of those that exclude each other only one can be given.
    Conflict,
}

/// Why a line is no command.
#[derive(Clone, Copy, Debug)]
#[expect(
    missing_docs,
    reason = "each variant prints the sentence that explains it"
)]
pub enum ParseError<'a> {
    LineTooLong {
        nr_bytes: usize,
    },
    NotUtf8 {
        byte: u8,
    },
    NulByte,
    ControlByte {
        byte: u8,
    },
    UnknownVerb {
        word: &'a str,
    },
    MissingNoun {
        verb: &'static str,
    },
    UnknownNoun {
        verb: &'static str,
        word: &'a str,
    },
    BadKeys {
        spec: &'static Spec,
        fault: KeyFault<'a>,
    },
    MissingValue {
        key: &'static Key,
    },
    UnexpectedValue {
        key: &'static Key,
    },
    /// `text` is the part of the value that is wrong.
    BadValue {
        key: &'static Key,
        text: &'a str,
        fault: Fault,
    },
}

impl ParseError<'_> {
    /// Returns the class of the error.
    pub const fn errno_class(&self) -> ErrnoClass {
        match self {
            Self::LineTooLong { .. } => ErrnoClass::TooLong,
            Self::BadValue { fault, .. } => match fault {
                Fault::Malformed | Fault::UnknownName => ErrnoClass::BadInput,
                Fault::OutOfRange => ErrnoClass::OutOfRange,
                Fault::TooLong => ErrnoClass::TooLong,
            },
            _ => ErrnoClass::BadInput,
        }
    }
}

impl fmt::Display for ParseError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::LineTooLong { nr_bytes } => write!(
                f,
                "the line has {nr_bytes} bytes; a command line has at most {MAX_LINE}"
            ),
            Self::NotUtf8 { byte } => {
                write!(f, "byte {byte:#04x} is not UTF-8; a command line is text")
            }
            Self::NulByte => f.write_str("the line holds a NUL byte; a command line is text"),
            Self::ControlByte { byte } => write!(
                f,
                "the line holds the control byte {byte:#04x}; words are parted by blanks or tabs"
            ),
            Self::UnknownVerb { word } => {
                write!(f, "unknown verb {}; verbs are {}", Quoted(word), Verbs)
            }
            Self::MissingNoun { verb } => write!(f, "{verb} needs a noun: {}", Nouns(verb)),
            Self::UnknownNoun { verb, word } => {
                let (word, nouns) = (Quoted(word), Nouns(verb));
                write!(f, "unknown noun {word} for {verb}; it takes {nouns}")
            }
            Self::BadKeys { spec, fault } => bad_keys(f, spec, fault),
            Self::MissingValue { key } => {
                write!(f, "{} has no value; it is {}", key.name, key.meaning)
            }
            Self::UnexpectedValue { key } => write!(f, "{} takes no value", key.name),
            Self::BadValue { key, text, fault } => bad_value(f, key, text, fault),
        }
    }
}

fn bad_keys(f: &mut fmt::Formatter<'_>, spec: &Spec, fault: KeyFault<'_>) -> fmt::Result {
    let (title, keys, choices) = (spec.title(), Keys(spec), Choices(spec));
    match fault {
        KeyFault::UnknownWord(word) => {
            write!(f, "{} is not key=value; {title} takes {keys}", Quoted(word))
        }
        KeyFault::UnknownKey(name) => {
            let name = Quoted(name);
            write!(f, "unknown key {name} for {title}; it takes {keys}")
        }
        KeyFault::Twice(key) => write!(f, "{} is given twice; {title} takes it once", key.name),
        KeyFault::Missing(key) => write!(f, "{title} needs {key}, {}", key.meaning),
        KeyFault::MissingChoice => write!(f, "{title} needs one of {choices}"),
        KeyFault::Conflict => write!(f, "{title} takes only one of {choices}"),
    }
}

fn bad_value(f: &mut fmt::Formatter<'_>, key: &Key, text: &str, fault: Fault) -> fmt::Result {
    let (name, text) = (key.name, Quoted(text));
    match fault {
        Fault::Malformed => write!(f, "cannot read {text} as {name}")?,
        Fault::UnknownName => write!(f, "unknown name {text} in {name}")?,
        Fault::OutOfRange => write!(f, "{text} is out of range for {name}")?,
        Fault::TooLong => write!(f, "{text} is too long for {name}")?,
    }
    let is_flag = fault == Fault::UnknownName && *key == GFP;
    match (gfp::became(text.0), gfp::near(text.0)) {
        (Some(now), _) if is_flag => write!(f, "; {now}"),
        (None, Some(flag)) if is_flag => write!(f, "; the nearest is {flag}"),
        _ => write!(f, "; {name} is {}", key.meaning),
    }
}

/// Prints text of the line between quotes, its unprintable bytes escaped and its tail cut.
struct Quoted<'a>(&'a str);

impl Quoted<'_> {
    const MAX_BYTES: usize = 40;
}

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0.as_bytes();
        match bytes.get(..Self::MAX_BYTES) {
            Some(start) if bytes.len() > start.len() => {
                write!(f, "\"{}...\"", start.escape_ascii())
            }
            _ => write!(f, "\"{}\"", bytes.escape_ascii()),
        }
    }
}

/// Prints every verb once.
struct Verbs;

impl fmt::Display for Verbs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The lines of one verb stand together in the grammar.
        let mut last = "";
        let verbs = COMMANDS.iter().map(|spec| spec.verb);
        let once = verbs.filter(|&verb| core::mem::replace(&mut last, verb) != verb);
        join(f, ", ", once)
    }
}

/// Prints the nouns of a verb.
struct Nouns<'a>(&'a str);

impl fmt::Display for Nouns<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let specs = COMMANDS.iter().filter(|spec| spec.verb == self.0);
        join(
            f,
            ", ",
            specs.map(|spec| spec.noun).filter(|noun| !noun.is_empty()),
        )
    }
}

/// Prints the names of all keys of a command.
struct Keys<'a>(&'a Spec);

impl fmt::Display for Keys<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.keys {
            [] => f.write_str("nothing"),
            keys => join(f, ", ", keys.iter().map(|it| it.key.name)),
        }
    }
}

/// Prints the names of the keys of a command of which one is given.
struct Choices<'a>(&'a Spec);

impl fmt::Display for Choices<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        join(f, ", ", self.0.keys_of(Need::OneOf).map(|key| key.name))
    }
}
