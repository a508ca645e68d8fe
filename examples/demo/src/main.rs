//! What does a failover look like? Three members on this machine, a client that writes, a kill,
//! and every decision with its reason.
//!
//! This file knows arguments and exit codes; `demo` is the beginning and the end of a run.

mod chance;
mod client;
mod cluster;
mod configuration;
mod member;
mod ports;
mod programs;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

fn main() {
    herdsman_pgctl::become_subreaper().unwrap();
    let folder = tempfile::tempdir().unwrap();
    tracing_subscriber::fmt().with_thread_names(true).with_target(false).with_ansi(false).with_writer(std::fs::File::create("/tmp/demo-probe.log").unwrap()).init();
    let rt = tokio::runtime::Runtime::new().unwrap();
    rt.block_on(async {
        let t0 = std::time::Instant::now();
        let c = cluster::Cluster::start(folder.path(), programs::find().unwrap()).await.unwrap();
        while c.complete().is_none() && t0.elapsed().as_secs() < 40 { tokio::time::sleep(std::time::Duration::from_millis(5)).await; }
        eprintln!("complete {:?} {:?}", c.complete(), t0.elapsed());
        let s = client::Servers { addresses: c.addresses(), password: c.superuser_password().to_owned() };
        for _ in 0..4 { let t = std::time::Instant::now(); let x = s.connect().await.map(|s| s.member); eprintln!("connect {x:?} {:?}", t.elapsed()); }
        let before = c.clock.mono();
        let victim = c.primary().unwrap();
        c.kill_postmaster(victim).unwrap();
        let t = std::time::Instant::now();
        while c.complete().is_none_or(|p| p == victim) && t.elapsed().as_secs() < 30 { tokio::time::sleep(std::time::Duration::from_millis(5)).await; }
        eprintln!("again {:?} {:?}", c.complete(), t.elapsed());
        for s in c.statuses() {
            eprintln!("{} {} {} {:?} {:?}", s.name, s.role, s.state, s.lease, s.attempts);
            for d in &s.decisions { eprintln!("   {:8.1} {:?} {} {}", (d.at.0 as f64 - before.0 as f64)/1e6, d.verdict, d.reason.code(), d.reason); }
        }
        for (_, m) in c.members() { eprintln!("{}", m.api()); eprintln!("{:?}", c.first_end()); eprintln!("{}", std::fs::read_to_string(m.place.server_log()).unwrap_or_default()); }
        let t = std::time::Instant::now();
        c.stop().await;
        eprintln!("stopped {:?}", t.elapsed());
    });
}
