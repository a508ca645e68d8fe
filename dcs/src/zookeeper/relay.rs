//! Between zookeeper-async and a server: a relay on loopback inside this process.
//!
//! zookeeper-async opens the session, takes it up again on each new connection and pings. It knows
//! one address, the relay's. The relay dials a real server for it, reads in the handshake which
//! session was granted and for how long, proves our identity first, puts the backend's own requests
//! between the client's, and takes their answers out again; and it gives a server up that does not
//! answer. A server carries out the requests of a connection in their order, and the client tells
//! answers by their order alone, so it never notices.
//!
//! Invariants: nothing passes in a session other than the first that was granted; only this very
//! process may connect; a session that nobody renews is not kept alive.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::WriteHalf;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::boot_clock::BootInstant;
use super::frames::{self, Frames};
use super::handshake::{ConnectRequest, ConnectResponse};
use super::hosts::{Hosts, Server};
use super::line::{End, Granted, Line, Order, heartbeat};
use super::message::{AUTH_XID, EVENT_XID, Reply, Request, auth_frame};
use super::own_peer;
use super::transport::{self, Transport};
use crate::Cause;

/// Requests of the backend are numbered from here; the client counts from one.
const FIRST_XID: i32 = 0x4000_0000;
/// How long a handshake may take, and how long a message may wait to be sent.
const LIMIT: Duration = Duration::from_millis(700);

/// Serves connections of this process until the line has ended.
pub(super) async fn run(listener: &TcpListener, local: SocketAddr, line: Arc<Line>) {
    let mut hosts = Hosts::new(line.options.hosts.clone());
    let mut phases = line.phase.subscribe();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // It changes when the line ends; every other change is looked at and ignored.
            _ = phases.changed() => {
                if line.has_ended().is_some() {
                    return;
                }
                continue;
            }
        };
        let Ok((client, peer)) = accepted else {
            // Out of files, most likely: no reason to spin.
            tokio::time::sleep(LIMIT).await;
            continue;
        };
        let cause = match hosts.connect().await {
            // The question may cost a walk over all sockets of the machine, so it is put only when
            // there is somebody to serve the client.
            Ok(_) if !own_peer::is_own(peer, local) => {
                tracing::warn!(%peer, "another process connected to the relay and was refused");
                continue;
            }
            Ok(server) => serve(client, server, &mut hosts, &line).await,
            Err(cause) => cause,
        };
        tracing::debug!(%cause, "the connection to ZooKeeper is over");
        line.connecting(cause);
        if line.has_ended().is_some() {
            return;
        }
    }
}

/// One connection, from its handshake to its end, which is told.
async fn serve(
    client: TcpStream,
    (stream, server): (TcpStream, Server),
    hosts: &mut Hosts,
    line: &Line,
) -> Cause {
    let (from_client, mut to_client) = client.into_split();
    let mut from_client = Frames::new(from_client);
    let stream = match transport::open(stream, &server.name, line).await {
        Ok(stream) => stream,
        Err(cause) => return server.failed(cause),
    };
    let (from_server, to_server) = tokio::io::split(stream);
    let mut from_server = Frames::new(from_server);
    let mut to_server = Sender(to_server);

    let sent = BootInstant::now();
    let shaking = async {
        let request = from_client.next().await?;
        let newest = line.state().newest;
        let request = ConnectRequest::parse(&request).map_err(io::Error::other)?;
        to_server.write(&request.seen(newest)).await?;
        from_server.next().await
    };
    let response = match timeout(LIMIT, shaking).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
            let reason = "the server hung up before it granted a session";
            return server.failed(format!("{reason}{}", transport::hint(line)));
        }
        Ok(Err(error)) => return server.failed(transport::told(&error)),
        Err(_) => {
            let reason = "the server does not grant a session in time";
            return server.failed(format!("{reason}{}", transport::hint(line)));
        }
    };
    let timeout = match accept(&response, line, sent) {
        Ok(timeout) => timeout,
        Err(cause) => return server.failed(cause),
    };
    hosts.succeeded();
    let connection = Connection {
        line,
        timeout,
        next_xid: FIRST_XID,
        pending: VecDeque::new(),
    };
    let ends = Ends {
        from_client,
        to_client: &mut to_client,
        from_server,
        to_server,
    };
    connection.run(ends, &response).await
}

fn broken(error: &io::Error) -> Cause {
    Cause::new(format!("the connection to ZooKeeper broke: {error}"))
}

/// Looks at what the server granted: the first session is the line's, every other ends it.
fn accept(response: &[u8], line: &Line, sent: BootInstant) -> Result<Duration, Cause> {
    let expired = || {
        line.end(End::Expired);
        Cause::new("the session has expired")
    };
    match ConnectResponse::parse(response)? {
        ConnectResponse::Expired => Err(expired()),
        ConnectResponse::Granted { session, timeout } => {
            let mut state = line.state();
            if state.granted.is_some_and(|known| known.session != session) {
                drop(state);
                return Err(expired());
            }
            state.granted = Some(Granted { session, timeout });
            state.touches.connected(sent);
            Ok(timeout)
        }
    }
}

struct Ends<'a, C, S> {
    from_client: Frames<C>,
    to_client: &'a mut OwnedWriteHalf,
    from_server: Frames<S>,
    to_server: Sender,
}

/// A request of ours that is not answered yet. The server answers in order.
struct Pending {
    xid: i32,
    sent: BootInstant,
    since: Instant,
    /// Nobody, for a heartbeat.
    answer: Option<oneshot::Sender<Reply>>,
}

struct Connection<'a> {
    line: &'a Line,
    timeout: Duration,
    next_xid: i32,
    pending: VecDeque<Pending>,
}

impl Connection<'_> {
    async fn run<C, S>(mut self, mut ends: Ends<'_, C, S>, response: &[u8]) -> Cause
    where
        C: tokio::io::AsyncRead + Unpin,
        S: tokio::io::AsyncRead + Unpin,
    {
        let (sender, mut orders) = mpsc::unbounded_channel();
        if let Err(error) = self.begin(&mut ends, response).await {
            return broken(&error);
        }
        self.line.connected_by(sender);
        let mut beat = interval(heartbeat(self.timeout));
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let done = tokio::select! {
                frame = ends.from_client.next() => match frame {
                    Ok(frame) => ends.to_server.write(&frame).await.map_err(|e| broken(&e)),
                    Err(_) => Err(Cause::new("the client hung up")),
                },
                Some(order) = orders.recv() => self.obey(order, &mut ends.to_server).await,
                frame = ends.from_server.next() => match frame {
                    Ok(frame) => self.route(frame, ends.to_client).await,
                    Err(error) => Err(broken(&error)),
                },
                _ = beat.tick() => self.beat(&mut ends.to_server).await,
            };
            if let Err(cause) = done {
                return cause;
            }
        }
    }

    /// Our identity goes before everything else, then the watches, then the client learns that
    /// it is connected.
    async fn begin<C, S>(&mut self, ends: &mut Ends<'_, C, S>, response: &[u8]) -> io::Result<()> {
        for (scheme, credential) in &self.line.options.auth {
            let frame = auth_frame(scheme, credential.as_bytes());
            ends.to_server.write(&frame).await?;
        }
        let watched = self.line.state().watched.clone();
        for path in watched {
            self.send(Request::watch(&path), None, &mut ends.to_server)
                .await?;
        }
        frames::write(ends.to_client, response).await
    }

    async fn send(
        &mut self,
        request: Request,
        answer: Option<oneshot::Sender<Reply>>,
        to_server: &mut Sender,
    ) -> io::Result<()> {
        let xid = self.next_xid;
        self.next_xid = xid.checked_add(1).unwrap_or(FIRST_XID);
        self.pending.push_back(Pending {
            xid,
            sent: BootInstant::now(),
            since: Instant::now(),
            answer,
        });
        to_server.write(&request.frame(xid)).await
    }

    async fn obey(&mut self, order: Order, to_server: &mut Sender) -> Result<(), Cause> {
        match order {
            Order::Send { request, answer } => self
                .send(request, Some(answer), to_server)
                .await
                .map_err(|error| broken(&error)),
            Order::Cut => Err(Cause::new("the server does not answer")),
        }
    }

    /// A message of the server: an answer to us, an event, or something for the client.
    async fn route(&mut self, frame: Vec<u8>, to_client: &mut OwnedWriteHalf) -> Result<(), Cause> {
        let (xid, reply) = Reply::parse(&frame)?;
        match xid {
            EVENT_XID => self.line.changes.send_modify(|count| *count += 1),
            AUTH_XID if !reply.code.is_ok() => {
                let cause = reply.code.cause();
                self.line.end(End::Refused(cause.clone()));
                return Err(cause);
            }
            AUTH_XID => {}
            FIRST_XID.. => self.answered(xid, reply)?,
            _ => {
                let written = timeout(LIMIT, frames::write(to_client, &frame)).await;
                let Ok(Ok(())) = written else {
                    return Err(Cause::new("the client does not take its answers"));
                };
            }
        }
        Ok(())
    }

    fn answered(&mut self, xid: i32, reply: Reply) -> Result<(), Cause> {
        let Some(pending) = self.pending.pop_front().filter(|p| p.xid == xid) else {
            return Err(Cause::new("ZooKeeper answered out of order"));
        };
        let mut state = self.line.state();
        state.newest = state.newest.max(reply.zxid);
        state.touches.answered(pending.sent, self.timeout);
        drop(state);
        if let Some(answer) = pending.answer {
            // Whoever asked may have given up.
            let _ = answer.send(reply);
        }
        Ok(())
    }

    /// Keeps the session known to the server, notices a server that hangs, and lets a session go
    /// that nobody renews.
    async fn beat(&mut self, to_server: &mut Sender) -> Result<(), Cause> {
        let now = BootInstant::now();
        let kept_for = self.line.state().kept_for;
        if kept_for.is_some_and(|(from, time)| now.since(from) > time) {
            tracing::warn!("a session that nobody renews is given up");
            self.line.end(End::Closed);
            let _ = to_server
                .write(&Request::close().frame(self.next_xid))
                .await;
            return Err(Cause::new("nobody renews the session"));
        }
        if let Some(oldest) = self.pending.front() {
            if oldest.since.elapsed() > self.timeout / 6 {
                return Err(Cause::new("the server does not answer"));
            }
            return Ok(());
        }
        self.send(Request::exists("/"), None, to_server)
            .await
            .map_err(|error| broken(&error))
    }
}

/// The way to the server; a server that takes nothing is given up.
struct Sender(WriteHalf<Transport>);

impl Sender {
    async fn write(&mut self, frame: &[u8]) -> io::Result<()> {
        match timeout(LIMIT, frames::write(&mut self.0, frame)).await {
            Ok(written) => written,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}
