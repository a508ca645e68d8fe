//! What a measurement was made on.

use std::fs;
use std::process::Command;

use super::contender::{Contender, first_line};
use crate::cluster::postgres_folder;

/// The machine and the versions, a line each.
#[must_use]
pub fn facts(contenders: &[Contender]) -> Vec<String> {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let mut facts = vec![
        format!("{cores} cores, {}", processor()),
        format!("{} of memory", memory()),
        format!("Linux {}", kernel()),
    ];
    let postgres = Command::new(postgres_folder().join("postgres"))
        .arg("--version")
        .output();
    let postgres = postgres.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    facts.push(postgres.unwrap_or_default().trim().to_owned());
    facts.extend(first_line(Command::new("etcd").arg("--version")));
    facts.extend(contenders.iter().filter_map(Contender::version));
    facts
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == "model name").then(|| value.trim().to_owned())
    });
    model.unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

fn memory() -> String {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text.lines().find_map(|line| {
        let rest = line.strip_prefix("MemTotal:")?;
        rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    });
    total.map_or_else(
        || "an unknown amount".to_owned(),
        |kib| format!("{} GiB", kib / (1 << 20)),
    )
}

fn kernel() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    text.trim().to_owned()
}
