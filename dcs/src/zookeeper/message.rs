//! The requests of ZooKeeper's protocol that the backend makes itself, and their answers.
//!
//! zookeeper-async keeps the session; it has no `multi`, no persistent watch, and does not tell
//! the transaction number of an answer. Those requests are written here and go through the relay
//! on the same connection and in the same session. Opcodes and error codes are those of
//! ZooKeeper 3.6 and newer.

use super::jute::{Reader, Writer};
use crate::Cause;

pub(super) const EXISTS: i32 = 3;
const CREATE: i32 = 1;
const DELETE: i32 = 2;
const GET_DATA: i32 = 4;
const SET_DATA: i32 = 5;
const GET_CHILDREN: i32 = 12;
const CHECK: i32 = 13;
const MULTI: i32 = 14;
const ADD_WATCH: i32 = 106;
const AUTH: i32 = 100;
const CLOSE: i32 = -11;
/// The type of a failed part of a `multi`, and of the mark at its end.
const ERROR: i32 = -1;
const PERSISTENT_RECURSIVE: i32 = 1;
const EPHEMERAL: i32 = 1;

/// The number of a request that is answered as an authentication.
pub(super) const AUTH_XID: i32 = -4;
/// The number under which a server tells what a watch has seen.
pub(super) const EVENT_XID: i32 = -1;

/// A version that a check or a write accepts whatever it is.
pub(super) const ANY_VERSION: i32 = -1;

/// A request without its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    opcode: i32,
    body: Vec<u8>,
}

impl Request {
    pub(super) fn exists(path: &str) -> Self {
        Self::of_path(EXISTS, path)
    }

    pub(super) fn get_data(path: &str) -> Self {
        Self::of_path(GET_DATA, path)
    }

    pub(super) fn get_children(path: &str) -> Self {
        Self::of_path(GET_CHILDREN, path)
    }

    fn of_path(opcode: i32, path: &str) -> Self {
        let body = Writer::default().text(path).flag(false).bytes();
        Self { opcode, body }
    }

    /// Tells every change of the node and of all below it until the connection ends.
    pub(super) fn watch(path: &str) -> Self {
        let body = Writer::default().text(path).int(PERSISTENT_RECURSIVE);
        Self {
            opcode: ADD_WATCH,
            body: body.bytes(),
        }
    }

    pub(super) fn multi(parts: &[Part], acl: &[AclEntry]) -> Self {
        let mut body = Writer::default();
        for part in parts {
            body = body.int(part.opcode()).flag(false).int(-1);
            body = body.append(&part.body(acl));
        }
        let body = body.int(ERROR).flag(true).int(-1);
        Self {
            opcode: MULTI,
            body: body.bytes(),
        }
    }

    /// A permanent node without data, which is how a folder is told from a key.
    pub(super) fn create_folder(path: &str, acl: &[AclEntry]) -> Self {
        let part = Part::Create {
            path: path.to_owned(),
            data: None,
            is_ephemeral: false,
        };
        Self {
            opcode: CREATE,
            body: part.body(acl),
        }
    }

    pub(super) const fn close() -> Self {
        Self {
            opcode: CLOSE,
            body: Vec::new(),
        }
    }

    /// The message with its number, without the length before it.
    pub(super) fn frame(&self, xid: i32) -> Vec<u8> {
        let head = Writer::default().int(xid).int(self.opcode);
        head.append(&self.body).bytes()
    }
}

/// The first message of a connection that has something to prove.
pub(super) fn auth_frame(scheme: &str, credential: &[u8]) -> Vec<u8> {
    Writer::default()
        .int(AUTH_XID)
        .int(AUTH)
        .int(0)
        .text(scheme)
        .buffer(Some(credential))
        .bytes()
}

/// Who may do what with a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AclEntry {
    pub(super) permissions: i32,
    pub(super) scheme: String,
    pub(super) id: String,
}

/// One part of a `multi`: all are applied, at one transaction number, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Check {
        path: String,
        version: i32,
    },
    Create {
        path: String,
        data: Option<Vec<u8>>,
        is_ephemeral: bool,
    },
    Set {
        path: String,
        data: Vec<u8>,
        version: i32,
    },
    Delete {
        path: String,
        version: i32,
    },
}

impl Part {
    const fn opcode(&self) -> i32 {
        match self {
            Self::Check { .. } => CHECK,
            Self::Create { .. } => CREATE,
            Self::Set { .. } => SET_DATA,
            Self::Delete { .. } => DELETE,
        }
    }

    fn body(&self, acl: &[AclEntry]) -> Vec<u8> {
        let writer = Writer::default();
        match self {
            Self::Check { path, version } | Self::Delete { path, version } => {
                writer.text(path).int(*version)
            }
            Self::Set {
                path,
                data,
                version,
            } => writer.text(path).buffer(Some(data)).int(*version),
            Self::Create {
                path,
                data,
                is_ephemeral,
            } => {
                let flags = if *is_ephemeral { EPHEMERAL } else { 0 };
                let count = i32::try_from(acl.len()).unwrap_or(i32::MAX);
                let mut writer = writer.text(path).buffer(data.as_deref()).int(count);
                for entry in acl {
                    writer = writer.int(entry.permissions);
                    writer = writer.text(&entry.scheme).text(&entry.id);
                }
                writer.int(flags)
            }
        }
        .bytes()
    }
}

/// An answer: the transaction that the server had applied when it gave it, and a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) zxid: i64,
    pub(super) code: Code,
    pub(super) body: Vec<u8>,
}

impl Reply {
    /// Takes an answer apart, and gives its number.
    pub(super) fn parse(frame: &[u8]) -> Result<(i32, Self), Cause> {
        let mut reader = Reader::new(frame);
        let xid = reader.int()?;
        let reply = Self {
            zxid: reader.long()?,
            code: Code(reader.int()?),
            body: reader.rest().to_vec(),
        };
        Ok((xid, reply))
    }

    pub(super) fn data(&self) -> Result<(Option<Vec<u8>>, Stat), Cause> {
        let mut reader = Reader::new(&self.body);
        let data = reader.buffer()?.map(<[u8]>::to_vec);
        Ok((data, Stat::read(&mut reader)?))
    }

    pub(super) fn children(&self) -> Result<(Vec<String>, Stat), Cause> {
        let mut reader = Reader::new(&self.body);
        let names = reader.texts()?;
        Ok((names, Stat::read(&mut reader)?))
    }

    pub(super) fn stat(&self) -> Result<Stat, Cause> {
        Stat::read(&mut Reader::new(&self.body))
    }

    /// The code of a `multi`: that of the part that failed. The others then say that they were
    /// rolled back, or nothing.
    pub(super) fn multi_code(&self) -> Result<Code, Cause> {
        if !self.code.is_ok() {
            return Ok(self.code);
        }
        let mut reader = Reader::new(&self.body);
        let mut found = Code::OK;
        loop {
            let (kind, is_end) = (reader.int()?, reader.flag()?);
            reader.int()?;
            if is_end {
                return Ok(found);
            }
            match kind {
                ERROR => {
                    let code = Code(reader.int()?);
                    if !code.is_ok() && code != Code::ROLLED_BACK && found.is_ok() {
                        found = code;
                    }
                }
                CREATE => drop(reader.text()?),
                SET_DATA => drop(Stat::read(&mut reader)?),
                CHECK | DELETE => {}
                other => {
                    let reason = format!("ZooKeeper answered a part of a multi with type {other}");
                    return Err(Cause::new(reason));
                }
            }
        }
    }
}

/// What ZooKeeper says about a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) created: i64,
    pub(super) modified: i64,
    pub(super) version: i32,
    /// The session of an ephemeral node, else 0.
    pub(super) owner: i64,
    pub(super) child_count: i32,
    /// When a child was last made or removed.
    pub(super) children_changed: i64,
}

impl Stat {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Cause> {
        let (created, modified) = (reader.long()?, reader.long()?);
        let _times = (reader.long()?, reader.long()?);
        let version = reader.int()?;
        let _versions_of_children_and_acl = (reader.int()?, reader.int()?);
        let owner = reader.long()?;
        let _length = reader.int()?;
        Ok(Self {
            created,
            modified,
            version,
            owner,
            child_count: reader.int()?,
            children_changed: reader.long()?,
        })
    }

    /// The newest change of the node or of the list of its children.
    pub(super) fn newest(&self) -> i64 {
        self.created.max(self.modified).max(self.children_changed)
    }
}

/// A code of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Code(pub(super) i32);

impl Code {
    pub(super) const OK: Self = Self(0);
    const SYSTEM_ERROR: Self = Self(-1);
    /// Within a `multi`: that another part failed.
    const ROLLED_BACK: Self = Self(-2);
    const DATA_INCONSISTENCY: Self = Self(-3);
    pub(super) const CONNECTION_LOSS: Self = Self(-4);
    const UNIMPLEMENTED: Self = Self(-6);
    const OPERATION_TIMEOUT: Self = Self(-7);
    pub(super) const NO_NODE: Self = Self(-101);
    const NO_AUTH: Self = Self(-102);
    const BAD_VERSION: Self = Self(-103);
    pub(super) const NODE_EXISTS: Self = Self(-110);
    const NOT_EMPTY: Self = Self(-111);
    pub(super) const SESSION_EXPIRED: Self = Self(-112);
    const AUTH_FAILED: Self = Self(-115);
    const SESSION_MOVED: Self = Self(-118);
    /// The server serves readers only, because it has lost the others.
    const NOT_READ_ONLY: Self = Self(-119);
    const THROTTLED: Self = Self(-127);

    pub(super) fn is_ok(self) -> bool {
        self == Self::OK
    }

    /// The node is not what it was when we looked.
    pub(super) fn is_conflict(self) -> bool {
        [Self::NO_NODE, Self::BAD_VERSION, Self::NODE_EXISTS].contains(&self)
    }

    /// The server asks to be asked again, and has done nothing.
    pub(super) fn is_temporary(self) -> bool {
        [
            Self::CONNECTION_LOSS,
            Self::OPERATION_TIMEOUT,
            Self::SESSION_MOVED,
            Self::NOT_READ_ONLY,
            Self::THROTTLED,
        ]
        .contains(&self)
    }

    /// Something went wrong in the server, and nobody knows how far it came.
    pub(super) fn is_failure_of_the_server(self) -> bool {
        [
            Self::SYSTEM_ERROR,
            Self::ROLLED_BACK,
            Self::DATA_INCONSISTENCY,
        ]
        .contains(&self)
    }

    pub(super) fn is_refusal(self) -> bool {
        [Self::NO_AUTH, Self::AUTH_FAILED].contains(&self)
    }

    pub(super) fn cause(self) -> Cause {
        let text = match self {
            Self::NO_AUTH => "not permitted",
            Self::AUTH_FAILED => "the credentials are wrong",
            Self::NO_NODE => "no such node",
            Self::BAD_VERSION => "the node has another version",
            Self::NODE_EXISTS => "the node exists",
            Self::NOT_EMPTY => "the node has children",
            Self::SESSION_EXPIRED => "the session has expired",
            Self::SESSION_MOVED => "the session is connected elsewhere",
            Self::UNIMPLEMENTED => {
                "the server does not know this request: ZooKeeper 3.6 or newer is needed"
            }
            Self(code) => return Cause::new(format!("ZooKeeper answered with the code {code}")),
        };
        Cause::new(format!("ZooKeeper answered: {text}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multi_tells_the_part_that_failed() {
        let failed = |code: i32| Writer::default().int(ERROR).flag(false).int(code).int(code);
        let body = failed(0)
            .append(&failed(-103).bytes())
            .append(&failed(-2).bytes())
            .int(ERROR)
            .flag(true)
            .int(-1);
        let reply = Reply {
            zxid: 1,
            code: Code::OK,
            body: body.bytes(),
        };
        assert_eq!(reply.multi_code(), Ok(Code::BAD_VERSION));
    }

    #[test]
    fn unfinished_answer_is_an_error() {
        let reply = Reply {
            zxid: 1,
            code: Code::OK,
            body: vec![0, 0],
        };
        assert!(reply.multi_code().is_err());
        assert!(reply.data().is_err());
        assert!(reply.children().is_err());
        assert!(Reply::parse(&[0]).is_err());
    }
}
