//! Runs what was typed.

use crate::{
    args::{Archiver, Cli, Command, ConfigCommand, IndexCommand, LedgerCommand, Matter, Play, Quarantine, Search},
    keys::Keys,
    output::{Output, exit},
    progress::{self, Bars},
    provision, reach, render,
};
use clap::CommandFactory as _;
use holdfast_api::{ApiError, ApiErrorKind, Caller, Holdfast, Home, OpenOptions, dto::*};
use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};
use tokio::signal::unix::{Signal, SignalKind, signal};

pub(crate) type Done = Result<ExitCode, ApiError>;

fn ok() -> Done {
    Ok(ExitCode::from(exit::OK))
}

pub(crate) async fn run(cli: Cli, out: &Output) -> Done {
    // These need no home folder.
    match &cli.command {
        Command::Completions { shell } => {
            clap_complete::generate(*shell, &mut Cli::command(), "holdfast", &mut std::io::stdout());
            return ok();
        }
        Command::Man { folder } => return man(folder),
        _ => {}
    }
    let home = match cli.home {
        Some(home) => home,
        None if matches!(cli.command, Command::Demo { .. }) => Home::default_root()?.with_file_name("holdfast-demo"),
        None => Home::default_root()?,
    };
    let options = OpenOptions { home, set: cli.set };
    match cli.command {
        Command::Config(ConfigCommand::Check) => return config_check(&options, out),
        Command::Provision(p) => return provision::provision(&options, p, out).await,
        Command::Preflight => return provision::preflight(&options, out).await,
        Command::Credentials(c) => return reach::credentials(&options, c, out),
        Command::Keys(k) => return reach::keys(&options, k, out),
        Command::Ledger(LedgerCommand::Create) => return reach::ledger_create(&options, out).await,
        Command::Demo { no_open, interactions } => return demo(options, no_open, interactions, out).await,
        _ => {}
    }
    let holdfast = Holdfast::open(options).await?;
    let caller = holdfast.local_caller("cli");
    let session = Session { holdfast, caller, out };
    let bars = Bars::show(&session.holdfast, out.terminal && !out.json);
    let done = match cli.command {
        // To be told to stop is how it ends, with what it is asked by then answered.
        Command::Serve { port } => session.serve(port).await,
        command => tokio::select! {
            done = session.run(command) => done,
            () = interrupted() => {
                session.holdfast.cancel_everything();
                Err(ApiError::new(
                    ApiErrorKind::Interrupted,
                    "cli.interrupted",
                    "stopped, as you asked",
                    "Run the same command again: it goes on where it was.",
                ))
            }
        },
    };
    drop(bars);
    session.holdfast.close().await;
    done
}

/// Ends when this process is told to stop, by Ctrl-C or SIGTERM. Listens from when it is called, not from when it is awaited.
pub(crate) fn interrupted() -> impl Future<Output = ()> {
    // A signal that cannot be listened to goes on ending the process.
    async fn next(signal: std::io::Result<Signal>) {
        match signal {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    }
    let (int, term) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    async move {
        tokio::select! {
            () = next(int) => {}
            () = next(term) => {}
        }
    }
}

struct Session<'a> {
    holdfast: Arc<Holdfast>,
    caller: Caller,
    out: &'a Output,
}

/// The exit code of a verification.
fn verdict(outcome: &str) -> ExitCode {
    ExitCode::from(match outcome {
        "failed" => exit::EVIDENCE,
        "self_consistent" => exit::PARTIAL,
        _ => exit::OK,
    })
}

/// The key that was typed, or what the file with that name holds: keys are short.
fn key_text(given: String) -> String {
    use std::io::Read as _;
    let mut text = String::new();
    let read = std::fs::File::open(&given).and_then(|f| f.take(64 * 1024).read_to_string(&mut text));
    if read.is_ok() { text } else { given }
}

/// A path as the use-cases take it: absolute, as they may run elsewhere than where it was typed.
fn absolute(path: PathBuf) -> Result<String, ApiError> {
    let text = std::path::absolute(&path).ok().and_then(|p| p.into_os_string().into_string().ok());
    text.ok_or_else(|| {
        let message = format!("the path {} is not UTF-8, or the current folder is gone", path.display());
        ApiError::new(ApiErrorKind::Usage, "cli.path", message, "Rename the folder, or go to one that exists.")
    })
}

impl Session<'_> {
    async fn run(&self, command: Command) -> Done {
        let (h, c, out) = (&self.holdfast, &self.caller, self.out);
        match command {
            Command::Archiver(a) => self.archiver(a).await,
            Command::Search(s) => {
                out.answer(&h.search(c, search_request(s)).await?, render::search);
                ok()
            }
            Command::Show { id } => {
                out.answer(&h.recording(c, RecordingRequest { id }).await?, render::recording);
                ok()
            }
            Command::Matter(m) => self.matter(m).await,
            Command::Plan { matter, deadline, speed, ids } => {
                let ids = (!ids.is_empty()).then_some(ids);
                out.answer(&h.plan(c, PlanRequest { matter, deadline, ids, speed }).await?, render::plan);
                ok()
            }
            Command::Retrieve { matter, plan, ids, wait, to } => self.retrieve(matter, plan, ids, wait, to).await,
            Command::Jobs { matter, all, watch, cancel, id } => match matter {
                Some(matter) if cancel => {
                    let list = h.job_cancel(c, JobCancelRequest { matter, id }).await?;
                    out.answer(&list, |l| render::jobs(&l.jobs));
                    ok()
                }
                matter => self.jobs(JobsRequest { matter, all }, watch).await,
            },
            Command::Verify { target, key } => {
                // What exists as a path is told absolutely; ids stay as they are.
                let path = PathBuf::from(&target);
                let target = if path.exists() { absolute(path)? } else { target };
                let v = h.verify(c, VerifyRequest { target, key: key.map(key_text) }).await?;
                out.answer(&v, render::verification);
                Ok(verdict(&v.outcome))
            }
            Command::Play(p) => self.play(p).await,
            Command::Export { matter, to, partial } => {
                let to = to.map(absolute).transpose()?;
                let e = h.export(c, ExportRequest { matter, to, partial }).await?;
                out.answer(&e, render::export);
                Ok(verdict(&e.outcome))
            }
            Command::Link(args) => reach::link(h, c, args, out).await,
            Command::Notify(n) => reach::notify(h, c, n, out).await,
            Command::Ledger(l) => self.ledger(l).await,
            Command::Index(i) => {
                let report = match i {
                    IndexCommand::Refresh => {
                        let report = h.index_refresh(c, Nothing {}).await?;
                        out.answer(&report, render::refresh);
                        return Ok(ExitCode::from(if report.missing == 0 { exit::OK } else { exit::EVIDENCE }));
                    }
                    IndexCommand::Rebuild => h.index_rebuild(c, Nothing {}).await?,
                    IndexCommand::Check => h.index_check(c, Nothing {}).await?,
                };
                out.answer(&report, render::index_report);
                let same = report.missing + report.surplus + report.different + report.damaged == 0;
                Ok(ExitCode::from(if same { exit::OK } else { exit::EVIDENCE }))
            }
            Command::Config(_) => {
                out.answer(&h.settings(c, Nothing {}).await?, render::settings);
                ok()
            }
            Command::Costs { csv, last } => self.costs(csv, last).await,
            Command::Status => {
                out.answer(&h.status(c, Nothing {}).await?, render::status);
                ok()
            }
            // Done before a home folder was opened, or beside this.
            Command::Serve { .. }
            | Command::Demo { .. }
            | Command::Provision(_)
            | Command::Preflight
            | Command::Completions { .. }
            | Command::Man { .. }
            | Command::Credentials(_)
            | Command::Keys(_) => ok(),
        }
    }

    async fn archiver(&self, command: Archiver) -> Done {
        let (h, c, out) = (&self.holdfast, &self.caller, self.out);
        match command {
            Archiver::Ingest { path, mapping } => {
                let request = IngestRequest { path: absolute(path)?, mapping: mapping.map(absolute).transpose()? };
                let s = h.ingest(c, request).await?;
                out.answer(&s, render::ingest);
                Ok(ExitCode::from(ingest_code(&s)))
            }
            Archiver::Run { once } => self.archiver_run(once).await,
            Archiver::Status => {
                out.answer(&h.archiver_status(c, Nothing {}).await?, render::archiver);
                ok()
            }
            Archiver::Quarantine(q) => {
                match q {
                    Quarantine::List => {
                        out.answer(&h.quarantine_list(c, Nothing {}).await?, |l| render::quarantine(&l.items));
                    }
                    Quarantine::Show { id } => {
                        let item = h.quarantine_show(c, QuarantineRequest { id }).await?;
                        out.answer(&item, |i| render::quarantine(std::slice::from_ref(i)));
                    }
                    Quarantine::Resolve { id, decision, reason } => {
                        let item = h.quarantine_resolve(c, QuarantineResolveRequest { id, decision, reason }).await?;
                        out.answer(&item, |i| render::quarantine(std::slice::from_ref(i)));
                    }
                }
                ok()
            }
        }
    }

    /// Looks at every configured source again and again; with `--json` the last summaries are one document at the end of `--once`.
    async fn archiver_run(&self, once: bool) -> Done {
        let interval = self.holdfast.archiver_interval();
        loop {
            // Anew each time: credentials change in the months that this may run, and whose they are with them.
            let caller = self.holdfast.local_caller("cli");
            let summaries = self.holdfast.run_sources(&caller).await?;
            if once {
                self.out.answer(&summaries, |all| all.iter().map(render::ingest).collect());
                let worst = summaries.iter().map(ingest_code).max().unwrap_or(exit::OK);
                return Ok(ExitCode::from(worst));
            }
            for s in summaries.iter().filter(|s| s.archived + s.quarantined + s.failed > 0) {
                self.out.note(render::ingest(s).trim_end());
            }
            // What cannot be asked today is asked on the next pass; taking in does not wait for it.
            if let Err(e) = self.holdfast.index_refresh_daily(&self.caller).await {
                self.out.note(&e.message);
            }
            tokio::time::sleep(interval).await;
        }
    }

    async fn matter(&self, command: Matter) -> Done {
        let (h, c, out) = (&self.holdfast, &self.caller, self.out);
        match command {
            Matter::Create { name, reference, justification, deadline, requester } => {
                let request =
                    MatterCreateRequest { name, reference, justification, deadline, requester, idempotency: None };
                out.answer(&h.matter_create(c, request).await?, |m| m.matter_id.clone());
            }
            Matter::Add { matter, ids } => {
                let done = h.matter_add(c, MatterAddRequest { matter, ids }).await?;
                out.answer(&done, |d| format!("{} added, {} were in it already.", d.added, d.already));
            }
            Matter::List => out.answer(&h.matters(c, Nothing {}).await?, |m| render::matters(m)),
            Matter::Show { matter } => out.answer(&h.matter(c, MatterRequest { matter }).await?, render::matter),
            Matter::Hold { matter, reason, release } => {
                let m = h.hold(c, HoldRequest { matter, on: !release, reason }).await?;
                out.answer(&m, |m| render::matters(std::slice::from_ref(m)));
            }
            Matter::Close { matter, reason, release_holds } => {
                let m = h.matter_close(c, MatterCloseRequest { matter, reason, release_holds }).await?;
                out.answer(&m, |m| render::matters(std::slice::from_ref(m)));
            }
        }
        ok()
    }

    async fn retrieve(
        &self,
        matter: String,
        plan: Option<String>,
        ids: Vec<String>,
        wait: bool,
        to: Option<PathBuf>,
    ) -> Done {
        let to = to.map(absolute).transpose()?;
        let ids = (!ids.is_empty()).then_some(ids);
        let request = RetrieveRequest { matter: matter.clone(), plan, ids, to };
        let asked = request.ids.clone();
        let mut result = self.holdfast.retrieve(&self.caller, request).await?;
        if wait {
            self.holdfast.drive_until_done(Some(&matter)).await?;
        } else {
            self.holdfast.drive_once().await?;
        }
        let all = self.holdfast.jobs(&self.caller, JobsRequest { matter: Some(matter), all: true }).await?.jobs;
        let wanted = |j: &JobView| asked.as_ref().is_none_or(|ids| ids.contains(&j.archive_id));
        result.items = all.into_iter().filter(wanted).collect();
        self.out.answer(&result, |r| render::jobs(&r.items));
        Ok(ExitCode::from(jobs_code(&result.items)))
    }

    async fn jobs(&self, request: JobsRequest, watch: bool) -> Done {
        if watch {
            let bars = self.watch_jobs();
            let done = self.holdfast.drive_until_done(request.matter.as_deref()).await;
            bars.abort();
            done?;
        }
        let request = JobsRequest { all: request.all || watch, ..request };
        let list = self.holdfast.jobs(&self.caller, request).await?;
        self.out.answer(&list, |l| render::jobs(&l.jobs));
        if watch { Ok(ExitCode::from(jobs_code(&list.jobs))) } else { ok() }
    }

    fn watch_jobs(&self) -> tokio::task::JoinHandle<()> {
        let mut events = self.holdfast.subscribe();
        let json = self.out.json;
        tokio::spawn(async move {
            while let Some(event) = progress::next(&mut events).await {
                if let (ApiEvent::Job { job }, false) = (event, json) {
                    Output::new(false)
                        .note(render::jobs(std::slice::from_ref(&job)).lines().nth(1).unwrap_or_default());
                }
            }
        })
    }

    async fn play(&self, p: Play) -> Done {
        let (h, c) = (&self.holdfast, &self.caller);
        let request = PlayRequest { id: p.id, reason: p.reason, matter: p.matter, here: true };
        let session = h.play(c, request).await?;
        let act = async |action| h.player(c, PlayerRequest { session: session.session.clone(), action }).await;
        act(PlayerAction::Volume { level: p.volume }).await?;
        act(PlayerAction::Speed { factor: p.speed }).await?;
        act(PlayerAction::Channels { who: p.channels }).await?;
        if p.from > 0.0 {
            act(PlayerAction::Seek { to_ms: (p.from * 1000.0) as u64 }).await?;
        }
        let until = p.seconds.map(|s| ((p.from + s) * 1000.0) as u64);
        let mut state = act(PlayerAction::Play).await?;
        let mut keys = Keys::read();
        if keys.any() {
            self.out.note("space: pause   , and .: back and forward 5 s   q: stop");
        }
        while !matches!(state.state.as_str(), "ended" | "stopped") && until.is_none_or(|u| state.position_ms < u) {
            let action = tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(100)) => PlayerAction::State,
                key = keys.next() => match key {
                    b' ' if state.state == "paused" => PlayerAction::Play,
                    b' ' => PlayerAction::Pause,
                    b',' => PlayerAction::Seek { to_ms: state.position_ms.saturating_sub(5_000) },
                    b'.' => PlayerAction::Seek { to_ms: state.position_ms + 5_000 },
                    b'q' | 27 => break,
                    _ => PlayerAction::State,
                },
                () = interrupted() => break,
            };
            state = act(action).await?;
            if self.out.terminal && !self.out.json {
                use std::io::Write as _;
                let at = render::clock(state.position_ms);
                let of = state.duration_ms.map(render::clock).unwrap_or_default();
                let _ = write!(std::io::stderr(), "\r{at} / {of}  {}   ", state.state);
            }
        }
        let end = act(PlayerAction::Stop).await?;
        drop(keys);
        self.out.note("");
        self.out.answer(&end, |s| format!("Played to {}; it stands in the ledger.", render::clock(s.position_ms)));
        ok()
    }

    async fn costs(&self, csv: bool, last: bool) -> Done {
        let answer = self.holdfast.costs(&self.caller, CostsRequest { count: !last }).await?;
        if csv {
            let file = self.holdfast.costs_file(&self.caller, CostsFileRequest { format: "csv".into() }).await?;
            self.out.answer(&file, |f| f.text.clone());
        } else {
            self.out.answer(&answer, render::costs);
        }
        ok()
    }

    async fn ledger(&self, command: LedgerCommand) -> Done {
        let (h, c, out) = (&self.holdfast, &self.caller, self.out);
        match command {
            LedgerCommand::Verify => {
                let report = h.ledger_verify(c, Nothing {}).await?;
                out.answer(&report, render::ledger_report);
                return Ok(verdict(&report.outcome));
            }
            LedgerCommand::Show { from, limit, id, matter } => {
                let request = LedgerShowRequest { from, limit: Some(limit), id, matter };
                out.answer(&h.ledger_show(c, request).await?, |e| render::custody(&e.entries));
            }
            // Done before a home folder was opened.
            LedgerCommand::Create => {}
            LedgerCommand::Upgrade => {
                out.answer(&h.ledger_upgrade(c, Nothing {}).await?, |u| match u.entry {
                    Some(entry) => format!("Entries are written as {} from now on (entry {entry}).", u.format),
                    None => format!("Entries are written as {} already.", u.format),
                });
            }
            LedgerCommand::Checkpoint => {
                out.answer(&h.ledger_checkpoint(c, Nothing {}).await?, render::checkpoint);
            }
        }
        ok()
    }

    async fn serve(&self, port: Option<u16>) -> Done {
        let told = interrupted();
        let running = serve(&self.holdfast, port).await?;
        self.out.answer(&serde_json::json!({ "address": running.url() }), |_| {
            format!(
                "Holdfast is at {}\nThe address works on this machine only, until this command ends (Ctrl-C).",
                running.url()
            )
        });
        told.await;
        running.shutdown().await;
        ok()
    }
}

async fn serve(holdfast: &Arc<Holdfast>, port: Option<u16>) -> Result<holdfast_gateway::Running, ApiError> {
    holdfast.start_driver();
    let port = port.unwrap_or_else(|| holdfast.config().serve.port);
    holdfast_gateway::serve(Arc::clone(holdfast), holdfast_gateway::ServeOptions { port }).await
}

/// 3 where something was left over, 1 where everything failed.
fn ingest_code(s: &IngestSummary) -> u8 {
    match s {
        s if !s.complete => exit::FAILURE,
        s if s.failed > 0 && s.archived + s.already == 0 => exit::FAILURE,
        s if s.failed + s.quarantined > 0 => exit::PARTIAL,
        _ => exit::OK,
    }
}

/// 4 before 5 before 3: what is wrong with the evidence is said first.
fn jobs_code(jobs: &[JobView]) -> u8 {
    if jobs.iter().any(|j| j.outcome.as_deref() == Some("failed")) {
        exit::EVIDENCE
    } else if jobs.iter().any(|j| !matches!(j.state.as_str(), "verified" | "failed" | "cancelled")) {
        exit::AWAITING
    } else if jobs.iter().any(|j| j.state != "verified") {
        exit::PARTIAL
    } else {
        exit::OK
    }
}

fn search_request(s: Search) -> SearchRequest {
    SearchRequest {
        text: (!s.text.is_empty()).then(|| s.text.join(" ")),
        from: s.from,
        to: s.to,
        agent: s.agent,
        queue: s.queue,
        participant: s.participant,
        tag: s.tag,
        interaction: s.interaction,
        vendor: s.vendor,
        media: s.media,
        tier: s.tier,
        direction: s.direction,
        matter: s.matter,
        limit: Some(s.limit),
        cursor: s.cursor,
        facets: s.facets,
        year: None,
    }
}

fn config_check(options: &OpenOptions, out: &Output) -> Done {
    let problems = holdfast_api::check_config(options);
    out.answer(&serde_json::json!({ "problems": problems }), |_| {
        if problems.is_empty() {
            "The configuration is in order.".into()
        } else {
            problems.iter().map(|p| format!("line {} column {}: {}\n", p.line, p.column, p.message)).collect()
        }
    });
    Ok(ExitCode::from(if problems.is_empty() { exit::OK } else { exit::USAGE }))
}

/// Makes the sample archive, then opens the window where there is a display, else serves it and says where.
async fn demo(options: OpenOptions, no_open: bool, interactions: u32, out: &Output) -> Done {
    let home = options.home.clone();
    let holdfast = holdfast_api::demo::open(options).await?;
    let bars = Bars::show(&holdfast, out.terminal && !out.json);
    let made = holdfast_api::demo::make(&holdfast, interactions).await?;
    drop(bars);
    if no_open {
        out.answer(&made, |m| m.sentence());
        holdfast.close().await;
        return ok();
    }
    out.note(&made.sentence());
    let display = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|v| std::env::var_os(v).is_some_and(|v| !v.is_empty()));
    let window = std::env::current_exe().ok().map(|p| p.with_file_name("holdfast-app")).filter(|p| p.exists());
    if let (true, Some(window)) = (display, window) {
        holdfast.close().await;
        let status = std::process::Command::new(&window).arg("--home").arg(&home).status();
        if status.is_ok_and(|s| s.success()) {
            return ok();
        }
        out.note("The window did not open; the same is served to a browser instead.");
        let holdfast = Holdfast::open(OpenOptions { home, set: Vec::new() }).await?;
        return demo_serve(&holdfast, out).await;
    }
    demo_serve(&holdfast, out).await
}

async fn demo_serve(holdfast: &Arc<Holdfast>, out: &Output) -> Done {
    let told = interrupted();
    let running = serve(holdfast, None).await?;
    out.answer(&serde_json::json!({ "address": running.url() }), |_| {
        format!("Open {} in a browser on this machine. Ctrl-C ends it.", running.url())
    });
    told.await;
    running.shutdown().await;
    holdfast.close().await;
    ok()
}

fn man(folder: &std::path::Path) -> Done {
    let written = std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(Cli::command(), folder));
    written.map_err(|e| {
        let message = format!("the man page could not be written to {}: {e}", folder.display());
        ApiError::new(ApiErrorKind::Failure, "cli.man", message, "Name a folder that this account can write to.")
    })?;
    ok()
}
