//! The account that a server runs as. PostgreSQL refuses to run as root, so for root another account is used.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

/// The account of a server's processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Account {
    /// The account of this process.
    Ours,
    /// Another account, as this process runs as root.
    Other { name: String, uid: u32, gid: u32 },
}

impl Account {
    /// Returns the account to use: that of this process, or for root the account `name`, or else `nobody`.
    #[cfg(unix)]
    pub(crate) fn for_server(name: &str) -> io::Result<Self> {
        if user()? != 0 {
            return Ok(Self::Ours);
        }
        let accounts = fs::read_to_string("/etc/passwd")?;
        [name, "nobody"].into_iter().find_map(|name| find(&accounts, name)).ok_or_else(|| {
            io::Error::other(format!(
                "the server must not run as root, and /etc/passwd has neither `{name}` nor `nobody`"
            ))
        })
    }

    /// Outside Unix there is no root.
    #[cfg(not(unix))]
    pub(crate) fn for_server(_: &str) -> io::Result<Self> {
        Ok(Self::Ours)
    }

    /// Makes it the owner of a file or directory.
    pub(crate) fn own(&self, path: &Path) -> io::Result<()> {
        match self {
            Self::Ours => Ok(()),
            #[cfg(unix)]
            Self::Other { uid, gid, .. } => std::os::unix::fs::chown(path, Some(*uid), Some(*gid)),
            #[cfg(not(unix))]
            Self::Other { .. } => Ok(()),
        }
    }

    /// Makes a command run as this account, without the groups of this process.
    pub(crate) fn become_in<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        #[cfg(unix)]
        if let Self::Other { uid, gid, .. } = self {
            use std::os::unix::process::CommandExt;
            command.uid(*uid).gid(*gid);
        }
        command
    }

    /// Its name in messages.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Ours => "the current user",
            Self::Other { name, .. } => name,
        }
    }
}

/// Returns the user id of this process: that of a new file, as asking the system directly needs `unsafe`.
#[cfg(unix)]
pub(crate) fn user() -> io::Result<u32> {
    use std::os::unix::fs::MetadataExt;

    Ok(tempfile::tempfile()?.metadata()?.uid())
}

fn find(accounts: &str, wanted: &str) -> Option<Account> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| *name == wanted)?;
        let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        (uid != 0).then(|| Account::Other { name: name.to_owned(), uid, gid })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_read_from_the_passwd_file() {
        let file = "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65533:nobody:/:/bin/false\npostgres2:x:7:8::/:\n";
        let nobody = Account::Other { name: "nobody".to_owned(), uid: 65534, gid: 65533 };
        assert_eq!(find(file, "nobody"), Some(nobody));
        assert_eq!(find(file, "postgres"), None);
        assert_eq!(find(file, "root"), None);
    }
}
