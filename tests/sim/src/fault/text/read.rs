//! Reads a line of a script as the faults that it stands for.

use std::str::FromStr;
use std::time::Duration;

use crate::fault::{Deed, End, Fault, Lasting};
use crate::ids::Node;
use crate::units;
use crate::words::Words;

impl FromStr for Fault {
    type Err = String;

    /// Reads a line that is exactly one fault.
    fn from_str(line: &str) -> Result<Self, String> {
        let mut faults = read(line)?;
        match (faults.pop(), faults.is_empty()) {
            (Some(fault), true) => Ok(fault),
            _ => Err(format!("{line} is several faults")),
        }
    }
}

/// Reads a line: a cut of both directions or from several is several faults.
///
/// # Errors
///
/// What is wrong with the line, in words.
pub fn read(line: &str) -> Result<Vec<Fault>, String> {
    let mut words = Words::of(line);
    let verb = words.expect("a fault")?;
    let faults = match verb.as_str() {
        "cut" => cut(&mut words)?,
        "slow" => slow(&mut words)?,
        verb => vec![single(verb, &mut words)?],
    };
    words.end()?;
    Ok(faults)
}

fn single(verb: &str, words: &mut Words) -> Result<Fault, String> {
    match verb {
        // Example: crash a agent for=40
        "crash" => crash(words),
        // Example: start a
        "start" => Ok(Fault::Start(node(words)?)),
        // Example: pause a host for=40
        "pause" => pause(words),
        // Example: quirk b refuses-to-start for=20
        "quirk" => {
            let node = node(words)?;
            let quirk = words.expect("a quirk")?.parse()?;
            Ok(Fault::Quirk(node, quirk, lasting(words)?))
        }
        "heal" => Ok(Fault::Heal),
        // Example: dcs lose-reply next=renew
        "dcs" => store(words),
        // Example: watch b broken for=10
        "watch" => watch(words),
        // Example: stale b for=5
        "stale" => stale(words),
        // Example: upon promote freeze-agent after=0 for=40
        "upon" => Ok(Fault::Upon {
            work: words.expect("what is begun")?.parse()?,
            mishap: words.expect("what happens then")?.parse()?,
            after: duration(words, "after")?,
            lasting: duration(words, "for")?,
        }),
        // Example: recycle a
        "recycle" => Ok(Fault::RecycleWal(node(words)?)),
        // Example: lose-disk c
        "lose-disk" => Ok(Fault::LoseDisk(node(words)?)),
        // Example: operator b switchover to=c
        "operator" => Ok(Fault::Deed(deed(words)?)),
        other => Err(format!("{other} is no fault")),
    }
}

fn crash(words: &mut Words) -> Result<Fault, String> {
    let node = node(words)?;
    let has_orphans = words.flag("orphans");
    match (words.plain().as_deref(), has_orphans) {
        (None, false) => Ok(Fault::CrashHost(node, lasting(words)?)),
        (Some("agent"), false) => Ok(Fault::CrashAgent(node, lasting(words)?)),
        (Some("backend"), false) => Ok(Fault::CrashBackend(node)),
        (Some("server"), orphans) => Ok(Fault::CrashServer { node, orphans }),
        (None | Some("agent" | "backend"), true) => Err("only a server leaves orphans".to_owned()),
        (Some(other), _) => Err(format!("{other} cannot crash")),
    }
}

fn pause(words: &mut Words) -> Result<Fault, String> {
    let node = node(words)?;
    let freeze = match words.plain().as_deref() {
        None => Fault::FreezeAgent,
        Some("server") => Fault::FreezeServer,
        Some("host") => Fault::FreezeHost,
        Some(other) => return Err(format!("{other} cannot be paused")),
    };
    Ok(freeze(node, lasting(words)?))
}

fn watch(words: &mut Words) -> Result<Fault, String> {
    let node = node(words)?;
    match words.expect("broken")?.as_str() {
        "broken" => Ok(Fault::BreakWatch(node, duration(words, "for")?)),
        other => Err(format!("a watch cannot be {other}")),
    }
}

/// Example: `stale b for=5`, `stale b once back=5`
fn stale(words: &mut Words) -> Result<Fault, String> {
    let node = node(words)?;
    let reconnects = match words.plain().as_deref() {
        None => return Ok(Fault::StaleReads(node, lasting(words)?)),
        Some("once") => false,
        Some("reconnect") => true,
        Some(other) => return Err(format!("{other} is no way to see an old state")),
    };
    Ok(Fault::OldView {
        node,
        back: duration(words, "back")?,
        reconnects,
    })
}

fn store(words: &mut Words) -> Result<Fault, String> {
    match words.expect("what happens to the store")?.as_str() {
        "down" => Ok(Fault::StoreDown(lasting(words)?)),
        "up" => Ok(Fault::StoreUp),
        "election" => Ok(Fault::StoreElection(duration(words, "for")?)),
        "lose-reply" => Ok(Fault::LoseReply(value(words, "next")?.parse()?)),
        "delay" => {
            let call = value(words, "next")?.parse()?;
            Ok(Fault::Delay(call, duration(words, "by")?))
        }
        other => Err(format!("{other} does not happen to a store")),
    }
}

/// Example: `cut a b,c for=30`, `cut b a oneway`
fn cut(words: &mut Words) -> Result<Vec<Fault>, String> {
    let is_one_way = words.flag("oneway");
    let from = end(&words.expect("an end")?)?;
    let others = words.expect("the other end")?;
    let lasting = lasting(words)?;
    let mut faults = Vec::new();
    for other in others.split(',') {
        let to = end(other)?;
        let cut = |from, to| Fault::Cut { from, to, lasting };
        faults.push(cut(from, to));
        faults.extend((!is_one_way).then(|| cut(to, from)));
    }
    Ok(faults)
}

/// Example: `slow a dcs by=2 for=30`
fn slow(words: &mut Words) -> Result<Vec<Fault>, String> {
    let is_one_way = words.flag("oneway");
    let from = end(&words.expect("an end")?)?;
    let to = end(&words.expect("the other end")?)?;
    let (by, lasting) = (duration(words, "by")?, lasting(words)?);
    let slow = |from, to| Fault::Slow {
        from,
        to,
        by,
        lasting,
    };
    let back = (!is_one_way).then(|| slow(to, from));
    Ok([slow(from, to)].into_iter().chain(back).collect())
}

fn deed(words: &mut Words) -> Result<Deed, String> {
    if let Some(ttl) = words.value("ttl") {
        return Ok(Deed::SetTtl(units::seconds(&ttl)?));
    }
    let first = words.expect("a deed")?;
    match first.as_str() {
        "failover" => Ok(Deed::Failover {
            to: units::node(&value(words, "to")?)?,
        }),
        "pause" => Ok(Deed::Pause(true)),
        "resume" => Ok(Deed::Pause(false)),
        "delete-leader-key" => Ok(Deed::DeleteLeaderKey),
        "overwrite-leader-key" => Ok(Deed::OverwriteLeaderKey(node(words)?)),
        "wipe-store" => Ok(Deed::WipeStore),
        "restore-store" => Ok(Deed::RestoreStore(duration(words, "back")?)),
        asked => asked_of(units::node(asked)?, words),
    }
}

/// What one member is asked for.
fn asked_of(at: Node, words: &mut Words) -> Result<Deed, String> {
    match words.expect("what is asked for")?.as_str() {
        "switchover" => {
            let to = words.value("to");
            let to = to.map(|to| units::node(&to)).transpose()?;
            Ok(Deed::Switchover { at, to })
        }
        "restart" => Ok(Deed::Restart {
            at,
            away: duration(words, "away")?,
        }),
        "restart-server" => Ok(Deed::RestartServer { at }),
        "reinit" => Ok(Deed::Reinit { at }),
        other => Err(format!("{other} cannot be asked for")),
    }
}

fn node(words: &mut Words) -> Result<Node, String> {
    units::node(&words.expect("a member")?)
}

fn end(text: &str) -> Result<End, String> {
    match text {
        "dcs" => Ok(End::Store),
        "clients" => Ok(End::Clients),
        member => Ok(End::Node(units::node(member)?)),
    }
}

fn value(words: &mut Words, key: &str) -> Result<String, String> {
    let value = words.value(key);
    value.ok_or_else(|| format!("{key}= was expected"))
}

fn duration(words: &mut Words, key: &str) -> Result<Duration, String> {
    units::seconds(&value(words, key)?)
}

fn lasting(words: &mut Words) -> Result<Lasting, String> {
    let text = words.value("for");
    text.map(|text| units::seconds(&text)).transpose()
}
