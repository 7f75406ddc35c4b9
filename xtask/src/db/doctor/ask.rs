//! Asking the server. Every question is a message of its own, in a transaction that may not write: so none can change anything, one that
//! fails takes no other along, and all of it works through a pooler that lends server connections by the transaction.

use postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

use serde::de::DeserializeOwned;

use crate::db::recreate::message;

/// A row of an answer.
pub(super) struct Row(SimpleQueryRow);

impl Row {
    /// One value as text; empty for NULL, and where there is no such column.
    pub(super) fn text(&self, n: usize) -> String {
        self.some(n).unwrap_or_default()
    }

    /// The same, where NULL means something else than nothing.
    pub(super) fn some(&self, n: usize) -> Option<String> {
        self.0.try_get(n).ok().flatten().map(str::to_owned)
    }

    pub(super) fn is(&self, n: usize) -> bool {
        self.0.try_get(n).ok().flatten() == Some("t")
    }

    /// `None` for NULL as well.
    pub(super) fn number(&self, n: usize) -> Option<i64> {
        self.0.try_get(n).ok().flatten()?.parse().ok()
    }

    /// A column that is a list as JSON; empty for NULL.
    pub(super) fn list<T: DeserializeOwned>(&self, n: usize) -> Vec<T> {
        serde_json::from_str(&self.text(n)).unwrap_or_default()
    }
}

/// Which schemas a question's own functions and operators are looked for in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Path {
    /// Only Postgres' own, so that nobody's `=` or temporary table is taken for it.
    Catalog,
    /// The role's, for what is asked about that: the question names all that it uses with its schema.
    Own,
    /// The same, and no time-out is set either, for what is asked about those.
    Untouched,
}

/// What could be learnt, or why not, in one line.
pub(super) type Answer<T> = Result<T, String>;

pub(super) struct Asker {
    client: Client,
}

impl Asker {
    pub(super) fn new(client: Client) -> Self {
        Self { client }
    }

    /// The rows that answer a question, which is one statement without a semicolon.
    pub(super) fn ask(&mut self, path: Path, question: &str) -> Answer<Vec<Row>> {
        // No question may wait for long: a page that does not come is no help.
        const TIMEOUTS: &str = "SET LOCAL statement_timeout = '10s'; SET LOCAL lock_timeout = '2s'; ";
        let (path, timeouts) = match path {
            Path::Catalog => ("SET LOCAL search_path = pg_catalog, pg_temp; ", TIMEOUTS),
            Path::Own => ("", TIMEOUTS),
            Path::Untouched => ("", ""),
        };
        let text = format!("BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; {path}{timeouts}{question}; COMMIT");
        match self.client.simple_query(&text) {
            Ok(replies) => Ok(replies
                .into_iter()
                .filter_map(|reply| match reply {
                    SimpleQueryMessage::Row(row) => Some(Row(row)),
                    _ => None,
                })
                .collect()),
            Err(error) => {
                // Where the connection is gone this fails as well, and the next question says so.
                let _ = self.client.batch_execute("ROLLBACK");
                Err(message(&error))
            }
        }
    }

    /// The same for a question that always has one row.
    pub(super) fn ask_one(&mut self, path: Path, question: &str) -> Answer<Row> {
        self.ask(path, question)?.pop().ok_or_else(|| "the server answered with nothing".to_owned())
    }
}
