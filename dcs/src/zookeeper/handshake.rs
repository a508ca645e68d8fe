//! The first message in each direction of a connection: which session it is for.
//!
//! Invariant: only the fields that the relay needs are understood; the rest goes on as it came, so
//! that servers and clients of other versions keep what they have to say to each other.

use std::time::Duration;

use super::jute::{Reader, Writer};
use crate::Cause;

/// What a client asks for.
#[derive(Debug)]
pub(super) struct ConnectRequest<'a> {
    protocol: i32,
    rest: &'a [u8],
}

impl<'a> ConnectRequest<'a> {
    pub(super) fn parse(frame: &'a [u8]) -> Result<Self, Cause> {
        let mut reader = Reader::new(frame);
        let protocol = reader.int()?;
        reader.long()?;
        Ok(Self {
            protocol,
            rest: reader.rest(),
        })
    }

    /// The same with the newest transaction that this process has seen, so that a server which
    /// lags behind it refuses the connection. The client sees fewer answers than we do.
    pub(super) fn seen(&self, zxid: i64) -> Vec<u8> {
        let head = Writer::default().int(self.protocol).long(zxid);
        head.append(self.rest).bytes()
    }
}

/// What a server grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConnectResponse {
    Granted {
        session: i64,
        /// As negotiated: the server keeps it within bounds of its own.
        timeout: Duration,
    },
    /// The session that was asked for has expired.
    Expired,
}

impl ConnectResponse {
    pub(super) fn parse(frame: &[u8]) -> Result<Self, Cause> {
        let mut reader = Reader::new(frame);
        reader.int()?;
        let (timeout, session) = (reader.int()?, reader.long()?);
        Ok(match u64::try_from(timeout) {
            Ok(millis) if millis > 0 => Self::Granted {
                session,
                timeout: Duration::from_millis(millis),
            },
            Ok(_) | Err(_) => Self::Expired,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_transaction_is_replaced() {
        let request = |zxid| {
            Writer::default()
                .int(0)
                .long(zxid)
                .int(4000)
                .long(7)
                .buffer(Some(b"password"))
                .flag(true)
                .bytes()
        };
        let sent = request(3);
        let parsed = ConnectRequest::parse(&sent).unwrap();
        assert_eq!(parsed.seen(9), request(9));
    }

    #[test]
    fn timeout_of_zero_is_an_expired_session() {
        let response = |timeout: i32| Writer::default().int(0).int(timeout).long(7).bytes();
        let granted = ConnectResponse::Granted {
            session: 7,
            timeout: Duration::from_secs(4),
        };
        assert_eq!(ConnectResponse::parse(&response(4000)), Ok(granted));
        let expired = Ok(ConnectResponse::Expired);
        assert_eq!(ConnectResponse::parse(&response(0)), expired);
        assert!(ConnectResponse::parse(b"HTTP").is_err());
    }
}
