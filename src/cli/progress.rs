//! The progress bar: on standard error, and only on a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar of this many replications; it shows nothing when quiet or not on a terminal.
pub(super) fn bar(replications: usize, quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let style =
        ProgressStyle::with_template("{spinner} {bar:30} {pos}/{len} replications  {elapsed}")
            .expect("the template is well formed");
    let target = ProgressDrawTarget::stderr();
    let bar = ProgressBar::with_draw_target(Some(replications as u64), target).with_style(style);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
