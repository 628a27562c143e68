//! The faults that cases of every kind have: with one set, with several databases, and with a create tree. What a run may
//! leave behind is for the oracle of each.

use std::time::Duration;

use fastrand::Rng;

use crate::databases::{Runner, Server};
use crate::oracle::RunOutput;
use crate::outcome::{Outcome, PATIENCE};
use crate::proxy::{How, Proxy};
use crate::runner::{Failure, Order};

/// Draws a fault of the network connection.
pub(crate) fn draw_wire(rng: &mut Rng) -> How {
    *rng.choice(&[How::CutBefore, How::CutAfter, How::Truncated, How::HalfClosed]).expect("there are some")
}

/// The name of a fault with several runners.
pub(crate) fn name_of_many(runners: usize, kill: bool) -> String {
    if kill { format!("{runners} runners, one killed") } else { format!("{runners} runners") }
}

/// Kills the runner a moment after it has reported this many events.
pub(crate) async fn kill(order: &Order, events: usize, delay_us: u64, outcome: &mut Outcome) -> RunOutput {
    let mut runner = Runner::start(order);
    runner.until(events).await;
    tokio::time::sleep(Duration::from_micros(delay_us)).await;
    let (output, at_work) = runner.kill().await;
    outcome.landed = at_work;
    output
}

/// Runs through a proxy, which breaks a connection to this port at this message. `url` leads through the port of the proxy.
pub(crate) async fn wire(
    order: &Order,
    port: u16,
    message: usize,
    how: How,
    url: impl Fn(u16) -> String,
    outcome: &mut Outcome,
) -> Result<RunOutput, String> {
    let proxy = Proxy::start(port, message, Some(how)).await.map_err(|error| error.to_string())?;
    let output = Runner::start(&Order { url: url(proxy.port()), ..order.clone() }).end(PATIENCE).await;
    outcome.landed = proxy.struck() && output.planned;
    Ok(output)
}

/// The URL of an order, through another port than that of the server.
pub(crate) fn through(order: &Order, server: &Server) -> impl Fn(u16) -> String {
    let (url, own) = (order.url.clone(), server.cluster.port());
    move |port| url.replace(&format!(":{own}/"), &format!(":{port}/"))
}

/// Ends the sessions of the databases whose names are like a pattern, after the runner has reported this many events.
pub(crate) async fn terminate(
    order: &Order,
    server: &Server,
    events: usize,
    databases: &str,
    outcome: &mut Outcome,
) -> Result<RunOutput, String> {
    let mut runner = Runner::start(order);
    let there = runner.until(events).await;
    let sql = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE '{databases}'");
    server.administer(&sql).await.map_err(|error| error.to_string())?;
    let output = runner.end(PATIENCE).await;
    outcome.landed = there && output.done.is_none();
    Ok(output)
}

/// Starts several runners at once, of which one may be killed after this many events. Each of the others succeeds, or has
/// a failure that it may have.
pub(crate) async fn many(
    order: &Order,
    runners: usize,
    kill_after: Option<usize>,
    may_fail: impl Fn(&Failure) -> bool,
    outcome: &mut Outcome,
) -> Result<Vec<RunOutput>, String> {
    let mut others: Vec<Runner> = (0..runners).map(|_| Runner::start(order)).collect();
    let mut outputs = Vec::new();
    outcome.landed = true;
    if let Some(events) = kill_after {
        let mut first = others.remove(0);
        first.until(events).await;
        let (output, at_work) = first.kill().await;
        outcome.landed = at_work;
        outputs.push(output);
    }
    let mut ends = tokio::task::JoinSet::new();
    for runner in others {
        ends.spawn(runner.end(PATIENCE));
    }
    while let Some(output) = ends.join_next().await {
        outputs.push(output.map_err(|error| error.to_string())?);
    }
    for output in &outputs {
        if output.failure.as_ref().is_some_and(|failure| !may_fail(failure)) {
            outcome.violations.push(format!("one of several runners failed: {}", output.end()));
        }
    }
    Ok(outputs)
}
