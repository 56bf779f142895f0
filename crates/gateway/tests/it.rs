//! The gateway as others meet it: over a socket, byte by byte, so that every header is the test's own.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use holdfast_api::{Holdfast, OpenOptions};
use holdfast_gateway::{BODY_LIMIT_BYTES, Running, ServeOptions, serve};
use serde_json::{Value, json};
use std::{fmt::Write as _, path::Path, sync::Arc};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

struct Served {
    running: Running,
    holdfast: Arc<Holdfast>,
    folder: tempfile::TempDir,
}

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|l| {
            let (n, value) = l.split_once(':')?;
            n.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }

    fn code(&self) -> String {
        self.json()["error"]["code"].as_str().expect("an error with a code").to_owned()
    }
}

impl Served {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = OpenOptions { home: folder.path().join("home"), set: vec!["keys.place=file".into()] };
        let holdfast = Holdfast::open(options).await.expect("opens");
        let running = serve(Arc::clone(&holdfast), ServeOptions::default()).await.expect("serves");
        Self { running, holdfast, folder }
    }

    /// Sends exactly this, with `Connection: close`, and reads all that comes back.
    async fn raw(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.running.address).await.unwrap();
        let mut head = format!("{method} {target} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        // A refused body may be answered before it was all sent.
        let _ = stream.write_all(body).await;
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        let end = all.windows(4).position(|w| w == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8(all[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut body = all[end + 4..].to_vec();
        if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
            body = unchunk(&body);
        }
        Answer { status, head, body }
    }

    fn host(&self) -> String {
        self.running.address.to_string()
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.running.token)
    }

    fn cookie(&self) -> String {
        format!("holdfast_{}={}", self.running.address.port(), self.running.token)
    }

    async fn get(&self, target: &str, more: &[(&str, &str)]) -> Answer {
        let (host, bearer) = (self.host(), self.bearer());
        let mut headers = vec![("Host", host.as_str()), ("Authorization", bearer.as_str())];
        headers.extend(more);
        self.raw("GET", target, &headers, b"").await
    }

    async fn call(&self, command: &str, arguments: &Value) -> Answer {
        let (host, bearer) = (self.host(), self.bearer());
        let headers =
            [("Host", host.as_str()), ("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        self.raw("POST", &format!("/api/{command}"), &headers, arguments.to_string().as_bytes()).await
    }

    /// Archives a second of sound and begins to play it. Returns the media path.
    async fn playing(&self) -> String {
        let source = self.folder.path().join("source");
        std::fs::create_dir_all(&source).unwrap();
        write_wav(&source.join("call.wav"));
        let record = json!({
            "interaction_id": "conv-1", "recording_id": "rec-1", "vendor": "test", "media": "voice", "direction": "inbound",
            "start": "2024-03-01T10:00:00Z", "end": "2024-03-01T10:00:01Z", "queue": "Claims",
            "participants": [{ "role": "agent", "identifier": "a1", "display_name": "Priya" }],
        });
        std::fs::write(source.join("call.json"), record.to_string()).unwrap();
        let taken = self.call("ingest", &json!({ "path": source })).await;
        assert_eq!((taken.status, &taken.json()["archived"]), (200, &json!(1)), "{}", taken.json());
        let found = self.call("search", &json!({})).await.json();
        let id = found["results"][0]["archive_id"].as_str().unwrap().to_owned();
        let session = self.call("play", &json!({ "id": id, "here": false })).await;
        assert_eq!(session.status, 200, "{}", session.json());
        session.json()["media_path"].as_str().unwrap().to_owned()
    }
}

fn unchunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = bytes.windows(2).position(|w| w == b"\r\n") {
        let len = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap(), 16).unwrap();
        if len == 0 {
            break;
        }
        whole.extend_from_slice(&bytes[end + 2..end + 2 + len]);
        bytes = &bytes[end + 2 + len + 2..];
    }
    whole
}

/// One second of a rising ramp: 16-bit PCM, mono, 8 kHz.
fn write_wav(path: &Path) {
    let samples: Vec<u8> = (0..8000i16).flat_map(|i| (i * 4).to_le_bytes()).collect();
    let mut wav = Vec::new();
    wav.extend_from_slice(b"RIFF");
    wav.extend_from_slice(&(36 + samples.len() as u32).to_le_bytes());
    wav.extend_from_slice(b"WAVEfmt ");
    wav.extend_from_slice(&16u32.to_le_bytes());
    for field in [1u16, 1] {
        wav.extend_from_slice(&field.to_le_bytes());
    }
    wav.extend_from_slice(&8000u32.to_le_bytes());
    wav.extend_from_slice(&16000u32.to_le_bytes());
    for field in [2u16, 16] {
        wav.extend_from_slice(&field.to_le_bytes());
    }
    wav.extend_from_slice(b"data");
    wav.extend_from_slice(&(samples.len() as u32).to_le_bytes());
    wav.extend_from_slice(&samples);
    std::fs::write(path, wav).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_answer_as_the_use_cases_do() {
    let s = Served::start().await;
    let status = s.call("status", &json!({})).await;
    assert_eq!(status.status, 200);
    assert_eq!(status.header("content-type"), Some("application/json"));
    assert_eq!(status.header("cache-control"), Some("no-store"));
    assert_eq!(status.json()["recordings"], 0);

    let unknown = s.call("deltree", &json!({})).await;
    assert_eq!((unknown.status, unknown.code().as_str()), (404, "api.unknown_command"));
    let odd = s.call("search", &json!({ "teext": "x" })).await;
    assert_eq!((odd.status, odd.code().as_str()), (400, "api.bad_request"));
    for part in ["message", "next", "evidence"] {
        assert!(!odd.json()["error"][part].as_str().unwrap().is_empty(), "{part}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_no_requests_are_refused() {
    let s = Served::start().await;
    let (host, bearer) = (s.host(), s.bearer());
    let base = [("Host", host.as_str()), ("Authorization", bearer.as_str())];
    let json_type = [base[0], base[1], ("Content-Type", "application/json; charset=utf-8")];

    let malformed = s.raw("POST", "/api/status", &json_type, b"{\"a\":").await;
    assert_eq!((malformed.status, malformed.code().as_str()), (400, "gateway.json"));
    let deep = "[".repeat(100_000);
    assert_eq!(s.raw("POST", "/api/status", &json_type, deep.as_bytes()).await.code(), "gateway.json");
    let empty = s.raw("POST", "/api/status", &json_type, b"").await;
    assert_eq!(empty.code(), "gateway.json");
    let form = s.raw("POST", "/api/status", &[base[0], base[1], ("Content-Type", "text/plain")], b"{}").await;
    assert_eq!((form.status, form.code().as_str()), (415, "gateway.media_type"));
    let large = vec![b' '; BODY_LIMIT_BYTES + 1];
    let large = s.raw("POST", "/api/status", &json_type, &large).await;
    assert_eq!((large.status, large.code().as_str()), (413, "gateway.too_large"));
    assert_eq!(s.get("/api/status", &[]).await.status, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_token_nothing_is_answered() {
    let s = Served::start().await;
    let host = s.host();
    let mut nearly = s.running.token.clone();
    nearly.replace_range(63..64, if nearly.ends_with('0') { "1" } else { "0" });
    let tries: [Vec<(&str, String)>; 7] = [
        vec![],
        vec![("Authorization", format!("Bearer {nearly}"))],
        vec![("Authorization", s.running.token.clone())],
        vec![("Authorization", format!("Basic {}", s.running.token))],
        vec![("Authorization", "Bearer ".into())],
        vec![("Cookie", format!("holdfast={}", s.running.token)), ("Sec-Fetch-Site", "same-origin".into())],
        // The media key opens no command.
        vec![("Authorization", format!("Bearer {}", s.running.media_key))],
    ];
    for more in tries {
        let mut headers = vec![("Host", host.as_str()), ("Content-Type", "application/json")];
        headers.extend(more.iter().map(|(n, v)| (*n, v.as_str())));
        let refused = s.raw("POST", "/api/status", &headers, b"{}").await;
        assert_eq!((refused.status, refused.code().as_str()), (401, "gateway.token"), "{more:?}");
        assert!(!refused.head.contains(&s.running.token));
    }
    let key = format!("/api/status?key={}", s.running.media_key);
    assert_eq!(s.raw("POST", &key, &[("Host", &host), ("Content-Type", "application/json")], b"{}").await.status, 401);
    assert_eq!(s.raw("GET", "/events", &[("Host", &host)], b"").await.status, 401);
    assert_eq!(s.raw("GET", "/media/play-1", &[("Host", &host)], b"").await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_is_traded_for_a_cookie_that_only_our_pages_can_use() {
    let s = Served::start().await;
    let (host, bearer, cookie) = (s.host(), s.bearer(), s.cookie());
    assert_eq!(s.raw("POST", "/session", &[("Host", &host)], b"").await.status, 401);
    let given = s.raw("POST", "/session", &[("Host", &host), ("Authorization", &bearer)], b"").await;
    assert_eq!(given.status, 204);
    assert_eq!(given.header("set-cookie"), Some(format!("{cookie}; HttpOnly; SameSite=Strict; Path=/").as_str()));

    let ours = format!("http://{host}");
    let with = async |more: &[(&str, &str)]| {
        let mut headers =
            vec![("Host", host.as_str()), ("Cookie", cookie.as_str()), ("Content-Type", "application/json")];
        headers.extend(more);
        s.raw("POST", "/api/status", &headers, b"{}").await
    };
    assert_eq!(with(&[("Sec-Fetch-Site", "same-origin"), ("Origin", &ours)]).await.status, 200);
    assert_eq!(with(&[("Origin", &ours)]).await.status, 200);
    for foreign in [
        vec![],
        vec![("Sec-Fetch-Site", "same-site"), ("Origin", "http://127.0.0.1:1")],
        vec![("Sec-Fetch-Site", "same-site")],
        vec![("Sec-Fetch-Site", "cross-site")],
        vec![("Sec-Fetch-Site", "none")],
        vec![("Sec-Fetch-Site", "same-origin"), ("Origin", "https://evil.example")],
        vec![("Origin", "null")],
    ] {
        let refused = with(&foreign).await;
        assert_eq!((refused.status, refused.code().as_str()), (403, "gateway.origin"), "{foreign:?}");
    }
    // Even the token is not accepted from a foreign page.
    let stolen = [("Host", host.as_str()), ("Authorization", &bearer), ("Origin", "https://evil.example")];
    assert_eq!(s.raw("POST", "/session", &stolen, b"").await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_were_made_to_point_here_are_refused() {
    let s = Served::start().await;
    let port = s.running.address.port();
    let bearer = s.bearer();
    for host in [format!("127.0.0.1:{port}"), format!("localhost:{port}"), format!("LOCALHOST:{port}")] {
        assert_eq!(s.raw("GET", "/", &[("Host", &host)], b"").await.status, 200, "{host}");
    }
    for host in [
        format!("evil.example:{port}"),
        "127.0.0.1".into(),
        format!("127.0.0.1:{}", port ^ 1),
        format!("127.0.0.1.evil.example:{port}"),
        format!("evil@127.0.0.1:{port}"),
    ] {
        let refused = s.raw("GET", "/", &[("Host", &host), ("Authorization", &bearer)], b"").await;
        assert!(matches!(refused.status, 400 | 421), "{host}: {}", refused.status);
    }
    let ours = s.host();
    let twice = s.raw("GET", "/", &[("Host", &ours), ("Host", "evil.example")], b"").await;
    assert!(matches!(twice.status, 400 | 421), "{}", twice.status);
    let absolute = s.raw("GET", "http://evil.example/", &[("Host", &ours)], b"").await;
    assert!(matches!(absolute.status, 400 | 421), "{}", absolute.status);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_come_with_a_strict_policy_and_paths_lead_nowhere_else() {
    let s = Served::start().await;
    let host = s.host();
    let page = s.raw("GET", "/", &[("Host", &host)], b"").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'")
            && !policy.contains("unsafe")
            && policy.contains("frame-ancestors 'none'")
    );
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(page.header(name), Some(value), "{name}");
    }
    for path in [
        "/../Cargo.toml",
        "/..%2fCargo.toml",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/assets/../../index.html",
        "/media/..%2f..%2fetc%2fpasswd",
        "/index.html%00",
        "/.",
        "/assets",
    ] {
        let lost = s.get(path, &[]).await;
        assert!(matches!(lost.status, 400 | 404), "{path}: {}", lost.status);
        assert!(!lost.body.starts_with(b"[package]") && !lost.body.starts_with(b"root:"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn media_is_given_out_whole_in_ranges_and_to_nobody_else() {
    let s = Served::start().await;
    let path = s.playing().await;
    let whole = s.get(&path, &[]).await;
    assert_eq!(
        (whole.status, whole.header("content-type"), whole.header("accept-ranges")),
        (200, Some("audio/wav"), Some("bytes"))
    );
    assert_eq!(whole.body.len(), 44 + 16_000);
    assert_eq!(whole.header("content-length"), Some("16044"));
    assert_eq!(&whole.body[..4], b"RIFF");

    for (range, from, to) in [
        ("bytes=0-3", 0, 4),
        ("bytes=44-", 44, 16_044),
        ("bytes=-2", 16_042, 16_044),
        ("bytes=16000-99999", 16_000, 16_044),
    ] {
        let part = s.get(&path, &[("Range", range)]).await;
        assert_eq!(part.status, 206, "{range}");
        assert_eq!(part.body, whole.body[from..to], "{range}");
        assert_eq!(part.header("content-range"), Some(format!("bytes {from}-{}/16044", to - 1).as_str()));
    }
    let beyond = s.get(&path, &[("Range", "bytes=16044-")]).await;
    assert_eq!((beyond.status, beyond.header("content-range")), (416, Some("bytes */16044")));
    let tag = whole.header("etag").unwrap().to_owned();
    assert_eq!(s.get(&path, &[("Range", "bytes=0-3"), ("If-Range", &tag)]).await.status, 206);
    assert_eq!(s.get(&path, &[("Range", "bytes=0-3"), ("If-Range", "\"other\"")]).await.status, 200);

    let (host, bearer) = (s.host(), s.bearer());
    let head = s.raw("HEAD", &path, &[("Host", &host), ("Authorization", &bearer)], b"").await;
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, Some("16044"), 0));
    assert_eq!(s.get(&format!("{path}?channels=nobody"), &[]).await.status, 400);
    assert_eq!(s.get("/media/play-999", &[]).await.code(), "play.no_session");

    let keyed = format!("{path}?channels=both&key={}", s.running.media_key);
    let by_key = s.raw("GET", &keyed, &[("Host", &host)], b"").await;
    assert_eq!((by_key.status, by_key.header("cross-origin-resource-policy")), (200, Some("cross-origin")));
    let wrong = format!("{path}?key={}", "0".repeat(64));
    assert_eq!(s.raw("GET", &wrong, &[("Host", &host)], b"").await.status, 401);

    let session = path.rsplit('/').next().unwrap();
    assert_eq!(s.call("player", &json!({ "session": session, "action": { "do": "stop" } })).await.status, 200);
    assert_eq!(s.get(&path, &[]).await.status, 404, "a playback that ended gives out nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_told_as_it_happens() {
    let s = Served::start().await;
    let mut stream = TcpStream::connect(s.running.address).await.unwrap();
    let ask = format!("GET /events HTTP/1.1\r\nHost: {}\r\nAuthorization: {}\r\n\r\n", s.host(), s.bearer());
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    assert!(lines.next_line().await.unwrap().unwrap().contains("200"));
    let source = s.folder.path().join("nothing");
    std::fs::create_dir_all(&source).unwrap();
    write_wav(&source.join("a.wav"));
    let _ = s.call("ingest", &json!({ "path": source })).await;
    let told = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some(data) = line.strip_prefix("data: ") {
                return serde_json::from_str::<Value>(data).unwrap();
            }
        }
        panic!("the stream ended and told nothing")
    };
    let told = told.await;
    assert_eq!((told["event"].as_str(), told["task"].as_str()), (Some("progress"), Some("ingest")));
    // Shutting down ends the stream rather than waiting for it.
    s.running.shutdown().await;
    while let Ok(Some(_)) = lines.next_line().await {}
    s.holdfast.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_whose_asker_is_gone_comes_to_its_end() {
    let s = Served::start().await;
    let matter =
        json!({ "name": "Doe", "reference": "1", "justification": "subpoena", "deadline": "2030-01-01" }).to_string();
    let mut stream = TcpStream::connect(s.running.address).await.unwrap();
    let ask = format!(
        "POST /api/matter_create HTTP/1.1\r\nHost: {}\r\nAuthorization: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{matter}",
        s.host(),
        s.bearer(),
        matter.len()
    );
    stream.write_all(ask.as_bytes()).await.unwrap();
    // One byte of a second request makes sure that the first was read, without waiting for its answer.
    stream.write_all(b"G").await.unwrap();
    drop(stream);
    let Served { running, holdfast, folder: _folder } = s;
    // Whatever was begun is waited for; then it either never began or is whole.
    running.shutdown().await;
    let caller = holdfast.local_caller("http");
    let matters = holdfast.dispatch(&caller, "matters", json!({})).await.unwrap();
    let entries = holdfast.dispatch(&caller, "ledger_show", json!({})).await.unwrap();
    let created = entries["entries"].as_array().unwrap().iter().filter(|e| e["action"] == "matter_creation").count();
    assert_eq!(matters.as_array().unwrap().is_empty(), created == 0);
    holdfast.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_said_so() {
    let s = Served::start().await;
    let again =
        serve(Arc::clone(&s.holdfast), ServeOptions { port: s.running.address.port() }).await.expect_err("taken");
    assert_eq!(again.code, "gateway.port");
    assert!(s.running.url().starts_with(&format!("http://127.0.0.1:{}/#token=", s.running.address.port())));
}
