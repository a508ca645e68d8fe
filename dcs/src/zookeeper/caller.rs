//! One call of the backend on one line: its deadline, its attempts, its errors.
//!
//! Invariant: only what changes nothing is sent again by itself.

use std::time::Duration;

use tokio::time::Instant;

use super::line::{End, Line, NoAnswer};
use super::message::{ANY_VERSION, Code, Part, Reply, Request};
use crate::{Cause, Error};

/// A line, for the time of one call.
#[derive(Clone, Copy)]
pub(super) struct Caller<'a> {
    pub(super) line: &'a Line,
    pub(super) deadline: Instant,
    pub(super) attempt: Duration,
}

/// Why something could not be read. Nothing was changed.
#[derive(Debug)]
pub(super) enum Unread {
    /// The line's session has ended.
    Ended(End),
    Failed(Error),
}

impl From<Cause> for Unread {
    /// A message that cannot be understood.
    fn from(cause: Cause) -> Self {
        Self::Failed(Error::Unavailable(cause))
    }
}

impl Unread {
    pub(super) fn expect_ok(reply: &Reply) -> Result<&Reply, Self> {
        if reply.code.is_ok() {
            return Ok(reply);
        }
        Err(Self::Failed(refusal(reply.code)))
    }
}

/// An answer that is neither a success nor something that another look would settle.
pub(super) fn refusal(code: Code) -> Error {
    if code.is_refusal() {
        Error::Denied(code.cause())
    } else if code.is_failure_of_the_server() {
        Error::Unknown(code.cause())
    } else {
        Error::Invalid(code.cause())
    }
}

impl Caller<'_> {
    /// Sends requests that change nothing, again if need be, until they are answered.
    pub(super) async fn ask(&self, requests: Vec<Request>) -> Result<Vec<Reply>, Unread> {
        loop {
            let sent = (self.line).call_all(requests.clone(), self.deadline, self.attempt);
            match sent.await {
                Ok(replies) => return Ok(replies),
                Err(NoAnswer::Ended(end)) => return Err(Unread::Ended(end)),
                Err(NoAnswer::NotSent(cause)) => {
                    return Err(Unread::Failed(Error::Unavailable(cause)));
                }
                Err(NoAnswer::Lost(cause)) if Instant::now() >= self.deadline => {
                    return Err(Unread::Failed(Error::Unavailable(cause)));
                }
                Err(NoAnswer::Lost(_)) => {}
            }
        }
    }

    /// Writes without changing anything: a transaction that demands that the root exists. That it
    /// is acknowledged proves that the session lives, and what is read behind it is at least as
    /// new. Gives its number.
    ///
    /// A ping or a read proves neither: a server that is cut off from the others goes on
    /// answering them from what it knows.
    pub(super) async fn barrier(&self) -> Result<i64, Unread> {
        let root = Part::Check {
            path: "/".to_owned(),
            version: ANY_VERSION,
        };
        let write = Request::multi(&[root], &[]);
        let replies = self.ask(vec![write]).await?;
        let reply = replies.first();
        let reply = reply.ok_or_else(|| Cause::new("a write was not answered"))?;
        match reply.multi_code()? {
            code if code.is_ok() => Ok(reply.zxid),
            code => Err(Unread::Failed(refusal(code))),
        }
    }

    /// Makes the folders above a path, those that are missing.
    pub(super) async fn make_folders(&self, path: &str) -> Result<(), Unread> {
        let ends = path.match_indices('/').map(|(end, _)| end);
        for end in ends.filter(|end| *end > 0) {
            let folder = &path[..end];
            let known = self.ask(vec![Request::exists(folder)]).await?;
            if known.iter().all(|reply| reply.code != Code::NO_NODE) {
                continue;
            }
            // A folder that another one made meanwhile is as good.
            let create = Request::create_folder(folder, &self.line.options.acl);
            for reply in self.ask(vec![create]).await? {
                if reply.code != Code::NODE_EXISTS {
                    Unread::expect_ok(&reply)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use zookeeper_async::ZkError;

    use super::*;

    fn meaning(code: Code) -> &'static str {
        if code.is_ok() {
            return "success";
        }
        if code == Code::SESSION_EXPIRED {
            return "session lost";
        }
        if code.is_temporary() {
            return "again on another connection";
        }
        if code.is_conflict() {
            return "look again";
        }
        match refusal(code) {
            Error::Denied(_) => "denied",
            Error::Invalid(_) => "invalid",
            Error::Unknown(_) => "unknown",
            Error::Unavailable(_)
            | Error::SessionLost { .. }
            | Error::Unsupported { .. }
            | Error::StoreReplaced { .. } => "wrong",
        }
    }

    #[test]
    fn every_code_of_the_client_has_its_meaning() {
        for (error, expected) in [
            (ZkError::APIError, "invalid"),
            (ZkError::AuthFailed, "denied"),
            (ZkError::BadArguments, "invalid"),
            (ZkError::BadVersion, "look again"),
            (ZkError::ConnectionLoss, "again on another connection"),
            (ZkError::DataInconsistency, "unknown"),
            (ZkError::EphemeralOnLocalSession, "invalid"),
            (ZkError::InvalidACL, "invalid"),
            (ZkError::InvalidCallback, "invalid"),
            (ZkError::MarshallingError, "invalid"),
            (ZkError::NoAuth, "denied"),
            (ZkError::NoChildrenForEphemerals, "invalid"),
            (ZkError::NodeExists, "look again"),
            (ZkError::NoNode, "look again"),
            (ZkError::NotEmpty, "invalid"),
            (ZkError::NotReadOnly, "again on another connection"),
            (ZkError::NoWatcher, "invalid"),
            (ZkError::OperationTimeout, "again on another connection"),
            (ZkError::RuntimeInconsistency, "unknown"),
            (ZkError::SessionExpired, "session lost"),
            (ZkError::SessionMoved, "again on another connection"),
            (ZkError::SystemError, "unknown"),
            (ZkError::Unimplemented, "invalid"),
        ] {
            let code = Code(error as i32);
            assert_eq!(meaning(code), expected, "{error:?} is {}", code.0);
        }
        assert_eq!(
            meaning(Code(-127)),
            "again on another connection",
            "throttled"
        );
        assert_eq!(meaning(Code(0)), "success");
    }
}
