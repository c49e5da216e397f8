// SPDX-License-Identifier: GPL-2.0

//! Tests of the grammar: what each command may say, and the sentence for each mistake.

use super::grammar::MAX_KEYS;
use super::*;

/// Expects that `line` is a command whose canonical line is `canonical`.
#[track_caller]
fn reads(line: &str, canonical: &str) {
    match parse(line.as_bytes()) {
        Ok(Some(command)) => assert_eq!(command.to_string(), canonical),
        other => panic!("{line}: {other:?}"),
    }
}

/// Expects that `line` is refused with this class and sentence.
#[track_caller]
fn refuses(line: impl AsRef<[u8]>, class: ErrnoClass, sentence: &str) {
    let error = parse(line.as_ref()).expect_err("a refusal");
    assert_eq!(error.to_string(), sentence);
    assert_eq!(error.errno_class(), class);
}

#[track_caller]
fn is_bad(line: &str, sentence: &str) {
    refuses(line, ErrnoClass::BadInput, sentence);
}

/// Expects that a value of `alloc pages` is within its range, or just outside of it.
#[track_caller]
fn range(word: &str, allowed: bool) {
    match parse(format!("alloc pages {word}").as_bytes()) {
        Ok(_) => assert!(allowed, "{word} was read"),
        Err(error) => {
            assert!(!allowed, "{error}");
            assert_eq!(error.errno_class(), ErrnoClass::OutOfRange, "{error}");
        }
    }
}

#[test]
fn canonical_line_has_the_keys_of_the_command() {
    for line in [
        "alloc pages",
        "alloc pages order=3 type=movable fill=1 node=1 gfp=GFP_KERNEL count=4 memcg=/web kind=file tag=t1",
        "alloc pages policy=local",
        "alloc pages type=movable policy=interleave nodes=0,2-3 node=1 gfp=GFP_KERNEL",
        "alloc object size=100 node=any gfp=__GFP_ZERO|GFP_NOWAIT|0x1 count=2 memcg=/ kind=anon tag=x",
        "alloc range size=40K",
        "alloc range size=1 align=64K min=0x100000 max=0x200000 bottom_up=1 type=movable fill=1 node=1 gfp=GFP_KERNEL tag=r",
        "alloc object cache=kmalloc-64",
        "alloc percpu size=8 align=64 gfp=GFP_KERNEL count=1 tag=p",
        "alloc vmalloc size=1M align=2M node=0 gfp=0x0 count=9 tag=v",
        "add percpu id=3 value=18446744073709551615",
        "free id=12",
        "free tag=t1 defer=1",
        "free all",
        "verify id=12",
        "verify tag=t1",
        "verify all",
        "compact",
        "compact order=9 node=1",
        "compact node=any",
        "isolate pfn=4608 count=512",
        "unisolate pfn=4608 size=2M",
        "drain",
        "poke pfn=4660 offset=4095 value=171",
        "unpoison pfn=4660",
        "unpoison all",
        "shrink cache=foo",
        "cache create name=foo size=1500 align=64 flags=hwalign,account,reclaim,typesafe,no_merge,redzone,poison,track,checks ctor=1",
        "cache destroy name=foo",
        "memcg create path=/a/b",
        "memcg remove path=/a/b",
        "memcg set path=/a memory.min=0",
        "memcg set path=/a memory.low=1",
        "memcg set path=/a memory.high=64K",
        "memcg set path=/a memory.max=10M",
        "memcg set path=/a memory.swap.high=1G",
        "memcg set path=/a memory.swap.max=max",
        "memcg set path=/a memory.oom.group=1",
        "memcg reclaim path=/a bytes=1M",
        "machine node=0 mem=64M zones=dma32:16M,normal:48M cpus=0-1,4 distance=10,20 cma=16M shadow=1",
        "machine node=3",
        "machine build",
        "machine build order=18",
        "machine reset",
        "memblock add base=0x100000 size=64M node=0",
        "memblock add base=0x0 size=1",
        "memblock remove base=0xffffffffffffffff size=17179869183G",
        "memblock reserve base=0x1000 size=64K",
        "memblock free base=0x1000 size=64K",
        "memblock alloc size=64K align=4K min=0x100000 max=0x200000 node=1 exact=1 bottom_up=1",
        "memblock alloc size=1 node=any",
        "memblock reset",
    ] {
        reads(line, line);
    }
}

#[test]
fn values_are_read_in_every_spelling() {
    reads("\talloc  pages\torder=0x3 ", "alloc pages order=3");
    reads("alloc pages order=007", "alloc pages order=7");
    reads(
        "alloc pages type=MOVABLE kind=File",
        "alloc pages type=movable kind=file",
    );
    reads(
        "alloc pages nodes=0,1,0x2,5-5,1000-1023 policy=BIND",
        "alloc pages policy=bind nodes=0-2,5,1000-1023",
    );
    reads(
        "alloc pages gfp=2|GFP_DMA|0x1|GFP_DMA",
        "alloc pages gfp=GFP_DMA|0x3",
    );
    reads("alloc percpu size=2048k", "alloc percpu size=2M");
    reads("alloc percpu size=0x400", "alloc percpu size=1K");
    reads("free defer=0 all", "free all");
    reads(
        "machine node=0 zones=NORMAL:2g,DMA:1m",
        "machine node=0 zones=dma:1M,normal:2G",
    );
    reads(
        "memblock reserve size=0x40 base=16M",
        "memblock reserve base=0x1000000 size=64",
    );
    reads(
        "memblock alloc min=1g exact=0 size=1k max=0",
        "memblock alloc size=1K min=0x40000000 max=0x0",
    );
}

#[test]
fn blank_lines_and_comments_are_no_commands() {
    for line in ["", " \t ", "# alloc", "  #", "#\u{fc}ber"] {
        assert!(matches!(parse(line.as_bytes()), Ok(None)), "{line}");
    }
}

#[test]
fn lines_are_numbered_from_one_and_parsed_one_by_one() {
    let found: Vec<_> = lines(b"drain\n\nfree\nfree all\n")
        .map(|line| match line.command {
            Ok(Some(command)) => format!("{} {command}", line.number),
            Ok(None) => format!("{}", line.number),
            Err(error) => format!("{} {error}", line.number),
        })
        .collect();
    let expected = [
        "1 drain",
        "2",
        "3 free needs one of id, tag, all",
        "4 free all",
        "5",
    ];
    assert_eq!(found, expected);
}

#[test]
fn numbers_end_at_their_ranges() {
    for (word, allowed) in [
        ("order=0", true),
        ("order=18", true),
        ("order=19", false),
        ("order=4294967296", false),
        ("order=99999999999999999999", false),
        ("node=0", true),
        ("node=1023", true),
        ("node=1024", false),
        ("count=0", false),
        ("count=1", true),
        ("count=1000000", true),
        ("count=1000001", false),
        ("gfp=0xffffffff", true),
        ("gfp=0x100000000", false),
    ] {
        range(word, allowed);
    }
}

#[test]
fn sizes_end_at_their_ranges() {
    let vmalloc = |size: &str, sentence: &str| {
        let line = format!("alloc vmalloc size={size}");
        refuses(line, ErrnoClass::OutOfRange, sentence);
    };
    let form = "size is a size of 1 or more, as 100, 64K, 10M or 1G";
    vmalloc("0", &format!("\"0\" is out of range for size; {form}"));
    vmalloc(
        "17179869184G",
        &format!("\"17179869184G\" is out of range for size; {form}"),
    );
    reads(
        "alloc vmalloc size=17179869183G",
        "alloc vmalloc size=17179869183G",
    );
    reads(
        "alloc vmalloc size=18446744073709551615",
        "alloc vmalloc size=18446744073709551615",
    );
    vmalloc(
        "18446744073709551616",
        &format!("\"18446744073709551616\" is out of range for size; {form}"),
    );
}

#[test]
fn other_numbers_end_at_their_ranges() {
    for line in [
        "free id=0",
        "free id=18446744073709551616",
        "free all defer=2",
        "alloc pages fill=2",
        "compact order=19",
        "isolate pfn=0 count=0",
        "isolate pfn=0 size=0",
        "alloc percpu size=8 align=0",
        "alloc percpu size=8 align=24",
        "memcg reclaim path=/a bytes=0",
        "machine node=1024",
        "machine node=0 cpus=0-8192",
        "machine node=0 distance=9",
        "machine node=0 distance=10,255",
        "machine node=0 zones=normal:0",
        "machine node=0 cma=0",
        "machine build order=19",
        "memblock add base=0 size=0",
        "memblock add base=18446744073709551616 size=1",
        "memblock add base=17179869184G size=1",
        "memblock add base=0 size=1 node=1024",
        "memblock alloc size=1 align=0",
        "memblock alloc size=1 exact=2",
        "memblock alloc size=1 bottom_up=2",
    ] {
        let error = parse(line.as_bytes()).expect_err(line);
        assert_eq!(error.errno_class(), ErrnoClass::OutOfRange, "{error}");
    }
}

#[test]
fn unknown_words_are_answered_with_the_known() {
    is_bad(
        "aloc pages",
        "unknown verb \"aloc\"; verbs are alloc, add, free, verify, compact, isolate, unisolate, drain, poke, unpoison, shrink, cache, memcg, machine, memblock",
    );
    is_bad(
        "alloc",
        "alloc needs a noun: pages, range, object, percpu, vmalloc",
    );
    is_bad(
        "alloc page order=3",
        "unknown noun \"page\" for alloc; it takes pages, range, object, percpu, vmalloc",
    );
    is_bad(
        "alloc pages ordr=3",
        "unknown key \"ordr\" for alloc pages; it takes order, node, policy, nodes, gfp, count, type, fill, memcg, kind, tag",
    );
    is_bad("drain now", "\"now\" is not key=value; drain takes nothing");
    is_bad(
        "free 12",
        "\"12\" is not key=value; free takes id, tag, all, defer",
    );
    is_bad("drain =", "unknown key \"\" for drain; it takes nothing");
}

#[test]
fn keys_are_given_once_and_as_needed() {
    is_bad(
        "alloc pages order=1 order=2",
        "order is given twice; alloc pages takes it once",
    );
    is_bad("free all all", "all is given twice; free takes it once");
    is_bad(
        "alloc percpu",
        "alloc percpu needs size=, a size of 1 or more, as 100, 64K, 10M or 1G",
    );
    is_bad("alloc object", "alloc object needs one of size, cache");
    is_bad(
        "alloc object size=8 cache=a",
        "alloc object takes only one of size, cache",
    );
    is_bad("free all id=1", "free takes only one of id, tag, all");
    is_bad(
        "alloc pages order",
        "order has no value; it is a number from 0 to 18",
    );
    is_bad(
        "alloc pages tag=",
        "tag has no value; it is 1 to 32 printable characters without blanks",
    );
    is_bad("free all=1", "all takes no value");
}

#[test]
fn malformed_values_are_named_with_the_right_form() {
    let order = |text: &str| {
        let sentence = "order is a number from 0 to 18";
        is_bad(
            &format!("alloc pages order={text}"),
            &format!("cannot read \"{text}\" as order; {sentence}"),
        );
    };
    for text in ["-1", "+1", "x", "0x", "0xg", "1_0", "3K", "1=2"] {
        order(text);
    }
}

#[test]
fn malformed_names_and_lists_are_bad_input() {
    for line in [
        "alloc percpu size=K",
        "alloc percpu size=1T",
        "alloc pages gfp=GFP_KERNEL||GFP_DMA",
        "alloc pages memcg=web",
        "alloc pages memcg=/a/",
        "alloc pages memcg=/a/../b",
        "alloc pages memcg=//",
        "alloc pages tag=\u{fc}",
        "shrink cache=a/b",
        "shrink cache=..",
        "shrink cache=.",
        "cache create name=a size=1 flags=poison,",
        "isolate pfn=0",
        "isolate count=1",
        "isolate pfn=0 count=1 size=4K",
        "verify",
        "machine node=any",
        "memblock add base=0 size=1 node=any",
        "memblock add base=-1 size=1",
        "memblock free base=0",
        "memblock alloc",
        "memblock alloc base=0 size=1",
        "machine node=0 zones=normal",
        "machine node=0 zones=normal:1,normal:2",
        "alloc pages nodes=",
        "alloc pages nodes=1,0",
        "alloc pages nodes=0-1,1",
        "alloc pages nodes=3-1",
        "alloc pages nodes=any",
        "alloc pages policy=weighted",
        "alloc object size=8 nodes=0",
        "machine node=0 cpus=1,0",
        "machine node=0 cpus=3-1",
        "machine node=0 cpus=0-1,1",
    ] {
        let error = parse(line.as_bytes()).expect_err(line);
        assert_eq!(error.errno_class(), ErrnoClass::BadInput, "{error}");
    }
}

#[test]
fn unknown_names_are_answered_with_a_near_one() {
    is_bad(
        "alloc pages gfp=GFP_KERNAL|__GFP_ZERO",
        "unknown name \"GFP_KERNAL\" in gfp; the nearest is GFP_KERNEL",
    );
    is_bad(
        "alloc pages gfp=kernel",
        "unknown name \"kernel\" in gfp; gfp is GFP_ names, __GFP_ names or 32-bit numbers, joined by |",
    );
    is_bad(
        "alloc pages kind=files",
        "unknown name \"files\" in kind; kind is one of anon, file, kernel",
    );
}

#[test]
fn long_words_are_quoted_in_part() {
    let verbs = "verbs are alloc, add, free, verify, compact, isolate, unisolate, drain, poke, unpoison, shrink, cache, memcg, machine, memblock";
    let word = "x".repeat(40);
    is_bad(&word, &format!("unknown verb \"{word}\"; {verbs}"));
    is_bad(
        &format!("{word}x"),
        &format!("unknown verb \"{word}...\"; {verbs}"),
    );
}

#[test]
fn names_end_at_their_lengths() {
    let tag = |len| format!("alloc pages tag={}", "t".repeat(len));
    reads(&tag(32), &tag(32));
    refuses(
        tag(33),
        ErrnoClass::TooLong,
        &format!(
            "\"{}\" is too long for tag; tag is 1 to 32 printable characters without blanks",
            "t".repeat(33)
        ),
    );
    let path = |len: usize| format!("memcg create path=/{}", "p".repeat(len - 1));
    reads(&path(256), &path(256));
    refuses(
        path(257),
        ErrnoClass::TooLong,
        &format!(
            "\"/{}...\" is too long for path; path is / or names after /, as /a/b, up to 256 characters",
            "p".repeat(39)
        ),
    );
}

#[test]
fn lines_end_at_their_length() {
    let comment = |len| "#".repeat(len);
    assert!(matches!(parse(comment(MAX_LINE).as_bytes()), Ok(None)));
    refuses(
        comment(MAX_LINE + 1),
        ErrnoClass::TooLong,
        "the line has 513 bytes; a command line has at most 512",
    );
}

#[test]
fn lines_are_text() {
    let bad = |line: &[u8], sentence: &str| refuses(line, ErrnoClass::BadInput, sentence);
    bad(
        b"drain\0",
        "the line holds a NUL byte; a command line is text",
    );
    bad(
        b"drain\r",
        "the line holds the control byte 0x0d; words are parted by blanks or tabs",
    );
    bad(
        b"drain\x7f",
        "the line holds the control byte 0x7f; words are parted by blanks or tabs",
    );
    bad(b"# \xff", "byte 0xff is not UTF-8; a command line is text");
    bad(b"# \xc3", "byte 0xc3 is not UTF-8; a command line is text");
    bad(
        "dr\u{e4}in\"\\".as_bytes(),
        "unknown verb \"dr\\xc3\\xa4in\\\"\\\\\"; verbs are alloc, add, free, verify, compact, isolate, unisolate, drain, poke, unpoison, shrink, cache, memcg, machine, memblock",
    );
}

#[test]
fn grammar_is_consistent() {
    for (i, spec) in COMMANDS.iter().enumerate() {
        assert!(spec.keys.len() <= MAX_KEYS, "{spec}");
        let first = COMMANDS
            .iter()
            .position(|other| other.title().to_string() == spec.title().to_string());
        assert_eq!(first, Some(i), "{spec} is there twice");
        for it in spec.keys {
            let same_name = spec
                .keys
                .iter()
                .filter(|other| other.key.name == it.key.name);
            assert_eq!(same_name.count(), 1, "{spec}");
        }
    }
}

#[test]
fn help_shows_usage_and_each_key_once() {
    let help = Help.to_string();
    assert!(help.starts_with(
        "alloc pages [order= node= policy= nodes= gfp= count= type= fill= memcg= kind= tag=]\n"
    ));
    assert!(help.contains("\nfree id=|tag=|all [defer=]\n"));
    assert!(help.contains("\nalloc object size=|cache= [node="));
    assert_eq!(
        help.matches("\ntag              1 to 32 printable").count(),
        1
    );
    assert!(help.lines().all(|line| line.len() <= 128));
}
