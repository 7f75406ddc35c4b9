//! What the server says about a session and about its clock.

use super::session::Row;

/// Whether a server takes changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Changes {
    #[default]
    Taken,
    /// It follows another one.
    Standby,
    /// `default_transaction_read_only` is on.
    Unwanted,
}

/// What a session is like.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// `standard_conforming_strings`: where it is off, the lexer and the server disagree about backslashes.
    pub(super) standard_strings: bool,
    pub(super) changes: Changes,
    /// The server process. Behind a pooler it is another one from transaction to transaction.
    pub(super) pid: String,
    /// As `server_version_num`: 150018 is 15.18.
    pub(super) version: u32,
    /// The words of `version()`, which name the system that the server runs on.
    pub(super) platform: String,
    /// Whether the ledger has its functions.
    pub(super) functions: bool,
}

impl Facts {
    pub(super) const COLUMNS: &str = "pg_catalog.current_setting('standard_conforming_strings'), pg_catalog.pg_is_in_recovery(), \
        pg_catalog.current_setting('default_transaction_read_only'), pg_catalog.pg_backend_pid(), \
        pg_catalog.current_setting('server_version_num'), pg_catalog.version()";

    /// How many values a row of these columns and the ledger's functions has.
    pub(super) const COUNT: usize = 7;

    /// From a row that begins with these columns; behind them is whether the ledger has its functions.
    pub(super) fn of_row(row: &Row) -> Self {
        let value = |n| row.get(n).unwrap_or_default();
        Self {
            standard_strings: value(0) == "on",
            changes: match (value(1), value(2)) {
                ("t", _) => Changes::Standby,
                (_, "on") => Changes::Unwanted,
                _ => Changes::Taken,
            },
            pid: value(3).to_owned(),
            version: value(4).parse().unwrap_or_default(),
            platform: value(5).to_owned(),
            functions: value(6) == "t",
        }
    }

    /// Time-outs of the role, the database or the server that must not end a migration by surprise; and where the server can tell that
    /// its client has gone, it looks every second, so that a killed runner's statement does not go on for hours.
    pub(super) fn settings(&self) -> Vec<(&'static str, &'static str)> {
        let mut settings = vec![("statement_timeout", "0")];
        if self.version >= 170_000 {
            settings.push(("transaction_timeout", "0"));
        }
        // Elsewhere the server refuses the setting: src/backend/storage/ipc/waiteventset.c, WaitEventSetCanReportClosed.
        let reports_closed =
            ["linux", "darwin", "freebsd", "openbsd", "netbsd"].iter().any(|os| self.platform.contains(os));
        if reports_closed && self.version >= if self.platform.contains("linux") { 140_000 } else { 150_000 } {
            settings.push(("client_connection_check_interval", "1000"));
        }
        settings
    }
}

impl Facts {
    /// The statements that make these settings; `local` is empty, or `LOCAL ` for a transaction's.
    pub(super) fn set(&self, local: &str) -> String {
        let statement = |(name, value): &(&str, &str)| format!("SET {local}{name} = {value};");
        self.settings().iter().map(statement).collect::<Vec<_>>().concat()
    }
}

/// In which transaction, and when by the server's clock, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) transaction: u64,
    pub(super) now: u64,
}

impl Stamp {
    pub(super) const COLUMNS: &str = "pg_catalog.txid_current(), \
        (extract(epoch FROM pg_catalog.clock_timestamp()) OPERATOR(pg_catalog.*) 1000000)::pg_catalog.int8";

    /// From the last two values of a row.
    pub(super) fn of_row(row: &Row) -> Option<Self> {
        let value = |from_end| row.get(row.len().checked_sub(from_end)?)?.parse().ok();
        Some(Self { transaction: value(2)?, now: value(1)? })
    }
}
