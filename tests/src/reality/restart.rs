//! Starting PostgreSQL without pgctl, to see what it does by itself.

use std::process::Command;
use std::time::Duration;

use super::{LONG, PgServer};

impl PgServer {
    /// Starts it by its own last command line: nothing of ours looks at its files before, and what
    /// an earlier attempt to stream has left there stays. Tells whether it came up.
    ///
    /// # Panics
    /// When it cannot be tried.
    pub async fn start_by_itself(&self) -> bool {
        let data_dir = self.instance().data_dir();
        let opts = std::fs::read_to_string(data_dir.join("postmaster.opts"));
        let command = opts.expect("it has run before");
        let command = command.trim();
        let log = self.log_path();
        let log = log.display();
        let line = format!("{command} >>'{log}' 2>&1 </dev/null & echo $!");
        let output = Command::new("sh").arg("-c").arg(line).output();
        let output = output.expect("a shell");
        let pid = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let status = format!("/proc/{pid}/stat");
        let deadline = tokio::time::Instant::now() + LONG;
        while tokio::time::Instant::now() < deadline {
            if self.instance().facts().await.server.is_some() {
                return true;
            }
            let is_gone =
                std::fs::read_to_string(&status).map_or(true, |stat| stat.contains(") Z "));
            if is_gone {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        false
    }
}
