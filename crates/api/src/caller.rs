use holdfast_ledger::Agent;
use std::path::Path;

/// Who asks, and through which shell. Every use-case takes one, so that nothing is done by nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    agent: Agent,
    via: &'static str,
}

impl Caller {
    /// The person at this machine, and who that is towards the clouds where it is known. `name` may be empty: then the operating system's account stands for the person.
    pub(crate) fn local(name: &str, role: &str, via: &'static str, cloud_identity: Option<String>) -> Self {
        let os_user = os_user();
        let person = if name.trim().is_empty() { os_user.clone() } else { name.trim().to_owned() };
        let host = host();
        Self { agent: Agent { cloud_identity, host, os_user, person, role: role.to_owned(), ..Agent::default() }, via }
    }

    /// The agent as it is written into the ledger.
    #[must_use]
    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// The shell: `cli`, `window`, `http`, `archiver`.
    #[must_use]
    pub fn via(&self) -> &'static str {
        self.via
    }
}

/// This machine's name.
pub(crate) fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Name of the account this process runs under, by its user id (the environment can be set to anything).
pub(crate) fn os_user() -> String {
    let uid = rustix::process::getuid().as_raw();
    name_of(uid, Path::new("/etc/passwd")).unwrap_or_else(|| format!("uid {uid}"))
}

fn name_of(uid: u32, passwd: &Path) -> Option<String> {
    let text = std::fs::read_to_string(passwd).ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}
