//! What the migrations that are new would do to a database in use.

use stairwell::Inspection;

use super::report::Report;
use crate::context::Context;
use crate::failure::Failure;
use crate::schema::Bench;

/// What is looked for, in words for what was left out.
const WHAT: &str = "what the new migrations would do to a database in use";

/// Looks for it, as `db lint --trace` does.
#[cfg(feature = "lint")]
pub(super) fn run(
    context: &Context,
    inspection: &Inspection,
    bench: &Bench<'_>,
    report: &mut Report,
) -> Result<(), Failure> {
    use stairwell::Findings;
    use stairwell::migration::Migration;

    use super::report::Finding;
    use crate::db::lint;
    use crate::failure::render_findings;
    use crate::terminal::{color, say};

    let levels = lint::levels(context)?;
    let new = match lint::new(context, None, inspection) {
        Ok((new, _)) => new,
        Err(failure) => {
            report.left_out.push(format!("{WHAT}: {}", failure.message()));
            return Ok(());
        }
    };
    let is_new = |migration: &Migration| new.contains(&migration.version);
    let traced = lint::watch(context, inspection, bench, is_new)?;
    let judged = lint::judge(inspection, &levels, is_new, &traced);
    // What the build finds was told with the files.
    let findings = judged.iter().flat_map(|one| &one.findings).filter(|finding| !report.has(finding));
    let findings = Findings(findings.cloned().collect());
    if !findings.0.is_empty() {
        say(&format!("{}\n", render_findings(&findings, color())));
    }
    report.lint = findings.0.iter().map(Finding::of).collect();
    Ok(())
}

/// Says that nobody looked.
#[cfg(not(feature = "lint"))]
#[expect(clippy::unnecessary_wraps, reason = "the other one fails")]
pub(super) fn run(_: &Context, _: &Inspection, _: &Bench<'_>, report: &mut Report) -> Result<(), Failure> {
    report.left_out.push(format!("{WHAT}: this xtask was built without stairwell-xtask's feature `lint`"));
    Ok(())
}
