//! What a failed attempt means: nothing was applied, perhaps, or trying again is pointless.
//!
//! Invariant: an attempt counts as not applied only when the request cannot have reached etcd's
//! log: the connection was refused, or the server says that it turned the request down at the
//! door. Everything else is ambiguous.

use crate::tls::trouble;
use crate::{Cause, Error, SessionId};

/// Why one attempt at one server gave no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// Another attempt, preferably at another server, may succeed.
    Retry {
        /// The request may have been applied or may still be.
        may_be_applied: bool,
        /// The connection ended, and the client does not tell why.
        is_unexplained: bool,
        cause: Cause,
    },
    /// The lease does not exist.
    LeaseNotFound,
    /// No attempt will succeed.
    Final(Error),
}

// The numbers of gRPC's status codes, which are fixed by its specification.
const INVALID_ARGUMENT: i32 = 3;
const NOT_FOUND: i32 = 5;
const PERMISSION_DENIED: i32 = 7;
const RESOURCE_EXHAUSTED: i32 = 8;
const FAILED_PRECONDITION: i32 = 9;
const OUT_OF_RANGE: i32 = 11;
const UNIMPLEMENTED: i32 = 12;
const UNAVAILABLE: i32 = 14;
const UNAUTHENTICATED: i32 = 16;

impl Failure {
    pub(super) fn ambiguous(cause: impl Into<Cause>) -> Self {
        Self::Retry {
            may_be_applied: true,
            is_unexplained: false,
            cause: cause.into(),
        }
    }

    fn not_applied(cause: Cause) -> Self {
        Self::Retry {
            may_be_applied: false,
            is_unexplained: false,
            cause,
        }
    }

    /// A file that connections need is of no use.
    pub(super) fn unusable(cause: Cause) -> Self {
        Self::not_applied(cause)
    }

    /// A connection that ended for a reason unknown to the client.
    fn unexplained(self) -> Self {
        match self {
            Self::Retry {
                may_be_applied,
                cause,
                ..
            } => Self::Retry {
                may_be_applied,
                is_unexplained: true,
                cause,
            },
            Self::Final(_) | Self::LeaseNotFound => self,
        }
    }

    /// The same failure, now that its reason is known.
    pub(super) fn because_of(self, reason: Option<Cause>) -> Self {
        match (self, reason) {
            (Self::Retry { may_be_applied, .. }, Some(cause)) => Self::Retry {
                may_be_applied,
                is_unexplained: false,
                cause,
            },
            (failure, _) => failure,
        }
    }

    /// The same failure with the server that it happened at.
    pub(super) fn at(self, url: &str) -> Self {
        let at = |cause: Cause| Cause::with_source(url, Some(&cause));
        match self {
            Self::Retry {
                may_be_applied,
                is_unexplained,
                cause,
            } => Self::Retry {
                may_be_applied,
                is_unexplained,
                cause: at(cause),
            },
            Self::Final(Error::Denied(cause)) => Self::Final(Error::Denied(at(cause))),
            Self::Final(_) | Self::LeaseNotFound => self,
        }
    }

    /// The same failure of an attempt that had sent nothing yet.
    pub(super) fn before_sending(self) -> Self {
        match self {
            Self::Retry { cause, .. } => Self::not_applied(cause),
            // A server with an unusable address says nothing about the others.
            Self::Final(Error::Invalid(cause)) => Self::not_applied(cause),
            Self::LeaseNotFound | Self::Final(_) => self,
        }
    }

    /// As an error of a call that is not tried again.
    pub(super) fn into_error(self, session: Option<&SessionId>) -> Error {
        match (self, session) {
            (Self::Retry { cause, .. }, _) => Error::Unavailable(cause),
            (Self::Final(error), _) => error,
            (Self::LeaseNotFound, Some(id)) => Error::SessionLost { id: id.clone() },
            (Self::LeaseNotFound, None) => Error::invalid("etcd knows no such lease"),
        }
    }
}

impl From<etcd_client::Error> for Failure {
    fn from(error: etcd_client::Error) -> Self {
        use etcd_client::Error as Etcd;
        match error {
            Etcd::GRpcStatus(status) => {
                let source = std::error::Error::source(&status);
                let cause = Cause::with_source(status.message(), source);
                if let Some(trouble) = trouble(&status) {
                    return Self::not_applied(Cause::new(trouble));
                }
                let refused = is_connection_refused(&status);
                // What a server answers has no error of ours below it.
                let is_answer = source.is_none();
                let failure = from_status(status.code() as i32, status.message(), cause, refused);
                if is_answer || refused {
                    failure
                } else {
                    failure.unexplained()
                }
            }
            Etcd::TransportError(error) => {
                if let Some(trouble) = trouble(&error) {
                    return Self::not_applied(Cause::new(trouble));
                }
                let cause = Cause::from_error(&error);
                if is_connection_refused(&error) {
                    Self::not_applied(cause)
                } else {
                    Self::ambiguous(cause).unexplained()
                }
            }
            // The client says so, in these words, when the server answers with a ttl of zero.
            Etcd::LeaseKeepAliveError(text) if text.contains("lease not found") => {
                Self::LeaseNotFound
            }
            Etcd::InvalidArgs(_) | Etcd::InvalidUri(_) | Etcd::InvalidMetadataValue(_) => {
                Self::Final(Error::Invalid(Cause::from_error(&error)))
            }
            Etcd::IoError(_)
            | Etcd::WatchError(_)
            | Etcd::Utf8Error(_)
            | Etcd::LeaseKeepAliveError(_)
            | Etcd::ElectError(_)
            | Etcd::EndpointError(_)
            | Etcd::EndpointsNotManaged
            | Etcd::Internal(_) => Self::ambiguous(Cause::from_error(&error)),
        }
    }
}

fn from_status(code: i32, message: &str, cause: Cause, connection_refused: bool) -> Failure {
    let says = |text| message.contains(text);
    match code {
        NOT_FOUND if says("lease not found") => Failure::LeaseNotFound,
        // The token is older than the last change of users or roles: the next connection
        // authenticates again.
        INVALID_ARGUMENT if says("revision of auth store is old") => Failure::not_applied(cause),
        // Observed on 3.4: a wrong password and a missing user are invalid arguments.
        INVALID_ARGUMENT if says("auth") || says("user name is empty") => denied(cause),
        FAILED_PRECONDITION if says("auth") => denied(cause),
        PERMISSION_DENIED | UNAUTHENTICATED => denied(cause),
        INVALID_ARGUMENT | OUT_OF_RANGE | FAILED_PRECONDITION => {
            Failure::Final(Error::Invalid(cause))
        }
        RESOURCE_EXHAUSTED if says("larger than max") => Failure::Final(Error::Invalid(cause)),
        RESOURCE_EXHAUSTED if says("space exceeded") => Failure::Final(Error::Unavailable(cause)),
        RESOURCE_EXHAUSTED => Failure::not_applied(cause),
        UNIMPLEMENTED => Failure::Final(Error::Unsupported {
            what: "the etcd v3 API",
        }),
        UNAVAILABLE if connection_refused || says("no leader") => Failure::not_applied(cause),
        _ => Failure::ambiguous(cause),
    }
}

fn denied(cause: Cause) -> Failure {
    Failure::Final(Error::Denied(cause))
}

/// Whether the error stems from a refused connection. Only `connect` fails like this, so nothing
/// was sent.
fn is_connection_refused(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let io = error.downcast_ref::<std::io::Error>();
        if io.is_some_and(|e| e.kind() == std::io::ErrorKind::ConnectionRefused) {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classify(code: i32, message: &str) -> Failure {
        from_status(code, message, Cause::new(message), false)
    }

    #[test]
    fn only_a_refusal_at_the_door_is_not_applied() {
        let applied = |failure| match failure {
            Failure::Retry { may_be_applied, .. } => may_be_applied,
            Failure::LeaseNotFound | Failure::Final(_) => panic!("{failure:?}"),
        };
        assert!(!applied(classify(UNAVAILABLE, "etcdserver: no leader")));
        assert!(!applied(classify(
            RESOURCE_EXHAUSTED,
            "etcdserver: too many requests"
        )));
        let refused = from_status(UNAVAILABLE, "tcp connect error", Cause::new(""), true);
        assert!(!applied(refused));
        for (code, message) in [
            (UNAVAILABLE, "etcdserver: request timed out"),
            (UNAVAILABLE, "etcdserver: leader changed"),
            (2, "context deadline exceeded"),
            (4, "deadline exceeded"),
            (1, "timeout expired"),
            (13, "h2 protocol error"),
        ] {
            assert!(applied(classify(code, message)), "{message}");
        }
    }

    #[test]
    fn credentials_are_a_matter_for_a_human() {
        for (code, message) in [
            (
                INVALID_ARGUMENT,
                "etcdserver: authentication failed, invalid user ID or password",
            ),
            (INVALID_ARGUMENT, "etcdserver: user name is empty"),
            (
                FAILED_PRECONDITION,
                "etcdserver: authentication is not enabled",
            ),
            (PERMISSION_DENIED, "etcdserver: permission denied"),
            (UNAUTHENTICATED, "etcdserver: invalid auth token"),
        ] {
            let failure = classify(code, message);
            assert!(
                matches!(failure, Failure::Final(Error::Denied(_))),
                "{message}"
            );
        }
    }

    fn shape(failure: &Failure) -> &'static str {
        match failure {
            Failure::Retry {
                may_be_applied: true,
                ..
            } => "perhaps applied",
            Failure::Retry { .. } => "not applied",
            Failure::LeaseNotFound => "session lost",
            Failure::Final(Error::Denied(_)) => "denied",
            Failure::Final(Error::Invalid(_)) => "invalid",
            Failure::Final(Error::Unsupported { .. }) => "unsupported",
            Failure::Final(Error::Unavailable(_)) => "unavailable",
            Failure::Final(
                Error::Unknown(_) | Error::SessionLost { .. } | Error::StoreReplaced { .. },
            ) => "wrong",
        }
    }

    #[test]
    fn every_error_of_the_client_has_its_meaning() {
        use etcd_client::Error as Etcd;
        let text = || "text".to_owned();
        let io = || std::io::Error::other("broken");
        let not_utf8 = String::from_utf8(vec![0xff]).unwrap_err().utf8_error();
        for (error, meaning) in [
            (Etcd::InvalidArgs(text()), "invalid"),
            (Etcd::IoError(io()), "perhaps applied"),
            (Etcd::WatchError(text()), "perhaps applied"),
            (Etcd::Utf8Error(not_utf8), "perhaps applied"),
            (Etcd::LeaseKeepAliveError(text()), "perhaps applied"),
            (
                Etcd::LeaseKeepAliveError("lease not found".to_owned()),
                "session lost",
            ),
            (Etcd::ElectError(text()), "perhaps applied"),
            (Etcd::EndpointError(text()), "perhaps applied"),
            (Etcd::EndpointsNotManaged, "perhaps applied"),
            (Etcd::Internal(text()), "perhaps applied"),
        ] {
            let told = format!("{error:?}");
            assert_eq!(shape(&Failure::from(error)), meaning, "{told}");
        }
    }

    #[tokio::test]
    async fn address_that_is_none_is_invalid() {
        let refused = etcd_client::Client::connect(["http://a b"], None).await;
        let failure = Failure::from(refused.err().expect("it is no address"));
        assert_eq!(shape(&failure), "invalid", "{failure:?}");
    }

    /// All of gRPC's codes with a message that says nothing, and the messages that matter.
    #[test]
    fn every_status_of_grpc_has_its_meaning() {
        for (code, message, meaning) in [
            (0, "", "perhaps applied"),
            (1, "", "perhaps applied"),
            (2, "", "perhaps applied"),
            (INVALID_ARGUMENT, "", "invalid"),
            (
                INVALID_ARGUMENT,
                "etcdserver: revision of auth store is old",
                "not applied",
            ),
            (4, "", "perhaps applied"),
            (NOT_FOUND, "", "perhaps applied"),
            (
                NOT_FOUND,
                "etcdserver: requested lease not found",
                "session lost",
            ),
            (6, "", "perhaps applied"),
            (PERMISSION_DENIED, "", "denied"),
            (RESOURCE_EXHAUSTED, "", "not applied"),
            (
                RESOURCE_EXHAUSTED,
                "trying to send message larger than max",
                "invalid",
            ),
            (
                RESOURCE_EXHAUSTED,
                "etcdserver: mvcc: database space exceeded",
                "unavailable",
            ),
            (FAILED_PRECONDITION, "", "invalid"),
            (10, "", "perhaps applied"),
            (
                OUT_OF_RANGE,
                "etcdserver: mvcc: required revision has been compacted",
                "invalid",
            ),
            (UNIMPLEMENTED, "", "unsupported"),
            (13, "", "perhaps applied"),
            (UNAVAILABLE, "", "perhaps applied"),
            (UNAVAILABLE, "etcdserver: no leader", "not applied"),
            (15, "", "perhaps applied"),
            (UNAUTHENTICATED, "", "denied"),
        ] {
            assert_eq!(shape(&classify(code, message)), meaning, "{code} {message}");
        }
    }
}
