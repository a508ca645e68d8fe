//! Why an agent ends, or does not begin.

use std::io;

/// Why an agent ends other than by request, or does not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Something on this machine must be put right first. Nothing on disk was changed.
    #[error("{}", .problems.join("\n"))]
    Preflight {
        /// One line for each thing.
        problems: Vec<String>,
    },
    /// The scope, the namespace or the name gives no valid key.
    #[error("scope, namespace and name must give valid keys: {0}")]
    Key(#[from] herdsman_dcs::KeyError),
    /// The REST API cannot be served.
    #[error(transparent)]
    RestApi(#[from] herdsman_rest_api::ServerError),
    /// This member must not go on; PostgreSQL is left as it is.
    #[error("{0}")]
    Refused(String),
    /// The clock of the machine cannot be used.
    #[error("the clock of this machine cannot be used")]
    Clock(#[source] io::Error),
    /// A rule of the core is broken; PostgreSQL was stopped.
    #[error("a decision panicked; PostgreSQL was stopped")]
    Panicked,
}
