//! All that is asked of a server, and the findings that come of it.

use jiff::civil::Date;
use stairwell::Inspection;
use stairwell::migration::Script;
use stairwell::plan::History;
use stairwell::postgres::{Database, Holder, Ledger};

use super::ask::{Answer, Asker};
use super::extensions::{self, extensions};
use super::finding::Finding;
use super::ledger;
use super::leftovers::{self, Constraint, Index};
use super::needs::Needs;
use super::prepared::{self, Prepared};
use super::privileges::{self, MakesSchemas, Owned, Public, Schema, Wants};
use super::server::{self, Clock, Distance, Room, Timeout};
use super::session::Session;
use super::sessions::{self, Other};
use crate::db::migrator;
use crate::failure::Failure;

/// What a server said.
pub(super) struct Survey {
    pub(super) session: Session,
    pub(super) today: Date,
    pub(super) distance: Distance,
    pub(super) needs: Needs,
    pub(super) wants: Wants,
    pub(super) history: Result<History, Failure>,
    pub(super) holder: Answer<Option<Holder>>,
    pub(super) pooled: Answer<bool>,
    pub(super) tls: Answer<Option<String>>,
    pub(super) clock: Answer<Clock>,
    pub(super) room: Answer<Room>,
    pub(super) timeouts: Answer<Vec<Timeout>>,
    pub(super) ledger: Answer<ledger::Facts>,
    pub(super) schemas: Answer<Vec<Schema>>,
    pub(super) makes_schemas: Answer<MakesSchemas>,
    pub(super) owned: Answer<Vec<Owned>>,
    pub(super) extensions: Answer<extensions::Facts>,
    pub(super) public: Answer<Public>,
    pub(super) indexes: Answer<Vec<Index>>,
    pub(super) constraints: Answer<Vec<Constraint>>,
    pub(super) others: Answer<Vec<Other>>,
    pub(super) prepared: Answer<Vec<Prepared>>,
    pub(super) age: Answer<i64>,
}

impl Survey {
    /// Asks all of it. What cannot be learnt says why; without the first answer there is none.
    pub(super) fn take(database: &Database, asker: &mut Asker, inspection: &Inspection, today: Date) -> Answer<Self> {
        let session = Session::ask(asker)?;
        let history = migrator(inspection).history(database).map_err(Failure::from);
        let pending: Vec<&Script> = ledger::pending(inspection, history.as_ref().ok());
        let needs = Needs::of(pending, &session.path);
        let owned = privileges::ask_owners(asker, &needs);
        let wants = Wants::of(&session, &needs, owned.as_deref().unwrap_or_default());
        Ok(Self {
            today,
            distance: if database.is_loopback() { Distance::ThisMachine } else { Distance::Remote },
            holder: migrator(inspection).holder(database).map_err(|error| error.to_string()),
            pooled: database.is_pooled().map_err(|error| error.to_string()),
            tls: server::ask_tls(asker),
            clock: server::ask_clock(asker),
            room: server::ask_room(asker),
            timeouts: server::ask_timeouts(asker),
            ledger: ledger::Facts::ask(asker, &Ledger::default()),
            schemas: privileges::ask_schemas(asker, &session, &wants),
            makes_schemas: privileges::ask_database(asker),
            owned,
            extensions: extensions::Facts::ask(asker, &needs),
            public: privileges::ask_public(asker),
            indexes: leftovers::ask_indexes(asker),
            constraints: leftovers::ask_constraints(asker),
            others: sessions::ask_others(asker),
            prepared: prepared::ask(asker),
            age: sessions::ask_wraparound(asker),
            session,
            history,
            needs,
            wants,
        })
    }

    /// One for each check of a server, in the order of the page: the way to it, what is to be run, what this role may, what is in the way.
    pub(super) fn findings(&self, inspection: &Inspection) -> Vec<Finding> {
        let Self { session, needs, .. } = self;
        vec![
            server::version(session, self.today),
            server::writable(session),
            server::tls(self.distance, &self.pooled, &self.tls),
            server::pooler(&self.pooled, &needs.outside),
            server::clock(&self.clock),
            server::connections(&self.room, session),
            server::timeouts(&self.timeouts),
            ledger::ledger(&self.ledger, &self.history),
            ledger::migrations(inspection, &self.history),
            ledger::runner(&self.holder),
            ledger::privileges(&self.ledger, session),
            privileges::privileges(&self.schemas, &self.makes_schemas, session, needs, &self.wants),
            privileges::ownership(&self.owned, session, needs),
            extensions(&self.extensions, &self.makes_schemas, session, needs),
            privileges::public(&self.public, session),
            leftovers::indexes(&self.indexes, session, needs),
            leftovers::constraints(&self.constraints),
            sessions::transactions(&self.others, session, needs),
            prepared::prepared(&self.prepared, session, needs),
            sessions::wraparound(&self.age, &self.others, session, needs),
        ]
    }
}
