//! Where a script is: its world, what it wants to see, and what is still to be accounted for.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use herdsman_ha_core::MemberName;

use super::news::{News, Show};
use crate::fault::Fault;
use crate::ids::Node;
use crate::run::{Lines, Run};
use crate::schedule::Schedule;
use crate::world::World;

/// Everything a script has set up.
#[derive(Debug)]
pub(super) struct Stage {
    prefix: &'static str,
    run: Option<Run>,
    news: RefCell<News>,
    pub(super) show: Show,
    /// What the last wait for a cluster that works lacked.
    pub(super) unstable: Option<String>,
    is_violation_told: bool,
    is_violation_expected: bool,
    /// What nobody expected.
    unexpected: Vec<String>,
    /// The codes of all decisions.
    pub(super) codes: BTreeSet<&'static str>,
}

impl Stage {
    pub(super) fn new(prefix: &'static str) -> Self {
        Self {
            prefix,
            run: None,
            news: RefCell::default(),
            show: Show::Decisions,
            unstable: None,
            is_violation_told: false,
            is_violation_expected: false,
            unexpected: Vec::new(),
            codes: BTreeSet::new(),
        }
    }

    /// A world at its beginning; an earlier one is over.
    pub(super) fn begin(&mut self, schedule: &Schedule) -> &mut Run {
        self.close();
        let mut run = Run::new(schedule, Lines::Kept);
        run.world.twin_every = 1;
        for host in &mut run.world.hosts {
            host.name = MemberName::from(self.name(host.node));
        }
        self.run.insert(run)
    }

    /// The name that a member begins with.
    pub(super) fn name(&self, node: Node) -> String {
        format!("{}{node}", self.prefix)
    }

    /// From here on news are told.
    pub(super) fn begin_telling(&mut self) {
        if let Some(run) = &self.run {
            *self.news.borrow_mut() = News::since(&run.world);
        }
    }

    /// What remains of a world that is over.
    fn close(&mut self) {
        if let Some(run) = self.run.take() {
            self.codes.extend(run.world.codes.keys());
            if let Some(violation) = run.violation().filter(|_| !self.is_violation_expected) {
                self.unexpected.push(format!(
                    "{} at {}: {}",
                    violation.invariant, violation.at, violation.text
                ));
            }
        }
        self.unstable = None;
        self.is_violation_told = false;
        self.is_violation_expected = false;
    }

    /// The script is over: what nobody expected.
    pub(super) fn end(&mut self) -> Vec<String> {
        self.close();
        std::mem::take(&mut self.unexpected)
    }

    /// The run, which some command must have begun.
    pub(super) fn run(&mut self) -> Result<&mut Run, String> {
        let run = self.run.as_mut();
        run.ok_or_else(|| "a script begins with cluster".to_owned())
    }

    /// Its world.
    pub(super) fn world(&self) -> Result<&World, String> {
        let run = self.run.as_ref();
        let run = run.ok_or_else(|| "a script begins with cluster".to_owned())?;
        Ok(&run.world)
    }

    /// The member of a letter.
    pub(super) fn member(&self, letter: &str) -> Result<Node, String> {
        let node = crate::units::node(letter)?;
        let is_member = node.0 < self.world()?.options.nodes;
        let member = is_member.then_some(node);
        member.ok_or_else(|| format!("{letter} is no member of this cluster"))
    }

    /// Lets time pass until something is so, and tells whether it came to be.
    pub(super) fn pass(
        &mut self,
        limit: Duration,
        is_so: impl Fn(&World, &News) -> bool,
    ) -> Result<bool, String> {
        let news = std::mem::take(&mut self.news);
        let run = self.run()?;
        let came = run.pass_until(limit, |world| {
            let mut news = news.borrow_mut();
            news.observe(world);
            is_so(world, &news)
        });
        news.borrow_mut().observe(&run.world);
        self.news = news;
        Ok(came)
    }

    /// Lets something happen now.
    pub(super) fn inflict(&mut self, fault: &Fault) -> Result<(), String> {
        self.run()?.world.inflict(fault);
        self.settle_instant()
    }

    /// After the world was changed by hand: the invariants are asked, and the news taken.
    pub(super) fn settle_instant(&mut self) -> Result<(), String> {
        let run = self.run()?;
        run.check();
        if let Some(run) = &self.run {
            self.news.borrow_mut().observe(&run.world);
        }
        Ok(())
    }

    /// What happened since this was asked last, as much of it as is to be shown.
    pub(super) fn news(&mut self) -> Vec<String> {
        self.news.get_mut().take(self.show)
    }

    /// A violation that was not told yet.
    pub(super) fn new_violation(&mut self) -> Option<String> {
        let violation = self.run.as_ref()?.violation()?;
        let is_new = !std::mem::replace(&mut self.is_violation_told, true);
        is_new.then(|| {
            format!(
                "VIOLATION {} at {}: {}",
                violation.invariant, violation.at, violation.text
            )
        })
    }

    /// The script says that this is violated.
    pub(super) fn expect_violation(&mut self, invariant: &str) -> Result<String, String> {
        let missing = self.unstable.clone();
        let violation = self.run()?.violation();
        if let (None, "converges", Some(missing)) = (violation, invariant, missing) {
            return Ok(format!("as expected: converges: {missing}"));
        }
        let Some(violation) = violation else {
            return Err(format!("{invariant} is not violated"));
        };
        if violation.invariant != invariant {
            return Err(format!(
                "not {invariant} is violated, but {}",
                violation.invariant
            ));
        }
        let told = format!("as expected: {invariant} at {}", violation.at);
        self.is_violation_expected = true;
        Ok(told)
    }
}
