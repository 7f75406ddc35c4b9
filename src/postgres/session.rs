//! One connection. It sends many statements in one message and says which of them completed before an error.
//!
//! The blocking `postgres` client throws away what came before an error, and the statement that failed is known only by counting
//! what completed before it. So this is what `postgres` itself is, a current-thread runtime under `tokio_postgres`, with the raw
//! stream of replies on top.

use std::cell::Cell;
#[cfg(feature = "testing")]
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
#[cfg(feature = "testing")]
use std::pin::Pin;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

#[cfg(feature = "testing")]
use futures_util::Stream as _;
use futures_util::TryStreamExt;
use tokio::runtime::{Builder, Handle, Runtime};
#[cfg(feature = "testing")]
use tokio_postgres::SimpleQueryStream;
use tokio_postgres::error::DbError;
use tokio_postgres::{AsyncMessage, Client, SimpleQueryMessage, SimpleQueryRow};

use super::blocker::{self, Watch};
use super::database::Database;
use super::error::{ConnectError, Holder, chain};
#[cfg(feature = "fail-points")]
use super::fail_point;
use super::tls;

/// The name in `pg_stat_activity`, unless the connection string has one.
const APPLICATION: &str = "stairwell";

/// A row of a reply.
#[derive(Debug)]
pub(crate) struct Row(SimpleQueryRow);

impl Row {
    /// One value as text; `None` for NULL, and where there is no such column.
    pub(crate) fn get(&self, n: usize) -> Option<&str> {
        self.0.try_get(n).ok().flatten()
    }

    /// How many values it has.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl From<SimpleQueryRow> for Row {
    fn from(row: SimpleQueryRow) -> Self {
        Self(row)
    }
}

/// An open connection.
pub(crate) struct Session {
    runtime: Runtime,
    client: Client,
    database: Database,
    notices: Arc<Mutex<Vec<DbError>>>,
    /// The replies to messages that nobody waits for.
    #[cfg(feature = "testing")]
    left: VecDeque<Pin<Box<SimpleQueryStream>>>,
    #[cfg(feature = "fail-points")]
    connection: tokio::task::JoinHandle<()>,
}

/// What comes back for a statement, which is named by its index in the message.
pub(crate) enum Reply {
    /// A row of its result.
    Row(usize, Row),
    /// It is done.
    Complete(usize),
}

/// A message failed.
#[derive(Debug)]
pub(crate) struct Failed {
    /// How many of its statements completed before the one that failed.
    pub(crate) completed: usize,
    /// What the server or the connection said.
    pub(crate) error: tokio_postgres::Error,
    /// Who was last seen to keep the message waiting, where it was watched.
    pub(crate) blocker: Option<Holder>,
}

impl Failed {
    /// The SQLSTATE, if the server gave one.
    pub(crate) fn code(&self) -> &str {
        self.error.code().map_or("", |code| code.code())
    }

    /// What was said, in one line.
    pub(crate) fn reason(&self) -> String {
        self.error.as_db_error().map_or_else(|| chain(&self.error), |error| error.message().to_owned())
    }

    /// Whether the connection is gone, so that nobody knows what became of the message.
    pub(crate) fn connection_lost(&self) -> bool {
        let code = self.code();
        self.error.as_db_error().is_none() || code.starts_with("08") || matches!(code, "57P01" | "57P02" | "57P03")
    }
}

/// What a watched message came to.
enum Turn {
    Over(Result<(), Failed>),
    Blocked(Holder),
}

impl Session {
    /// Connects.
    pub(crate) fn open(database: &Database) -> Result<Self, ConnectError> {
        if Handle::try_current().is_ok() {
            return Err(ConnectError::inside_runtime(database));
        }
        let database = database.with_application(APPLICATION);
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| ConnectError::no_runtime(&database, &error))?;
        let (client, mut connection) = runtime.block_on(tls::connect(&database))?;
        let notices = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&notices);
        let task = runtime.spawn(async move {
            // The connection's end shows in the client's next reply; here it only ends the task.
            poll_fn(|context| {
                loop {
                    match connection.poll_message(context) {
                        Poll::Ready(Some(Ok(AsyncMessage::Notice(notice)))) => {
                            sink.lock().unwrap_or_else(PoisonError::into_inner).push(notice);
                        }
                        Poll::Ready(Some(Ok(_))) => {}
                        Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(()),
                        Poll::Pending => return Poll::Pending,
                    }
                }
            })
            .await;
        });
        #[cfg(not(feature = "fail-points"))]
        drop(task);
        Ok(Self {
            runtime,
            client,
            database,
            notices,
            #[cfg(feature = "testing")]
            left: VecDeque::new(),
            #[cfg(feature = "fail-points")]
            connection: task,
        })
    }

    /// Sends one message of any number of statements; the rows of all of them come back in order.
    pub(crate) fn send(&mut self, message: &str) -> Result<Vec<Row>, Failed> {
        let (rows, outcome) = self.ask(message);
        outcome.map(|()| rows)
    }

    /// The same, with what came before a failure.
    pub(crate) fn ask(&mut self, message: &str) -> (Vec<Row>, Result<(), Failed>) {
        let mut rows = Vec::new();
        let outcome = self.runtime.block_on(self.exchange(message, |reply| {
            if let Reply::Row(_, row) = reply {
                rows.push(row);
            }
        }));
        (rows, outcome)
    }

    /// Sends messages and waits for no reply: whatever becomes of this process then, the server does the first of them, and when it answers it
    /// notices that nobody is there.
    #[cfg(feature = "testing")]
    pub(crate) fn leave(&mut self, messages: &[&str]) -> Result<(), Failed> {
        for message in messages {
            let sent = self.runtime.block_on(async {
                let sent = self.client.simple_query_raw(message).await;
                written().await;
                sent
            });
            let replies = sent.map_err(|error| Failed { completed: 0, error, blocker: None })?;
            self.left.push_back(Box::pin(replies));
        }
        Ok(())
    }

    /// Waits for what was left.
    #[cfg(feature = "testing")]
    pub(crate) fn finish_what_was_left(&mut self) -> Result<(), Failed> {
        while let Some(mut replies) = self.left.pop_front() {
            let outcome = self.runtime.block_on(async {
                while replies.as_mut().try_next().await?.is_some() {}
                Ok(())
            });
            outcome.map_err(|error| Failed { completed: 0, error, blocker: None })?;
        }
        Ok(())
    }

    /// Whether what was left is done, or why not; `None` while it is under way.
    #[cfg(feature = "testing")]
    pub(crate) fn look_at_what_was_left(&mut self) -> Option<Result<(), Failed>> {
        while let Some(replies) = self.left.front_mut() {
            let came = self.runtime.block_on(async {
                written().await;
                poll_fn(|context| {
                    loop {
                        match replies.as_mut().poll_next(context) {
                            Poll::Ready(Some(Ok(_))) => {}
                            Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                            Poll::Ready(None) => return Poll::Ready(Some(Ok(()))),
                            Poll::Pending => return Poll::Ready(None),
                        }
                    }
                })
                .await
            });
            let came = came?;
            self.left.pop_front();
            if let Err(error) = came {
                return Some(Err(Failed { completed: 0, error, blocker: None }));
            }
        }
        Some(Ok(()))
    }

    /// Sends one, hands over each reply as it arrives, and tells who keeps it waiting for a lock, as often as it looks. Statements count from 0.
    pub(super) fn send_watched(
        &mut self,
        message: &str,
        watch: &Watch,
        on_reply: impl FnMut(Reply),
        mut on_blocked: impl FnMut(&Holder),
    ) -> Result<(), Failed> {
        let seen = Cell::new(None);
        let mut exchange = pin!(self.exchange(message, on_reply));
        let mut looking = pin!(blocker::look(&self.database, watch, |holder| seen.set(Some(holder))));
        let mut last = None;
        loop {
            let turn = self.runtime.block_on(poll_fn(|context| {
                if let Poll::Ready(outcome) = exchange.as_mut().poll(context) {
                    return Poll::Ready(Turn::Over(outcome));
                }
                // It never ends.
                let _ = looking.as_mut().poll(context);
                seen.take().map_or(Poll::Pending, |holder| Poll::Ready(Turn::Blocked(holder)))
            }));
            match turn {
                Turn::Over(outcome) => return outcome.map_err(|failed| Failed { blocker: last, ..failed }),
                // Told outside of the runtime: a listener may well use the blocking client.
                Turn::Blocked(holder) => {
                    on_blocked(&holder);
                    last = Some(holder);
                }
            }
        }
    }

    async fn exchange(&self, message: &str, mut on_reply: impl FnMut(Reply)) -> Result<(), Failed> {
        let mut completed = 0;
        let failed = |completed: usize, error| Failed { completed, error, blocker: None };
        let replies = self.client.simple_query_raw(message).await.map_err(|error| failed(completed, error))?;
        #[cfg(feature = "fail-points")]
        self.fail_point().await;
        let mut replies = pin!(replies);
        loop {
            match replies.try_next().await.map_err(|error| failed(completed, error))? {
                None => break,
                Some(SimpleQueryMessage::CommandComplete(_)) => {
                    on_reply(Reply::Complete(completed));
                    completed += 1;
                }
                Some(SimpleQueryMessage::Row(row)) => {
                    on_reply(Reply::Row(completed, Row(row)));
                }
                Some(_) => {}
            }
        }
        #[cfg(feature = "fail-points")]
        self.fail_point().await;
        Ok(())
    }

    /// A point at which a test may end this process or this connection.
    #[cfg(feature = "fail-points")]
    async fn fail_point(&self) {
        written().await;
        if fail_point::reach() == fail_point::Action::Cut {
            self.connection.abort();
        }
    }

    /// Takes the notices (`RAISE NOTICE`, `… does not exist, skipping`) that have arrived.
    pub(crate) fn take_notices(&self) -> Vec<DbError> {
        std::mem::take(&mut *self.notices.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What is to be sent is written by the connection's task when it has its turn, and what has come is read.
#[cfg(any(feature = "fail-points", feature = "testing"))]
async fn written() {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}
