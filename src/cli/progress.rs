//! The progress bar: on standard error, and only on a terminal.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often the bar moves.
const BEAT: Duration = Duration::from_millis(200);

/// Shows how much of the simulated time is done, and how long the rest will take, while `work` goes on. `all`
/// is what one replication of each scenario takes, ns, and how many there are of each.
pub(super) fn during<T: Send>(
    quiet: bool,
    all: (u64, u64),
    simulated: &[Arc<AtomicU64>],
    work: impl FnOnce() -> T + Send,
) -> T {
    if quiet {
        return work();
    }
    let style =
        ProgressStyle::with_template("{spinner} {bar:30} {percent} %  {elapsed}, {eta} left")
            .expect("the template is well formed");
    // Milliseconds of simulated time, as all of it in ns may be more than a number holds.
    let length = (all.0 / 1_000_000).saturating_mul(all.1).max(1);
    let target = ProgressDrawTarget::stderr();
    let bar = ProgressBar::with_draw_target(Some(length), target).with_style(style);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let beats = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                bar.set_position(simulated.iter().map(|s| s.load(Ordering::Relaxed)).sum());
                bar.tick();
                thread::park_timeout(BEAT);
            }
        });
        // Set when it ends in a panic too: the scope waits for the bar.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        done.store(true, Ordering::Relaxed);
        beats.thread().unpark(); // A short run does not wait for its bar.
        bar.finish_and_clear();
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// A bar of this many replications; it shows nothing when quiet or not on a terminal.
pub(super) fn bar(replications: usize, quiet: bool) -> ProgressBar {
    counted(replications, "{spinner} {bar:30} {pos}/{len} replications  {elapsed}", quiet)
}

/// The same of cells, with the time that is left.
pub(super) fn cells(cells: usize, quiet: bool) -> ProgressBar {
    counted(cells, "{spinner} {bar:30} {pos}/{len} cells  {elapsed}, {eta} left", quiet)
}

fn counted(length: usize, template: &str, quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(template).expect("the template is well formed");
    let target = ProgressDrawTarget::stderr();
    let bar = ProgressBar::with_draw_target(Some(length as u64), target).with_style(style);
    bar.enable_steady_tick(BEAT);
    bar
}
