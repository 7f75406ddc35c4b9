//! What a check came to, and the page that all of them are.

use std::fmt::Write as _;

use serde::Serialize;

use crate::failure::Failure;

/// What is looked at. Its name in JSON is a promise (docs/json.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Check {
    Files,
    Lock,
    Git,
    Connection,
    Version,
    Writable,
    Tls,
    Pooler,
    Clock,
    Connections,
    Timeouts,
    Ledger,
    Migrations,
    Runner,
    LedgerPrivileges,
    Privileges,
    Ownership,
    Extensions,
    Public,
    Indexes,
    Constraints,
    Transactions,
    Prepared,
    Wraparound,
}

impl Check {
    /// As the page calls it.
    fn word(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Lock => "lock",
            Self::Git => "git",
            Self::Connection => "connection",
            Self::Version => "version",
            Self::Writable => "writable",
            Self::Tls => "tls",
            Self::Pooler => "pooler",
            Self::Clock => "clock",
            Self::Connections => "connections",
            Self::Timeouts => "timeouts",
            Self::Ledger => "ledger",
            Self::Migrations => "migrations",
            Self::Runner => "runner",
            Self::LedgerPrivileges => "ledger privileges",
            Self::Privileges => "privileges",
            Self::Ownership => "ownership",
            Self::Extensions => "extensions",
            Self::Public => "public",
            Self::Indexes => "indexes",
            Self::Constraints => "constraints",
            Self::Transactions => "transactions",
            Self::Prepared => "prepared",
            Self::Wraparound => "wraparound",
        }
    }
}

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    Ok,
    /// Worth a look; no migration fails of it.
    Warn,
    /// It would keep a migration from running.
    Wrong,
    /// It could not be looked at.
    Unknown,
}

impl State {
    /// As the page has it: what needs a person is in capitals.
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Wrong => "WRONG",
            Self::Unknown => "unknown",
        }
    }
}

/// One line of the page, and what stands below it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) check: Check,
    pub(super) state: State,
    /// What is so, in one line.
    pub(super) message: String,
    /// Of what it is so, one each.
    pub(super) details: Vec<String>,
    /// What to do about it.
    pub(super) help: Vec<String>,
    /// The same as SQL, a statement each.
    pub(super) sql: Vec<String>,
}

impl Finding {
    fn new(check: Check, state: State, message: impl Into<String>) -> Self {
        Self { check, state, message: message.into(), details: Vec::new(), help: Vec::new(), sql: Vec::new() }
    }

    pub(super) fn ok(check: Check, message: impl Into<String>) -> Self {
        Self::new(check, State::Ok, message)
    }

    pub(super) fn warn(check: Check, message: impl Into<String>) -> Self {
        Self::new(check, State::Warn, message)
    }

    pub(super) fn wrong(check: Check, message: impl Into<String>) -> Self {
        Self::new(check, State::Wrong, message)
    }

    /// One that could not be made, and why.
    pub(super) fn unknown(check: Check, why: impl Into<String>) -> Self {
        Self::new(check, State::Unknown, why)
    }

    /// What another command would have ended with: its lines of help become this one's.
    pub(super) fn of_failure(check: Check, failure: &Failure) -> Self {
        let text = failure.message();
        let (mut message, mut details, mut help) = (String::new(), Vec::new(), Vec::new());
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            if let Some(words) = line.trim_start().strip_prefix("= help: ") {
                help.push(words.to_owned());
            } else if message.is_empty() {
                line.clone_into(&mut message);
            } else {
                details.push(line.trim_end().to_owned());
            }
        }
        Self { details, help, ..Self::wrong(check, message) }
    }

    /// Says of what it is so.
    pub(super) fn of(mut self, details: impl IntoIterator<Item = String>) -> Self {
        self.details.extend(details);
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// A statement, without its semicolon.
    pub(super) fn sql(mut self, statement: impl Into<String>) -> Self {
        self.sql.push(format!("{};", statement.into()));
        self
    }

    pub(super) fn sqls(self, statements: impl IntoIterator<Item = String>) -> Self {
        statements.into_iter().fold(self, Finding::sql)
    }
}

/// So many details of a finding are on the page; JSON has all of them.
const MOST_DETAILS: usize = 10;

/// The page.
pub(super) fn page(place: &str, findings: &[Finding]) -> String {
    let mut out = format!("{place}\n");
    for finding in findings {
        let line = format!("  {:<8} {:<18} {}", finding.state.word(), finding.check.word(), finding.message);
        // Writing to a String does not fail.
        let _ = writeln!(out, "{}", line.trim_end());
        for detail in finding.details.iter().take(MOST_DETAILS) {
            let _ = writeln!(out, "           {detail}");
        }
        let more = finding.details.len().saturating_sub(MOST_DETAILS);
        if more > 0 {
            let _ = writeln!(out, "           … and {more} more, which `--json` names");
        }
        for help in &finding.help {
            let _ = writeln!(out, "           = help: {help}");
        }
        for statement in &finding.sql {
            let _ = writeln!(out, "               {statement}");
        }
    }
    out
}

/// `2 wrong (lock, ownership), 1 warning`; nothing where all is well.
pub(super) fn summary(findings: &[Finding]) -> Option<String> {
    let of = |state| findings.iter().filter(move |finding| finding.state == state);
    let names = |state| of(state).map(|finding| finding.check.word()).collect::<Vec<_>>();
    let (wrong, warned, unknown) = (names(State::Wrong), names(State::Warn), names(State::Unknown));
    let mut parts = Vec::new();
    if !wrong.is_empty() {
        parts.push(format!("{} wrong ({})", wrong.len(), wrong.join(", ")));
    }
    match warned.len() {
        0 => {}
        1 => parts.push(format!("1 warning ({})", warned.join(", "))),
        count => parts.push(format!("{count} warnings ({})", warned.join(", "))),
    }
    if !unknown.is_empty() {
        parts.push(format!("{} unknown ({})", unknown.len(), unknown.join(", ")));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Whether something would keep a migration from running.
pub(super) fn is_wrong(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.state == State::Wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Code;

    #[test]
    fn what_another_command_would_say_is_taken_apart() {
        let failure = Failure::new(Code::NoDatabase, "no connection: refused\n  = help: is it running?");
        let finding = Finding::of_failure(Check::Connection, &failure);
        assert_eq!(finding, Finding::wrong(Check::Connection, "no connection: refused").help("is it running?"));
    }

    #[test]
    fn the_page_names_a_few_and_counts_the_rest() {
        let many =
            Finding::warn(Check::Indexes, "12 are invalid").of((1..=12).map(|n| format!("i{n}"))).sql("SELECT 1");
        let page = page("`shop`", &[many]);
        assert!(page.contains("i10\n") && !page.contains("i11") && page.contains("… and 2 more"), "{page}");
        assert!(page.ends_with("               SELECT 1;\n"), "{page}");
    }

    #[test]
    fn the_summary_names_what_is_not_well() {
        let findings = [
            Finding::ok(Check::Files, ""),
            Finding::wrong(Check::Lock, ""),
            Finding::warn(Check::Tls, ""),
            Finding::warn(Check::Clock, ""),
            Finding::unknown(Check::Pooler, ""),
        ];
        assert_eq!(summary(&findings).as_deref(), Some("1 wrong (lock), 2 warnings (tls, clock), 1 unknown (pooler)"));
        assert_eq!(summary(&findings[..1]), None);
        assert!(is_wrong(&findings) && !is_wrong(&findings[2..]));
    }
}
