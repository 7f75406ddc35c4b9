//! What a person sees: colours, step lines, the progress bar.

use std::fmt::Display;
use std::io::{ErrorKind, IsTerminal, Write, stderr, stdout};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use stairwell::migration::Direction;
use stairwell::postgres::{Event, RecoveryPoint};
use stairwell::{Color, Inspection};

use crate::failure::{Code, Failure, render_findings};

/// From this many steps on a bar is worth its line.
const MANY: usize = 20;

/// Colours go to a terminal, unless `NO_COLOR` is set to anything (no-color.org).
pub(crate) fn color() -> Color {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if stderr().is_terminal() && !no_color && std::env::var_os("TERM").is_none_or(|term| term != "dumb") {
        Color::Always
    } else {
        Color::Never
    }
}

pub(crate) fn print_failure(failure: &Failure) {
    eprintln!("{}", failure.render(color()));
}

/// Prints what was asked for, on standard output. A reader who has seen enough and left (`| head`) is no error.
pub(crate) fn print(text: impl Display) -> Result<(), Failure> {
    let mut out = stdout().lock();
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(Code::Failed, format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Says something on standard error, where it does not mix with what a script reads.
pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}

/// Shows what is worth knowing about the files and stops nothing. It is about new ones: what is locked was shown before.
pub(crate) fn warn(inspection: &Inspection) {
    let warnings = inspection.warnings();
    if !warnings.0.is_empty() {
        say(&format!("{}\n", render_findings(&warnings, color())));
    }
}

/// Shows a run, step by step.
pub(crate) struct Steps {
    bar: ProgressBar,
    /// What was last said about waiting, in whole ten seconds: once is enough for each.
    waited: Option<u64>,
}

impl Steps {
    pub(crate) fn new() -> Self {
        Self { bar: ProgressBar::hidden(), waited: None }
    }

    /// Takes an event of the run.
    pub(crate) fn show(&mut self, event: &Event<'_>) {
        match event {
            Event::Planned { total, .. } => {
                if *total >= MANY && stderr().is_terminal() {
                    self.bar = ProgressBar::with_draw_target(u64::try_from(*total).ok(), ProgressDrawTarget::stderr());
                    if let Ok(style) = ProgressStyle::with_template("  [{bar:30}] {pos}/{len} {msg}") {
                        self.bar.set_style(style.progress_chars("=> "));
                    }
                }
            }
            Event::Losing { losses, point } => {
                for it in *losses {
                    it.losses.iter().for_each(|loss| self.line(&format!("  {} loses data: {loss}", it.id)));
                }
                self.line(&format!("  before this: {}", RecoveryPoint::line(point)));
            }
            Event::Started { id, .. } => self.bar.set_message((*id).to_owned()),
            Event::Done { done, total, position } => {
                let verb = if done.direction == Direction::Up { "applied" } else { "undone" };
                let elapsed = done.elapsed.map(|elapsed| format!("  {}", duration(elapsed))).unwrap_or_default();
                let width = total.to_string().len();
                self.line(&format!("  {verb} [{position:>width$}/{total}] {}{elapsed}", done.id));
                // Not one more: after a crash of the server it may go back.
                self.bar.set_position(u64::try_from(*position).unwrap_or(u64::MAX));
                if position == total {
                    self.bar.finish_and_clear();
                }
                self.waited = None;
            }
            Event::Waiting { waited, .. } => {
                let tens = waited.as_secs() / 10;
                if self.waited != Some(tens) {
                    self.waited = Some(tens);
                    self.line(&format!("  {event}"));
                }
            }
            other => self.line(&format!("  {other}")),
        }
    }

    fn line(&self, text: &str) {
        if self.bar.is_hidden() {
            say(text);
        } else {
            self.bar.println(text);
        }
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// `12 ms`, `1.24 s`, `3 min 5 s`.
pub(crate) fn duration(duration: Duration) -> String {
    match duration.as_millis() {
        0 => "<1 ms".to_owned(),
        ms @ 1..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{:.2} s", duration.as_secs_f64()),
        _ => format!("{} min {} s", duration.as_secs() / 60, duration.as_secs() % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well_at_every_scale() {
        let shown = [0, 12, 1_240, 185_000].map(|ms| duration(Duration::from_millis(ms)));
        assert_eq!(shown, ["<1 ms", "12 ms", "1.24 s", "3 min 5 s"]);
    }
}
