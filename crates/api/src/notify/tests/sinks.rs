//! Receivers on the loopback that do as they are told and remember what they heard.

use std::sync::{Arc, Mutex};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::TcpListener,
};

/// How a request is answered.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    /// A status, and `Retry-After`.
    Status(u16, Option<&'static str>),
    /// None at all, though the request was taken.
    Silence,
    /// The connection is dropped, though the request was taken.
    Reset,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    head: Vec<String>,
    pub(super) body: String,
}

impl Heard {
    pub(super) fn header(&self, name: &str) -> String {
        let found = self.head.iter().find_map(|l| l.split_once(": ").filter(|(n, _)| n.eq_ignore_ascii_case(name)));
        found.unwrap_or_else(|| panic!("no {name} in {:?}", self.head)).1.to_owned()
    }
}

/// Receives HTTP requests; answers as the script says, and 503 when it is over.
pub(super) struct HttpSink {
    port: u16,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl HttpSink {
    pub(super) async fn start(script: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard: Arc<Mutex<Vec<Heard>>> = Arc::default();
        let remember = Arc::clone(&heard);
        tokio::spawn(async move {
            let mut script = script.into_iter();
            let mut silent = Vec::new();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let mut stream = BufReader::new(socket);
                let Some(request) = read_request(&mut stream).await else { continue };
                remember.lock().unwrap().push(request);
                match script.next().unwrap_or(Answer::Status(503, None)) {
                    Answer::Status(status, after) => {
                        let after = after.map(|s| format!("Retry-After: {s}\r\n")).unwrap_or_default();
                        let text =
                            format!("HTTP/1.1 {status} x\r\n{after}Content-Length: 0\r\nConnection: close\r\n\r\n");
                        stream.write_all(text.as_bytes()).await.unwrap();
                    }
                    Answer::Silence => silent.push(stream),
                    Answer::Reset => drop(stream),
                }
            }
        });
        Self { port, heard }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    pub(super) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }
}

async fn read_request<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> Option<Heard> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        head.push(line);
    }
    let mut heard = Heard { head, body: String::new() };
    let mut body = vec![0; heard.header("content-length").parse().unwrap()];
    stream.read_exact(&mut body).await.ok()?;
    heard.body = String::from_utf8(body).unwrap();
    Some(heard)
}

/// A mail as it came: what was said, and the text.
#[derive(Debug, Clone, Default)]
pub(super) struct Mail {
    pub(super) said: Vec<String>,
    pub(super) text: String,
}

/// Speaks SMTP with one client. The text is answered with `verdict`.
pub(super) async fn speak_smtp<S: AsyncRead + AsyncWrite + Unpin>(stream: S, verdict: &str) -> Option<Mail> {
    let mut stream = BufReader::new(stream);
    let mut mail = Mail::default();
    stream.write_all(b"220 sink\r\n").await.ok()?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return Some(mail);
        }
        let line = line.trim_end().to_owned();
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        mail.said.push(line);
        let answer = match verb.as_str() {
            "EHLO" => "250-sink\r\n250 AUTH PLAIN LOGIN\r\n".to_owned(),
            "AUTH" => "235 welcome\r\n".to_owned(),
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await.ok()?;
                loop {
                    let mut line = String::new();
                    stream.read_line(&mut line).await.ok()?;
                    if line.trim_end() == "." {
                        break;
                    }
                    mail.text.push_str(&line);
                }
                format!("{verdict}\r\n")
            }
            "QUIT" => "221 bye\r\n".to_owned(),
            _ => "250 yes\r\n".to_owned(),
        };
        // A client that has what it wants may be gone.
        if stream.write_all(answer.as_bytes()).await.is_err() || verb == "QUIT" {
            return Some(mail);
        }
    }
}
