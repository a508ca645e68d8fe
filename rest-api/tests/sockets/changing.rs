//! What changes something: who may, what reaches the agent, and what is told back.

use herdsman_ha_core::{Answer, AnswerKind, Command, MemberName};
use herdsman_rest_api::Credentials;
use tokio::time::timeout;

use crate::site::{DEADLINE, body, call, code, header, post, site, site_with, talk};

#[tokio::test]
async fn what_is_not_served_says_so() {
    let site = site().await;
    for path in [
        "/restart",
        "/reload",
        "/reinitialize",
        "/failover",
        "/restart/x",
    ] {
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
    for (method, path) in [
        ("PATCH", "/config"),
        ("PUT", "/config"),
        ("DELETE", "/restart"),
        ("DELETE", "/switchover"),
    ] {
        let answer = call(site.port, method, path).await;
        assert_eq!(code(&answer), 501, "{method} {path}");
        assert!(body(&answer).contains("not served yet"), "{method} {path}");
    }
    let answer = post(site.port, "/failsafe", "", r#"{"name": "n2"}"#).await;
    assert_eq!(code(&answer), 502);
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
        for path in ["/switchover", "/restart", "/failsafe", "/sigterm"] {
            let answer = post(site.port, path, headers, r#"{"leader":"n1"}"#).await;
            assert_eq!((code(&answer), body(&answer)), (401, text), "{path}");
            assert_eq!(header(&answer, "content-type"), Some("text/html"));
            let challenge = header(&answer, "www-authenticate");
            assert_eq!(challenge, Some("Basic realm=\"Patroni\""));
        }
    }
    let right = "Authorization: Basic YWRtaW46c2VjcmV0\r\n";
    assert_eq!(code(&post(site.port, "/restart", right, "{}").await), 501);
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
