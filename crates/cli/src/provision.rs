//! Commands about the cloud side of the archive. They open no installation: what opening needs may be what is missing.

use crate::{
    output::{Output, exit},
    run::Done,
};
use clap::Subcommand;
use holdfast_api::{ApiError, ApiErrorKind, OpenOptions, dto::*, provision};
use std::{
    fmt::Write as _,
    io::{BufRead as _, IsTerminal as _, Write as _},
    path::PathBuf,
    process::ExitCode,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Provision {
    /// Show what differs between the cloud side as configured and as it is. Changes nothing; 3 where something differs.
    Plan,
    /// Make it so: idempotent; never deletes, suspends or shortens anything. 3 where something is left that only a person can do.
    Apply {
        /// Ask nothing. Without it the name of the place of recordings is to be typed.
        #[arg(long)]
        yes: bool,
    },
    /// Write the same as CloudFormation, Bicep and ARM templates and as a policy for each role. Talks to nobody.
    Emit {
        /// Folder for the files [default: print them].
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
        /// Only the file of this name, e.g. holdfast.cfn.yaml.
        #[arg(long, value_name = "NAME")]
        only: Option<String>,
    },
}

pub(crate) async fn provision(options: &OpenOptions, command: Provision, out: &Output) -> Done {
    match command {
        Provision::Plan => {
            let plan = provision::plan(options).await?;
            out.answer(&plan, shown_plan);
            Ok(ExitCode::from(if plan.to_do + plan.barred == 0 { exit::OK } else { exit::PARTIAL }))
        }
        Provision::Apply { yes } => apply(options, yes, out).await,
        Provision::Emit { to, only } => emit(options, to, only.as_deref(), out),
    }
}

async fn apply(options: &OpenOptions, yes: bool, out: &Output) -> Done {
    let plan = provision::plan(options).await?;
    let confirm = if yes || plan.to_do == 0 { plan.confirm.clone() } else { typed(&plan, out)? };
    let cancel = provision::Cancel::default();
    let request = ProvisionApplyRequest { confirm };
    let told = |stage: &str| out.note(stage);
    let (applied, stopped) = {
        let work = provision::apply(options, &request, &told, &cancel);
        tokio::pin!(work);
        tokio::select! {
            done = &mut work => (done?, false),
            // Between two steps, so that none is cut in half.
            () = crate::run::interrupted() => { cancel.cancel(); (work.await?, true) }
        }
    };
    out.answer(&applied, |a| {
        let mut text = String::new();
        for e in &a.done {
            let _ = writeln!(text, "done  {}: {}", e.place, e.setting);
        }
        text + &shown_plan(&a.left)
    });
    Ok(ExitCode::from(match applied.left.to_do + applied.left.barred {
        0 => exit::OK,
        _ if stopped => exit::INTERRUPTED,
        _ => exit::PARTIAL,
    }))
}

/// Shows the plan and has its name typed by a person.
fn typed(plan: &ProvisionPlan, out: &Output) -> Result<String, ApiError> {
    let refused = |message: &str| {
        let next = "Look at `holdfast provision plan`, then type the name at the prompt or give --yes.";
        ApiError::new(ApiErrorKind::Usage, "cli.not_confirmed", message, next)
    };
    if !std::io::stdin().is_terminal() {
        return Err(refused("nothing was changed: there is nobody at the terminal to confirm it"));
    }
    out.note(&shown_plan(plan));
    let _ = write!(std::io::stderr(), "Type {} to make it so: ", plan.confirm);
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(|_| refused("nothing was changed: nothing was typed"))?;
    Ok(line.trim().to_owned())
}

fn emit(options: &OpenOptions, to: Option<PathBuf>, only: Option<&str>, out: &Output) -> Done {
    let mut all = provision::emit(options)?;
    if let Some(name) = only {
        let names: Vec<_> = all.documents.iter().map(|d| d.name.clone()).collect();
        all.documents.retain(|d| d.name == name);
        if all.documents.is_empty() {
            let next = format!("There are: {}.", names.join(", "));
            return Err(ApiError::new(
                ApiErrorKind::Usage,
                "cli.no_document",
                format!("there is no file `{name}`"),
                next,
            ));
        }
    }
    if let Some(folder) = &to {
        provision::write(&all, folder)?;
    }
    out.answer(&all, |all| match (&to, all.documents.as_slice()) {
        (Some(folder), all) => all.iter().map(|d| format!("{}\n", folder.join(&d.name).display())).collect(),
        (None, [one]) => one.text.clone(),
        (None, all) => all.iter().map(|d| format!("# ---- {}\n{}\n", d.name, d.text)).collect(),
    });
    Ok(ExitCode::from(exit::OK))
}

fn shown_plan(plan: &ProvisionPlan) -> String {
    let mut text = String::new();
    for e in &plan.entries {
        let _ = writeln!(text, "{:<8} {}: {}", e.kind, e.place, e.setting);
        if !e.found.is_empty() {
            let _ = writeln!(text, "         now     {}", e.found);
        }
        let _ = writeln!(text, "         wanted  {}\n         {}", e.wanted, e.words);
    }
    let _ = match (plan.to_do, plan.barred) {
        (0, 0) => writeln!(text, "The cloud side is as configured."),
        (n, 0) => writeln!(text, "{n} to do: `holdfast provision apply`."),
        (n, barred) => writeln!(text, "{n} to do by `holdfast provision apply`, {barred} that only a person can do."),
    };
    text
}

pub(crate) async fn preflight(options: &OpenOptions, out: &Output) -> Done {
    let cancel = provision::Cancel::default();
    // With --json the one document comes at the end; for people each check as it ends.
    let hear = |c: PreflightCheck| out.note(&shown_check(&c));
    let report = {
        let work = provision::preflight(options, &hear, &cancel);
        tokio::pin!(work);
        tokio::select! {
            done = &mut work => done,
            () = crate::run::interrupted() => { cancel.cancel(); work.await }
        }
    }?;
    out.answer(&report, |r| {
        let mut text = String::new();
        let _ = writeln!(text, "{} passed, {} failed, {} skipped.", r.passed, r.failed, r.skipped);
        for c in r.checks.iter().filter(|c| c.outcome == "failed") {
            text.push_str(&shown_check(c));
            text.push('\n');
        }
        text
    });
    Ok(ExitCode::from(match &report {
        r if r.stopped => exit::INTERRUPTED,
        r if r.green => exit::OK,
        _ => exit::FAILURE,
    }))
}

fn shown_check(c: &PreflightCheck) -> String {
    let mark = match c.outcome.as_str() {
        "passed" => "ok     ",
        "failed" => "FAILED ",
        _ => "-      ",
    };
    let place = if c.place.is_empty() { String::new() } else { format!(" ({})", c.place) };
    let mut text = format!("{mark}{}{place}: {}", c.title, c.says);
    if let Some(missing) = &c.missing {
        let _ = write!(text, "\n       missing: {missing}");
    }
    if let Some(next) = &c.next {
        let _ = write!(text, "\n       next: {next}  [{}]", c.code);
    }
    // Names come from a provider: no control character of theirs reaches the terminal.
    holdfast_api::visible_lines(&text).into_owned()
}
