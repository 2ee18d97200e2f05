//! What is said on the terminal, and how a command ends.
//!
//! **Invariant.** A reader that went away is no error, a full disk is.

use std::{
    io::{self, Write as _},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::Value;

use crate::scenario::{
    problems::Found,
    render::{self, Source},
};

/// How a terminal is spoken to.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "how to speak, each by itself")]
pub(super) struct Voice {
    /// Colour in messages.
    pub(super) colour: bool,
    /// Colour in what goes to standard output.
    pub(super) paint: bool,
    /// No progress, no warnings.
    pub(super) quiet: bool,
    /// What keeps a scenario from being run is told to programs, on standard output.
    pub(super) json: bool,
}

impl Voice {
    /// The same, to programs if `json`.
    pub(super) const fn to_programs(self, json: bool) -> Self {
        Self { json, ..self }
    }

    /// Says what is wrong with a scenario: at once to people; to programs in one list, as the command ends.
    pub(super) fn wrong(self, sources: &[Source], found: &[Found]) {
        if !self.json {
            return complain(render::human(sources, found, self.colour).trim_end());
        }
        let mut all = WRONG.lock().unwrap_or_else(PoisonError::into_inner);
        if let Value::Array(list) = render::json(sources, found) {
            all.extend(list);
        }
    }
}

/// What programs are told at the end.
static WRONG: Mutex<Vec<Value>> = Mutex::new(Vec::new());

/// Tells programs what was wrong, if anything was.
pub(super) fn tell_programs() {
    let all = std::mem::take(&mut *WRONG.lock().unwrap_or_else(PoisonError::into_inner));
    if !all.is_empty() {
        print(format!("{:#}\n", Value::from(all)).as_bytes());
    }
}

/// How a command ended, mildest first: of several, the last one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Exit {
    /// All well.
    Done,
    /// Objectives of which neither is shown.
    Inconclusive,
    /// Objectives that are missed.
    Failed,
    /// A limit stopped a run; its partial results are labelled.
    Limit,
    /// Interrupted by the user.
    Interrupted,
    /// The user's input is at fault.
    BadInput,
    /// The program is at fault.
    Internal,
}

impl Exit {
    /// As the process says it.
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Inconclusive => 3,
            Self::Failed => 1,
            Self::Limit => 4,
            Self::Interrupted => 130,
            Self::BadInput => 2,
            Self::Internal => 5,
        }
    }
}

/// Something could not be written to standard output.
static UNSAID: AtomicBool = AtomicBool::new(false);

/// Writes to standard output; a reader that went away (`| head`) is no error, a full disk is.
pub(super) fn print(bytes: &[u8]) {
    let mut out = io::stdout().lock();
    if let Err(e) = out.write_all(bytes).and_then(|()| out.flush())
        && e.kind() != io::ErrorKind::BrokenPipe
        && !UNSAID.swap(true, Ordering::Relaxed)
    {
        complain(&format!("error: cannot write to standard output: {e}"));
    }
}

/// Writes a line to standard error.
pub(super) fn complain(line: &str) {
    writeln!(io::stderr().lock(), "{line}").ok();
}

/// One line of error with what to do, and exit 2.
pub(super) fn refuse(line: &str) -> Exit {
    complain(&format!("error: {line}"));
    Exit::BadInput
}

/// Whether something could not be written.
pub(super) fn is_unsaid() -> bool {
    UNSAID.load(Ordering::Relaxed)
}
