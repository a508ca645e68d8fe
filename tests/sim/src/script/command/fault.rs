//! `crash a`, `cut a dcs for=30`, `operator b switchover to=c`: something happens now.
//!
//! Who asks a member for something is given a moment for the answer.

use std::time::Duration;

use crate::fault::text::read;
use crate::fault::{Deed, Fault};
use crate::ids::Node;
use crate::script::stage::Stage;

/// How long an operator waits before anything else happens.
const MOMENT: Duration = Duration::from_millis(100);

pub(super) fn perform(
    stage: &mut Stage,
    command: &str,
    lines: &mut Vec<String>,
) -> Result<(), String> {
    let nodes = stage.world()?.options.nodes;
    for fault in read(command)? {
        if let Some(stranger) = fault.nodes().into_iter().find(|node| node.0 >= nodes) {
            return Err(format!("{stranger} is no member of this cluster"));
        }
        stage.inflict(&fault)?;
        if let Some(node) = asked(&fault) {
            stage.pass(MOMENT, |_, _| false)?;
            lines.extend(stage.news());
            let start = format!(" {node} answer: ");
            if !lines.iter().any(|line| line.contains(&start)) {
                lines.push("no answer yet".to_owned());
            }
        }
    }
    lines.extend(stage.news());
    Ok(())
}

/// Who owes an answer.
fn asked(fault: &Fault) -> Option<Node> {
    if let Fault::Deed(
        Deed::Switchover { at, .. } | Deed::RestartServer { at } | Deed::Reinit { at },
    ) = fault
    {
        Some(*at)
    } else {
        None
    }
}
