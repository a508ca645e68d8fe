//! Which server is chosen, kept and given up.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use super::*;

fn pool(count: usize) -> EndpointPool {
    let endpoints = (1..=count).map(|n| format!("10.0.0.{n}:2379"));
    EndpointPool::new(EtcdOptions::new(endpoints).unwrap())
}

fn fail(pool: &EndpointPool, out_for: Duration) -> String {
    let chosen = pool.choose();
    pool.put_out(&chosen, out_for, &Cause::new("test"));
    chosen.url
}

#[tokio::test(start_paused = true)]
async fn choice_sticks_until_the_server_fails() {
    let pool = pool(3);
    assert_eq!(pool.choose().url, "http://10.0.0.1:2379");
    assert_eq!(fail(&pool, OUT_AFTER_HANG), "http://10.0.0.1:2379");
    tokio::time::advance(OUT_AFTER_HANG * 2).await;
    assert_eq!(pool.choose().url, "http://10.0.0.2:2379");
}

#[tokio::test(start_paused = true)]
async fn server_stays_out_while_another_is_in() {
    let pool = pool(2);
    fail(&pool, OUT_AFTER_HANG);
    tokio::time::advance(Duration::from_millis(1)).await;
    fail(&pool, OUT_AFTER_FAILURE);
    // Both are out: the second one comes back first.
    tokio::time::advance(OUT_AFTER_FAILURE).await;
    assert_eq!(pool.choose().url, "http://10.0.0.2:2379");
    tokio::time::advance(OUT_AFTER_HANG).await;
    assert_eq!(fail(&pool, OUT_AFTER_HANG), "http://10.0.0.2:2379");
    assert_eq!(pool.choose().url, "http://10.0.0.1:2379");
}

/// During an election in etcd the healthy servers time out, and a dead one fails at once: the
/// dead one must not be the only one that is tried.
#[tokio::test(start_paused = true)]
async fn servers_that_are_all_out_take_turns() {
    let pool = pool(3);
    let mut tried = Vec::new();
    for out_for in [OUT_AFTER_HANG, OUT_AFTER_FAILURE, OUT_AFTER_HANG].repeat(2) {
        tried.push(fail(&pool, out_for));
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    assert_eq!(tried[..3], tried[3..]);
}

#[tokio::test(start_paused = true)]
async fn second_failure_of_one_connection_puts_nobody_out() {
    let pool = pool(2);
    let chosen = pool.choose();
    pool.put_out(&chosen, OUT_AFTER_HANG, &Cause::new("first"));
    tokio::time::advance(OUT_AFTER_HANG * 2).await;
    pool.put_out(&chosen, OUT_AFTER_HANG, &Cause::new("late"));
    fail(&pool, OUT_AFTER_HANG);
    assert_eq!(pool.choose().url, "http://10.0.0.1:2379");
}

#[tokio::test(start_paused = true)]
async fn learned_servers_are_the_last_resort() {
    let pool = pool(2);
    let learned = [
        "http://10.0.0.9:2379",
        "http://10.0.0.1:2379",
        "http://127.0.0.1:2379",
    ];
    pool.learn(learned.map(str::to_owned));
    assert_eq!(fail(&pool, OUT_AFTER_HANG), "http://10.0.0.1:2379");
    assert_eq!(fail(&pool, OUT_AFTER_HANG), "http://10.0.0.2:2379");
    assert_eq!(pool.choose().url, "http://10.0.0.9:2379");
    pool.learn([]);
    assert_eq!(pool.lock().servers.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn call_ends_within_its_limit_and_tells_what_may_be() {
    let pool = pool(3);
    let start = Instant::now();
    let called = pool.call(|_| std::future::pending::<Result<(), _>>()).await;
    assert!(start.elapsed() <= Limits::default().call);
    assert!(matches!(called.of_write(None), Err(Error::Unknown(_))));
    let called = pool.call(|_| std::future::pending::<Result<(), _>>()).await;
    assert!(matches!(called.of_read(), Err(Error::Unavailable(_))));
}

/// A server that hangs up on whoever asks, and how many it has hung up on.
async fn curt_server() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            // What is not read would make a reset of the end.
            let _ = stream.read(&mut [0; 1024]).await;
        }
    });
    (url, asked)
}

/// Makes a call whose connection ends without a word, and gives how it was explained.
async fn unexplained(pool: &EndpointPool) -> String {
    let called = pool.call(|_| async {
        let cause = Cause::new("the stream has ended");
        Err::<(), _>(Failure::Retry {
            may_be_applied: false,
            is_unexplained: true,
            cause,
        })
    });
    let error = called.await.of_read().unwrap_err();
    let mut text = error.to_string();
    let mut next = std::error::Error::source(&error);
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}

#[tokio::test]
async fn server_that_answered_is_not_asked_who_it_is_when_it_fails_again_and_again() {
    let (url, asked) = curt_server().await;
    let limits = Limits {
        call: Duration::from_millis(300),
        attempt: Duration::from_millis(200),
    };
    let options = || EtcdOptions::new([&url]).unwrap().limits(limits);
    let pool = EndpointPool::new(options());
    assert!(pool.call(|_| async { Ok(()) }).await.answer.is_ok());
    for _ in 0..2 {
        assert!(unexplained(&pool).await.contains("the stream has ended"));
    }
    assert_eq!(asked.load(Ordering::Relaxed), 0);

    let told = unexplained(&EndpointPool::new(options())).await;
    assert!(told.contains("the server hangs up"), "{told}");
    assert!(asked.load(Ordering::Relaxed) > 0);
}

#[tokio::test(start_paused = true)]
async fn server_that_has_not_answered_for_long_may_be_another_one() {
    let pool = pool(1);
    assert!(!pool.is_known(&pool.choose()));
    assert!(pool.call(|_| async { Ok(()) }).await.answer.is_ok());
    fail(&pool, OUT_AFTER_FAILURE);
    let chosen = pool.choose();
    assert!(pool.is_known(&chosen) && pool.heard_at(&chosen).is_none());
    tokio::time::advance(KNOWN_FOR).await;
    assert!(!pool.is_known(&chosen));
}
