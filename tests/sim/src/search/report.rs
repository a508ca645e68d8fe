//! What a search came to, for people.

use std::fmt::Write as _;

use herdsman_ha_core::Code;

use super::Sums;

/// The reasons that no run has given.
#[must_use]
pub fn codes_without_runs(sums: &Sums) -> Vec<&'static str> {
    let all = Code::ALL.iter().map(|code| code.as_str());
    all.filter(|code| !sums.codes.contains_key(code)).collect()
}

/// A summary of several lines.
#[must_use]
pub fn render(sums: &Sums) -> String {
    let mut text = format!(
        "{} seeds, {} simulated hours, {} steps in {} s ({} s of processors)\n",
        sums.seeds,
        sums.simulated.as_secs() / 3600,
        sums.steps,
        sums.wall.as_secs(),
        sums.processor.as_secs(),
    );
    let rate = sums.hours_per_core_minute();
    let _ = writeln!(text, "{rate} simulated cluster-hours per core-minute");
    for (what, counts) in [("violation", &sums.violations), ("remark", &sums.remarks)] {
        for (name, count) in counts {
            let _ = writeln!(text, "{what} {name}: {count}");
        }
    }
    let absent = codes_without_runs(sums);
    let (all, seen) = (Code::ALL.len(), Code::ALL.len() - absent.len());
    let _ = writeln!(text, "reasons given: {seen} of {all}");
    if !absent.is_empty() {
        let _ = writeln!(text, "never given: {}", absent.join(" "));
    }
    text
}
