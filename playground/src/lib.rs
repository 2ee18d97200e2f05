//! The engine for a worker in a browser.
//!
//! The worker writes a scenario's text where [`room`] says and calls [`run`]; then [`length`] bytes at [`answer`] are what
//! [`windtunnel::playground::answer`] says, as JSON, or, where the run ended in a trap, why (nothing when memory ran out).

use std::{
    panic,
    sync::{Mutex, MutexGuard, PoisonError},
};

use windtunnel::playground;

static ASKED: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static ANSWER: Mutex<Vec<u8>> = Mutex::new(Vec::new());

fn held(bytes: &Mutex<Vec<u8>>) -> MutexGuard<'_, Vec<u8>> {
    bytes.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where a text of so many bytes goes.
#[unsafe(no_mangle)]
pub extern "C" fn room(bytes: usize) -> *mut u8 {
    let mut asked = held(&ASKED);
    asked.clear();
    asked.resize(bytes, 0);
    asked.as_mut_ptr()
}

/// Runs the scenario in the room so many times; none: only looks for problems.
#[unsafe(no_mangle)]
pub extern "C" fn run(replications: usize) {
    held(&ANSWER).clear();
    panic::set_hook(Box::new(|why| *held(&ANSWER) = why.to_string().into_bytes()));
    let text = std::mem::take(&mut *held(&ASKED));
    let text = String::from_utf8_lossy(&text);
    let told = playground::answer(&text, replications).to_string();
    *held(&ANSWER) = told.into_bytes();
}

/// Where the answer is.
#[unsafe(no_mangle)]
pub extern "C" fn answer() -> *const u8 {
    held(&ANSWER).as_ptr()
}

/// How many bytes it has.
#[unsafe(no_mangle)]
pub extern "C" fn length() -> usize {
    held(&ANSWER).len()
}
