// SPDX-License-Identifier: GPL-2.0

//! What must hold for any input: each function panics if it does not.

mod machine;

pub use machine::machine_follows_its_lines;

use crate::algo::command::{
    self,
    Command,
    View,
    MAX_LINE, //
};
use crate::algo::fragmentation::{
    fragmentation_index,
    unusable_index, //
};
use crate::algo::units::Order;

/// The longest sentence about a mistake that a user is shown, in bytes.
const MAX_SENTENCE: usize = 300;

/// Checks what `ctl` would do with one write.
pub fn write_is_answered(input: &[u8]) {
    let mut nr_lines = 0;
    for line in command::lines(input) {
        nr_lines += 1;
        assert_eq!(line.number, nr_lines);
        match line.command {
            Ok(Some(command)) => command_prints_itself(&command),
            Ok(None) => {}
            Err(error) => sentence_is_printable(&error.to_string()),
        }
    }
    assert_eq!(
        nr_lines,
        1 + input.iter().filter(|byte| **byte == b'\n').count()
    );
}

/// Checks what each view would do with one line that is written to it.
pub fn question_is_answered(line: &[u8]) {
    for view in View::ALL {
        match command::parse_query(*view, line) {
            Ok(Some(query)) => {
                assert_eq!(query.view(), *view);
                let again = query.to_string();
                let words = again.strip_prefix(view.name()).expect("the name is first");
                match command::parse_query(*view, words.as_bytes()) {
                    Ok(again) => assert_eq!(again, Some(query)),
                    Err(error) => assert!(words.len() > MAX_LINE, "{error}"),
                }
            }
            Ok(None) => {}
            Err(error) => sentence_is_printable(&error.to_string()),
        }
    }
}

/// Checks that the canonical line of a command is the command.
pub fn command_prints_itself(command: &Command<'_>) {
    let line = command.to_string();
    if line.len() > MAX_LINE {
        // A number is printed in decimal, where it can be longer than it was in hexadecimal.
        return;
    }
    match command::parse(line.as_bytes()) {
        Ok(Some(again)) => assert_eq!(again, *command, "{line}"),
        other => panic!("{line}: {other:?}"),
    }
}

fn sentence_is_printable(sentence: &str) {
    assert!(!sentence.is_empty());
    assert!(sentence.len() <= MAX_SENTENCE, "{sentence}");
    let printable = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    assert!(sentence.bytes().all(printable), "{sentence}");
}

/// Checks both indices of one zone against a list of its free blocks, in every order.
///
/// The list holds each block by itself, so the counts should be small.
pub fn indices_follow_the_list(nr_free: &[usize]) {
    let mut blocks = Vec::new();
    for (order, nr) in nr_free.iter().take(Order::COUNT).enumerate() {
        blocks.extend(std::iter::repeat_n(1_i64 << order, *nr));
    }
    for order in Order::up_to(Order::MAX) {
        let index = unusable_index(nr_free, order).thousandths();
        assert_eq!(i64::from(index), unusable_of(&blocks, 1 << order.get()));
        let index = fragmentation_index(nr_free, order).thousandths();
        assert_eq!(
            i64::from(index),
            fragmentation_of(&blocks, 1 << order.get())
        );
    }
}

/// The unusable index as its definition has it: the share of free pages in blocks that are too
/// small.
fn unusable_of(blocks: &[i64], wanted: i64) -> i64 {
    let small: i64 = blocks.iter().filter(|block| **block < wanted).sum();
    match blocks.iter().sum::<i64>() {
        0 => 1000,
        free => small * 1000 / free,
    }
}

/// The fragmentation index as its definition has it: 1 - (1 + free / wanted) / blocks, each step
/// rounded down.
fn fragmentation_of(blocks: &[i64], wanted: i64) -> i64 {
    if blocks.is_empty() {
        return 0;
    }
    if blocks.iter().any(|block| *block >= wanted) {
        return -1000;
    }
    let free: i64 = blocks.iter().sum();
    let nr_blocks = i64::try_from(blocks.len()).expect("the list fits into memory");
    1000 - (1000 + free * 1000 / wanted) / nr_blocks
}
