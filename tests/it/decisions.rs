//! All rows of all decision tables, rendered to `golden/decisions.md` and reviewed like code.

use std::fmt::Write as _;

use herdsman_ha_core::decide::leader::Fall;
use herdsman_ha_core::decide::leaving::SessionState;
use herdsman_ha_core::decide::{
    Choice, blind, busy, carry, empty, errands, failsafe, fence, follower, leader, leaderless,
    leaving, paused, standby_leader, stopped, synchrony,
};
use herdsman_ha_core::situation::{
    Backoff, Backup, Blind, Busy, Carry, Downfall, Gone, Handover, Keeping, Kin, Leader, Link,
    Listing, Lock, Made, MayMake, Mode, Move, Origin, Overdue, Promotion, Race, Refuge, Reinit,
    Restart, Server, Standing, Synchrony, Unleased, Waiting, Way, Writable,
};
use herdsman_ha_core::{Hold, Successor};
use herdsman_tests::table::{Column, markdown, rows};

use crate::golden;

#[test]
fn the_tables_are_as_reviewed() {
    golden::check("golden/decisions.md", &render());
}

const HEADER: &str = "# Decision tables

Written by `UPDATE_EXPECT=1 cargo test -p herdsman-tests decisions`: do not edit.
`·` means that the column does not matter in this row, `-` that the table passes the situation on.
The order in which the tables are asked is in `ha-core/src/choose.rs`.
";

/// One table under its heading.
struct Table {
    text: String,
}

impl Table {
    fn heading(name: &str) -> Self {
        Self {
            text: format!("\n## {name}\n\n"),
        }
    }

    /// Adds all situations of `columns`.
    fn with(mut self, columns: &[Column], judge: &dyn Fn(&[usize]) -> Option<Choice>) -> Self {
        let total: usize = columns.iter().map(|column| column.words.len()).product();
        let rows = rows(columns, &|at| cells(judge(at)));
        let headings = columns.iter().map(|column| column.name);
        let headings: Vec<&str> = headings.chain(["verdict", "act", "reason"]).collect();
        let _ = write!(
            self.text,
            "{total} situations.\n\n{}",
            markdown(&headings, &rows)
        );
        self
    }
}

fn cells(choice: Option<Choice>) -> Vec<String> {
    let Some(Choice { act, code }) = choice else {
        return vec!["-".to_owned(), "-".to_owned(), "-".to_owned()];
    };
    let verdict = if act.is_hold() { "hold" } else { "act" };
    vec![verdict.to_owned(), format!("{act:?}"), code.to_string()]
}

fn render() -> String {
    let tables = [
        fence_table(),
        busy_table(),
        restart_table(),
        reinit_table(),
        failsafe_table(),
        leader_running_table(),
        leader_down_table(),
        synchrony_table(),
        standby_leader_running_table(),
        standby_leader_down_table(),
        standby_leader_making_table(),
        standby_leader_found_table(),
        standby_leader_paused_table(),
        carry_table(),
        follower_table(),
        leaderless_table(),
        stopped_table(),
        empty_table(),
        blind_table(),
        paused_table(),
        leaving_table(),
    ];
    let texts: String = tables.into_iter().map(|table| table.text).collect();
    format!("{HEADER}{texts}")
}

fn fence_table() -> Table {
    let columns = [
        Column::of("mode", Mode::ALL),
        Column::of("hold", &Hold::ALL),
        Column::of("writable", Writable::ALL),
        Column::of("busy", Busy::ALL),
        Column::of("unleased", Unleased::ALL),
    ];
    Table::heading("fence: may the server stay writable?").with(&columns, &|at| {
        fence::decide(
            Mode::ALL[at[0]],
            Hold::ALL[at[1]],
            Writable::ALL[at[2]],
            Busy::ALL[at[3]],
            Unleased::ALL[at[4]],
        )
    })
}

fn busy_table() -> Table {
    let columns = [
        Column::of("busy", Busy::ALL),
        Column::of("mode", Mode::ALL),
        Column::of("lock", Lock::ALL),
    ];
    Table::heading("busy: a task owns the server").with(&columns, &|at| {
        busy::decide(Mode::ALL[at[1]], Busy::ALL[at[0]], Lock::ALL[at[2]])
    })
}

fn restart_table() -> Table {
    let columns = [
        Column::of("restart", Restart::ALL),
        Column::of("server", Server::ALL),
        Column::of("lock", Lock::ALL),
        Column::of("mode", Mode::ALL),
    ];
    Table::heading("restart: an operator wants the server restarted").with(&columns, &|at| {
        errands::restart(
            Mode::ALL[at[3]],
            Lock::ALL[at[2]],
            Server::ALL[at[1]],
            Restart::ALL[at[0]],
        )
    })
}

fn reinit_table() -> Table {
    let columns = [
        Column::of("reinit", Reinit::ALL),
        Column::of("server", Server::ALL),
        Column::of("lock", Lock::ALL),
        Column::of("mode", Mode::ALL),
    ];
    Table::heading("reinit: an operator wants a new copy of the data").with(&columns, &|at| {
        errands::reinit(
            Mode::ALL[at[3]],
            Lock::ALL[at[2]],
            Server::ALL[at[1]],
            Reinit::ALL[at[0]],
        )
    })
}

fn failsafe_table() -> Table {
    let columns = [
        Column::of("server", Server::ALL),
        Column::of("refuge", Refuge::ALL),
    ];
    Table::heading("failsafe: we lead, and the store does not confirm it").with(&columns, &|at| {
        let &[server, refuge] = at else {
            panic!("two columns");
        };
        failsafe::decide(Server::ALL[server], Refuge::ALL[refuge])
    })
}

fn leader_running_table() -> Table {
    let columns = [
        Column::of("server", Server::ALL),
        Column::of("move", Move::ALL),
        Column::of("promotion", Promotion::ALL),
        Column::of("overdue", Overdue::ALL),
        Column::of("synchrony", Synchrony::ALL),
    ];
    Table::heading("leader: we hold the leadership, the server runs").with(&columns, &|at| {
        leader::running(
            Server::ALL[at[0]],
            Move::ALL[at[1]],
            Promotion::ALL[at[2]],
            Overdue::ALL[at[3]],
            Synchrony::ALL[at[4]],
        )
    })
}

fn leader_down_table() -> Table {
    let columns = [
        Column::of("downfall", Downfall::ALL),
        Column::of("heir", &Successor::ALL),
        Column::of("gone", Gone::ALL),
    ];
    Table::heading("leader: we hold the leadership, the server is down").with(&columns, &|at| {
        Some(leader::down(Fall {
            downfall: Downfall::ALL[at[0]],
            heir: Successor::ALL[at[1]],
            gone: Gone::ALL[at[2]],
        }))
    })
}

fn standby_leader_running_table() -> Table {
    let columns = [
        Column::of("server", Server::ALL),
        Column::of("move", Move::ALL),
        Column::of("link", Link::ALL),
        Column::of("way", Way::ALL),
    ];
    let heading = "standby leader: we lead a standby cluster, the server runs";
    Table::heading(heading).with(&columns, &|at| {
        standby_leader::running(
            Server::ALL[at[0]],
            Move::ALL[at[1]],
            Link::ALL[at[2]],
            Way::ALL[at[3]],
        )
    })
}

fn standby_leader_down_table() -> Table {
    let columns = [
        Column::of("server", Server::ALL),
        Column::of("kin", Kin::ALL),
        Column::of("gone", Gone::ALL),
        Column::of("backoff", Backoff::ALL),
    ];
    let heading = "standby leader: we lead a standby cluster, the server is down";
    Table::heading(heading).with(&columns, &|at| {
        Some(standby_leader::down(
            Server::ALL[at[0]],
            Kin::ALL[at[1]],
            Gone::ALL[at[2]],
            Backoff::ALL[at[3]],
        ))
    })
}

fn standby_leader_making_table() -> Table {
    let columns = [
        Column::of("server", Server::ALL),
        Column::of("kin", Kin::ALL),
        Column::of("backoff", Backoff::ALL),
    ];
    let heading = "standby leader: we make a standby cluster";
    Table::heading(heading).with(&columns, &|at| {
        standby_leader::making(Server::ALL[at[0]], Kin::ALL[at[1]], Backoff::ALL[at[2]])
    })
}

fn standby_leader_found_table() -> Table {
    let columns = [Column::of("server", Server::ALL)];
    let heading = "standby leader: data of a standby cluster that the store does not know";
    Table::heading(heading).with(&columns, &|at| standby_leader::found(Server::ALL[at[0]]))
}

fn standby_leader_paused_table() -> Table {
    let columns = [Column::of("link", Link::ALL)];
    let heading = "standby leader: we lead a standby cluster in a pause";
    Table::heading(heading).with(&columns, &|at| {
        Some(standby_leader::paused(Link::ALL[at[0]]))
    })
}

fn synchrony_table() -> Table {
    let columns = [
        Column::of("mode", Keeping::ALL),
        Column::of("sync key", Listing::ALL),
        Column::of("commits wait for", Waiting::ALL),
    ];
    let mut table = Table::heading("synchrony: we lead, and the server is a primary");
    let total: usize = columns.iter().map(|column| column.words.len()).product();
    let rows = rows(&columns, &|at| {
        let step = synchrony::decide(
            Keeping::ALL[at[0]],
            Listing::ALL[at[1]],
            Waiting::ALL[at[2]],
        );
        vec![format!("{step:?}")]
    });
    let headings = ["mode", "sync key", "commits wait for", "step"];
    let _ = write!(
        table.text,
        "{total} situations.\n\n{}",
        markdown(&headings, &rows)
    );
    table
}

fn carry_table() -> Table {
    let columns = [
        Column::of("server", Server::ALL),
        Column::of("leader", Leader::ALL),
        Column::of("link", Link::ALL),
        Column::of("kin", Kin::ALL),
        Column::of("carry", Carry::ALL),
    ];
    Table::heading("carry: another member leads and has logical slots").with(&columns, &|at| {
        carry::decide(
            Server::ALL[at[0]],
            Leader::ALL[at[1]],
            Link::ALL[at[2]],
            Kin::ALL[at[3]],
            Carry::ALL[at[4]],
        )
    })
}

fn follower_table() -> Table {
    let columns = [
        Column::of("server", Server::ALL),
        Column::of("leader", Leader::ALL),
        Column::of("link", Link::ALL),
        Column::of("way", Way::ALL),
    ];
    Table::heading("follower: another member leads").with(&columns, &|at| {
        follower::running(
            Server::ALL[at[0]],
            Leader::ALL[at[1]],
            Link::ALL[at[2]],
            Way::ALL[at[3]],
        )
    })
}

fn leaderless_table() -> Table {
    let columns = [
        Column::of("server", Server::ALL),
        Column::of("made", Made::ALL),
        Column::of("race", Race::ALL),
    ];
    Table::heading("leaderless: nobody leads").with(&columns, &|at| {
        leaderless::running(Server::ALL[at[0]], Made::ALL[at[1]], Race::ALL[at[2]])
    })
}

fn stopped_table() -> Table {
    let columns = [
        Column::of("lock", Lock::ALL),
        Column::of("made", Made::ALL),
        Column::of("leader", Leader::ALL),
        Column::of("origin", Origin::ALL),
        Column::of("handover", Handover::ALL),
        Column::of("backoff", Backoff::ALL),
        Column::of("kin", Kin::ALL),
    ];
    Table::heading("stopped: the server is down and we do not lead").with(&columns, &|at| {
        Some(stopped::decide(
            Lock::ALL[at[0]],
            Leader::ALL[at[2]],
            Made::ALL[at[1]],
            Origin::ALL[at[3]],
            Handover::ALL[at[4]],
            Backoff::ALL[at[5]],
            Kin::ALL[at[6]],
        ))
    })
}

fn empty_table() -> Table {
    let columns = [
        Column::of("lock", Lock::ALL),
        Column::of("made", Made::ALL),
        Column::of("may make", MayMake::ALL),
        Column::of("backup", Backup::ALL),
        Column::of("leader", Leader::ALL),
        Column::of("backoff", Backoff::ALL),
        Column::of("gone", Gone::ALL),
    ];
    Table::heading("empty: there is no data").with(&columns, &|at| {
        Some(empty::decide(
            Lock::ALL[at[0]],
            Made::ALL[at[1]],
            MayMake::ALL[at[2]],
            Backup::ALL[at[3]],
            Leader::ALL[at[4]],
            Backoff::ALL[at[5]],
            Gone::ALL[at[6]],
        ))
    })
}

fn blind_table() -> Table {
    let columns = [
        Column::of("server", Server::ALL),
        Column::of("blind", Blind::ALL),
        Column::of("backoff", Backoff::ALL),
        Column::of("kin", Kin::ALL),
    ];
    Table::heading("blind: the store cannot be seen and no lease holds").with(&columns, &|at| {
        Some(blind::decide(
            Server::ALL[at[0]],
            Blind::ALL[at[1]],
            Backoff::ALL[at[2]],
            Kin::ALL[at[3]],
        ))
    })
}

fn paused_table() -> Table {
    let columns = [
        Column::of("lock", Lock::ALL),
        Column::of("server", Server::ALL),
        Column::of("made", Made::ALL),
        Column::of("gone", Gone::ALL),
        Column::of("leader", Leader::ALL),
        Column::of("link", Link::ALL),
        Column::of("standing", Standing::ALL),
    ];
    Table::heading("paused: people are at work on PostgreSQL").with(&columns, &|at| {
        Some(paused::decide(
            Lock::ALL[at[0]],
            Server::ALL[at[1]],
            Made::ALL[at[2]],
            Gone::ALL[at[3]],
            Leader::ALL[at[4]],
            Link::ALL[at[5]],
            Standing::ALL[at[6]],
        ))
    })
}

fn leaving_table() -> Table {
    let columns = [
        Column::of("server", Server::ALL),
        Column::of("lock", Lock::ALL),
        Column::of("heir", &Successor::ALL),
        Column::of("gone", Gone::ALL),
        Column::of("session", &SessionState::ALL),
    ];
    Table::heading("leaving: the agent is asked to stop").with(&columns, &|at| {
        Some(leaving::decide(
            Lock::ALL[at[1]],
            Server::ALL[at[0]],
            Successor::ALL[at[2]],
            Gone::ALL[at[3]],
            SessionState::ALL[at[4]],
        ))
    })
}
