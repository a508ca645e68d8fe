//! Options as a line of a script, `cluster nodes=a,b,c ttl=20`, and back without loss.
//!
//! What is as in most clusters is left out, so the line shows what is special.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::Options;
use crate::ids::Node;
use crate::units::{self, Seconds};
use crate::words::{Words, list};

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let usual = Self::default();
        let members: Vec<String> = (0..self.nodes).map(|n| Node(n).to_string()).collect();
        write!(f, "cluster nodes={}", members.join(","))?;
        let times = [
            ("ttl", self.ttl, usual.ttl),
            ("loop", self.loop_wait, usual.loop_wait),
            (
                "start-timeout",
                self.primary_start_timeout,
                usual.primary_start_timeout,
            ),
            ("write-every", self.write_every, usual.write_every),
            ("expiry-tick", self.expiry_tick, usual.expiry_tick),
            ("safety", self.safety, usual.safety),
        ];
        for (key, time, usual) in times {
            if time != usual {
                write!(f, " {key}={}", Seconds(time))?;
            }
        }
        if let Some(ttl) = self.max_ttl {
            write!(f, " max-ttl={}", Seconds(ttl))?;
        }
        if self.lag_limit != usual.lag_limit {
            write!(f, " lag-limit={}", units::bytes(self.lag_limit))?;
        }
        if self.sync_nodes != usual.sync_nodes {
            write!(f, " sync-nodes={}", self.sync_nodes)?;
        }
        let words = [
            ("flavour", self.flavour.name(), usual.flavour.name()),
            ("sync", synchrony(self), synchrony(&usual)),
            (
                "failsafe",
                switch(self.is_failsafe),
                switch(usual.is_failsafe),
            ),
            ("rewind", switch(self.rewinds), switch(usual.rewinds)),
            (
                "guardian",
                switch(self.has_guardian),
                switch(usual.has_guardian),
            ),
            (
                "check-timeline",
                switch(self.checks_timeline),
                switch(usual.checks_timeline),
            ),
            (
                "pre-promote",
                switch(self.has_pre_promote),
                switch(usual.has_pre_promote),
            ),
            (
                "logical-slot",
                switch(self.has_logical_slot),
                switch(usual.has_logical_slot),
            ),
            ("latency", self.latency.name(), usual.latency.name()),
            ("begins", beginning(self.begins_empty), "whole"),
            ("mutant", self.mutant.unwrap_or_default(), ""),
            (
                "driver-mutant",
                self.driver_mutant.map_or("", |mutant| mutant.name()),
                "",
            ),
        ];
        for (key, word, usual) in words {
            if word != usual {
                write!(f, " {key}={word}")?;
            }
        }
        self.write_lists(f)
    }
}

impl Options {
    fn write_lists(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let drifts = (0..).zip(&self.drift_ppm).filter(|(_, ppm)| **ppm != 0);
        let drifts: Vec<String> = drifts
            .map(|(index, ppm)| format!("{}:{ppm:+}", Node(index)))
            .collect();
        if !drifts.is_empty() {
            write!(f, " drift={}", drifts.join(","))?;
        }
        let others = self.nofailover.iter();
        let others: Vec<String> = others.map(|n| Node(*n).to_string()).collect();
        if !others.is_empty() {
            write!(f, " nofailover={}", others.join(","))?;
        }
        let pairs = self.replicatefrom.iter();
        let pairs: Vec<String> = pairs
            .map(|(taker, source)| format!("{}:{}", Node(*taker), Node(*source)))
            .collect();
        if !pairs.is_empty() {
            write!(f, " replicatefrom={}", pairs.join(","))?;
        }
        Ok(())
    }

    /// Takes the options out of the words behind `cluster`; what is left is another's.
    ///
    /// # Errors
    ///
    /// What is wrong with a word.
    pub fn take(words: &mut Words) -> Result<Self, String> {
        let mut options = Self::default();
        if let Some(text) = words.value("nodes") {
            options.nodes = count(&text)?;
        }
        options.take_times(words)?;
        if let Some(text) = words.value("lag-limit") {
            options.lag_limit = units::parsed_bytes(&text)?;
        }
        if let Some(text) = words.value("flavour") {
            options.flavour = text.parse()?;
        }
        if let Some(text) = words.value("latency") {
            options.latency = text.parse()?;
        }
        if let Some(text) = words.value("sync") {
            (options.is_synchronous, options.is_strict) = match text.as_str() {
                "strict" => (true, true),
                text => (switched(text)?, false),
            };
        }
        if let Some(text) = words.value("failsafe") {
            options.is_failsafe = switched(&text)?;
        }
        if let Some(text) = words.value("sync-nodes") {
            let wrong = |_| format!("sync-nodes={text} is no number");
            options.sync_nodes = text.parse().map_err(wrong)?;
        }
        if let Some(text) = words.value("rewind") {
            options.rewinds = switched(&text)?;
        }
        if let Some(text) = words.value("guardian") {
            options.has_guardian = switched(&text)?;
        }
        if let Some(text) = words.value("check-timeline") {
            options.checks_timeline = switched(&text)?;
        }
        if let Some(text) = words.value("pre-promote") {
            options.has_pre_promote = switched(&text)?;
        }
        if let Some(text) = words.value("logical-slot") {
            options.has_logical_slot = switched(&text)?;
        }
        if let Some(text) = words.value("begins") {
            options.begins_empty = match text.as_str() {
                "empty" => true,
                "whole" => false,
                other => return Err(format!("a cluster does not begin {other}")),
            };
        }
        if let Some(text) = words.value("mutant") {
            options.mutant = Some(mutant_named(&text)?);
        }
        if let Some(text) = words.value("driver-mutant") {
            options.driver_mutant = Some(text.parse()?);
        }
        options.take_lists(words)?;
        Ok(options)
    }

    fn take_times(&mut self, words: &mut Words) -> Result<(), String> {
        let times: [(&str, &mut Duration); 6] = [
            ("ttl", &mut self.ttl),
            ("loop", &mut self.loop_wait),
            ("start-timeout", &mut self.primary_start_timeout),
            ("write-every", &mut self.write_every),
            ("expiry-tick", &mut self.expiry_tick),
            ("safety", &mut self.safety),
        ];
        for (key, time) in times {
            if let Some(text) = words.value(key) {
                *time = units::seconds(&text)?;
            }
        }
        if let Some(text) = words.value("max-ttl") {
            self.max_ttl = Some(units::seconds(&text)?);
        }
        Ok(())
    }

    fn take_lists(&mut self, words: &mut Words) -> Result<(), String> {
        for part in list(&words.value("drift").unwrap_or_default()) {
            let found = part.split_once(':');
            let found = found.and_then(|(node, ppm)| Some((node, ppm.parse().ok()?)));
            let (node, ppm) = found.ok_or_else(|| format!("{part} is no drift like a:+200"))?;
            let index = self.member(node)?.index();
            let length = self.drift_ppm.len().max(index + 1);
            self.drift_ppm.resize(length, 0);
            self.drift_ppm[index] = ppm;
        }
        for member in list(&words.value("nofailover").unwrap_or_default()) {
            let node = self.member(&member)?;
            self.nofailover.insert(node.0);
        }
        for part in list(&words.value("replicatefrom").unwrap_or_default()) {
            let found = part.split_once(':');
            let (taker, source) = found.ok_or_else(|| format!("{part} is no pair like c:b"))?;
            let (taker, source) = (self.member(taker)?, self.member(source)?);
            self.replicatefrom.insert(taker.0, source.0);
        }
        Ok(())
    }

    fn member(&self, text: &str) -> Result<Node, String> {
        let node = units::node(text)?;
        if node.0 < self.nodes {
            Ok(node)
        } else {
            Err(format!("{node} is no member of this cluster"))
        }
    }
}

impl FromStr for Options {
    type Err = String;

    /// Reads a whole line.
    fn from_str(line: &str) -> Result<Self, String> {
        let mut words = Words::of(line);
        if words.plain().as_deref() != Some("cluster") {
            return Err("cluster was expected".to_owned());
        }
        let options = Self::take(&mut words)?;
        words.end()?;
        Ok(options)
    }
}

/// How many members `a,b,c` are: from `a` on without a gap.
fn count(text: &str) -> Result<u8, String> {
    let members = list(text);
    for (index, member) in (0..).zip(&members) {
        if units::node(member)? != Node(index) {
            return Err(format!("{} was expected, not {member}", Node(index)));
        }
    }
    match u8::try_from(members.len()) {
        Ok(count) if count > 0 => Ok(count),
        _ => Err("a cluster has members".to_owned()),
    }
}

fn beginning(is_empty: bool) -> &'static str {
    if is_empty { "empty" } else { "whole" }
}

fn synchrony(options: &Options) -> &'static str {
    match (options.is_synchronous, options.is_strict) {
        (true, true) => "strict",
        (is_synchronous, _) => switch(is_synchronous),
    }
}

fn switch(is_on: bool) -> &'static str {
    if is_on { "on" } else { "off" }
}

fn switched(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        other => Err(format!("{other} is neither on nor off")),
    }
}

#[cfg(feature = "mutants")]
fn mutant_named(text: &str) -> Result<&'static str, String> {
    let names = herdsman_ha_core::Mutant::ALL.iter();
    let mut names = names.map(|mutant| mutant.name());
    let found = names.find(|name| *name == text);
    found.ok_or_else(|| format!("{text} is no mutant"))
}

#[cfg(not(feature = "mutants"))]
fn mutant_named(text: &str) -> Result<&'static str, String> {
    Err(format!("{text}: this build cannot break a rule"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{Schedule, Wish};

    #[test]
    fn what_is_usual_is_left_out() {
        assert_eq!(Options::default().to_string(), "cluster nodes=a,b,c");
        assert_eq!("cluster".parse(), Ok(Options::default()));
    }

    #[test]
    fn each_option_is_written_as_it_is_read() {
        let line = "cluster nodes=a,b,c,d ttl=20 loop=3 start-timeout=0 write-every=0.5 \
                    expiry-tick=2 safety=60 max-ttl=15 lag-limit=64KiB flavour=zookeeper sync=on failsafe=on \
                    guardian=off pre-promote=on latency=far begins=empty driver-mutant=end-is-never-told drift=a:+200,c:-300 \
                    nofailover=b,d replicatefrom=c:b,d:c";
        let options: Options = line.parse().expect("options");
        assert_eq!(options.drift_ppm, [200, 0, -300]);
        assert_eq!(options.to_string(), line);
    }

    #[test]
    fn generated_options_come_back_from_their_line() {
        for seed in 0..300 {
            let options = Schedule::generate(seed, &Wish::default()).options;
            assert_eq!(options.to_string().parse(), Ok(options));
        }
    }

    #[test]
    fn what_is_no_option_is_refused() {
        for words in [
            "nodes=",
            "nodes=a,c",
            "ttl=soon",
            "drift=a",
            "drift=d:+1",
            "nofailover=d",
            "sync=perhaps",
            "begins=late",
            "mutant=no-such-rule",
            "colour=blue",
        ] {
            assert!(format!("cluster {words}").parse::<Options>().is_err());
        }
        assert!("nodes=a".parse::<Options>().is_err());
    }
}
