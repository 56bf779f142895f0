//! Being told to stop: what is under way comes to its end first, and the exit code says how it ended.

use crate::{
    home::{Home, Ran},
    sample,
};
use serde_json::Value;
use std::{
    fs::OpenOptions,
    io::{Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

pub(crate) fn tell(child: &Child, signal: &str) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn who_serves_answers_what_it_was_asked_and_ends_well() {
    for signal in ["-TERM", "-INT"] {
        let home = Home::new();
        let source = home.beside("source");
        sample::put(&source, "call-1", "2026-01-05", 440.0);
        // A request that takes until this test says so: the mapping that it reads is a pipe.
        let mapping = home.beside("mapping.toml");
        assert!(Command::new("mkfifo").arg(&mapping).status().unwrap().success());
        let mut child = home
            .command()
            .args(["serve", "--port", "0", "--json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = serde_json::Deserializer::from_reader(child.stdout.take().unwrap()).into_iter::<Value>();
        let url = told.next().unwrap().unwrap()["address"].as_str().unwrap().to_owned();
        let (address, token) = url.strip_prefix("http://").unwrap().split_once("/#token=").unwrap();

        let body = serde_json::json!({ "path": source, "mapping": mapping }).to_string();
        let mut asked = TcpStream::connect(address).unwrap();
        write!(
            asked,
            "POST /api/ingest HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        // Opens when the other end is open: the request is under way.
        let mut pipe = OpenOptions::new().write(true).open(&mapping).unwrap();
        tell(&child, signal);
        while TcpStream::connect(address).is_ok() {
            std::thread::sleep(Duration::from_millis(10));
        }
        pipe.write_all(b"name = \"x\"\nformat = \n").unwrap();
        drop(pipe);
        let mut answer = String::new();
        asked.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 4") && answer.contains("\"mapping."), "{signal}: {answer:?}");
        let ended = Ran::of(child.wait_with_output().unwrap()).code(0);
        assert_eq!(ended.stderr, "", "{signal}");
    }
}
