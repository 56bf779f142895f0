use super::*;
use crate::{Problem, SourceItem, reason};
use holdfast_model::SystemClock;
use jiff::Timestamp;
use std::{
    fs,
    io::Read as _,
    os::unix::fs::{PermissionsExt as _, symlink},
    process::Command,
};

struct Folder {
    dir: tempfile::TempDir,
}

fn sidecar(id: &str) -> String {
    format!(
        r#"{{"vendor":"v","organisation":"o","interaction_id":"c-{id}","recording_id":"{id}","media":"voice",
        "start":"2024-03-01T09:00:00Z","end":"2024-03-01T09:01:00Z"}}"#
    )
}

impl Folder {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn write(&self, path: &str, bytes: impl AsRef<[u8]>) -> &Self {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        self
    }

    fn pair(&self, path: &str) -> &Self {
        let stem = path.rsplit('/').next().unwrap();
        self.write(&format!("{path}.wav"), stem).write(&format!("{path}.json"), sidecar(stem))
    }

    fn options(&self) -> FolderOptions {
        FolderOptions {
            name: "drop".into(),
            root: self.dir.path().into(),
            mapping: None,
            mapping_path: None,
            organisation: None,
            readiness: Readiness::Now,
            clock: Arc::new(SystemClock),
        }
    }

    fn source(&self) -> FolderSource {
        FolderSource::open(self.options()).unwrap()
    }
}

fn discover(source: &FolderSource) -> Vec<Discovered> {
    let mut all = Vec::new();
    let mut tell = |d| {
        all.push(d);
        true
    };
    walk::Walk::new(&source.inner, &Cancel::default(), &mut tell).run().unwrap();
    all
}

/// `item=ok`, `item=<reason>` or `item~` for what is not ready, sorted.
fn told(source: &FolderSource) -> Vec<String> {
    let mut out: Vec<String> = discover(source)
        .iter()
        .map(|d| match d {
            Discovered::Item(i) => {
                format!("{}={}", i.source.item, i.draft.as_ref().map_or_else(|p| p.reason.as_str(), |_| "ok"))
            }
            Discovered::NotYet { source, .. } => format!("{}~", source.item),
        })
        .collect();
    out.sort();
    out
}

fn item(source: &FolderSource, item: &str) -> SourceItem {
    let found = discover(source).into_iter().find_map(|d| match d {
        Discovered::Item(i) if i.source.item == item => Some(*i),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("{item} was not told"))
}

fn problem(source: &FolderSource, name: &str) -> Problem {
    item(source, name).draft.unwrap_err()
}

#[test]
fn pairs_orphans_and_ambiguities_are_all_told() {
    let f = Folder::new();
    f.pair("a").pair("deep/er/b").write("lonely.wav", "x").write("meta.json", sidecar("m"));
    f.pair("two").write("two.mp3", "x").write("x.xml", "<a/>").write("x.wav", "x");
    f.write("c.json", "{\"vendor\":").write("c.wav", "x").write("p.wav.part", "x").write(".DS_Store", "x");
    f.write("y.wav", "x").write("y.json", "{}").write("y.xml", "<a/>");
    let want = [
        "a.wav=ok",
        "c.wav=metadata_malformed",
        "deep/er/b.wav=ok",
        "lonely.wav=orphan_media",
        "meta.json=orphan_metadata",
        "p.wav.part~",
        "two.mp3=ambiguous_media",
        "x.wav=no_mapping_rule",
        "y.wav=ambiguous_metadata",
    ];
    assert_eq!(told(&f.source()), want);
    assert_eq!(told(&f.source().with_batch(2)), want, "in several passes");
    let two = item(&f.source(), "two.mp3");
    assert_eq!((two.files.len(), two.media()), (3, None));
    assert!(two.payload.is_some());
}

#[test]
fn a_transcript_may_be_its_own_metadata() {
    let f = Folder::new();
    let chat = sidecar("k").replace("voice", "chat").replacen('{', r#"{"messages":[{"sender":"Ann","text":"hi"}],"#, 1);
    f.write("k.json", &chat);
    f.write("e.eml", "From: a@b.test\r\n\r\nhi").write("e_metadata.json", sidecar("e").replace("voice", "email"));
    f.write("t.json", "{\"messages\":[]}").write("t_metadata.json", sidecar("t").replace("voice", "message"));
    assert_eq!(told(&f.source()), ["e.eml=ok", "k.json=ok", "t.json=ok"]);
    let k = item(&f.source(), "k.json");
    assert_eq!(k.media().unwrap().item, "k.json");
    assert_eq!(k.payload.unwrap().bytes, chat.as_bytes());
}

#[tokio::test]
async fn hostile_names_and_kinds_are_told_and_never_opened() {
    let f = Folder::new();
    let root = f.dir.path();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "s").unwrap();
    f.pair("in/a").write("l.json", sidecar("l")).write("n.json", sidecar("n"));
    symlink("in/a.wav", root.join("l.wav")).unwrap();
    symlink(outside.path().join("secret"), root.join("n.wav")).unwrap();
    symlink("nowhere", root.join("broken.wav")).unwrap();
    symlink(".", root.join("loop")).unwrap();
    symlink(outside.path(), root.join("out")).unwrap();
    assert!(Command::new("mkfifo").arg(root.join("pipe.wav")).status().unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(root.join("sock.wav")).unwrap();
    fs::write(root.join(OsString::from_vec(b"raw\xff\nx.wav".to_vec())), "raw").unwrap();
    fs::write(root.join("evil\u{202e}x.wav"), "e").unwrap();
    let source = f.source();
    assert_eq!(
        told(&source),
        [
            "broken.wav=symlink_broken",
            "evil%E2%80%AEx.wav=orphan_media",
            "in/a.wav=ok",
            "l.wav=ok",
            "n.json=orphan_metadata",
            "n.wav=symlink_outside",
            "out=symlink_outside",
            "pipe.wav=not_a_file",
            "raw%FF%0Ax.wav=orphan_media",
            "sock.wav=not_a_file",
        ]
    );
    let raw = item(&source, "raw%FF%0Ax.wav");
    let fetched = source.fetch(raw.media().unwrap()).await.unwrap();
    let mut text = String::new();
    fetched.file().read_to_string(&mut text).unwrap();
    assert_eq!(text, "raw");
    let mut linked = item(&source, "l.wav").media().unwrap().clone();
    assert!(source.fetch(&linked).await.is_ok());
    // The link is turned round between finding and opening.
    for (name, code) in [
        ("n.wav", "connectors.outside"),
        ("../no-such-recording", "connectors.unreadable"),
        ("pipe.wav", "connectors.unreadable"),
    ] {
        linked.item = name.into();
        let error = source.fetch(&linked).await.unwrap_err();
        assert_eq!(holdfast_model::Fault::code(&error), code, "{name}");
    }
}

#[test]
fn what_may_not_be_read_is_told() {
    let f = Folder::new();
    f.pair("locked/a").pair("b").pair("c");
    let set =
        |path: &str, mode| fs::set_permissions(f.dir.path().join(path), fs::Permissions::from_mode(mode)).unwrap();
    set("locked", 0o000);
    set("b.json", 0o000);
    fs::set_permissions(f.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let told = if rustix::process::geteuid().is_root() {
        // Root may read everything: ask as somebody who may not.
        let me = std::env::current_exe().unwrap();
        let copy = f.dir.path().parent().unwrap().join(format!("holdfast-connectors-{}", std::process::id()));
        fs::copy(me, &copy).unwrap();
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
        let out = Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(&copy)
            .args(["--exact", "folder::tests::tells_a_folder_named_in_the_environment", "--nocapture"])
            .env("HOLDFAST_TEST_FOLDER", f.dir.path())
            .output()
            .unwrap();
        fs::remove_file(copy).unwrap();
        let text = String::from_utf8(out.stdout).unwrap();
        text.lines().filter_map(|l| l.split_once("told ").map(|(_, t)| t.to_owned())).collect()
    } else {
        told(&f.source())
    };
    set("locked", 0o755);
    assert_eq!(told, ["b.wav=unreadable", "c.wav=ok", "locked/=unreadable"]);
}

/// Run by the test above as another user; by itself it only shows that without a folder nothing is told.
#[test]
fn tells_a_folder_named_in_the_environment() {
    let f = Folder::new();
    let mut options = f.options();
    if let Some(root) = std::env::var_os("HOLDFAST_TEST_FOLDER") {
        options.root = root.into();
    }
    let told = told(&FolderSource::open(options).unwrap());
    assert_eq!(told.is_empty(), std::env::var_os("HOLDFAST_TEST_FOLDER").is_none());
    for line in told {
        println!("\ntold {line}");
    }
}

#[test]
fn a_manifest_describes_many_files() {
    let f = Folder::new();
    let head = "file,vendor,organisation,interaction_id,recording_id,media,start,end,tags,agent,agent_name,colour\n";
    let row = |file: &str, id: &str| {
        format!("{file},v,o,c,{id},voice,2024-03-01T09:00:00Z,2024-03-01T09:01:00Z,a;b,a1,Ann,red\n")
    };
    let rows = [
        row("one.wav", "1"),
        row("sub/two.wav", "2"),
        row("gone.wav", "3"),
        row("../../etc/passwd", "4"),
        row("one.wav", "5"),
        "three.wav,v,o,c\n".into(),
        "\n".into(),
    ];
    f.write("m/manifest.csv", format!("{head}{}", rows.concat()));
    f.write("m/one.wav", "1").write("m/sub/two.wav", "2").write("m/three.wav", "3").write("m/sub/extra.wav", "x");
    let source = f.source();
    assert_eq!(
        told(&source),
        [
            "m/manifest.csv#line-4=orphan_metadata",
            "m/manifest.csv#line-5=path_outside",
            "m/manifest.csv#line-6=ambiguous_metadata",
            "m/one.wav=ok",
            "m/sub/extra.wav=orphan_media",
            "m/sub/two.wav=ok",
            "m/three.wav=field_missing",
        ]
    );
    let one = item(&source, "m/one.wav");
    assert_eq!(one.payload.unwrap().bytes, format!("{head}{}", rows[0]).as_bytes());
    let record = one.draft.unwrap().record;
    assert_eq!((record.tags.len(), record.participants.len(), record.attributes["colour"].as_str()), (2, 1, "red"));
    assert_eq!(problem(&source, "m/three.wav").line, Some(7));
    f.write("m/manifest.csv", "nothing,of,use\n");
    assert_eq!(problem(&f.source(), "m/manifest.csv").reason, reason::METADATA_MALFORMED);
}

#[test]
fn nothing_is_taken_before_it_is_ready() {
    let f = Folder::new();
    f.pair("a").pair("b").write("a.done", "");
    let marker = FolderSource::open(FolderOptions { readiness: Readiness::Marker, ..f.options() }).unwrap();
    assert_eq!(told(&marker), ["a.wav=ok", "b.wav~"]);
    let settled =
        |ms| FolderSource::open(FolderOptions { readiness: Readiness::SettledForMs(ms), ..f.options() }).unwrap();
    assert_eq!(told(&settled(3_600_000)), ["a.wav~", "b.wav~"]);
    assert_eq!(told(&settled(0)), ["a.wav=ok", "b.wav=ok"]);
    // A clock that was set back since: the wait is not longer than an hour all the same.
    let ahead = std::time::UNIX_EPOCH + std::time::Duration::from_secs(7_000_000_000);
    fs::File::options().write(true).open(f.dir.path().join("a.wav")).unwrap().set_modified(ahead).unwrap();
    let limit = holdfast_model::Clock::now(&SystemClock) + jiff::SignedDuration::from_secs(3_601);
    for told in discover(&settled(3_600_000)) {
        let Discovered::NotYet { until, .. } = told else { panic!("ready") };
        assert!(until < limit && until > Timestamp::UNIX_EPOCH);
    }
}

#[tokio::test]
async fn a_change_while_reading_is_noticed() {
    let f = Folder::new();
    f.pair("a");
    let source = f.source();
    let file = item(&source, "a.wav").media().unwrap().clone();
    let fetched = source.fetch(&file).await.unwrap();
    assert!(fetched.unchanged().is_ok());
    f.write("a.wav", "longer than before");
    assert_eq!(holdfast_model::Fault::code(&fetched.unchanged().unwrap_err()), "connectors.changed_while_reading");
}

#[tokio::test]
async fn a_source_can_be_described_and_opened_again() {
    let f = Folder::new();
    f.write("maps/m.toml", include_str!("../../../../docs/formats/examples/manifest-csv.toml")).pair("a");
    let mapping_path = f.dir.path().join("maps/m.toml");
    let mapping = Some(fs::read_to_string(&mapping_path).unwrap());
    let options = FolderOptions { mapping, mapping_path: Some(mapping_path), ..f.options() };
    let source = FolderSource::open(options).unwrap();
    let again = crate::open_source(&source.describe(), Arc::new(SystemClock)).unwrap();
    assert_eq!(again.describe(), source.describe());
    let (send, mut receive) = mpsc::channel(1);
    let cancel = Cancel::default();
    let (walked, item) = tokio::join!(again.discover(send, &cancel), receive.recv());
    walked.unwrap();
    let Some(Discovered::Item(item)) = item else { panic!("nothing told") };
    assert_eq!(item.draft.unwrap_err().reason, reason::NO_RULE);
    assert!(receive.recv().await.is_none(), "the mapping file is no recording");
    assert_eq!(again.survey(&cancel).await.unwrap().bytes, 1 + mapping_len(&f));
    assert!(crate::open_source(&serde_json::json!({"kind": "pigeon"}), Arc::new(SystemClock)).is_err());
}

fn mapping_len(f: &Folder) -> u64 {
    fs::metadata(f.dir.path().join("maps/m.toml")).unwrap().len()
}

#[test]
fn the_mapping_of_an_export_bucket_is_used() {
    let f = Folder::new();
    let at = "org/year=2024/month=03/day=01/hour=09/conversation_id=c-1/r-1";
    f.write(&format!("{at}.webm"), "x").write(
        &format!("{at}_metadata.json"),
        r#"{"organizationId":"org","conversationId":"c-1","mediaType":"Call","conversationStart":"2024-03-01T09:00:00Z","conversationEnd":"2024-03-01T09:01:00Z"}"#,
    );
    let mapping = Some(include_str!("../../../../docs/formats/examples/genesys-export.toml").to_owned());
    let source = FolderSource::open(FolderOptions { mapping, ..f.options() }).unwrap();
    let found = item(&source, &format!("{at}.webm"));
    assert_eq!(found.draft.unwrap().record.recording_id, "r-1");
    assert!(found.payload.unwrap().schema.starts_with("mapping:genesys-export@"));
}

#[test]
fn a_folder_that_is_not_there_is_an_error_with_a_next_step() {
    let f = Folder::new();
    let error = FolderSource::open(FolderOptions { root: f.dir.path().join("gone"), ..f.options() }).unwrap_err();
    assert_eq!(holdfast_model::Fault::code(&error), "connectors.source_unavailable");
    f.write("file", "x");
    assert!(FolderSource::open(FolderOptions { root: f.dir.path().join("file"), ..f.options() }).is_err());
}
