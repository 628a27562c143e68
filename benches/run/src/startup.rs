//! Counts the round trips of a fresh apply and an up-to-date start on PostgreSQL, with a proxy.

use std::process::{Command, Stdio};

use tokio::runtime::Runtime;

use crate::Outcome;
use crate::arguments::{Arguments, Backend};
use crate::contender::{Contender, succeed};
use crate::server::Server;
use crate::table::Table;
use crate::wire::{Counts, Wire};

pub(crate) fn run(arguments: &Arguments) -> Outcome<Table> {
    let server = Server::start(&[Backend::Postgres])?;
    let runtime = Runtime::new()?;
    let mut head = vec![String::new()];
    for what in ["round trips", "messages", "commits", "bytes sent"] {
        head.push(what.to_owned());
    }
    let mut table = Table::new("Messages to PostgreSQL after connecting, counted by a proxy".to_owned(), head);
    let migrators = arguments.only.iter().copied().filter(|contender| contender.applies() && contender.embeds());
    for contender in migrators {
        for &count in &arguments.sizes {
            match measure(contender, count, &server, &runtime) {
                Ok([fresh, current]) => {
                    table.row(row(contender, count, "fresh", &fresh));
                    table.row(row(contender, count, "up to date", &current));
                }
                Err(e) => table.note(format!("SKIPPED {} with {count} migrations: {e}", contender.name())),
            }
        }
    }
    table.note(
        "messages: Q for simple queries; P(arse), B(ind), E(xecute) and S(ync) for prepared statements".to_owned(),
    );
    Ok(table)
}

fn measure(contender: Contender, count: usize, server: &Server, runtime: &Runtime) -> Outcome<[Counts; 2]> {
    let program = contender.build(count)?;
    let database = server.fresh(Backend::Postgres)?;
    let wire = runtime.block_on(Wire::in_front_of(&database.tcp));
    let once = || -> Outcome<Counts> {
        wire.reset();
        succeed(Command::new(&program).arg(wire.url()).stdin(Stdio::null()))?;
        Ok(wire.counts())
    };
    Ok([once()?, once()?])
}

fn row(contender: Contender, count: usize, what: &str, counts: &Counts) -> Vec<String> {
    let messages = counts.messages.iter().filter(|(kind, _)| "QPBES".contains(**kind));
    vec![
        format!("{}, N = {count}, {what}", contender.name()),
        counts.round_trips.to_string(),
        messages.map(|(kind, count)| format!("{count}{kind}")).collect::<Vec<_>>().join(" "),
        counts.commits.to_string(),
        counts.bytes_sent.to_string(),
    ]
}
