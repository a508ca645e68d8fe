//! How long is a cluster without a primary, and what does it cost while it is idle?
//!
//! Started by `cargo xtask bench failover`, which builds the daemon under test for release.

#![allow(
    clippy::print_stdout,
    reason = "a command line program whose product is its output"
)]

use std::process::ExitCode;

use herdsman_tests::bench::{Contender, Measure, Plan, Report, StorePlan, dcs, machine_facts};

const USAGE: &str =
    "usage: bench [failover] [--runs N] [--against patroni] [--ttl T,..] [--only M,..]
       bench dcs [--runs N] [--against patroni] [--only M,..]

  --runs N           how often each thing is measured (5)
  --against patroni  the same of Patroni, named by PATRONI_BIN or found in PATH
  --ttl T,..         the leases in seconds with which a host is lost (5,20)
  --only M,..        failover: of crash, switchover, busy-switchover, stall, host, return, idle
                     dcs: of calls, idle, host

failover: what clients notice, and what an idle cluster costs.
dcs: what the stores cost. `calls`, without PostgreSQL: renewals with and without a hung server,
and the time from the loss of a holder's host until the next has its lock. `idle`: requests of
three idle members at ttl 30 and 3. `host`: everything on the leader's host killed, at the shortest
lease of each store, and at the shortest of both programs when there are two.";

/// Leases with which a host is lost.
const TTLS: [u64; 2] = [5, 20];

/// What was asked for.
struct Options {
    is_of_stores: bool,
    contenders: Vec<Contender>,
    runs: usize,
    ttls: Vec<u64>,
    only: Option<Vec<String>>,
}

/// What is done about it.
enum Work {
    Failover(Plan),
    Stores { calls: bool, plan: StorePlan },
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let work = match parse(&arguments) {
        Ok(Some(options)) => Work::of(options),
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(problem) => Err(problem),
    };
    let work = match work {
        Ok(work) => work,
        Err(problem) => {
            eprintln!("bench: {problem}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if cfg!(debug_assertions) {
        eprintln!("bench: this is not a release build: start it by `cargo xtask bench`");
    }
    for fact in machine_facts(work.contenders()) {
        println!("{fact}");
    }
    println!();
    let report = work.run();
    if report.rows.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("{}", report.render());
    if report.is_on_target() {
        ExitCode::SUCCESS
    } else {
        println!("a target is missed");
        ExitCode::FAILURE
    }
}

impl Work {
    fn of(options: Options) -> Result<Self, String> {
        let Options {
            is_of_stores,
            contenders,
            runs,
            ttls,
            only,
        } = options;
        if !is_of_stores {
            return Ok(Self::Failover(Plan {
                contenders,
                measures: measures(only.as_deref(), &ttls)?,
                runs,
            }));
        }
        let all = ["calls", "idle", "host"].map(str::to_owned);
        let only = only.unwrap_or_else(|| all.to_vec());
        if let Some(other) = only.iter().find(|name| !all.contains(name)) {
            return Err(format!("`{other}` is no measurement of the stores"));
        }
        let is_wanted = |name: &str| only.iter().any(|wanted| wanted == name);
        Ok(Self::Stores {
            calls: is_wanted("calls"),
            plan: StorePlan {
                contenders,
                runs,
                is_idle_wanted: is_wanted("idle"),
                is_loss_wanted: is_wanted("host"),
            },
        })
    }

    fn contenders(&self) -> &[Contender] {
        match self {
            Self::Failover(plan) => &plan.contenders,
            Self::Stores { plan, .. } => &plan.contenders,
        }
    }

    fn run(&self) -> Report {
        let tell = |progress: &str| eprintln!("{progress}");
        match self {
            Self::Failover(plan) => plan.run(tell),
            Self::Stores { calls, plan } => {
                if *calls {
                    dcs::measure(|line| println!("{line}"));
                }
                plan.run(tell)
            }
        }
    }
}

/// What is asked for, or nothing when help is.
fn parse(arguments: &[String]) -> Result<Option<Options>, String> {
    let mut options = Options {
        is_of_stores: false,
        contenders: vec![Contender::Herdsman],
        runs: 5,
        ttls: TTLS.to_vec(),
        only: None,
    };
    let mut rest = arguments.iter().map(String::as_str);
    while let Some(argument) = rest.next() {
        let mut value = || {
            rest.next()
                .ok_or_else(|| format!("{argument} needs a value"))
        };
        match argument {
            "failover" => options.is_of_stores = false,
            "dcs" => options.is_of_stores = true,
            "--help" | "-h" => return Ok(None),
            "--runs" => options.runs = number(value()?)?,
            "--ttl" => {
                let ttls = value()?.split(',').map(number);
                options.ttls = ttls.collect::<Result<_, _>>()?;
            }
            "--only" => options.only = Some(value()?.split(',').map(str::to_owned).collect()),
            "--against" => match value()? {
                "patroni" => options.contenders.push(Contender::patroni()?),
                other => return Err(format!("`{other}` is no program that can be compared with")),
            },
            other => return Err(format!("`{other}` is not understood")),
        }
    }
    if options.runs == 0 {
        return Err("there must be a run".to_owned());
    }
    Ok(Some(options))
}

fn measures(only: Option<&[String]>, ttls: &[u64]) -> Result<Vec<Measure>, String> {
    let all = [
        "crash",
        "switchover",
        "busy-switchover",
        "stall",
        "host",
        "return",
        "idle",
    ]
    .map(str::to_owned);
    let mut measures = Vec::new();
    for name in only.unwrap_or(&all) {
        match name.as_str() {
            "crash" => measures.push(Measure::Crash),
            "switchover" => measures.push(Measure::Switchover),
            "busy-switchover" => measures.push(Measure::BusySwitchover),
            "stall" => measures.push(Measure::Stall),
            "host" => measures.extend(
                ttls.iter()
                    .map(|&ttl_seconds| Measure::HostLoss { ttl_seconds }),
            ),
            "return" => measures.push(Measure::Return),
            "idle" => measures.push(Measure::Idle),
            other => return Err(format!("`{other}` is no measurement")),
        }
    }
    Ok(measures)
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is not a number"))
}
