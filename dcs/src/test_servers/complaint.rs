//! What a handle says of a server that it cannot read from.

use std::error::Error as _;
use std::time::{Duration, Instant};

use crate::{Dcs, Error, Prefix};

/// How long a server may fail for another reason, as while it starts.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Waits until a handle that cannot read names the server and says why, on one line as logs show it.
///
/// # Panics
/// When it reads, fails otherwise than for want of a server, or does not say so in time.
pub async fn assert_complains(dcs: &dyn Dcs, prefix: &Prefix, server: &str, why: &str) {
    let deadline = Instant::now() + LONGEST_WAIT;
    loop {
        let error = dcs
            .snapshot(prefix)
            .await
            .expect_err("nothing can be read from this server");
        assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
        let mut text = error.to_string();
        let mut next = error.source();
        while let Some(source) = next {
            text = format!("{text}: {source}");
            next = source.source();
        }
        if text.contains(server) && text.contains(why) {
            assert!(!text.contains('\n'), "{text}");
            return;
        }
        assert!(Instant::now() < deadline, "{text}");
    }
}
