//! When triggers and rules fire: `session_replication_role` decides.

use serde::{Deserialize, Serialize};

/// As `tgenabled` and `ev_enabled` have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Firing {
    /// Unless what is done comes by replication: what a new one is.
    #[serde(rename = "O")]
    Origin,
    /// Only where it comes by replication.
    #[serde(rename = "R")]
    Replica,
    /// Always.
    #[serde(rename = "A")]
    Always,
    /// Never.
    #[serde(rename = "D")]
    Disabled,
}

impl Firing {
    /// The action of an `ALTER`; `what` is `TRIGGER` or `RULE`.
    pub(super) fn verb(self, what: &str) -> String {
        match self {
            Self::Origin => format!("ENABLE {what}"),
            Self::Replica => format!("ENABLE REPLICA {what}"),
            Self::Always => format!("ENABLE ALWAYS {what}"),
            Self::Disabled => format!("DISABLE {what}"),
        }
    }
}
