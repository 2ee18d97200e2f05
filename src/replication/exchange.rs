//! When a replica compares what it holds with others of its shard, and what it has to send them for that.
//!
//! **Invariant.** What is to be sent is bounded by what differed when they compared: nobody compares again before it has
//! sent all.

use std::collections::VecDeque;

use super::contract::{Context, Effect};
use super::words::{AntiEntropy, Peer, Timer};

/// How far a replica is with its comparisons.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// How; none: never.
    how: Option<AntiEntropy>,
    /// The timer of the next comparison, and that of the next key.
    timers: [Timer; 2],
    /// Comparisons so far.
    turns: u16,
    /// What is to be sent to whom.
    send: VecDeque<(Peer, u64)>,
    /// The timer of the next key is armed.
    armed: bool,
}

impl Exchange {
    /// By these timers: of the next comparison, of the next key.
    pub fn new(how: Option<AntiEntropy>, timers: [Timer; 2]) -> Self {
        Self { how, timers, turns: 0, send: VecDeque::new(), armed: false }
    }

    /// The process starts. The first comparison comes at random, so that not all compare at once.
    pub fn start(&mut self, cx: &mut Context<'_>) {
        *self = Self::new(self.how, self.timers);
        if let Some(AntiEntropy { every, .. }) = self.how {
            let first = 1 + cx.laws.below(every);
            cx.act(Effect::Arm(self.timers[0], first));
        }
    }

    /// It has sent nothing of what differed last time, or not all of it.
    pub fn is_busy(&self) -> bool {
        !self.send.is_empty()
    }

    /// It is time to compare: with which of so many others, unless it is busy or may not.
    pub fn turn(&mut self, others: u16, may: bool, cx: &mut Context<'_>) -> Option<u16> {
        let AntiEntropy { every, .. } = self.how?;
        cx.act(Effect::Arm(self.timers[0], every));
        if self.is_busy() || !may {
            return None;
        }
        let turn = self.turns % others;
        self.turns = turn + 1;
        Some(turn)
    }

    /// Another one is to be sent these keys.
    pub fn add(&mut self, to: Peer, keys: &[u64], cx: &mut Context<'_>) {
        self.send.extend(keys.iter().map(|key| (to, *key)));
        self.later(cx);
    }

    /// The next key is to be sent: to whom, and which. [`later`](Self::later) comes after it is sent.
    pub fn next(&mut self) -> Option<(Peer, u64)> {
        self.armed = false;
        self.send.pop_front()
    }

    /// The one after it follows at the rate of the file.
    pub fn later(&mut self, cx: &mut Context<'_>) {
        let Some(AntiEntropy { rate, .. }) = self.how else { return };
        if !self.armed && self.is_busy() {
            self.armed = true;
            cx.act(Effect::Arm(self.timers[1], 1_000_000_000 / rate.max(1)));
        }
    }
}
