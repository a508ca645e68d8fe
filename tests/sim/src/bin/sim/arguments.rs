//! What the command line asks for.

use std::path::PathBuf;
use std::time::Duration;

use herdsman_sim::ids::Node;
use herdsman_sim::schedule::Wish;
use herdsman_sim::units;

pub(crate) const USAGE: &str = "\
usage: sim [--seeds N] [--seed S] [--minutes M] [--flavour F] [--threads T]
           [--timings T/L] [--focus STORY] [--keep-going] [--twice] [--no-shrink] [--trace all]
           [--decisions A] [--mutants [NAME] [--write]] [--script FILE]

  --seeds N         how many seeds are played (1000, or 1 with --seed)
  --seed S          the first of them (1)
  --minutes M       how long faults go on in each (10)
  --flavour F       etcd or zookeeper (either)
  --timings T/L     ttl and loop_wait in seconds: 30/10 is what most clusters
                    have (each world draws its own, mostly much shorter)
  --focus STORY     tell this story in every seed (half of them have one of any)
  --sync            commits wait for standbys in every world (in some)
  --threads T       how many at once (as many as there are processors)
  --keep-going      a violation does not end the search
  --twice           play every seed twice and compare (every 64th)
  --no-shrink       show what was found as it was found
  --trace all       print every line of what is shown
  --decisions A     print every decision of a member of what is shown
  --mutants [NAME]  break each rule, or one, and see whether it is noticed
                    (within 2000 seeds)
  --write           write the table of what noticed each to docs/mutants.md
  --script FILE     play a script of a cluster and print it with its outputs";

/// How many seeds are played when nobody says.
const SEEDS: u64 = 1000;

/// Everything that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Arguments {
    /// None: one seed, which is shown.
    pub(crate) seeds: Option<u64>,
    pub(crate) first_seed: u64,
    /// Whether the first seed was named.
    pub(crate) has_seed: bool,
    pub(crate) wish: Wish,
    pub(crate) threads: usize,
    pub(crate) keeps_going: bool,
    pub(crate) is_twice: bool,
    pub(crate) is_shrunk: bool,
    pub(crate) is_written: bool,
    pub(crate) shows_everything: bool,
    pub(crate) decisions_of: Option<Node>,
    pub(crate) mutation: Option<Mutation>,
    pub(crate) script: Option<PathBuf>,
}

/// Which rules are broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    All,
    One(String),
}

/// The arguments, or nothing when help is asked for.
pub(crate) fn parse(words: &[String]) -> Result<Option<Arguments>, String> {
    let mut arguments = Arguments {
        seeds: None,
        first_seed: 1,
        has_seed: false,
        wish: Wish::default(),
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        keeps_going: false,
        is_twice: false,
        is_shrunk: true,
        is_written: false,
        shows_everything: false,
        decisions_of: None,
        mutation: None,
        script: None,
    };
    let mut rest = words.iter().map(String::as_str).peekable();
    while let Some(argument) = rest.next() {
        let mut value = || {
            rest.next()
                .ok_or_else(|| format!("{argument} needs a value"))
        };
        match argument {
            "--help" | "-h" => return Ok(None),
            "--keep-going" => arguments.keeps_going = true,
            "--twice" => arguments.is_twice = true,
            "--no-shrink" => arguments.is_shrunk = false,
            "--write" => arguments.is_written = true,
            "--seeds" => arguments.seeds = Some(number(value()?)?),
            "--seed" => {
                arguments.first_seed = number(value()?)?;
                arguments.has_seed = true;
            }
            "--minutes" => {
                let minutes = number(value()?)?.clamp(1, 1_000_000);
                arguments.wish.safety = Duration::from_secs(60 * minutes);
            }
            "--focus" => arguments.wish.focus = Some(value()?.parse()?),
            "--failsafe" => arguments.wish.failsafe = true,
            "--timings" => arguments.wish.timings = Some(timings(value()?)?),
            "--sync" => arguments.wish.synchronous = true,
            "--flavour" => arguments.wish.flavour = Some(value()?.parse()?),
            "--threads" => {
                let threads = number(value()?)?.clamp(1, 1024);
                arguments.threads = usize::try_from(threads).unwrap_or(1);
            }
            "--trace" => match value()? {
                "all" => arguments.shows_everything = true,
                other => return Err(format!("`{other}` cannot be traced, only `all`")),
            },
            "--decisions" => arguments.decisions_of = Some(units::node(value()?)?),
            "--script" => arguments.script = Some(PathBuf::from(value()?)),
            "--mutants" => {
                let name = rest.next_if(|word| !word.starts_with("--"));
                let one = name.map(|name| Mutation::One(name.to_owned()));
                arguments.mutation = Some(one.unwrap_or(Mutation::All));
            }
            other => return Err(format!("`{other}` is not understood")),
        }
    }
    if arguments.seeds.is_none() && !arguments.has_seed && arguments.mutation.is_none() {
        arguments.seeds = Some(SEEDS);
    }
    Ok(Some(arguments))
}

/// `ttl` and `loop_wait`, of which the first must leave room for two of the second.
fn timings(text: &str) -> Result<(Duration, Duration), String> {
    let wrong = || format!("`{text}` is not a ttl and a loop_wait such as 30/10");
    let (ttl, loop_wait) = text.split_once('/').ok_or_else(wrong)?;
    let seconds = |text: &str| {
        text.parse()
            .ok()
            .filter(|seconds| (1..=3600).contains(seconds))
    };
    let ttl = seconds(ttl).ok_or_else(wrong)?;
    let loop_wait = seconds(loop_wait).ok_or_else(wrong)?;
    if ttl < 2 * loop_wait {
        return Err(wrong());
    }
    Ok((Duration::from_secs(ttl), Duration::from_secs(loop_wait)))
}

fn number(text: &str) -> Result<u64, String> {
    let number = text.parse();
    number.map_err(|_| format!("`{text}` is not a number"))
}

#[cfg(test)]
mod tests {
    use herdsman_sim::schedule::Schedule;

    use super::*;

    fn parsed(line: &str) -> Result<Option<Arguments>, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&words)
    }

    fn arguments(line: &str) -> Arguments {
        parsed(line).expect("a command line").expect("no help")
    }

    #[test]
    fn a_named_seed_is_played_alone_unless_more_are_asked_for() {
        let one = arguments("--seed 7");
        assert_eq!((one.seeds, one.first_seed), (None, 7));
        let more = arguments("--seed 7 --seeds 9");
        assert_eq!((more.seeds, more.first_seed), (Some(9), 7));
        assert_eq!(arguments("").seeds, Some(SEEDS));
    }

    #[test]
    fn a_mutant_may_have_a_name() {
        let mutation = |line| arguments(line).mutation;
        assert_eq!(mutation("--mutants"), Some(Mutation::All));
        assert_eq!(mutation("--mutants --seed 3"), Some(Mutation::All));
        let one = Some(Mutation::One("no-lease-margin".to_owned()));
        assert_eq!(mutation("--mutants no-lease-margin --seed 3"), one);
    }

    #[test]
    fn timings_are_those_of_every_world() {
        let seconds = |ttl, loop_wait| (Duration::from_secs(ttl), Duration::from_secs(loop_wait));
        let wish = arguments("--timings 30/10").wish;
        assert_eq!(wish.timings, Some(seconds(30, 10)));
        for seed in 1..20 {
            let options = Schedule::generate(seed, &wish).options;
            assert_eq!((options.ttl, options.loop_wait), seconds(30, 10));
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "--seeds",
            "--seeds many",
            "--flavour consul",
            "--timings 30",
            "--timings 10/10",
            "--timings 0/0",
            "--trace some",
            "--decisions ab",
            "--colour",
            "seed",
        ] {
            assert!(parsed(line).is_err(), "{line}");
        }
        assert!(parsed("--seeds 3 --help").is_ok_and(|help| help.is_none()));
    }
}
