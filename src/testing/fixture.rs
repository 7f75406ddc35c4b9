//! Rows that tests start with.

use std::fmt;
use std::hash::Hasher;
use std::sync::Arc;

use crate::postgres::{Database, Session};
use crate::schema::Source;

use super::error::TestingError;

/// What a test expects to find beside the schema.
#[derive(Clone)]
pub(super) struct Fixture {
    pub(super) name: String,
    content: Content,
}

#[derive(Clone)]
enum Content {
    Sql(String),
    Code(Arc<Code>),
}

type Code = dyn Fn(&mut postgres::Client) -> Result<(), Box<dyn std::error::Error + Send + Sync>> + Send + Sync;

impl Fixture {
    pub(super) fn sql(name: String, sql: String) -> Self {
        Self { name, content: Content::Sql(sql) }
    }

    pub(super) fn code(name: String, code: Arc<Code>) -> Self {
        Self { name, content: Content::Code(code) }
    }

    /// Adds what it is made of. Of code that is this program: it may do something else after every build.
    pub(super) fn hash(&self, hasher: &mut impl Hasher) {
        hasher.write(self.name.as_bytes());
        match &self.content {
            Content::Sql(sql) => hasher.write(sql.as_bytes()),
            Content::Code(_) => {
                let program = std::env::current_exe().unwrap_or_default();
                hasher.write(program.as_os_str().as_encoded_bytes());
                if let Ok(about) = program.metadata() {
                    hasher.write_u64(about.len());
                    let built = about.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
                    hasher.write_u128(built.unwrap_or_default().as_nanos());
                }
            }
        }
        hasher.write_u8(0xff);
    }

    /// Puts it into a database.
    pub(super) fn load(&self, database: &Database) -> Result<(), TestingError> {
        let failed = |reason| TestingError::Fixture { name: self.name.clone(), reason };
        match &self.content {
            Content::Sql(sql) => {
                let source = Source::new(&self.name, sql.as_str()).map_err(|error| failed(error.to_string()))?;
                let mut session = Session::open(database)?;
                for (n, statement) in source.statements().enumerate() {
                    session.send(statement).map_err(|error| failed(source.refused(n, &error).to_string()))?;
                }
                Ok(())
            }
            Content::Code(code) => {
                let mut client = database.connect()?;
                code(&mut client).map_err(|error| failed(error.to_string()))
            }
        }
    }
}

impl fmt::Debug for Fixture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fixture({})", self.name)
    }
}
