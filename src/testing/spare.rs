//! Copies that are made before somebody asks for them: while one test runs, the server makes the databases of the next ones.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use super::error::TestingError;
use super::pool::Pool;
use crate::postgres::Session;

/// How many are made ahead. A server that has two processors to spare for tests makes two in the time of one.
const AHEAD: usize = 2;

/// Of each template, what is made ahead.
#[derive(Default)]
pub(super) struct Spares(Mutex<HashMap<String, Template>>);

#[derive(Default)]
struct Template {
    /// A process with one test, as all are under nextest, needs none: it begins with the second copy.
    copies: usize,
    /// Those that are being made or have been, the oldest first, and what the server was told that on.
    making: VecDeque<(String, Session)>,
}

impl Spares {
    /// The name of a copy that is there, if one had been begun.
    pub(super) fn take(&self, template: &str, pool: &Pool) -> Option<String> {
        loop {
            // Others may take theirs while this one is waited for.
            let (name, mut session) = self.of(template, |it| it.making.pop_front())?;
            if session.finish_what_was_left().is_ok() {
                pool.give_back(session);
                return Some(name);
            }
        }
    }

    /// Notes that a copy was wanted, and begins to make the next ones. `copy` gives a name and the statement that makes it.
    pub(super) fn top_up(
        &self,
        template: &str,
        pool: &Pool,
        copy: impl Fn() -> (String, String),
    ) -> Result<(), TestingError> {
        let missing = self.of(template, |it| {
            it.copies += 1;
            if it.copies < 2 { 0 } else { AHEAD.saturating_sub(it.making.len()) }
        });
        for _ in 0..missing {
            let (name, statement) = copy();
            let mut session = pool.take()?;
            session.leave(&[&statement])?;
            self.of(template, |it| it.making.push_back((name, session)));
        }
        Ok(())
    }

    fn of<R>(&self, template: &str, work: impl FnOnce(&mut Template) -> R) -> R {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        work(all.entry(template.to_owned()).or_default())
    }
}
