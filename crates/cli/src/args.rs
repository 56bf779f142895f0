//! What can be typed. Help texts here are the reference: `docs/cli.md` and the man page are made from them.

use crate::{provision, reach};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Finds recordings in a contact centre's archive, brings them back, proves them, plays them, and hands over evidence.
#[derive(Debug, Parser)]
#[command(name = "holdfast", version, propagate_version = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// Home folder [default: $XDG_DATA_HOME/holdfast or ~/.local/share/holdfast].
    #[arg(long, global = true, env = "HOLDFAST_HOME", value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,
    /// Print one JSON document on standard output; an error is {"error":{"code","message","next"}}.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Override one setting for this run, e.g. --set policy.play_reason=always.
    #[arg(long = "set", global = true, value_name = "NAME=VALUE")]
    pub(crate) set: Vec<String>,
    /// Tell more on standard error (-v, -vv).
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 wrong use, 3 partly done (a package: consistent with itself, origin not established), 4 verification failed, \
5 waiting for recordings to be brought back, 130 interrupted.";

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant)] // parsed once, moved once
pub(crate) enum Command {
    /// Take recordings in, and see that none is missing.
    #[command(subcommand)]
    Archiver(Archiver),
    /// Search the index.
    Search(Search),
    /// Show all there is to know of one recording, with its chain of custody.
    Show {
        /// Archive id.
        id: String,
    },
    /// Work with matters.
    #[command(subcommand)]
    Matter(Matter),
    /// Plan what bringing a matter back costs and takes; nothing is spent.
    Plan {
        /// Matter.
        #[arg(long, value_name = "M")]
        matter: String,
        /// Other deadline than the matter's (RFC 3339 or a date).
        #[arg(long, value_name = "T")]
        deadline: Option<String>,
        /// Use this speed wherever it is offered: expedited, standard, bulk.
        #[arg(long)]
        speed: Option<String>,
        /// Only these recordings.
        ids: Vec<String>,
    },
    /// Approve a plan and bring recordings back; verified copies go to the desk.
    Retrieve {
        /// Matter.
        #[arg(long, value_name = "M")]
        matter: String,
        /// The plan to approve [default: the matter's newest, made now where there is none].
        #[arg(long, value_name = "P")]
        plan: Option<String>,
        /// Only these recordings.
        ids: Vec<String>,
        /// Stay until all are verified or failed.
        #[arg(long)]
        wait: bool,
        /// Also copy the verified files to this folder.
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
    },
    /// Show recordings on their way back.
    Jobs {
        /// Only this matter's.
        #[arg(long, value_name = "M")]
        matter: Option<String>,
        /// Also those that are done.
        #[arg(long)]
        all: bool,
        /// Stay, drive them, and show changes until all are done.
        #[arg(long)]
        watch: bool,
        /// Stop the retrieval of a matter's recordings (all, or the one named by --id).
        #[arg(long, requires = "matter")]
        cancel: bool,
        /// With --cancel: only this recording.
        #[arg(long, requires = "cancel")]
        id: Option<String>,
    },
    /// Verify an archived recording, a file against the archive, or a package.
    Verify {
        /// Archive id, file or package folder.
        target: String,
        /// For a package of another installation: the fingerprint of its archive's key as known from elsewhere (64 hexadecimal
        /// digits), the public key itself in any form, or a file with one of these.
        #[arg(long, value_name = "KEY|FILE")]
        key: Option<String>,
    },
    /// Play a recording on this machine's loudspeaker; stands in the ledger.
    Play(Play),
    /// Export a matter's verified recordings as an evidence package.
    Export {
        /// Matter.
        #[arg(long, value_name = "M")]
        matter: String,
        /// Folder in which the package is made.
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
        /// Leave out recordings that are not verified, and list them, rather than refuse.
        #[arg(long)]
        partial: bool,
    },
    /// Make links that lapse, for those who need a recording and have no account. Each stands in the ledger.
    Link(reach::LinkArgs),
    /// Work with the ledger.
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Carry the ledger's keys to other machines that share it.
    #[command(subcommand)]
    Keys(reach::Keys),
    /// Enter and clear credentials, which are kept in the operating system's keyring.
    #[command(subcommand)]
    Credentials(reach::Credentials),
    /// Telling people elsewhere that recordings are here.
    #[command(subcommand)]
    Notify(reach::Notify),
    /// Work with the index, which is derived and never evidence.
    #[command(subcommand)]
    Index(IndexCommand),
    /// The cloud side of the archive: buckets, table, roles.
    #[command(subcommand)]
    Provision(provision::Provision),
    /// Prove by acting that the store is as an archive needs it: lock, hold, tags, key, listing, clock. 1 where a check failed.
    Preflight,
    /// Work with the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Serve the user interface and the same commands over HTTP on this machine only.
    Serve {
        /// Port on 127.0.0.1; 0 takes a free one.
        #[arg(long)]
        port: Option<u16>,
    },
    /// Make a labelled sample archive through the real archiver and open it.
    Demo {
        /// Only make it; open nothing.
        #[arg(long)]
        no_open: bool,
        /// How many interactions.
        #[arg(long, default_value_t = 400)]
        interactions: u32,
    },
    /// Count what the storage keeps and say what that costs, and what the provider's standard class would cost.
    Costs {
        /// Print one line for each storage class as comma-separated values.
        #[arg(long, conflicts_with = "json")]
        csv: bool,
        /// Show the last count rather than count now.
        #[arg(long)]
        last: bool,
    },
    /// What this installation is and how it is.
    Status,
    /// Print shell completions.
    Completions {
        /// Shell.
        shell: clap_complete::Shell,
    },
    /// Write the man page to a folder.
    Man {
        /// Folder.
        folder: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Archiver {
    /// Take in a folder or export bucket layout, once.
    Ingest {
        /// Folder.
        path: PathBuf,
        /// Mapping file, for metadata that is not canonical.
        #[arg(long, value_name = "FILE")]
        mapping: Option<PathBuf>,
    },
    /// Watch the configured sources until stopped.
    Run {
        /// Look once at every source, then end.
        #[arg(long)]
        once: bool,
    },
    /// Health and completeness.
    Status,
    /// Items set aside because something about them does not hold.
    #[command(subcommand)]
    Quarantine(Quarantine),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Quarantine {
    /// List them.
    List,
    /// Show one.
    Show {
        /// Id.
        id: String,
    },
    /// Decide on one.
    Resolve {
        /// Id.
        id: String,
        /// retry: the source was mended; accept: archive it as it is, marked; explain: there is nothing to archive.
        #[arg(long, value_parser = ["retry", "accept", "explain"])]
        decision: String,
        /// Why; stands in the ledger.
        #[arg(long)]
        reason: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Search {
    /// Words in transcripts, names, tags and notes; all must occur.
    pub(crate) text: Vec<String>,
    /// Began at or after (RFC 3339 or a date).
    #[arg(long)]
    pub(crate) from: Option<String>,
    /// Began before (RFC 3339; a date includes that day).
    #[arg(long)]
    pub(crate) to: Option<String>,
    /// Agent's identifier or name.
    #[arg(long)]
    pub(crate) agent: Option<String>,
    /// Queue.
    #[arg(long)]
    pub(crate) queue: Option<String>,
    /// Anyone's identifier or name.
    #[arg(long)]
    pub(crate) participant: Option<String>,
    /// Tag.
    #[arg(long)]
    pub(crate) tag: Option<String>,
    /// Interaction id or any external id.
    #[arg(long)]
    pub(crate) interaction: Option<String>,
    /// Vendor.
    #[arg(long)]
    pub(crate) vendor: Option<String>,
    /// voice, screen, chat, email, message.
    #[arg(long)]
    pub(crate) media: Option<String>,
    /// hot, cold.
    #[arg(long)]
    pub(crate) tier: Option<String>,
    /// inbound, outbound, internal.
    #[arg(long)]
    pub(crate) direction: Option<String>,
    /// Only recordings of this matter.
    #[arg(long)]
    pub(crate) matter: Option<String>,
    /// Results a page, 1 to 1000.
    #[arg(long, default_value_t = 50)]
    pub(crate) limit: u32,
    /// `next_cursor` of the page before.
    #[arg(long)]
    pub(crate) cursor: Option<String>,
    /// Count values too.
    #[arg(long)]
    pub(crate) facets: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Matter {
    /// Open one.
    Create {
        /// Name, e.g. "Doe v. Acme".
        #[arg(long)]
        name: String,
        /// Court or internal reference.
        #[arg(long)]
        reference: String,
        /// Why recordings are brought back; stands in the ledger.
        #[arg(long)]
        justification: String,
        /// When they are due (RFC 3339 or a date).
        #[arg(long)]
        deadline: String,
        /// Who asked for them, where not you.
        #[arg(long)]
        requester: Option<String>,
    },
    /// Add recordings.
    Add {
        /// Matter.
        matter: String,
        /// Archive ids.
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// List all, the next deadline first.
    List,
    /// Show one with its recordings, plan and packages.
    Show {
        /// Matter.
        matter: String,
    },
    /// Hold all its recordings: nothing expires while a matter holds it.
    Hold {
        /// Matter.
        matter: String,
        /// Why; stands in the ledger.
        #[arg(long)]
        reason: String,
        /// Lift the hold instead.
        #[arg(long)]
        release: bool,
    },
    /// Close one.
    Close {
        /// Matter.
        matter: String,
        /// Why; stands in the ledger.
        #[arg(long)]
        reason: String,
        /// Also lift its holds.
        #[arg(long)]
        release_holds: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Play {
    /// Archive id.
    pub(crate) id: String,
    /// Why; needed where policy says so.
    #[arg(long)]
    pub(crate) reason: Option<String>,
    /// For which matter.
    #[arg(long)]
    pub(crate) matter: Option<String>,
    /// Begin here, in seconds.
    #[arg(long, default_value_t = 0.0)]
    pub(crate) from: f64,
    /// End after this many seconds.
    #[arg(long)]
    pub(crate) seconds: Option<f64>,
    /// 0.5 to 2.0.
    #[arg(long, default_value_t = 1.0)]
    pub(crate) speed: f32,
    /// 0.0 to 1.0.
    #[arg(long, default_value_t = 1.0)]
    pub(crate) volume: f32,
    /// Who is heard.
    #[arg(long, default_value = "both", value_parser = ["both", "agent", "customer"])]
    pub(crate) channels: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// Check every entry, the chain, the tree, the signature, and what was seen before.
    Verify,
    /// Show entries.
    Show {
        /// First sequence number.
        #[arg(long)]
        from: Option<u64>,
        /// How many at most.
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// Only about this recording.
        #[arg(long)]
        id: Option<String>,
        /// Only of this matter.
        #[arg(long)]
        matter: Option<String>,
    },
    /// Print the newest signed checkpoint.
    Checkpoint,
    /// Begin the ledger that machines share, once, on one of them.
    Create,
    /// Write entries in the newest format from now on. Every machine that shares the ledger needs this version first.
    Upgrade,
}

#[derive(Debug, Subcommand)]
pub(crate) enum IndexCommand {
    /// Build it anew from manifests and ledger.
    Rebuild,
    /// Compare it with manifests and ledger.
    Check,
    /// Ask the storage where recordings lie now (lifecycle rules move them) and note it.
    Refresh,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Explain every error with its line.
    Check,
    /// Show every setting, its value, where it comes from, and what it does.
    Show,
}
