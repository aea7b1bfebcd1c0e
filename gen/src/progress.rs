//! Progress bars: on a terminal only, on standard error, gone when the work is done.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar of `total` steps, or one that draws nothing where standard error is no terminal.
pub fn bar(what: &'static str, total: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    // A template that does not parse would be a bug of ours; the default style is as good.
    let style = ProgressStyle::with_template("{msg:20} {wide_bar} {human_pos}/{human_len} {eta}");
    ProgressBar::new(total)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_message(what)
}
