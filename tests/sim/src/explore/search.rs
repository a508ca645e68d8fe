//! The search itself: breadth first, each state once.

use std::collections::BTreeSet;
use std::fmt;

use super::Bounds;
use super::go::Scene;
use super::origin;
use super::promise::{Broken, STUCK};
use super::small::Small;
use super::table::Table;
use super::way::{Way, Ways};
use crate::ids::Node;

/// No cluster came to rest under these rules: nothing to begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotHealthy;

/// What a search came to.
#[derive(Clone, Debug)]
pub struct Report {
    /// Different states that were met.
    pub states: usize,
    /// Steps from one state to another that were taken.
    pub transitions: u64,
    /// Every state up to so many steps from the beginning was met.
    pub depth: u32,
    /// Whether there is no state beyond.
    pub is_complete: bool,
    /// Steps that machines took, and steps that were remembered instead.
    pub steps: (u64, u64),
    /// States in which the cluster was whole and at rest.
    pub whole: usize,
    /// The members that were seen to lead a whole cluster.
    pub leaders: BTreeSet<Node>,
    /// The first promise that was found broken.
    pub found: Option<Found>,
}

/// A way to a broken promise: none is shorter.
#[derive(Clone, Debug)]
pub struct Found {
    /// What is broken.
    pub broken: Broken,
    /// What happened, one step a line, with what followed from it behind.
    pub path: Vec<(String, Vec<String>)>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Broken { promise, text } = &self.broken;
        writeln!(f, "BROKEN {promise}: {text}")?;
        writeln!(
            f,
            "no way there is shorter than these {} steps:",
            self.path.len()
        )?;
        for (number, (step, notes)) in (1..).zip(&self.path) {
            writeln!(f, "{number:>4}  {step}")?;
            for note in notes {
                writeln!(f, "               {note}")?;
            }
        }
        Ok(())
    }
}

/// How a state was first met.
#[derive(Clone, Copy, Debug)]
struct Origin {
    parent: u32,
    /// Which of the parent's ways.
    pick: u16,
}

/// Searches until a promise is broken, nothing new is left, or a bound is reached. After each
/// depth `each` hears how far the search is.
///
/// # Errors
///
/// When the cluster to begin with does not come to rest.
pub fn explore(bounds: &Bounds, mut each: impl FnMut(&Report)) -> Result<Report, NotHealthy> {
    let root = origin::begin(bounds).ok_or(NotHealthy)?;
    let mut search = Search::new(bounds);
    search.meet(&root, Origin { parent: 0, pick: 0 });
    let mut frontier = vec![(0, root.clone())];
    let mut depth = 0;
    let report = |search: &Search<'_>, depth, is_complete| Report {
        states: search.met.len(),
        transitions: search.transitions,
        depth,
        is_complete,
        steps: (search.scene.minds.steps, search.scene.minds.remembered),
        whole: search.whole,
        leaders: search.leaders.clone(),
        found: None,
    };
    while !frontier.is_empty() {
        if bounds.depth == Some(depth) {
            return Ok(report(&search, depth, false));
        }
        let mut next = Vec::new();
        for (number, small) in frontier {
            if let Some((pick, broken)) = search.expand(number, &small, &mut next) {
                let path = search.path(&root, number, pick);
                return Ok(Report {
                    found: Some(Found { broken, path }),
                    ..report(&search, depth, false)
                });
            }
            if search.met.len() >= bounds.states {
                return Ok(report(&search, depth, false));
            }
        }
        frontier = next;
        depth += 1;
        each(&report(&search, depth, false));
    }
    Ok(report(&search, depth, true))
}

#[derive(Debug)]
struct Search<'a> {
    bounds: &'a Bounds,
    scene: Scene<'a>,
    met: Table<Origin>,
    ways: Ways,
    transitions: u64,
    whole: usize,
    leaders: BTreeSet<Node>,
}

impl<'a> Search<'a> {
    fn new(bounds: &'a Bounds) -> Self {
        Self {
            bounds,
            scene: Scene::new(bounds),
            met: Table::new(),
            ways: Ways::default(),
            transitions: 0,
            whole: 0,
            leaders: BTreeSet::new(),
        }
    }

    /// The number of a state that was not met before.
    fn meet(&mut self, small: &Small, origin: Origin) -> Option<u32> {
        self.met.insert(small.digest(), origin)
    }

    /// Takes every way out of a state; ends at the first that breaks a promise.
    fn expand(
        &mut self,
        number: u32,
        small: &Small,
        next: &mut Vec<(u32, Small)>,
    ) -> Option<(Option<u16>, Broken)> {
        let mut ways = std::mem::take(&mut self.ways);
        small.ways(self.bounds, &mut ways);
        let leader = small.leads_whole();
        self.whole += usize::from(leader.is_some());
        self.leaders.extend(leader);
        let is_stuck = !ways.list().iter().any(happens_by_itself) && leader.is_none();
        let mut found = is_stuck.then(|| (None, stuck()));
        for (pick, way) in ways.list().iter().enumerate() {
            if found.is_some() {
                break;
            }
            let mut child = small.clone();
            child.go(*way, ways.price(pick), &mut self.scene);
            let pick = u16::try_from(pick).expect("nobody has so many ways");
            self.transitions += 1;
            found = self.scene.broken.take().map(|broken| (Some(pick), broken));
            let origin = Origin {
                parent: number,
                pick,
            };
            if let Some(met) = self.meet(&child, origin) {
                next.push((met, child));
            }
        }
        self.ways = ways;
        found
    }

    /// The way from the beginning to a state, and one step on, told again for readers.
    fn path(&self, root: &Small, number: u32, last: Option<u16>) -> Vec<(String, Vec<String>)> {
        let mut picks: Vec<u16> = last.into_iter().collect();
        let mut number = number;
        while number != 0 {
            let origin = self.met.value(number);
            picks.push(origin.pick);
            number = origin.parent;
        }
        let mut scene = Scene::new(self.bounds);
        scene.notes = Some(Vec::new());
        let mut small = root.clone();
        let mut ways = Ways::default();
        let mut path = Vec::new();
        for pick in picks.into_iter().rev() {
            small.ways(self.bounds, &mut ways);
            let pick = usize::from(pick);
            let way = ways.list()[pick];
            let words = small.words(way);
            small.go(way, ways.price(pick), &mut scene);
            path.push((words, scene.notes.replace(Vec::new()).unwrap_or_default()));
        }
        path
    }
}

fn happens_by_itself(way: &Way) -> bool {
    !matches!(way, Way::Fault(_) | Way::Write(_))
}

fn stuck() -> Broken {
    Broken {
        promise: STUCK,
        text: "nothing will ever happen again, and the cluster is not whole".to_owned(),
    }
}
