//! When what a replica writes is certain to outlive its process.
//!
//! A disk makes certain, at a time, all that was written before it began: what comes meanwhile waits for the next time,
//! so that writes are grouped by themselves where they come faster than the disk is.
//!
//! **Invariant.** What is certain is a beginning of what was written.

use super::contract::{Context, Effect};
use super::words::{Law, Timer};

/// When writes are made certain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// As soon as the disk is free; a write is acknowledged when it is certain.
    #[default]
    Each,
    /// So long after the first write that waits (ns); a write is acknowledged when it is certain.
    Group(u64),
    /// Once in so long (ns); a write is acknowledged before.
    Every(u64),
    /// Never while the process runs; a write is acknowledged all the same.
    Never,
}

/// A disk, and how far what was written to it is certain.
#[derive(Clone, Debug)]
pub struct Disk {
    mode: Mode,
    /// The timer it uses.
    timer: Timer,
    /// Number of the last write.
    written: u64,
    /// All up to this one are certain.
    certain: u64,
    /// The disk is at work for all up to this one.
    under_way: Option<u64>,
    /// The timer is armed for the beginning of the next time.
    waits: bool,
}

impl Disk {
    /// An empty disk that uses this timer of its replica.
    pub fn new(mode: Mode, timer: Timer) -> Self {
        Self { mode, timer, written: 0, certain: 0, under_way: None, waits: false }
    }

    /// Something is written: number `written`, which rises. Whether it is certain already.
    pub fn write(&mut self, written: u64, cx: &mut Context<'_>) -> bool {
        self.written = written;
        if self.under_way.is_none() && !self.waits {
            match self.mode {
                Mode::Each => return self.begin(cx),
                Mode::Group(after) | Mode::Every(after) => {
                    self.waits = true;
                    cx.act(Effect::Arm(self.timer, after));
                }
                Mode::Never => {}
            }
        }
        false
    }

    /// Begins to make all that was written certain; whether that took no time.
    fn begin(&mut self, cx: &mut Context<'_>) -> bool {
        let takes = cx.laws.draw(Law::Fsync);
        if takes == 0 {
            self.certain = self.written;
            return true;
        }
        self.under_way = Some(self.written);
        cx.act(Effect::Arm(self.timer, takes));
        false
    }

    /// Its timer fired: more may be certain now.
    pub fn timed(&mut self, cx: &mut Context<'_>) {
        self.waits = false;
        if let Some(upto) = self.under_way.take() {
            self.certain = upto;
            let more = self.written > self.certain;
            match self.mode {
                Mode::Each if more => drop(self.begin(cx)),
                Mode::Group(after) | Mode::Every(after) if more => {
                    self.waits = true;
                    cx.act(Effect::Arm(self.timer, after));
                }
                _ => {}
            }
        } else {
            self.begin(cx);
        }
    }

    /// All up to this number is certain.
    pub fn certain(&self) -> u64 {
        self.certain
    }

    /// A write with this number may be acknowledged.
    pub fn suffices(&self, written: u64) -> bool {
        match self.mode {
            Mode::Each | Mode::Group(_) => self.certain >= written,
            Mode::Every(_) | Mode::Never => true,
        }
    }

    /// The process died; what was not certain is lost: the number of the last write that is left.
    pub fn restart(&mut self, empty: bool) -> u64 {
        let left = if empty { 0 } else { self.certain };
        (self.written, self.certain, self.under_way, self.waits) = (left, left, None, false);
        left
    }

    /// The end of what was written is cut off: the number of the last write that is left.
    pub fn cut(&mut self, written: u64) {
        self.written = written;
        self.certain = self.certain.min(written);
        self.under_way = self.under_way.map(|upto| upto.min(written));
    }
}
