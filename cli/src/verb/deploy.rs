//! `deploy`: a backup, the migrations, and a backup of the result.

use lockgate_backup::Subject;
use lockgate_backup::deploy::{self, Options};

use super::backup::{StoreOption, with};
use super::{Caution, Upward, is_protected};
use crate::answer::{Answer, Body, Kept};
use crate::command_error::CommandError;
use crate::invocation::{Access, Invocation};
use crate::render::Counts;
use crate::watch::{View, watched};

/// The arguments of `deploy`.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// The last migration to apply.
    #[command(flatten)]
    pub upward: Upward,
    /// Continue a deploy that stopped after its first backup
    #[arg(long)]
    pub resume: bool,
    /// Show each statement before it runs
    #[arg(short, long)]
    pub verbose: bool,
    /// Where.
    #[command(flatten)]
    pub store: StoreOption,
    /// Whether to ask first.
    #[command(flatten)]
    pub caution: Caution,
}

pub(super) async fn run(invocation: &Invocation<'_>, arguments: &Arguments) -> Result<Answer, CommandError> {
    let mut options = Options::default();
    options.destination = Some(arguments.upward.destination(invocation)?);
    options.resume = arguments.resume;
    let counts = Counts::of_up(invocation.migrations());
    let migrator = watched(invocation, invocation.migrator(), View { verbose: arguments.verbose, counts });
    if arguments.caution.asks(invocation) {
        let mut database = invocation.connect(Access::Write).await?;
        if is_protected(&migrator, &mut database).await? {
            let planned = migrator.plan(&mut database, arguments.upward.destination(invocation)?).await?;
            arguments.caution.ask(invocation, &planned, &database).await?;
        }
        let _ = database.close().await;
    }
    let deployed = async |subject: Subject<'_>| deploy::deploy(&subject, options).await;
    let deployed = with(invocation, &migrator, &arguments.store, deployed).await?;
    Ok(Answer::done(Body::Kept(Box::new(Kept::Deployed(Box::new(deployed))))))
}
