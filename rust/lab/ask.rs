// SPDX-License-Identifier: GPL-2.0

//! What the views are asked: kept from a write to a view until the reads that follow.
//!
//!   echo order=3 >would    Lab::ask    asked[would] = order 3      result: ok, or what is wrong
//!   cat would              Lab::asked  the answer is worked out at the read
//!
//! # Locking     `asked` and `report` are taken one after the other.
//! # Limits      one question for each view: of two users who ask at a time the later one is
//!               answered, and the answer repeats what it was asked.
//! # Reference   algo/command/query.rs holds the grammar.

use kernel::{
    prelude::*,
    sync::UniqueArc, //
};

use super::{
    refusal::Errno,
    run::{
        row,
        Ids,
        COLUMNS,
        MAX_ROW, //
    },
    Lab,
    Manager,
    Refusal, //
};
use crate::algo::{
    command::{
        self,
        Query,
        View, //
    },
    gfp::{
        FlagSet,
        Gfp, //
    },
    snapshot::{
        would::Rules,
        ListKind, //
    },
    units::{
        Migratetype,
        NodeId,
        NodeMask,
        Order,
        ZoneKind, //
    },
};
use crate::linux::debugfs::Text;

/// The pages that a view is asked about.
#[derive(Clone, Copy, Debug)]
pub struct PagesWish {
    /// The order.
    pub order: Order,
    /// The flags.
    pub gfp: Gfp,
    /// The preferred node; `None` for that of the CPU which reads.
    pub node: Option<NodeId>,
    /// The type of pageblock wanted; `None` leaves it to the flags.
    pub migratetype: Option<Migratetype>,
    /// The nodes that may serve; `None` for all.
    pub nodes: Option<NodeMask>,
}

/// What flags come down to.
#[derive(Clone, Copy, Debug)]
pub struct Decoded {
    /// The bits.
    pub bits: u32,
    /// The single flags.
    pub flags: FlagSet,
    /// The highest zone they allow; `None` for zone modifiers that exclude each other.
    pub zone: Option<ZoneKind>,
    /// Which of a node's lists is walked.
    pub list: ListKind,
    /// What the manager goes by.
    pub rules: Rules,
    /// Why a request with them is refused.
    pub refused: Option<Refusal>,
}

impl<M: Manager> Lab<M> {
    /// Takes what is written to a view: the last of its lines is the question, and no line at all
    /// brings the view's default back. What is wrong is said in `result`.
    ///
    /// # Errors
    ///
    /// That of the first line that is no question for this view; the old one stays then.
    pub fn ask(&self, view: View, input: &[u8]) -> Result {
        let mut report = UniqueArc::new(Text::new(), GFP_KERNEL)?;
        report.push(COLUMNS.as_bytes())?;
        report.reserve(MAX_ROW)?;
        let outcome = self.ask_lines(view, input, &mut report);
        self.publish(report);
        outcome
    }

    fn ask_lines(&self, view: View, input: &[u8], report: &mut Text) -> Result {
        let mut asked = None;
        for (before, line) in input.split(|&byte| byte == b'\n').enumerate() {
            match command::parse_query(view, line) {
                Ok(query) => asked = query.or(asked),
                Err(error) => {
                    let errno = Errno::from(&error);
                    row(report, before + 1, errno.name, Ids(None), error)?;
                    return Err(errno.error);
                }
            }
        }
        if let Some(place) = self.asked.lock().get_mut(view.index()) {
            *place = asked;
        }
        match asked {
            Some(query) => row(report, 1, "ok", Ids(None), format_args!("asked {query}")),
            None => row(report, 1, "ok", Ids(None), format_args!("asked nothing")),
        }
    }

    /// What a view was asked last; `None` for its default.
    pub fn asked(&self, view: View) -> Option<Query> {
        self.asked.lock().get(view.index()).copied().flatten()
    }
}
