//! Connections: clients that are slow, too many or endless, and the stop of the server.

use std::time::Duration;

use herdsman_ha_core::{Answer, AnswerKind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::site::{DEADLINE, body, call, code, post, rest_of, site, site_with, talk};

#[tokio::test]
async fn slow_clients_lose_their_connection() {
    let site = site_with(|options| options.request_limit = Duration::from_millis(500)).await;
    assert_eq!(talk(site.port, "GET /patroni HTTP/1.1\r\nHost:").await, "");
    let slow_body = "POST /switchover HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{";
    assert_eq!(code(&talk(site.port, slow_body).await), 408);
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    let site = site().await;
    assert_eq!(code(&talk(site.port, "nonsense\r\n\r\n").await), 400);
    let long = "x".repeat(64 << 10);
    let endless = format!("GET /patroni HTTP/1.1\r\nHost: {long}");
    assert_eq!(code(&talk(site.port, &endless).await), 431);
}

#[tokio::test]
async fn a_body_without_end_is_not_collected() {
    let site = site().await;
    let mut stream = TcpStream::connect(("127.0.0.1", site.port)).await.unwrap();
    let head = "POST /switchover HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    // Just more than is read; the client then waits for the answer.
    stream.write_all(&[b' '; (256 << 10) + 1]).await.unwrap();
    let mut start = [0; 12];
    timeout(DEADLINE, stream.read_exact(&mut start))
        .await
        .expect("an answer in time")
        .unwrap();
    assert_eq!(&start, b"HTTP/1.1 413");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_their_turn() {
    let site = site_with(|options| options.max_connections = 1).await;
    let mut first = TcpStream::connect(("127.0.0.1", site.port)).await.unwrap();
    first.write_all(b"GET /primary HT").await.unwrap();
    let port = site.port;
    let mut second = tokio::spawn(async move { call(port, "GET", "/primary").await });
    // The second is connected but gets nothing while the first holds the only place.
    assert!(
        timeout(Duration::from_millis(100), &mut second)
            .await
            .is_err()
    );
    first.write_all(b"TP/1.0\r\n\r\n").await.unwrap();
    assert_eq!(code(&rest_of(first).await), 200);
    assert_eq!(code(&second.await.unwrap()), 200);
}

#[tokio::test]
async fn a_stop_lets_requests_in_progress_end() {
    let mut site = site_with(|options| options.drain_limit = DEADLINE).await;
    let port = site.port;
    let asked =
        tokio::spawn(async move { post(port, "/switchover", "", r#"{"leader":"n1"}"#).await });
    let request = timeout(DEADLINE, site.receiver.next())
        .await
        .unwrap()
        .unwrap();
    drop(site.stop);
    // The socket is closed at once, whatever is in progress.
    timeout(DEADLINE, async {
        while TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the socket is closed");
    request.reply.send(Answer {
        kind: AnswerKind::Done,
        text: "done".to_owned(),
    });
    assert_eq!(body(&asked.await.unwrap()), "done");
    site.serving.await.unwrap();
}

#[tokio::test]
async fn a_stop_does_not_wait_for_idle_clients() {
    let site = site_with(|options| {
        options.request_limit = Duration::from_secs(3600);
        options.drain_limit = Duration::from_millis(20);
    })
    .await;
    let mut idle = TcpStream::connect(("127.0.0.1", site.port)).await.unwrap();
    idle.write_all(b"GET /pat").await.unwrap();
    assert_eq!(code(&call(site.port, "GET", "/primary").await), 200);
    drop(site.stop);
    timeout(DEADLINE, site.serving).await.unwrap().unwrap();
}
