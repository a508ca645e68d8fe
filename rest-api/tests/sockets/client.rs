//! The client that asks peers, against our server and against other speakers.

use std::time::Duration;

use herdsman_ha_core::{InstanceId, Lsn, PeerAnswer};
use herdsman_rest_api::{ClientError, ask};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::site::{DEADLINE, site, snapshot, status};

#[tokio::test]
async fn the_client_understands_our_server() {
    let site = site().await;
    let url = format!("http://127.0.0.1:{}/patroni", site.port);
    let PeerAnswer::Running(server) = ask(&url, DEADLINE).await.unwrap() else {
        panic!("it runs");
    };
    assert!(server.is_primary && server.may_lead);
    assert_eq!(server.position.lsn, Lsn(100));
    site.writer.publish(snapshot(status()));
    let instance = Some(InstanceId::from("run-1"));
    assert_eq!(
        ask(&url, DEADLINE).await.unwrap(),
        PeerAnswer::NotRunning { instance }
    );
}

/// A server that sends `answer` to whoever connects and closes, or only accepts.
async fn speaker(answer: Option<String>) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/patroni", listener.local_addr().unwrap());
    let speaking = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let Some(answer) = answer else {
            // Silent until the client gives up.
            stream.read_u8().await.unwrap_err();
            return;
        };
        stream.write_all(answer.as_bytes()).await.ok();
    });
    (url, speaking)
}

#[tokio::test]
async fn the_client_understands_answers_that_end_with_the_connection() {
    let status = json!({"state": "running", "role": "replica", "timeline": 4,
        "xlog": {"received_location": 30, "replayed_location": 20}});
    for line in [
        "HTTP/1.0 200 OK",
        "HTTP/1.0 503 Service Unavailable",
        "HTTP/1.1 200 OK",
    ] {
        let answer = format!("{line}\r\nContent-Type: application/json\r\n\r\n{status}");
        let (url, speaking) = speaker(Some(answer)).await;
        let PeerAnswer::Running(server) = ask(&url, DEADLINE).await.unwrap() else {
            panic!("it runs");
        };
        assert_eq!(server.position.lsn, Lsn(30));
        speaking.await.unwrap();
    }
}

#[tokio::test]
async fn a_silent_peer_costs_no_more_than_the_limit() {
    let (url, speaking) = speaker(None).await;
    let error = ask(&url, Duration::from_millis(500)).await.unwrap_err();
    assert!(matches!(error, ClientError::Late { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        format!("no answer from {url} within 500 ms")
    );
    // The connection ended with the question.
    timeout(DEADLINE, speaking).await.unwrap().unwrap();
}

#[tokio::test]
async fn peers_that_cannot_answer_are_told_apart() {
    // A port that is taken and does not listen refuses connections.
    let deaf = TcpSocket::new_v4().unwrap();
    deaf.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}/patroni", deaf.local_addr().unwrap());
    let error = ask(&url, DEADLINE).await.unwrap_err();
    assert!(
        matches!(error, ClientError::Unreachable { .. }),
        "{error:?}"
    );

    let page = "HTTP/1.1 404 Not Found\r\nContent-Length: 6\r\n\r\n<html>";
    let (url, _) = speaker(Some(page.to_owned())).await;
    let error = ask(&url, DEADLINE).await.unwrap_err();
    assert!(
        matches!(error, ClientError::Unreadable { status: 404, .. }),
        "{error:?}"
    );

    for answer in [
        "",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
        "SSH-2.0-x\r\n",
    ] {
        let (url, _) = speaker(Some(answer.to_owned())).await;
        let error = ask(&url, DEADLINE).await.unwrap_err();
        assert!(
            matches!(error, ClientError::Unreachable { .. }),
            "{answer}: {error:?}"
        );
    }

    let endless = format!("HTTP/1.0 200 OK\r\n\r\n{}", " ".repeat((1 << 20) + 1));
    let (url, _) = speaker(Some(endless)).await;
    let error = ask(&url, DEADLINE).await.unwrap_err();
    assert!(
        matches!(error, ClientError::Unreachable { .. }),
        "{error:?}"
    );

    let error = ask("https://127.0.0.1:1/patroni", DEADLINE)
        .await
        .unwrap_err();
    assert!(matches!(error, ClientError::NotServed { .. }), "{error:?}");
}
