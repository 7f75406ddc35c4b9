//! What a light lexer can tell about SQL, by Postgres' own lexical rules.
//!
//! Nothing here parses statements or knows migrations: tokens, where statements begin and end, which of them control a
//! transaction, cannot run in one, change the session or lose data, and the way from an offset to a line and a column. The rules
//! are those of Postgres' `scan.l` and of psql's `psqlscan.l` (PostgreSQL 18 manual, section 4.1, "Lexical Structure").
//!
//! What it does not do: it never decides what is sent to the server. A whole script goes as it is; the statements found here only
//! place an error and feed the build check.

mod classify;
mod hazard;
mod lexer;
mod position;
mod statement;

pub use classify::{
    ConcurrentIndex, TransactionControl, concurrent_index, in_transaction_refused, joins_transaction,
    transaction_control,
};
pub use hazard::{
    DataLoss, EnumValueUse, Lost, Opaque, Reach, Review, SessionState, enum_values_used, moves, review, session_state,
};
pub use lexer::{Lexer, Token, TokenKind};
pub use position::{Position, byte_of_char};
pub use statement::{Copy, Script, Statement, split};
