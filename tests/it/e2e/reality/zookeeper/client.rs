//! ZooKeeper's protocol, as much of it as these tests ask for: a request, its answer, and the
//! events that came before it.
//!
//! Numbers are big-endian; a text is its length and its bytes; a frame is its length and a message.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const CREATE: i32 = 1;
const DELETE: i32 = 2;
const EXISTS: i32 = 3;
const READ: i32 = 4;
const WRITE: i32 = 5;
const SYNC: i32 = 9;
const CHECK: i32 = 13;
const MULTI: i32 = 14;
const CLOSE: i32 = -11;

/// Whatever version a node has.
pub(super) const ANY: i32 = -1;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    NoNode,
    NodeExists,
    BadVersion,
    /// The session has ended: the server says so, or hangs up.
    SessionOver,
    Other(i32),
}

/// What the server knows of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    /// The transaction that made it.
    pub(super) made: i64,
    /// How often it was written since.
    pub(super) version: i32,
    /// The session that it lives with; zero: none.
    pub(super) owner: i64,
}

/// A watch that has fired: what happened, and where. It says no more than that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fired {
    /// 1 made, 2 removed, 3 written.
    pub(super) kind: i32,
    pub(super) path: String,
}

/// A part of what happens as a whole or not at all.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part<'a> {
    Check(&'a str, i32),
    Create(&'a str),
    Write(&'a str, &'a str, i32),
}

/// One session over one connection.
pub(super) struct Client {
    stream: TcpStream,
    last: i32,
    pub(super) session: i64,
    /// How long it may be silent, as the server has granted it.
    pub(super) timeout: Duration,
    pub(super) fired: Vec<Fired>,
}

impl Client {
    /// A new session, for which this timeout is asked.
    pub(super) fn connect(address: SocketAddr, wish: Duration) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let wish = i32::try_from(wish.as_millis()).unwrap();
        let mut hello = Message::default();
        // The version of the protocol, the last transaction seen, the timeout, no session, no
        // password, not for reading only.
        hello.int(0).long(0).int(wish).long(0).bytes(&[0; 16]);
        hello.0.push(0);
        hello.send(&mut stream).unwrap();
        let answer = frame(&mut stream).unwrap();
        let mut answer = Answer(&answer);
        answer.int();
        let granted = u64::try_from(answer.int()).unwrap();
        Self {
            stream,
            last: 0,
            session: answer.long(),
            timeout: Duration::from_millis(granted),
            fired: Vec::new(),
        }
    }

    pub(super) fn create(&mut self, path: &str, is_ephemeral: bool) -> Result<(), Refusal> {
        let mut body = Message::default();
        body.node(path, "", is_ephemeral);
        self.call(CREATE, &body).map(|_| ())
    }

    pub(super) fn delete(&mut self, path: &str, version: i32) -> Result<(), Refusal> {
        let mut body = Message::default();
        body.text(path).int(version);
        self.call(DELETE, &body).map(|_| ())
    }

    pub(super) fn write(&mut self, path: &str, text: &str, version: i32) -> Result<Stat, Refusal> {
        let mut body = Message::default();
        body.text(path).text(text).int(version);
        let answer = self.call(WRITE, &body)?;
        Ok(Answer(&answer).stat())
    }

    pub(super) fn stat(&mut self, path: &str, is_watched: bool) -> Result<Stat, Refusal> {
        let mut body = Message::default();
        body.text(path).0.push(u8::from(is_watched));
        let answer = self.call(EXISTS, &body)?;
        Ok(Answer(&answer).stat())
    }

    pub(super) fn read(&mut self, path: &str, is_watched: bool) -> Result<String, Refusal> {
        let mut body = Message::default();
        body.text(path).0.push(u8::from(is_watched));
        let answer = self.call(READ, &body)?;
        Ok(Answer(&answer).text())
    }

    /// Asks for a node, for the server to be as new as its leader, and for the node again, all at
    /// once. The answers are for [`Client::told_around_a_sync`].
    pub(super) fn ask_around_a_sync(&mut self, path: &str) -> [i32; 3] {
        let mut read = Message::default();
        read.text(path).0.push(0);
        let mut sync = Message::default();
        sync.text(path);
        [(READ, &read), (SYNC, &sync), (READ, &read)]
            .map(|(kind, body)| self.send(kind, body).unwrap())
    }

    /// The node before and after the sync.
    pub(super) fn told_around_a_sync(&mut self, asked: [i32; 3]) -> [String; 2] {
        let [before, sync, after] = asked.map(|number| self.answer(number).unwrap());
        assert!(!sync.is_empty());
        [before, after].map(|answer| Answer(&answer).text())
    }

    /// All parts or none.
    pub(super) fn all_of(&mut self, parts: &[Part<'_>]) -> Result<(), Refusal> {
        let mut body = Message::default();
        for part in parts {
            let kind = match part {
                Part::Check(..) => CHECK,
                Part::Create(_) => CREATE,
                Part::Write(..) => WRITE,
            };
            body.part(kind, false);
            match part {
                Part::Check(path, version) => {
                    body.text(path).int(*version);
                }
                Part::Create(path) => body.node(path, "", false),
                Part::Write(path, text, version) => {
                    body.text(path).text(text).int(*version);
                }
            }
        }
        body.part(-1, true);
        let answer = self.call(MULTI, &body)?;
        let mut answer = Answer(&answer);
        // The first part that was refused is told with its own number, those before it with none.
        loop {
            let (kind, is_over, refusal) = answer.part();
            if is_over {
                return Ok(());
            }
            match kind {
                -1 if refusal != 0 => return Err(refused(refusal)),
                CREATE => {
                    answer.text();
                }
                WRITE => {
                    answer.stat();
                }
                -1 => {
                    answer.int();
                }
                _ => {}
            }
        }
    }

    /// Ends the session.
    pub(super) fn close(mut self) {
        self.call(CLOSE, &Message::default()).unwrap();
    }

    fn call(&mut self, kind: i32, body: &Message) -> Result<Vec<u8>, Refusal> {
        // Who is hung up on may notice it in either half.
        let number = self.send(kind, body).map_err(|_| Refusal::SessionOver)?;
        self.answer(number)
    }

    fn send(&mut self, kind: i32, body: &Message) -> io::Result<i32> {
        self.last += 1;
        let mut message = Message::default();
        message.int(self.last).int(kind);
        message.0.extend_from_slice(&body.0);
        message.send(&mut self.stream)?;
        Ok(self.last)
    }

    fn answer(&mut self, number: i32) -> Result<Vec<u8>, Refusal> {
        loop {
            let frame = frame(&mut self.stream).map_err(|_| Refusal::SessionOver)?;
            let mut answer = Answer(&frame);
            let (of, _, refusal) = (answer.int(), answer.long(), answer.int());
            if of == -1 {
                let (kind, _, path) = (answer.int(), answer.int(), answer.text());
                self.fired.push(Fired { kind, path });
                continue;
            }
            assert_eq!(of, number, "answers come in the order of their requests");
            return match refusal {
                0 => Ok(answer.0.to_vec()),
                _ => Err(refused(refusal)),
            };
        }
    }
}

fn refused(number: i32) -> Refusal {
    match number {
        -101 => Refusal::NoNode,
        -103 => Refusal::BadVersion,
        -110 => Refusal::NodeExists,
        -112 => Refusal::SessionOver,
        other => Refusal::Other(other),
    }
}

fn frame(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut frame = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
    stream.read_exact(&mut frame)?;
    Ok(frame)
}

#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn int(&mut self, number: i32) -> &mut Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    fn long(&mut self, number: i64) -> &mut Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.int(i32::try_from(bytes.len()).unwrap());
        self.0.extend_from_slice(bytes);
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    /// A node that everybody may do everything with.
    fn node(&mut self, path: &str, text: &str, is_ephemeral: bool) {
        self.text(path).text(text);
        self.int(1).int(31).text("world").text("anyone");
        self.int(i32::from(is_ephemeral));
    }

    fn part(&mut self, kind: i32, is_over: bool) {
        self.int(kind).0.push(u8::from(is_over));
        self.int(-1);
    }

    fn send(&self, stream: &mut TcpStream) -> io::Result<()> {
        let length = u32::try_from(self.0.len()).unwrap();
        stream.write_all(&[&length.to_be_bytes()[..], &self.0].concat())
    }
}

struct Answer<'a>(&'a [u8]);

impl Answer<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (taken, rest) = self.0.split_first_chunk().expect("a whole message");
        self.0 = rest;
        *taken
    }

    fn int(&mut self) -> i32 {
        i32::from_be_bytes(self.take())
    }

    fn long(&mut self) -> i64 {
        i64::from_be_bytes(self.take())
    }

    fn text(&mut self) -> String {
        let length = usize::try_from(self.int()).unwrap_or(0);
        let (text, rest) = self.0.split_at(length);
        self.0 = rest;
        String::from_utf8(text.to_vec()).unwrap()
    }

    /// The head of a part: its kind, whether it is the end of all, and why it was refused.
    fn part(&mut self) -> (i32, bool, i32) {
        let kind = self.int();
        let [is_over] = self.take();
        (kind, is_over != 0, self.int())
    }

    fn stat(&mut self) -> Stat {
        let made = self.long();
        // The last transaction, and two times on the clock.
        let _: [u8; 24] = self.take();
        let version = self.int();
        let _: [u8; 8] = self.take();
        let owner = self.long();
        // How long its content is, how many children it has, and their last transaction.
        let _: [u8; 16] = self.take();
        Stat {
            made,
            version,
            owner,
        }
    }
}
