//! `holdfast-verify PACKAGE`, `holdfast-verify --ledger FOLDER`: checks an evidence package or a published ledger without Holdfast,
//! without a network, without a secret.

use holdfast_model::{Cancel, HOLDFAST_VERSION, NoProgress, visible};
use holdfast_verify::{
    CheckResult, Link, Outcome, Severity, Trust, TrustedKey, VerificationReport, package, verify_ledger,
};
use std::{
    ffi::OsString,
    fmt::Write as _,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

const HELP: &str = "\
Checks an evidence package made by Holdfast: that every recording in it is, bit for bit, what was archived. Or checks a whole
ledger as it is published: every entry, tile and signature. Reads only; needs no network and no secret.

Usage: holdfast-verify PACKAGE [--key KEY|FILE] [--json]
       holdfast-verify --ledger FOLDER [--key KEY|FILE] [--json]

  PACKAGE      the package's folder
  --ledger     the folder of a published ledger, with `checkpoint` and `tile`
  --key        the fingerprint of the archive's public key as you know it from elsewhere (telephone, letterhead): 64
               hexadecimal digits, with or without colons or spaces. The key itself is taken too: as 64 hexadecimal digits, in
               base64, as PEM, or as the verifier key of a signed note; and a file with any of these. Without --key it can
               only be shown that what is checked agrees with itself, not where it comes from.
  --json       one JSON document on standard output instead of text
  --version    the version
  --help       this text

Exit codes: 0 verified (also with remarks), 1 the folder could not be read, 2 wrong usage, 3 consistent with itself, origin
not established (no --key), 4 something does not agree.
";

struct Arguments {
    folder: PathBuf,
    /// The folder is a ledger's, not a package.
    ledger: bool,
    trust: Trust,
    json: bool,
}

enum Asked {
    Verify(Arguments),
    Print(String),
}

fn main() -> ExitCode {
    let arguments = match parse(std::env::args_os().skip(1)) {
        Ok(Asked::Verify(arguments)) => arguments,
        Ok(Asked::Print(text)) => return print(&text, 0),
        Err(problem) => {
            // Nothing can be done where standard error is closed.
            let _ = writeln!(io::stderr(), "holdfast-verify: {problem}\nTry holdfast-verify --help");
            return ExitCode::from(2);
        }
    };
    let (folder, trust, cancel) = (&arguments.folder, arguments.trust, Cancel::default());
    let checked = if arguments.ledger {
        verify_ledger(folder, trust, &cancel, &NoProgress)
    } else {
        package::verify_package(folder, trust, &cancel, &NoProgress)
    };
    match checked {
        Ok(report) => {
            let code = match report.outcome {
                Outcome::Verified | Outcome::VerifiedWithRemarks => 0,
                Outcome::SelfConsistent => 3,
                Outcome::Failed => 4,
            };
            let text = if arguments.json { json(&report) } else { words(&report) };
            print(&text, code)
        }
        Err(error) => {
            use holdfast_model::Fault as _;
            if arguments.json {
                let error = serde_json::json!({"error": {"code": error.code(), "message": error.to_string(), "next": error.next()}});
                return print(&format!("{error:#}\n"), 1);
            }
            let _ = writeln!(io::stderr(), "holdfast-verify: {error}\n{}", error.next());
            ExitCode::from(1)
        }
    }
}

fn print(text: &str, code: u8) -> ExitCode {
    // A reader that went away (a pager, `head`) does not change what was found.
    let _ = io::stdout().lock().write_all(text.as_bytes());
    ExitCode::from(code)
}

fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Asked, String> {
    let (mut folder, mut key, mut json, mut ledger) = (None, None, false, false);
    let mut arguments = arguments.peekable();
    let mut options = true;
    while let Some(argument) = arguments.next() {
        let text = argument.to_str().filter(|_| options).unwrap_or_default();
        match text {
            "--help" | "-h" => return Ok(Asked::Print(HELP.into())),
            "--version" | "-V" => return Ok(Asked::Print(format!("holdfast-verify {HOLDFAST_VERSION}\n"))),
            "--json" => json = true,
            "--" => options = false,
            "--key" => key = Some(read_key(&arguments.next().ok_or("--key needs a key or a file")?)?),
            t if t.starts_with("--key=") => key = Some(read_key(&OsString::from(&t[6..]))?),
            "--ledger" => ledger = true,
            t if t.starts_with('-') && t.len() > 1 => return Err(format!("there is no option {t}")),
            _ if folder.is_none() => folder = Some(PathBuf::from(argument)),
            _ => return Err("more than one folder was named".into()),
        }
    }
    let folder = folder.ok_or("no package was named")?;
    Ok(Asked::Verify(Arguments { folder, ledger, trust: key.map_or(Trust::Unknown, Trust::Given), json }))
}

fn read_key(given: &OsString) -> Result<TrustedKey, String> {
    if let Some(key) = given.to_str().and_then(TrustedKey::parse) {
        return Ok(key);
    }
    let shown = given.to_string_lossy();
    let length = std::fs::metadata(given)
        .map_err(|e| format!("{shown} is neither a fingerprint or public key nor a file with one: {e}"))?
        .len();
    if length > 64 * 1024 {
        return Err(format!("the file {shown} is too large for a public key"));
    }
    let text = std::fs::read_to_string(given).map_err(|e| format!("the key file {shown} can't be read: {e}"))?;
    TrustedKey::parse(&text).ok_or_else(|| format!("there is no fingerprint or Ed25519 public key in {shown}"))
}

fn json(report: &VerificationReport) -> String {
    // A report holds nothing that JSON could not hold.
    serde_json::to_string_pretty(report).unwrap_or_default() + "\n"
}

fn words(report: &VerificationReport) -> String {
    let mut out = String::new();
    for finding in &report.findings {
        let weight = match finding.severity {
            Severity::Failure => "FAILURE",
            Severity::Remark => "Remark",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{weight} {}: {}", finding.code, visible(&finding.subject));
        let _ = writeln!(out, "  {}", finding.code.meaning());
        for (name, text) in [("expected: ", &finding.expected), ("found:    ", &finding.found)] {
            let _ = if text.is_empty() { Ok(()) } else { writeln!(out, "  {name}{}", visible(text)) };
        }
        let _ = writeln!(out, "  next: {}\n", finding.code.next());
    }
    let _ = writeln!(out, "Checked:");
    for link in Link::ALL {
        let count = |r: CheckResult| report.checks.iter().filter(|c| c.link == *link && c.result == r).count();
        let (passed, failed) = (count(CheckResult::Passed), count(CheckResult::Failed));
        if passed + failed > 0 {
            let _ = writeln!(out, "  {:<46} {passed} passed, {failed} failed", link.title());
        }
    }
    let open = |link: &&Link| report.checks.iter().any(|c| c.link == **link && c.result == CheckResult::NotChecked);
    let open: Vec<_> = Link::ALL.iter().filter(open).collect();
    if !open.is_empty() {
        let _ = writeln!(out, "Not checked, or not everywhere, and what it would need:");
    }
    for link in open {
        let _ = writeln!(out, "  {:<46} {}", link.title(), link.needs());
    }
    let word = match report.outcome {
        Outcome::Verified => "VERIFIED",
        Outcome::VerifiedWithRemarks => "VERIFIED, with remarks",
        Outcome::SelfConsistent => "CONSISTENT WITH ITSELF; ORIGIN NOT ESTABLISHED: verify again with --key",
        Outcome::Failed => "FAILED: something does not agree; see above",
    };
    let _ = writeln!(out, "\n{word}");
    out
}
