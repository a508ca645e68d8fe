//! A store that wants a name and a password: who gets in, and how long.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use etcd_client::{Client, ConnectOptions};
use herdsman_dcs::etcd::{EtcdDcs, EtcdOptions};
use herdsman_dcs::test_servers::EtcdServers;
use herdsman_dcs::{Commit, Condition, Dcs, Error, Guard, Lifetime, Prefix, Renewal, WatchEvent};

fn access(servers: &EtcdServers) -> EtcdDcs {
    EtcdDcs::new(EtcdOptions::new(servers.endpoints()).unwrap())
}

fn as_root(servers: &EtcdServers) -> EtcdDcs {
    let options = EtcdOptions::new(servers.endpoints()).unwrap();
    EtcdDcs::new(options.user("root", "secret"))
}

fn prefix() -> Prefix {
    Prefix::new("/service/demo").unwrap()
}

/// Keys to sign tokens with, in this folder: the private and the public one.
fn signing_keys(folder: &Path) -> (PathBuf, PathBuf) {
    let (private, public) = (folder.join("private.pem"), folder.join("public.pem"));
    let openssl = |arguments: &[&str], input: &[&Path], output: &Path| {
        let mut command = Command::new("openssl");
        command.args(arguments).args(input).arg("-out").arg(output);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    openssl(&["genpkey", "-algorithm", "RSA"], &[], &private);
    openssl(&["pkey", "-pubout", "-in"], &[&private], &public);
    (private, public)
}

/// A token of this kind ends after a second, whether it is used or not, and the next one is got by
/// the password.
#[tokio::test]
async fn tokens_that_run_out_again_and_again_are_renewed_without_notice() {
    let folder = tempfile::tempdir().unwrap();
    let (private, public) = signing_keys(folder.path());
    let (private, public) = (private.display(), public.display());
    let token = format!("jwt,pub-key={public},priv-key={private},sign-method=RS256,ttl=1s");
    let servers = EtcdServers::single_with(&["--auth-token", &token]);
    servers.demand_password(None, "herd", "secret");
    let options = EtcdOptions::new(servers.endpoints()).unwrap();
    let dcs = EtcdDcs::new(options.user("herd", "secret"));
    let session = dcs.open(Duration::from_secs(5)).await.unwrap();
    let key = prefix().key("leader").unwrap();
    let free = Guard::new(key.clone(), Condition::Absent);
    let put = dcs.put_if(Some(&session), free, b"n1".to_vec(), Lifetime::Session);
    assert!(put.await.unwrap().is_applied());
    let mut watch = dcs.watch(&prefix()).await.unwrap();
    let listed = watch.next().await;
    assert!(matches!(listed, WatchEvent::Listed(_)), "{listed:?}");

    let (start, mut calls) = (Instant::now(), 0_u32);
    // Longer than two tokens last, and than the session would without being renewed.
    while start.elapsed() < Duration::from_millis(5500) {
        let held = Guard::new(key.clone(), Condition::HeldBySession);
        let renewed = dcs.renew(&session, std::slice::from_ref(&held)).await;
        assert_eq!(renewed, Ok(Renewal::Held));
        let commit = Commit::new().guard(key.clone(), Condition::HeldBySession);
        let commit = commit.put(key.clone(), calls.to_string(), Lifetime::Session);
        let commit = dcs.commit(Some(&session), commit).await;
        assert!(commit.unwrap().is_applied());
        let changed = watch.next().await;
        assert!(matches!(changed, WatchEvent::Changed { .. }), "{changed:?}");
        calls += 1;
        // Sometimes a token has run out before it is used, as in a quiet cluster.
        if calls % 10 == 0 {
            tokio::time::sleep(Duration::from_millis(1100)).await;
        }
    }
    eprintln!("{calls} renewals, commits and changes while tokens ran out");
    let mut late = dcs.watch(&prefix()).await.unwrap();
    let listed = late.next().await;
    assert!(matches!(listed, WatchEvent::Listed(_)), "{listed:?}");
}

/// A change of users makes every token out of date.
#[tokio::test]
async fn change_of_users_costs_no_call() {
    let servers = EtcdServers::single();
    enable_authentication(&servers).await;
    let dcs = as_root(&servers);
    let session = dcs.open(Duration::from_secs(60)).await.unwrap();
    let key = prefix().key("x").unwrap();
    let mut admin = admin(&servers, ConnectOptions::new().with_user("root", "secret")).await;
    for name in ["one", "two"] {
        admin.user_add(name, "secret", None).await.unwrap();
        assert!(dcs.renew(&session, &[]).await.is_ok());
        let put = dcs.put(Some(&session), key.clone(), vec![], Lifetime::Session);
        assert!(put.await.unwrap().is_applied());
        assert!(dcs.snapshot(&prefix()).await.is_ok());
        // The next change may not find this client with a token of before.
        admin = self::admin(&servers, ConnectOptions::new().with_user("root", "secret")).await;
    }
}

#[tokio::test]
async fn keys_that_a_user_may_not_touch_are_denied() {
    let servers = EtcdServers::single();
    servers.demand_password(None, "herd", "secret");
    let options = EtcdOptions::new(servers.endpoints()).unwrap();
    let dcs = EtcdDcs::new(options.user("herd", "secret"));
    assert!(dcs.snapshot(&prefix()).await.is_ok());
    let denied = dcs.snapshot(&Prefix::new("/other").unwrap()).await;
    assert!(matches!(denied, Err(Error::Denied(_))), "{denied:?}");
}

#[tokio::test]
async fn wrong_password_is_denied_and_the_right_one_works() {
    let servers = EtcdServers::single();
    enable_authentication(&servers).await;
    let as_user = |password: &str| {
        let options = EtcdOptions::new(servers.endpoints()).unwrap();
        EtcdDcs::new(options.user("root", password))
    };
    let right = as_user("secret");
    let session = right.open(Duration::from_secs(60)).await.unwrap();
    assert!(right.renew(&session, &[]).await.is_ok());
    assert!(right.snapshot(&prefix()).await.is_ok());
    let mut watch = right.watch(&prefix()).await.unwrap();
    let listed = watch.next().await;
    assert!(matches!(listed, WatchEvent::Listed(_)), "{listed:?}");

    for denied in [as_user("guess-7"), access(&servers)] {
        let error = denied.snapshot(&prefix()).await.unwrap_err();
        assert!(matches!(error, Error::Denied(_)), "{error:?}");
        assert!(!format!("{error:?}").contains("guess-7"), "{error:?}");
    }
}

#[tokio::test]
async fn token_of_a_restarted_server_is_renewed_without_notice() {
    let mut servers = EtcdServers::single();
    enable_authentication(&servers).await;
    let dcs = as_root(&servers);
    assert!(dcs.snapshot(&prefix()).await.is_ok());
    servers.restart(0);
    servers.wait_until_all_answer();
    let key = prefix().key("x").unwrap();
    let put = dcs.put(None, key, vec![], Lifetime::Permanent).await;
    assert!(put.unwrap().is_applied());
}

async fn enable_authentication(servers: &EtcdServers) {
    let mut admin = admin(servers, ConnectOptions::new()).await;
    admin.user_add("root", "secret", None).await.unwrap();
    admin.user_grant_role("root", "root").await.unwrap();
    admin.auth_enable().await.unwrap();
}

async fn admin(servers: &EtcdServers, options: ConnectOptions) -> Client {
    let connected = Client::connect(servers.endpoints(), Some(options)).await;
    connected.unwrap()
}
