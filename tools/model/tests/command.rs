// SPDX-License-Identifier: GPL-2.0

//! Properties of the command parser: what the grammar allows is read and printed back, and no line
//! stops it.

use oxmm_model::algo::command::{
    lines,
    parse,
    Key,
    Need,
    Use,
    COMMANDS,
    MAX_LINE, //
};
use oxmm_model::expect;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{
    select,
    Index, //
};

/// Texts that a key allows.
fn value(key: &'static str) -> BoxedStrategy<String> {
    let number = |range: std::ops::RangeInclusive<u64>| {
        (range, any::<bool>()).prop_map(|(number, hex)| match hex {
            true => format!("{number:#x}"),
            false => number.to_string(),
        })
    };
    match key {
        "order" => number(0..=18).boxed(),
        "node" => number(0..=1023).boxed(),
        "nodes" => "0(-3)?(,[4-7](,9-1[0-9])?)?".boxed(),
        "policy" => "local|bind|Preferred|INTERLEAVE".boxed(),
        "count" | "rounds" | "threads" => number(1..=1_000_000).boxed(),
        "work" => "pair|bulk|batch|remote|floor".boxed(),
        "pattern" => "fifo|lifo|random".boxed(),
        "id" => number(1..=u64::MAX).boxed(),
        "pfn" => number(0..=1 << 48).boxed(),
        "value" | "offset" => number(0..=u64::MAX).boxed(),
        "bottom_up" | "ctor" | "defer" | "exact" | "fill" | "shadow" | "memory.oom.group" => {
            number(0..=1).boxed()
        }
        "size" | "mem" | "cma" | "bytes" => "[1-9][0-9]{0,8}[KMGkmg]?".boxed(),
        "base" | "min" | "max" => "0|0x[0-9a-f]{1,16}|[1-9][0-9]{0,8}[KMGkmg]?".boxed(),
        "align" => (0..32_u32)
            .prop_map(|shift| (1_u64 << shift).to_string())
            .boxed(),
        "gfp" => {
            "(GFP_KERNEL|GFP_NOWAIT|0x[0-9a-f]{1,8})([|](__GFP_ZERO|__GFP_THISNODE|[1-9])){0,4}"
                .boxed()
        }
        "type" => "(un)?movable|Reclaimable|HIGHATOMIC|cma|isolate".boxed(),
        "kind" => "anon|file|kernel".boxed(),
        "memcg" | "path" => "/|(/[a-z0-9_-]{1,12}){1,5}".boxed(),
        "tag" => "[!-~]{1,32}".boxed(),
        "cache" | "name" => "[!-.0-~]{3,32}".boxed(),
        "flags" => "(poison|track|Redzone)(,(no_merge|checks|account)){0,5}".boxed(),
        "zones" => "dma32:[1-9]{1,4}[KMG]?(,normal:[1-9]{1,4}M)?".boxed(),
        "cpus" => "0(-3)?(,[4-7](,9-1[0-9])?)?".boxed(),
        "distance" => "10(,[2-9][0-9]){0,7}".boxed(),
        limit if limit.starts_with("memory.") => "max|0|[1-9][0-9]{0,8}[KMG]?".boxed(),
        other => panic!("no values are known for {other}="),
    }
}

/// Words that give one key.
fn word(key: &'static Key) -> BoxedStrategy<String> {
    match key.meaning {
        "" => Just(key.name.to_string()).boxed(),
        _ => value(key.name)
            .prop_map(move |text| format!("{}={text}", key.name))
            .boxed(),
    }
}

/// What a line may say of one key; of the keys that exclude each other only `picked` is given.
fn maybe_word(it: &'static Use, picked: &'static Key) -> BoxedStrategy<Option<String>> {
    match it.need {
        Need::Optional => option::of(word(it.key)).boxed(),
        Need::OneOf if it.key != picked => Just(None).boxed(),
        Need::OneOf | Need::Required => word(it.key).prop_map(Some).boxed(),
    }
}

/// Lines that the grammar allows, their keys in any order.
fn line() -> impl Strategy<Value = String> {
    let picks = COMMANDS.iter().flat_map(|spec| {
        let one_of = spec.keys.iter().filter(|it| it.need == Need::OneOf);
        let keys: Vec<_> = one_of.map(|it| it.key).collect();
        match keys.is_empty() {
            // Nothing to pick: any key stands for none.
            true => vec![(spec, COMMANDS[0].keys[0].key)],
            false => keys.into_iter().map(|key| (spec, key)).collect(),
        }
    });
    select(picks.collect::<Vec<_>>()).prop_flat_map(|(spec, picked)| {
        let words = spec.keys.iter().map(|it| maybe_word(it, picked));
        let words = words.collect::<Vec<_>>().prop_shuffle();
        words.prop_map(|words| {
            let words: Vec<_> = words.into_iter().flatten().collect();
            format!("{} {} {}", spec.verb, spec.noun, words.join(" "))
        })
    })
}

proptest! {
    #[test]
    fn line_of_the_grammar_is_a_command_that_prints_itself(line in line()) {
        match parse(line.as_bytes()) {
            Ok(Some(command)) => expect::command_prints_itself(&command),
            other => prop_assert!(line.len() > MAX_LINE, "{line}: {other:?}"),
        }
    }

    #[test]
    fn canonical_line_names_the_keys_that_were_given(line in line()) {
        if let Ok(Some(command)) = parse(line.as_bytes()) {
            let canonical = command.to_string();
            // `ctor=0`, `defer=0`, `shadow=0` and the like are what is not said.
            let off = |word: &&str| word.ends_with("=0") || word.ends_with("=0x0");
            for word in line.split_whitespace().filter(|word| !off(word)) {
                let (name, _) = word.split_once('=').unwrap_or((word, ""));
                prop_assert!(canonical.contains(name), "{canonical} lost {name}");
            }
        }
    }

    #[test]
    fn line_with_a_mistake_is_answered(line in line(), at in any::<Index>(), byte in any::<u8>()) {
        let mut line = line.into_bytes();
        let at = at.index(line.len());
        line[at] = byte;
        expect::write_is_answered(&line);
    }

    #[test]
    fn any_bytes_are_answered(input in prop::collection::vec(any::<u8>(), 0..2000)) {
        expect::write_is_answered(&input);
    }

    #[test]
    fn any_words_written_to_a_view_are_answered(line in line()) {
        let words = line.splitn(3, ' ').last().unwrap_or_default();
        expect::question_is_answered(words.as_bytes());
    }

    #[test]
    fn lines_are_parsed_as_each_alone(all in prop::collection::vec(line(), 0..8)) {
        let input = all.join("\n");
        for (line, alone) in lines(input.as_bytes()).zip(&all) {
            prop_assert_eq!(line.command.ok(), parse(alone.as_bytes()).ok());
        }
    }
}
