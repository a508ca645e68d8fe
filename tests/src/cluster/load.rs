//! Clients that keep a server busy: `pgbench`, for tests whose own clients are too few for that.
//!
//! Invariant: what it writes is nobody's evidence. Rows that are counted are those of a
//! [`Writer`](super::Writer) beside it.

use std::process::{Child, Command, Stdio};

use super::{Member, postgres_folder, wait_for};

/// The number of its accounts, in hundreds of thousands.
const SCALE: &str = "2";
/// Transactions until it counts as busy.
const BUSY: u64 = 500;

/// A running `pgbench`, which ends with this.
#[derive(Debug)]
pub struct Load {
    pgbench: Child,
}

impl Load {
    /// Makes the tables, once for a cluster.
    ///
    /// # Panics
    /// When that fails.
    pub fn prepare(primary: &Member) {
        let mut pgbench = command(primary);
        pgbench.args(["--initialize", "--quiet", "--scale", SCALE]);
        let made = pgbench.output().expect("pgbench can be run");
        let words = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "the tables cannot be made: {words}");
    }

    /// Lets so many clients change rows as fast as they can, and returns when they do. They do not
    /// connect again: what ends their server ends them.
    ///
    /// # Panics
    /// When they do not come to work.
    #[must_use]
    pub fn start(primary: &Member, clients: u32) -> Self {
        let clients = clients.to_string();
        let mut pgbench = command(primary);
        pgbench
            .args(["--no-vacuum", "--protocol=prepared", "--time=3600"])
            .args(["--client", &clients])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let before = transactions(primary).expect("the tables are made");
        let load = Self {
            pgbench: pgbench.spawn().expect("pgbench can be run"),
        };
        wait_for("transactions of pgbench", || {
            (transactions(primary)? > before + BUSY).then_some(())
        });
        load
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.pgbench.kill();
        let _ = self.pgbench.wait();
    }
}

fn command(primary: &Member) -> Command {
    let to = primary.endpoint();
    let mut command = Command::new(postgres_folder().join("pgbench"));
    command
        .args(["--host=127.0.0.1", "--port", &to.port.to_string()])
        .args(["--username", &to.user])
        .env("PGPASSWORD", &to.password)
        .env("PGDATABASE", "postgres")
        .stdin(Stdio::null());
    command
}

fn transactions(primary: &Member) -> Option<u64> {
    let count = primary.ask("SELECT count(*) FROM pgbench_history")?;
    count.parse().ok()
}
