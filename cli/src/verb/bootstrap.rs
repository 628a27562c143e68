//! `bootstrap`: creates role and database of the program's URL, as an administrator of the server.

use lockgate::Database;
use lockgate::bootstrap::{self, Options};

use crate::answer::{Answer, Body};
use crate::command_error::CommandError;
use crate::invocation::Invocation;
use crate::url::DatabaseUrl;

/// The arguments of `bootstrap`.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Arguments {
    /// The URL of an administrator of the same server; by default that of the variable DATABASE_ADMIN_URL, whose prefix
    /// is that of DATABASE_URL
    #[arg(id = "lockgate_admin_url", long = "admin-url", value_name = "URL")]
    pub admin_url: Option<DatabaseUrl>,
    /// Give a role that exists the password of the database URL
    #[arg(long)]
    pub set_password: bool,
}

pub(super) async fn run(invocation: &Invocation<'_>, arguments: &Arguments) -> Result<Answer, CommandError> {
    let mut options = Options::default();
    options.set_password = arguments.set_password;
    options.stage = invocation.options().stage;
    bootstrap::check(invocation.url(), options)?;
    let (url, given_by) = invocation.administrator(arguments.admin_url.as_ref())?;
    invocation.output().remark(&format!("the administrator's URL is {url}"));
    let wait = invocation.options().wait_for_server.unwrap_or_default();
    let connected = Database::connect_within(url.reveal(), wait).await;
    let mut administrator = connected.map_err(|error| error.of_administrator(&given_by))?;
    let outcome = bootstrap::create(&mut administrator, invocation.url(), options).await?;
    // Everything is done, whether or not the server says goodbye.
    let _ = administrator.close().await;
    Ok(Answer::done(Body::Bootstrapped(outcome)))
}
