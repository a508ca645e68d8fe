//! What is read: framing, status codes and content types of every GET, HEAD and OPTIONS.

use std::sync::Arc;
use std::time::Duration;

use herdsman_ha_core::{
    HistoryLine, Lsn, Mono, Position, PrimaryView, ServerView, Status, Timeline,
};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::site::{
    DEADLINE, NOW, body, call, code, header, primary, rest_of, site, site_with, snapshot, status,
    talk,
};

#[tokio::test]
async fn the_oldest_clients_are_served() {
    let site = site().await;
    let answer = talk(site.port, "GET /patroni HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "{answer}");
    assert_eq!(header(&answer, "content-type"), Some("application/json"));
    let json: Value = serde_json::from_str(body(&answer)).unwrap();
    assert_eq!(json["xlog"]["location"], 100);
    assert_eq!(json["patroni"]["scope"], "demo");
    // The check that HAProxy sends when nothing else is configured.
    let answer = talk(site.port, "OPTIONS / HTTP/1.0\r\n\r\n").await;
    assert_eq!((code(&answer), body(&answer)), (200, ""));
}

#[tokio::test]
async fn one_connection_carries_one_request() {
    let site = site().await;
    let answer = call(site.port, "GET", "/patroni").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert_eq!(header(&answer, "connection"), Some("close"));
    let length = body(&answer).len().to_string();
    assert_eq!(header(&answer, "content-length"), Some(length.as_str()));
    assert!(header(&answer, "server").is_some_and(|name| name.starts_with("herdsman/")));
}

#[tokio::test]
async fn a_client_may_close_its_half_after_the_request() {
    let site = site().await;
    let mut stream = TcpStream::connect(("127.0.0.1", site.port)).await.unwrap();
    stream
        .write_all(b"GET /primary HTTP/1.0\r\n\r\n")
        .await
        .unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(code(&rest_of(stream).await), 200);
}

#[tokio::test]
async fn head_and_options_check_health_and_tell_the_status_only() {
    let site = site().await;
    for method in ["HEAD", "OPTIONS"] {
        for (path, status) in [
            ("/", 200),
            ("/leader", 200),
            ("/replica", 503),
            ("/health", 200),
            ("/patroni", 503),
            ("/cluster", 503),
            ("/liveness", 503),
            ("/metrics", 503),
            ("/decisions", 503),
        ] {
            let answer = call(site.port, method, path).await;
            assert_eq!(
                (code(&answer), body(&answer)),
                (status, ""),
                "{method} {path}"
            );
        }
    }
}

#[tokio::test]
async fn a_get_of_a_health_check_carries_the_member_status() {
    let site = site().await;
    for (path, status) in [
        ("/", 200),
        ("/primary?lag=1", 200),
        ("/replica", 503),
        ("/nonsense", 503),
    ] {
        let answer = call(site.port, "GET", path).await;
        assert_eq!(code(&answer), status, "{path}");
        let json: Value = serde_json::from_str(body(&answer)).unwrap();
        assert_eq!(json["role"], "primary", "{path}");
    }
    for path in ["/liveness", "/readiness", "/liveness/x"] {
        let answer = call(site.port, "GET", path).await;
        assert_eq!((code(&answer), body(&answer)), (200, ""), "{path}");
        assert_eq!(header(&answer, "content-type"), None, "{path}");
    }
}

#[tokio::test]
async fn the_next_request_sees_what_was_published() {
    let site = site().await;
    assert_eq!(code(&call(site.port, "GET", "/primary").await), 200);
    site.writer.publish(snapshot(status()));
    assert_eq!(code(&call(site.port, "GET", "/primary").await), 503);
    let answer = call(site.port, "GET", "/patroni").await;
    let json: Value = serde_json::from_str(body(&answer)).unwrap();
    assert_eq!(
        (&json["state"], &json["role"]),
        (&json!("stopped"), &json!("uninitialized"))
    );
    assert!(json.get("xlog").is_none(), "{json}");
}

#[tokio::test]
async fn what_the_store_holds_is_told_as_far_as_it_was_seen() {
    let site = site().await;
    let answer = call(site.port, "GET", "/cluster").await;
    assert_eq!(
        (code(&answer), header(&answer, "content-type")),
        (200, Some("application/json"))
    );
    assert_eq!(body(&answer), r#"{"members":[],"scope":"demo"}"#);
    let answer = call(site.port, "GET", "/history").await;
    assert_eq!((code(&answer), body(&answer)), (200, "[]"));
    assert_eq!(code(&call(site.port, "GET", "/config").await), 502);
    assert_eq!(code(&call(site.port, "GET", "/failsafe").await), 502);

    let mut told = Status::clone(&primary().status);
    let view = Arc::make_mut(told.cluster.as_mut().unwrap());
    view.config.value = Some(json!({"ttl": 30}).into());
    view.failsafe.value = Some(Default::default());
    view.history.value = [HistoryLine {
        timeline: Timeline(1),
        switch: Lsn(5),
        reason: "no recovery target specified".to_owned(),
        at: None,
        new_leader: None,
    }]
    .into();
    site.writer.publish(snapshot(told));
    let answer = call(site.port, "GET", "/config").await;
    assert_eq!((code(&answer), body(&answer)), (200, r#"{"ttl":30}"#));
    let answer = call(site.port, "GET", "/history").await;
    assert_eq!(body(&answer), r#"[[1,5,"no recovery target specified"]]"#);
    assert_eq!(code(&call(site.port, "GET", "/failsafe").await), 200);

    site.writer.publish(snapshot(status()));
    for path in ["/cluster", "/history"] {
        assert_eq!(code(&call(site.port, "GET", path).await), 503, "{path}");
    }
}

#[tokio::test]
async fn metrics_and_decisions_have_their_own_types() {
    let site = site().await;
    let answer = call(site.port, "GET", "/metrics").await;
    assert_eq!(
        (code(&answer), header(&answer, "content-type")),
        (200, Some("text/plain"))
    );
    assert!(body(&answer).contains("patroni_primary{scope=\"demo\",name=\"n1\"} 1\n"));
    let answer = call(site.port, "GET", "/decisions").await;
    assert_eq!(header(&answer, "content-type"), Some("application/json"));
    assert_eq!(body(&answer), r#"{"current":null,"decisions":[]}"#);
}

#[tokio::test]
async fn a_peer_gets_a_position_that_was_read_after_its_question() {
    let site = site().await;
    let old = {
        let mut status = Status::clone(&primary().status);
        status.local.as_mut().unwrap().seen_at = Mono(NOW.0 - 1);
        status
    };
    site.writer.publish(snapshot(old.clone()));
    let location = |answer: &str| {
        let json: Value = serde_json::from_str(body(answer)).unwrap();
        json["xlog"]["location"].as_u64().unwrap()
    };
    // No agent looks on demand yet.
    let answer = call(site.port, "GET", "/patroni").await;
    assert_eq!(location(&answer), 100);

    let agent = async {
        site.writer.look_wanted().await;
        let mut new = old.clone();
        let local = new.local.as_mut().unwrap();
        local.seen_at = NOW;
        local.server = ServerView::Primary(PrimaryView {
            position: Position {
                timeline: Timeline(1),
                lsn: Lsn(200),
            },
            ..PrimaryView::default()
        });
        site.writer.publish(snapshot(new));
    };
    let peer = async {
        // Whoever asks before the agent listens gets what there is.
        loop {
            let answer = call(site.port, "GET", "/patroni").await;
            eprintln!(
                "{:?} {}",
                std::time::Instant::now(),
                answer.lines().last().unwrap()
            );
            if location(&answer) != 100 {
                return location(&answer);
            }
        }
    };
    let (position, ()) = timeout(DEADLINE, async { tokio::join!(peer, agent) })
        .await
        .expect("a look is asked for");
    assert_eq!(position, 200);
}

#[tokio::test]
async fn a_look_that_does_not_come_is_not_waited_for() {
    let site = site_with(|options| options.look_limit = Duration::from_millis(20)).await;
    let mut old = Status::clone(&primary().status);
    old.local.as_mut().unwrap().seen_at = Mono(0);
    site.writer.publish(snapshot(old));
    let deaf = async {
        loop {
            site.writer.look_wanted().await;
        }
    };
    let asked = async {
        call(site.port, "GET", "/patroni").await;
        code(&call(site.port, "GET", "/patroni").await)
    };
    tokio::select! {
        () = deaf => unreachable!("it never ends"),
        status = timeout(DEADLINE, asked) => assert_eq!(status.unwrap(), 200),
    }
}
