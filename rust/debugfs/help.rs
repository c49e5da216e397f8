// SPDX-License-Identifier: GPL-2.0

//! `README` and `version`: the files and the grammar in words; what was built with what.
//!
//! # Limits      the running kernel does not tell which rustc built it; its headers do.
//! # Reference   algo/command/grammar.rs holds the grammar that is printed.

use core::fmt::Write;

use kernel::prelude::*;

use super::Rooms;
use crate::algo::command;
use crate::linux::{
    debugfs::{
        File,
        Text, //
    },
    version, //
};

/// The file `README`.
pub(super) struct Readme;

const FILES: &str = "\
oxmm shows the memory of the running kernel and allocates from it on request.

Files, in a directory for each memory manager. The first line names the columns, then one
record a line, no value holds a blank, sizes are pages unless said otherwise.
  nodes      states, CPUs, sizes, distances of every node, and who serves one without memory
  zones      span, sizes, watermarks and reserves of every zone
  free_area  free blocks by node, zone, migratetype and order, and the fragmentation indices
  zonelists  the order in which zones are tried for a request on each node
  vmstat     every counter of nodes and zones: as read, with what CPUs keep, and the error bound
  memory     all of memory by part, what nothing accounts for, and what is available, term by term
  percpu     where the copies of held per-CPU variables are, and the number each begins with
  vmalloc    where the pages of held areas are, a line a contiguous run; large objects to compare
  pcp        the page lists of every CPU and zone: sizes, tuning state, the length of each list
  pageblocks runs of like pageblocks: migratetype, isolated, free pages, skipped by compaction
  page       write pfn=N, addr=N or id=N, then read all that is known of that page
  kmalloc    classes of kmalloc, in bytes; a size that is written to it is answered
  caches     caches made here: layout, and where their objects are; used is what somebody has
  cache      a directory for each of them, a file for each fact, named as in /sys/kernel/slab
  would      write a request, read which zone would serve it and which rule stops the others
  gfp        write flags, read what they mean; nothing written, all combinations that have a name
  ctl        takes commands, one a line; a write stops at the first line that fails
  result     what the last write did, line by line: ok with ids, or the errno and a sentence
  live       what is held; sizes are bytes
  bench      write what is to be measured, read nanoseconds a block
  check      private alone: recounts every zone the slow way, and says ok or what is wrong
  owners     private alone: who has how many blocks and pages, by tag
  memblock   private alone: early memory, that of the machine and that of commands
Managers: linux, the running kernel's; private, of pages that oxmm took from Linux node by node.

Commands: verb noun key=value ...; sizes take K, M and G; # starts a comment.
";

impl File<Rooms> for Readme {
    const NAME: &'static CStr = c"README";

    fn read(_: &Rooms, out: &mut Text) -> Result {
        out.push(FILES.as_bytes())?;
        Ok(write!(out, "{}", command::Help)?)
    }
}

/// The file `version`.
pub(super) struct Version;

impl File<Rooms> for Version {
    const NAME: &'static CStr = c"version";

    fn read(_: &Rooms, out: &mut Text) -> Result {
        let rows = [
            ("oxmm", crate::VERSION),
            ("running_kernel", version::running_release()),
            ("built_for_kernel", version::built_release()),
            ("module_rustc", version::built_rustc()),
            ("kernel_rustc", version::kernel_rustc()),
            ("kernel_cc", version::kernel_cc()),
        ];
        writeln!(out, "{:<16} version", "what")?;
        for (what, text) in rows {
            writeln!(out, "{what:<16} {}", text.to_str().unwrap_or("?"))?;
        }
        Ok(())
    }
}
