//! Links, credentials and messages as far as they need no cloud.

use crate::{
    home::{Home, Ran, files},
    sample,
};
use serde_json::Value;
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    os::unix::process::ExitStatusExt as _,
    process::Stdio,
    sync::mpsc,
};

fn archived(home: &Home) -> String {
    let source = home.beside("source");
    sample::put(&source, "call-1", "2026-01-05", 400.0);
    home.json(&["archiver", "ingest", source.to_str().unwrap()]);
    home.json(&["search"])["results"][0]["archive_id"].as_str().unwrap().to_owned()
}

fn links_in_ledger(home: &Home, id: &str) -> Vec<Value> {
    let shown = home.json(&["ledger", "show", "--id", id]);
    shown["entries"].as_array().unwrap().iter().filter(|e| e["action"] == "link").cloned().collect()
}

#[test]
fn a_link_that_cannot_be_made_stands_in_the_ledger_as_refused() {
    let home = Home::new();
    let id = archived(&home);
    let answer = home.run(&["link", &id, "--reason", "for counsel", "--json"]).code(1).json();
    assert_eq!(answer["links"][0]["code"], "store.no_links", "{answer}");
    let entries = links_in_ledger(&home, &id);
    assert_eq!((entries.len(), entries[1]["outcome"].as_str()), (2, Some("refused")), "{entries:?}");
    assert_eq!(entries[1]["sequence"], answer["links"][0]["ledger"]);

    for (args, code) in [
        (vec!["link", &id, "--for", "121m"], "link.bad_time"),
        (vec!["link", &id, "--for", "59s"], "link.bad_time"),
        (vec!["link", &id, "--set", "policy.play_reason=always"], "link.reason_needed"),
    ] {
        let answer = home.run(&[&args[..], &["--json"]].concat()).code(2).json();
        assert_eq!(answer["error"]["code"], code, "{answer}");
    }
    assert_eq!(links_in_ledger(&home, &id).len(), 2, "what is not even asked for properly is no action");
}

#[test]
fn a_link_is_not_shown_before_the_ledger_has_its_outcome() {
    for step in ["link.intended", "link.made"] {
        let home = Home::new();
        let id = archived(&home);
        let died =
            home.command().args(["link", &id, "--reason", "x"]).env("HOLDFAST_KILL_AT", format!("{step}:1")).output();
        let died = died.unwrap();
        assert_eq!(died.status.signal(), Some(9), "{step}: {died:?}");
        assert!(died.stdout.is_empty(), "{step}");
        let entries = links_in_ledger(&home, &id);
        assert_eq!((entries.len(), entries[0]["phase"].as_str()), (1, Some("intent")), "{step}: {entries:?}");
        assert_eq!(home.json(&["ledger", "verify"])["outcome"], "verified", "{step}");
    }
}

/// Takes one request after the other and tells head and body.
fn receiver() -> (String, mpsc::Receiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (send, heard) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).unwrap() > 0 {}
            let length =
                head.to_ascii_lowercase().split("content-length: ").nth(1).unwrap().split('\r').next().unwrap().parse();
            let mut body = vec![0; length.unwrap()];
            stream.read_exact(&mut body).unwrap();
            write!(stream.get_mut(), "HTTP/1.1 204 x\r\nConnection: close\r\n\r\n").unwrap();
            if send.send((head, String::from_utf8(body).unwrap())).is_err() {
                return;
            }
        }
    });
    (url, heard)
}

#[test]
fn a_webhook_hears_that_a_matter_is_ready_also_after_a_kill() {
    let home = Home::new();
    let id = archived(&home);
    let (url, heard) = receiver();
    let text = format!("[[notify.webhook]]\nname = \"desk\"\nurl = \"{url}\"\n");
    std::fs::write(home.path().join("holdfast.toml"), text).unwrap();
    let secret = home.beside("hook.secret");
    std::fs::write(&secret, "a secret of thirty characters..\n").unwrap();
    let run = |args: &[&str], kill: Option<&str>| {
        let mut command = home.command();
        command.args(args).arg("--json").env("HOLDFAST_SECRET_WEBHOOK_DESK_FILE", &secret);
        if let Some(step) = kill {
            command.env("HOLDFAST_KILL_AT", step);
        }
        command.output().unwrap()
    };
    let created = home.json(&[
        "matter",
        "create",
        "--name",
        "Doe v. Acme",
        "--reference",
        "24-CV-1182",
        "--justification",
        "subpoena",
        "--deadline",
        "2030-01-01",
    ]);
    let matter = created["matter_id"].as_str().unwrap();
    home.json(&["matter", "add", matter, &id]);
    let died = run(&["retrieve", "--matter", matter, "--wait"], Some("notify.kept:1"));
    assert_eq!(died.status.signal(), Some(9), "{died:?}");
    assert!(heard.try_recv().is_err(), "kept before it is told");
    Ran::of(run(&["jobs", "--watch"], None)).code(0);
    let (head, body) = heard.recv().unwrap();
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&body["type"], &body["data"]["matter_id"]), (&"matter.ready".into(), &created["matter_id"]), "{body}");
    assert!(!body.to_string().contains("Doe") && head.contains("webhook-signature: v1,"), "{head}{body}");
    Ran::of(run(&["jobs", "--watch"], None)).code(0);
    assert!(heard.try_recv().is_err(), "told once");
    let listed = Ran::of(run(&["notify", "list"], None)).code(0).json();
    assert_eq!(listed["notifications"][0]["state"], "sent", "{listed}");

    let tested = Ran::of(run(&["notify", "test"], None)).code(0).json();
    assert_eq!(tested["channels"][0]["sent"], true, "{tested}");
    assert!(heard.recv().unwrap().1.contains("\"type\":\"test\""));
    let none = home.run(&["notify", "test", "--json"]).code(1).json();
    assert!(none["channels"][0]["problem"].as_str().unwrap().contains("credentials set webhook-desk"), "{none}");
}

#[test]
fn without_a_session_the_desktop_says_so() {
    let home = Home::new();
    let tested = home.run(&["notify", "test", "--set", "notify.desktop=true", "--json"]).code(1).json();
    assert!(tested["channels"][0]["problem"].as_str().unwrap().contains("nobody is logged in"), "{tested}");
    let none = home.run(&["notify", "test", "--json"]).code(2).json();
    assert_eq!(none["error"]["code"], "notify.no_channel");
}

#[test]
fn a_credential_without_a_keyring_is_refused_and_kept_nowhere() {
    let home = Home::new();
    let mut child = home
        .command()
        .args(["credentials", "set", "smtp-password", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"correct-horse-battery\n").unwrap();
    let refused = Ran::of(child.wait_with_output().unwrap()).code(1);
    assert_eq!(refused.json()["error"]["code"], "credentials.no_keyring");
    assert!(!refused.stdout.contains("correct-horse") && !refused.stderr.contains("correct-horse"));
    for file in files(&home.path()) {
        assert!(
            !String::from_utf8_lossy(&std::fs::read(&file).unwrap()).contains("correct-horse"),
            "{}",
            file.display()
        );
    }
    let list = home.json(&["credentials", "list"]);
    assert!(list["credentials"].as_array().unwrap().iter().all(|c| c["from"].is_null()), "{list}");
}
