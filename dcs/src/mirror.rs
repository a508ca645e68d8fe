//! The keys below a prefix, kept up to date: what most readers of a watch want.
//!
//! Invariant: after an answer the snapshot is whole; after an error it may be old until the next
//! answer.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::{Dcs, Error, Prefix, Snapshot, Watch, WatchEvent};

/// How long to wait before a watch that could not begin is begun again.
const PAUSE: Duration = Duration::from_millis(500);

/// Follows the keys below a prefix for as long as it lives, whatever becomes of the store.
///
/// ```
/// use std::sync::Arc;
/// use herdsman_dcs::memory::MemoryStore;
/// use herdsman_dcs::{Dcs, Lifetime, Mirror, Prefix};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = Arc::new(MemoryStore::new().handle("reader"));
/// let folder = Prefix::new("/service/demo")?;
/// let leader = folder.key("leader")?;
///
/// let mut mirror = Mirror::new(store.clone(), folder);
/// assert!(mirror.next().await?.get(&leader).is_none());
///
/// let _ = store.put(None, leader.clone(), b"n1".to_vec(), Lifetime::Permanent).await?;
/// assert_eq!(mirror.next().await?.entries[&leader].value, b"n1");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Mirror {
    store: Arc<dyn Dcs>,
    prefix: Prefix,
    watch: Option<Watch>,
    /// When a watch that could not begin may be begun again.
    not_before: Option<Instant>,
    snapshot: Snapshot,
}

impl Mirror {
    /// A mirror that has seen nothing yet. Asks the store for nothing before the first
    /// [`next`](Self::next).
    #[must_use]
    pub fn new(store: Arc<dyn Dcs>, prefix: Prefix) -> Self {
        Self {
            store,
            prefix,
            watch: None,
            not_before: None,
            snapshot: Snapshot::default(),
        }
    }

    /// Waits until the keys are known, and then for each change of them.
    ///
    /// Cancel safe: it may be one branch of a `select!`.
    ///
    /// # Errors
    /// When what was told before may be old. The mirror tries again by itself: just call again.
    pub async fn next(&mut self) -> Result<&Snapshot, Error> {
        if let Some(instant) = self.not_before {
            sleep_until(instant).await;
            self.not_before = None;
        }
        let watch = match &mut self.watch {
            Some(watch) => watch,
            None => match self.store.watch(&self.prefix).await {
                Ok(watch) => self.watch.insert(watch),
                Err(error) => {
                    self.not_before = Some(Instant::now() + PAUSE);
                    return Err(error);
                }
            },
        };
        match watch.next().await {
            WatchEvent::Listed(snapshot) => self.snapshot = snapshot,
            WatchEvent::Changed { revision, changes } => self.snapshot.apply(revision, changes),
            WatchEvent::Interrupted(error) => return Err(error),
        }
        Ok(&self.snapshot)
    }

    /// What the last [`next`](Self::next) left: the newest that is known.
    #[must_use]
    pub const fn latest(&self) -> &Snapshot {
        &self.snapshot
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lifetime;
    use crate::memory::MemoryStore;

    #[tokio::test]
    async fn mirror_goes_on_after_an_outage() {
        let store = MemoryStore::new();
        let (reader, writer) = (Arc::new(store.handle("reader")), store.handle("writer"));
        let folder = Prefix::new("/demo").unwrap();
        let key = folder.key("x").unwrap();
        let mut mirror = Mirror::new(reader, folder);
        assert!(mirror.next().await.unwrap().entries.is_empty());

        store.cut("reader");
        assert!(matches!(mirror.next().await, Err(Error::Unavailable(_))));
        let put = writer.put(None, key.clone(), b"1".to_vec(), Lifetime::Permanent);
        assert!(put.await.unwrap().is_applied());
        assert!(mirror.latest().entries.is_empty());

        store.heal("reader");
        assert_eq!(mirror.next().await.unwrap().entries[&key].value, b"1");
    }
}
