//! What changes something: who may, what reaches the agent, and what is told back.

use std::time::Duration;

use herdsman_ha_core::{
    Answer, AnswerKind, Command, ConfigChange, Generation, Lsn, MemberName, PromiseAnswer,
    PromiseRequest, RestartOrder,
};
use herdsman_rest_api::Credentials;
use tokio::time::timeout;

use crate::site::{DEADLINE, Site, body, call, code, header, post, primary, site, site_with, talk};

#[tokio::test]
async fn what_is_not_served_says_so() {
    let site = site().await;
    for path in ["/citus", "/mpp", "/citus/x"] {
        let answer = post(site.port, path, "", "{}").await;
        assert_eq!(code(&answer), 501, "{path}");
        assert_eq!(
            header(&answer, "content-type"),
            Some("text/html;charset=utf-8")
        );
        let page = body(&answer);
        assert!(page.contains("not served yet"), "{page}");
        assert!(
            page.contains("Server does not support this operation"),
            "{page}"
        );
    }
    // Nobody reads a configuration again here.
    let answer = post(site.port, "/reload", "", "").await;
    assert_eq!(code(&answer), 501);
    let answer = post(site.port, "/sigterm", "", "").await;
    assert_eq!((code(&answer), body(&answer)), (202, "shutdown scheduled"));
    for (method, path) in [("POST", "/patroni"), ("DELETE", "/failover"), ("BREW", "/")] {
        let answer = call(site.port, method, path).await;
        assert_eq!(code(&answer), 501, "{method} {path}");
        let message = format!("Unsupported method ('{method}')");
        assert!(body(&answer).contains(&message), "{answer}");
    }
}

#[tokio::test]
async fn calls_that_change_something_need_the_credentials() {
    let site = site_with(|options| {
        options.credentials = Some(Credentials::new("admin", "secret"));
    })
    .await;
    for (headers, text) in [
        ("", "no auth header received"),
        (
            "Authorization: Basic YWRtaW46d3Jvbmc=\r\n",
            "not authenticated",
        ),
        (
            "Authorization: Bearer YWRtaW46c2VjcmV0\r\n",
            "not authenticated",
        ),
    ] {
        for path in [
            "/switchover",
            "/failover",
            "/restart",
            "/reinitialize",
            "/reload",
            "/failsafe",
            "/sigterm",
        ] {
            let answer = post(site.port, path, headers, r#"{"leader":"n1"}"#).await;
            assert_eq!((code(&answer), body(&answer)), (401, text), "{path}");
            assert_eq!(header(&answer, "content-type"), Some("text/html"));
            let challenge = header(&answer, "www-authenticate");
            assert_eq!(challenge, Some("Basic realm=\"Patroni\""));
        }
    }
    let right = "Authorization: Basic YWRtaW46c2VjcmV0\r\n";
    assert_eq!(code(&post(site.port, "/sigterm", right, "{}").await), 202);
    // What only reads is open to everybody.
    for path in ["/patroni", "/config", "/cluster", "/metrics"] {
        assert_ne!(code(&call(site.port, "GET", path).await), 401, "{path}");
    }
}

#[tokio::test]
async fn a_switchover_gets_the_answer_of_the_machine() {
    let mut site = site().await;
    for (kind, status) in [
        (AnswerKind::Done, 200),
        (AnswerKind::Invalid, 400),
        (AnswerKind::Refused, 412),
        (AnswerKind::Failed, 503),
    ] {
        let port = site.port;
        let asked = tokio::spawn(async move {
            let body = r#"{"leader": "n1", "member": "n2"}"#;
            post(port, "/switchover", "", body).await
        });
        let request = timeout(DEADLINE, site.receiver.next())
            .await
            .unwrap()
            .unwrap();
        let expected = Command::Switchover {
            leader: Some(MemberName::from("n1")),
            candidate: Some(MemberName::from("n2")),
            scheduled_at: None,
        };
        assert_eq!(request.command, expected);
        request.reply.send(Answer {
            kind,
            text: "Successfully switched over to \"n2\"".to_owned(),
        });
        let answer = asked.await.unwrap();
        assert_eq!(code(&answer), status);
        assert_eq!(header(&answer, "content-type"), Some("text/html"));
        assert_eq!(body(&answer), "Successfully switched over to \"n2\"");
    }
}

/// Sends a call, answers it as the machine would, and gives what was asked for with what came back.
async fn exchange(
    site: &mut Site,
    (method, path): (&'static str, &'static str),
    sent: &'static str,
    (kind, text): (AnswerKind, &str),
) -> (Command, String) {
    let port = site.port;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{sent}",
        sent.len()
    );
    let asked = tokio::spawn(async move { talk(port, &request).await });
    let request = timeout(DEADLINE, site.receiver.next())
        .await
        .unwrap()
        .unwrap();
    request.reply.send(Answer {
        kind,
        text: text.to_owned(),
    });
    (request.command, asked.await.unwrap())
}

#[tokio::test]
async fn a_question_for_a_promise_gets_the_answers_that_existing_members_know() {
    let mut site = site().await;
    site.writer.publish(primary());
    let call = ("POST", "/failsafe");
    let sent = r#"{"name":"n1","conn_url":"c","api_url":"a","slots":{"n2":5},"herdsman":{"generation":7,"ttl_ms":5000}}"#;
    let request = PromiseRequest {
        name: MemberName::from("n1"),
        conn_url: "c".to_owned(),
        api_url: "a".to_owned(),
        slots: [("n2".to_owned(), Lsn(5))].into(),
        generation: Some(Generation(7)),
        ttl: Some(Duration::from_secs(5)),
    };
    for (kind, text, status, shown) in [
        (AnswerKind::Done, "Accepted", 200, "Accepted"),
        (
            AnswerKind::Broken,
            "Running as a leader",
            500,
            "Running as a leader",
        ),
        (AnswerKind::Absent, "failsafe mode is off", 502, "Error 502"),
    ] {
        let (command, answer) = exchange(&mut site, call, sent, (kind, text)).await;
        assert_eq!(command, Command::Promise(request.clone()));
        assert_eq!(code(&answer), status, "{answer}");
        assert!(body(&answer).contains(shown), "{answer}");
        // The end of the WAL of a server that runs.
        assert_eq!(header(&answer, "lsn").is_some(), status == 200, "{answer}");
    }
    for bad in ["", "{}", r#"{"conn_url":"c"}"#] {
        assert_eq!(
            code(&post(site.port, "/failsafe", "", bad).await),
            400,
            "{bad}"
        );
    }
    let bare = "POST /failsafe HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_eq!(code(&talk(site.port, bare).await), 411);
}

#[tokio::test]
async fn a_promise_is_what_a_member_says_in_one_word() {
    let mut site = site().await;
    let url = format!("http://127.0.0.1:{}/patroni", site.port);
    let request = PromiseRequest {
        name: MemberName::from("n1"),
        conn_url: String::new(),
        api_url: String::new(),
        slots: std::collections::BTreeMap::new(),
        generation: None,
        ttl: None,
    };
    let refused = |why: &str| PromiseAnswer::Refused(why.to_owned());
    for (kind, text, expected) in [
        (AnswerKind::Done, "Accepted", PromiseAnswer::Promised),
        (AnswerKind::Done, "Perhaps", refused("status 200")),
        (
            AnswerKind::Broken,
            "Running as a leader",
            refused("Running as a leader"),
        ),
        (
            AnswerKind::Absent,
            "off",
            refused("failsafe mode is off there"),
        ),
    ] {
        let (url, asked) = (url.clone(), request.clone());
        let asking = tokio::spawn(async move {
            herdsman_rest_api::ask_promise(&url, &asked, None, DEADLINE).await
        });
        let question = timeout(DEADLINE, site.receiver.next())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(question.command, Command::Promise(request.clone()));
        question.reply.send(Answer {
            kind,
            text: text.to_owned(),
        });
        assert_eq!(asking.await.unwrap().unwrap(), expected);
    }
}

#[tokio::test]
async fn maintenance_reaches_the_machine_and_its_answer_the_caller() {
    let mut site = site().await;
    let reinit = |force, from_leader| Command::Reinitialize { force, from_leader };
    let failover = Command::Failover {
        leader: None,
        candidate: Some(MemberName::from("n2")),
        scheduled_at: None,
    };
    let pending = RestartOrder {
        if_pending: true,
        published: serde_json::Map::from_iter([("restart_pending".to_owned(), true.into())]),
        ..RestartOrder::default()
    };
    let restart = Command::Restart(RestartOrder::default());
    for (call, sent, command, kind, status) in [
        (("POST", "/restart"), "", restart, AnswerKind::Done, 200),
        (
            ("POST", "/restart"),
            r#"{"restart_pending":true}"#,
            Command::Restart(pending),
            AnswerKind::Accepted,
            202,
        ),
        (
            ("DELETE", "/restart"),
            "",
            Command::CancelRestart,
            AnswerKind::Absent,
            404,
        ),
        (
            ("POST", "/reinitialize"),
            "",
            reinit(false, false),
            AnswerKind::Failed,
            503,
        ),
        (
            ("POST", "/reinitialize"),
            r#"{"force":true,"from-leader":true}"#,
            reinit(true, true),
            AnswerKind::Done,
            200,
        ),
        (
            ("POST", "/failover"),
            r#"{"candidate":"n2"}"#,
            failover,
            AnswerKind::Unusable,
            422,
        ),
        (
            ("DELETE", "/switchover"),
            "",
            Command::FlushSwitchover,
            AnswerKind::Done,
            200,
        ),
    ] {
        let (asked, answer) = exchange(&mut site, call, sent, (kind, "as the machine says")).await;
        assert_eq!(asked, command, "{call:?}");
        assert_eq!(code(&answer), status, "{call:?}");
        assert_eq!(body(&answer), "as the machine says", "{call:?}");
    }
}

#[tokio::test]
async fn a_changed_configuration_is_told_as_json_and_its_failures_as_pages() {
    let mut site = site().await;
    let change = serde_json::Map::from_iter([("ttl".to_owned(), serde_json::Value::from(20))]);
    let patch = Command::ChangeConfig(ConfigChange::Patch(change.clone()));
    let put = Command::ChangeConfig(ConfigChange::Replace(change));
    let sent = r#"{"ttl":20}"#;
    let done = (AnswerKind::Done, r#"{"loop_wait":10,"ttl":20}"#);
    for (method, command) in [("PATCH", &patch), ("PUT", &put)] {
        let (asked, answer) = exchange(&mut site, (method, "/config"), sent, done).await;
        assert_eq!(asked, *command);
        assert_eq!((code(&answer), body(&answer)), (200, done.1));
        let kind = header(&answer, "content-type");
        assert_eq!(kind, Some("application/json"));
    }
    for (method, kind, status) in [
        ("PATCH", AnswerKind::Failed, 503),
        ("PUT", AnswerKind::Failed, 502),
        ("PATCH", AnswerKind::Conflict, 409),
        ("PATCH", AnswerKind::Invalid, 400),
    ] {
        let call = (method, "/config");
        let (_, answer) = exchange(&mut site, call, sent, (kind, "ttl is odd")).await;
        assert_eq!(code(&answer), status, "{method}");
        assert!(body(&answer).contains("ttl is odd"), "{answer}");
    }
    for wrong in ["", "[]", "{}"] {
        let request = format!(
            "PATCH /config HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{wrong}",
            wrong.len()
        );
        assert_eq!(code(&talk(site.port, &request).await), 400, "{wrong}");
    }
    assert_eq!(code(&call(site.port, "PUT", "/config").await), 411);
}

#[tokio::test]
async fn a_reload_calls_whoever_reads_the_configuration() {
    let (called, mut calls) = tokio::sync::mpsc::unbounded_channel();
    let site = site_with(|options| {
        options.on_reload = Some(std::sync::Arc::new(move || called.send(()).unwrap()));
    })
    .await;
    let answer = post(site.port, "/reload", "", "").await;
    assert_eq!((code(&answer), body(&answer)), (202, "reload scheduled"));
    assert_eq!(calls.try_recv(), Ok(()));
}

#[tokio::test]
async fn a_malformed_switchover_never_reaches_the_agent() {
    let mut site = site().await;
    for body in ["", "{}", "[]", "leader=n1", r#"{"leader": 5}"#] {
        assert_eq!(
            code(&post(site.port, "/switchover", "", body).await),
            400,
            "{body}"
        );
    }
    assert_eq!(code(&call(site.port, "POST", "/switchover").await), 411);
    let chunked = "POST /switchover HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
                   e\r\n{\"leader\":\"a\"}\r\n0\r\n\r\n";
    assert_eq!(code(&talk(site.port, chunked).await), 411);
    drop(site.stop);
    site.serving.await.unwrap();
    assert!(site.receiver.next().await.is_none());
}

#[tokio::test]
async fn an_agent_that_ends_is_told_to_the_operator() {
    let mut site = site().await;
    let port = site.port;
    let asked =
        tokio::spawn(async move { post(port, "/switchover", "", r#"{"leader":"n1"}"#).await });
    drop(timeout(DEADLINE, site.receiver.next()).await.unwrap());
    let answer = asked.await.unwrap();
    assert_eq!(code(&answer), 503);
    assert!(
        body(&answer).contains("may still be in progress"),
        "{answer}"
    );
    drop(site.receiver);
    let answer = post(port, "/switchover", "", r#"{"leader":"n1"}"#).await;
    assert_eq!(
        (code(&answer), body(&answer)),
        (503, "the agent is stopping")
    );
}
