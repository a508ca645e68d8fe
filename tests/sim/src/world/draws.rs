//! Chance without an order: every draw is a hash of the seed, of what it is for, and of how many
//! of its kind there were. Removing one fault from a schedule leaves the other draws as they are.

use std::time::Duration;

use crate::ids::Node;
use crate::options::Latency;

/// What a draw is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    ToStore,
    FromStore,
    Watch,
    Message,
    Look,
    Wake,
    Prepare,
    Server,
    Stop,
    Kill,
    Promote,
    Replay,
    Copy,
    Stream,
    Notice,
    Client,
    Choice,
    Script,
}

const WHATS: usize = 18;

/// All draws of one run.
#[derive(Clone, Debug)]
pub(super) struct Draws {
    seed: u64,
    latency: Latency,
    counts: Vec<[u32; WHATS]>,
}

impl Draws {
    pub(super) fn new(seed: u64, latency: Latency, nodes: u8) -> Self {
        Self {
            seed,
            latency,
            counts: vec![[0; WHATS]; usize::from(nodes) + 1],
        }
    }

    fn draw(&mut self, what: What, node: Option<Node>) -> u64 {
        let row = node.map_or(self.counts.len() - 1, Node::index);
        let count = &mut self.counts[row][what as usize];
        *count += 1;
        let place = (row as u64) << 48 | (what as u64) << 40 | u64::from(*count);
        mix(self.seed ^ mix(place))
    }

    /// A number below `limit`.
    pub(super) fn below(&mut self, what: What, node: Option<Node>, limit: u64) -> u64 {
        self.draw(what, node) % limit.max(1)
    }

    fn micros(&mut self, what: What, node: Option<Node>, from: u64, to: u64) -> Duration {
        Duration::from_micros(from + self.below(what, node, to - from + 1))
    }

    /// A message or a look: `usual` most of the time, `seldom` once in so many times.
    fn usual_or(
        &mut self,
        what: What,
        node: Option<Node>,
        usual: Range,
        seldom: Seldom,
    ) -> Duration {
        let is_seldom = self.below(What::Choice, node, seldom.once_in) == 0;
        let Range(from, to) = if is_seldom { seldom.range } else { usual };
        self.micros(what, node, from, to)
    }

    /// One way of a message.
    pub(super) fn message(&mut self, what: What, node: Node) -> Duration {
        let node = Some(node);
        match self.latency {
            Latency::Fixed => Duration::from_millis(1),
            Latency::Near => self.usual_or(
                what,
                node,
                Range(300, 5_000),
                Seldom::new(60, 20_000, 150_000),
            ),
            Latency::Far => self.usual_or(
                what,
                node,
                Range(5_000, 60_000),
                Seldom::new(40, 300_000, 3_000_000),
            ),
        }
    }

    /// A look at the server.
    pub(super) fn look(&mut self, node: Node) -> Duration {
        let (what, node) = (What::Look, Some(node));
        match self.latency {
            Latency::Fixed => Duration::from_millis(5),
            Latency::Near => self.usual_or(
                what,
                node,
                Range(1_000, 20_000),
                Seldom::new(50, 50_000, 500_000),
            ),
            Latency::Far => self.usual_or(
                what,
                node,
                Range(2_000, 80_000),
                Seldom::new(40, 500_000, 2_000_000),
            ),
        }
    }

    /// How late a timer fires.
    pub(super) fn jitter(&mut self, node: Node) -> Duration {
        match self.latency {
            Latency::Fixed => Duration::ZERO,
            Latency::Near | Latency::Far => self.micros(What::Wake, Some(node), 50, 5_000),
        }
    }

    /// A number of milliseconds in a range: what servers take for things.
    pub(super) fn millis(&mut self, what: What, node: Node, from: u64, to: u64) -> Duration {
        match self.latency {
            Latency::Fixed => Duration::from_millis(from + (to - from) / 4),
            Latency::Near | Latency::Far => self.micros(what, Some(node), from * 1000, to * 1000),
        }
    }
}

struct Range(u64, u64);

struct Seldom {
    once_in: u64,
    range: Range,
}

impl Seldom {
    fn new(once_in: u64, from: u64, to: u64) -> Self {
        Self {
            once_in,
            range: Range(from, to),
        }
    }
}

fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
