//! Commands about the way to clouds and people: credentials, keys on their way, links, notifications.

use crate::{output::Output, prompt, run::Done};
use clap::{Args, Subcommand};
use holdfast_api::{ApiError, Caller, Holdfast, OpenOptions, dto::*, setup};
use std::{path::PathBuf, process::ExitCode};

#[derive(Debug, Subcommand)]
pub(crate) enum Credentials {
    /// Enter one: at a prompt without echo, or on standard input. It goes into the operating system's keyring.
    Set {
        /// aws, azure-secret, azure-sas, smtp-password, webhook-NAME.
        name: String,
    },
    /// Take one out of the keyring.
    Clear {
        /// Its name.
        name: String,
    },
    /// List those that can be entered, and where each comes from. Values are never shown.
    List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Write the ledger's keys to a new file that only a passphrase opens.
    Export {
        /// File, which must not be there yet.
        file: PathBuf,
    },
    /// Take over keys that another machine exported.
    Import {
        /// File.
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Notify {
    /// Tell something harmless over every channel, now.
    Test,
    /// List what was told and what is still to be told.
    List,
}

#[derive(Debug, Args)]
pub(crate) struct LinkArgs {
    /// Archive id [default: all recordings of --matter].
    #[arg(required_unless_present = "matter")]
    pub(crate) id: Option<String>,
    /// Matter that they are given out for.
    #[arg(long, value_name = "M")]
    pub(crate) matter: Option<String>,
    /// For how long: 30m, 1h, 90m; two hours at most.
    #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = seconds)]
    pub(crate) valid_s: u32,
    /// Why; needed where policy says so.
    #[arg(long)]
    pub(crate) reason: Option<String>,
}

/// Seconds out of `45m`, `1h`, `90s`.
fn seconds(text: &str) -> Result<u32, String> {
    let wrong = || format!("`{text}` is no time; write it like 30m or 1h");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        _ => return Err(wrong()),
    };
    let number: u32 = text.trim_end_matches(unit).parse().map_err(|_| wrong())?;
    number.checked_mul(factor).ok_or_else(wrong)
}

pub(crate) fn credentials(options: &OpenOptions, command: Credentials, out: &Output) -> Done {
    let list = match command {
        Credentials::Set { name } => {
            let prompts: &[&str] =
                if name == "aws" { &["Access key id", "Secret access key"] } else { &["Value (not shown)"] };
            let value = prompt::secret(prompts)?;
            setup::credential_set(options, &CredentialSetRequest { name, value })?
        }
        Credentials::Clear { name } => setup::credential_clear(options, &name)?,
        Credentials::List => setup::credentials(options)?,
    };
    out.answer(&list, |l| {
        let row = |c: &CredentialView| {
            let from = c.from.as_deref().unwrap_or("-");
            let used = if c.used { "used" } else { "" };
            format!("{:<20} {from:<12} {used:<5} {}\n", c.name, c.meaning)
        };
        l.credentials.iter().map(row).collect()
    });
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn keys(options: &OpenOptions, command: Keys, out: &Output) -> Done {
    let moved = match command {
        Keys::Export { file } => setup::keys_export(options, &file, &prompt::new_passphrase()?)?,
        Keys::Import { file } => setup::keys_import(options, &file, &prompt::secret(&["Passphrase"])?)?,
    };
    out.answer(&moved, |m| format!("Keys of the ledger {}.\n{}", m.ledger_id, m.note));
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn ledger_create(options: &OpenOptions, out: &Output) -> Done {
    let made = setup::ledger_create(options).await?;
    out.answer(&made, |m| {
        format!(
            "The ledger {} was begun; the fingerprint of its key is {} (the public key itself: {}).\n{}\nRun `holdfast keys export FILE` now, keep a copy in a \
             safe place, and take it over on the other machines with `holdfast keys import FILE`.",
            m.ledger_id, m.ledger_key_fingerprint, m.ledger_key, m.keys
        )
    });
    Ok(ExitCode::SUCCESS)
}

/// 3 where some could not be made, 1 where none could.
pub(crate) async fn link(h: &Holdfast, c: &Caller, args: LinkArgs, out: &Output) -> Done {
    let request = LinkRequest { id: args.id, matter: args.matter, valid_s: Some(args.valid_s), reason: args.reason };
    let list = h.link_make(c, request).await?;
    out.answer(&list, |l| {
        let row = |v: &LinkView| match (&v.url, &v.until, &v.problem) {
            (Some(url), Some(until), _) => {
                format!("{}  until {until}, ledger entry {}\n{}\n", v.archive_id, v.ledger, url.0)
            }
            (.., problem) => format!("{}  no link: {}\n", v.archive_id, problem.as_deref().unwrap_or_default()),
        };
        l.links.iter().map(row).collect()
    });
    let made = list.links.iter().filter(|v| v.url.is_some()).count();
    Ok(ExitCode::from(match made {
        n if n == list.links.len() => crate::output::exit::OK,
        0 => crate::output::exit::FAILURE,
        _ => crate::output::exit::PARTIAL,
    }))
}

pub(crate) async fn notify(h: &Holdfast, c: &Caller, command: Notify, out: &Output) -> Result<ExitCode, ApiError> {
    match command {
        Notify::Test => {
            let done = h.notify_test(c, Nothing {}).await?;
            out.answer(&done, |d| {
                let row = |v: &NotifyTestView| match &v.problem {
                    None => format!("{:<24} taken\n", v.channel),
                    Some(problem) => format!("{:<24} FAILED: {problem}\n", v.channel),
                };
                d.channels.iter().map(row).collect()
            });
            let sent = done.channels.iter().filter(|v| v.sent).count();
            Ok(ExitCode::from(match sent {
                n if n == done.channels.len() => crate::output::exit::OK,
                0 => crate::output::exit::FAILURE,
                _ => crate::output::exit::PARTIAL,
            }))
        }
        Notify::List => {
            out.answer(&h.notifications(c, Nothing {}).await?, |l| {
                let row = |n: &NotificationView| {
                    let problem = n.problem.as_deref().map(|p| format!("  ({p})")).unwrap_or_default();
                    format!("{}  {:<9} {:<24} {}{problem}\n", n.updated_at, n.state, n.channel, n.subject)
                };
                let channels = if l.channels.is_empty() { "none".into() } else { l.channels.join(", ") };
                format!("Channels: {channels}\n{}", l.notifications.iter().map(row).collect::<String>())
            });
            Ok(ExitCode::SUCCESS)
        }
    }
}
