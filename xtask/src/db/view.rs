//! What commands that only look have in common.

use serde::Serialize;
use stairwell::{Findings, Inspection, Version};

use crate::context::Context;
use crate::failure::{Code, Failure, render_findings};
use crate::terminal::{color, say};

/// The migrations, as far as their files are in order.
pub(super) struct View {
    pub(super) inspection: Inspection,
    defects: Findings,
}

impl View {
    /// Reads the folder, and shows what is wrong with it: what is broken cannot be shown as a migration, and must not be missing without a
    /// word.
    pub(super) fn of(context: &Context) -> Result<Self, Failure> {
        let inspection = context.inspect()?;
        let defects = inspection.defects();
        if !defects.0.is_empty() {
            say(&render_findings(&defects, color()));
        }
        Ok(Self { inspection, defects })
    }

    /// The last word, where something was left out.
    pub(super) fn end(&self) -> Result<(), Failure> {
        if self.defects.0.is_empty() {
            Ok(())
        } else {
            Err(Failure::new(Code::Files, "some files are left out above, because they are not in order"))
        }
    }
}

/// A migration in JSON. The version is text, since JavaScript's numbers end at 2^53.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Name {
    version: String,
    name: String,
}

impl Name {
    pub(crate) fn new(version: Version, name: &str) -> Self {
        Self { version: version.to_string(), name: name.to_owned() }
    }

    /// Of what its files are called.
    pub(super) fn of_id(version: Version, id: &str) -> Self {
        Self::new(version, id.split_once('_').map_or("", |(_, name)| name))
    }
}

/// `2026-11-21 09:30:00 UTC` of `2026-11-21T09:30:00Z`.
pub(super) fn readable(rfc3339: &str) -> String {
    rfc3339.strip_suffix('Z').map_or_else(|| rfc3339.to_owned(), |time| format!("{} UTC", time.replace('T', " ")))
}
