//! Damaged copies that replicas with a log bring back from it, whoever reads them first.
//!
//! **Invariant.** One at a time, and none twice.

use std::collections::BTreeSet;

use super::contract::{Context, Effect};
use super::data::Data;
use super::words::{APPLIED, Answer, Failure, Note, Ticket, Timer};

/// The lane in which copies are brought back; those of entries are below it.
const LANE: u8 = 127;

/// Its work is done.
pub const MENDED: Timer = APPLIED + LANE;

/// Copies that were found damaged, which a replica with a log brings back one after another: that is the work of
/// applying an entry each.
#[derive(Clone, Debug, Default)]
pub struct Repairs {
    waits: BTreeSet<u64>,
    under_way: Option<u64>,
}

impl Repairs {
    /// Whether the copy of a key is damaged that somebody asks for: he is told so, and it is brought back.
    #[inline]
    pub fn find(&mut self, data: &Data, of: (u64, Ticket), cx: &mut Context<'_>) -> bool {
        let damaged = data.is_damaged(of.0);
        if damaged {
            self.found(of, cx);
        }
        damaged
    }

    #[cold]
    fn found(&mut self, (key, ticket): (u64, Ticket), cx: &mut Context<'_>) {
        cx.answer(ticket, Answer::Failed(Failure::Corrupt));
        if self.under_way != Some(key) && self.waits.insert(key) {
            cx.note(Note::Counted("damaged"));
        }
        if self.under_way.is_none() {
            self.next(cx);
        }
    }

    /// The copy under way is there again.
    pub fn done(&mut self, data: &mut Data, cx: &mut Context<'_>) {
        if let Some(key) = self.under_way.take() {
            data.mend(key);
            cx.note(Note::Counted("repair"));
        }
        self.next(cx);
    }

    fn next(&mut self, cx: &mut Context<'_>) {
        self.under_way = self.waits.pop_first();
        if let Some(key) = self.under_way {
            cx.act(Effect::Apply { lane: LANE, key });
        }
    }
}
