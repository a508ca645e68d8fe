//! The store of this example passes what etcd passes, also between processes that share a file.

use std::sync::Arc;
use std::time::Duration;

use herdsman_custom_dcs::file_dcs;
use herdsman_dcs::contract::Backend;
use herdsman_dcs::{Dcs, Error, Lifetime, Prefix, async_trait};
use tempfile::TempDir;

struct Files(TempDir);

#[async_trait]
impl Backend for Files {
    async fn handle(&self, _: &str) -> Arc<dyn Dcs> {
        Arc::new(file_dcs(self.0.path().join("store.json")))
    }
}

async fn files() -> Files {
    Files(TempDir::new().expect("a folder can be made"))
}

mod contract {
    herdsman_dcs::contract_tests!(super::files);
}

#[tokio::test]
async fn reboot_ends_all_sessions_and_keeps_what_is_permanent() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("store.json");
    let store = file_dcs(&path);
    let prefix = Prefix::new("/demo").unwrap();
    let (bound, kept) = (prefix.key("bound").unwrap(), prefix.key("kept").unwrap());
    let session = store.open(Duration::from_secs(300)).await.unwrap();
    for (key, lifetime) in [(&bound, Lifetime::Session), (&kept, Lifetime::Permanent)] {
        let put = store.put(Some(&session), key.clone(), b"x".to_vec(), lifetime);
        assert!(put.await.unwrap().is_applied());
    }

    let text = std::fs::read_to_string(&path).unwrap();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    assert!(
        text.contains(boot.trim()) && text.contains("\"/demo/kept\""),
        "{text}"
    );
    std::fs::write(&path, text.replace(boot.trim(), "another")).unwrap();

    let snapshot = store.snapshot(&prefix).await.unwrap();
    assert_eq!(snapshot.entries.keys().collect::<Vec<_>>(), [&kept]);
    let lost = Error::SessionLost {
        id: session.id.clone(),
    };
    assert_eq!(store.renew(&session, &[]).await, Err(lost));
}

#[tokio::test]
async fn broken_file_is_an_error_that_assumes_nothing() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("store.json");
    std::fs::write(&path, "{").unwrap();
    let store = file_dcs(&path);
    let prefix = Prefix::new("/demo").unwrap();
    assert!(matches!(
        store.snapshot(&prefix).await,
        Err(Error::Unavailable(_))
    ));
    let opened = store.open(Duration::from_secs(1)).await;
    assert!(matches!(opened, Err(Error::Unavailable(_))), "{opened:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "{");
}
