//! The head on DynamoDB: a real server, processes that die, answers that get lost.

use crate::support::{MAC_SEED, SIGNER_SEED, TestClock, agent, assert_intact, draft, recording, verify};
use aws_sdk_dynamodb::{Client, config::timeout::TimeoutConfig, types::AttributeValue};
use holdfast_ledger::{
    Action, DynamoHead, EventDraft, EventOutcome, FolderTiles, Ledger, LedgerError, LedgerFault, LedgerHead as _,
    LedgerParts, LocalMac, LocalSigner, LookupKey, Phase, conformance,
};
use holdfast_model::{Cancel, Fault as _, NoProgress, SystemClock};
use holdfast_testkit::{
    cloud::{
        Dynoxide,
        aws::{AwsProxy, Fault, FaultKind},
        dynamodb_client, dynamodb_table,
    },
    sampled,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

/// A table of this test's own, and a folder for tiles.
struct Place {
    server: Dynoxide,
    table: String,
    folder: tempfile::TempDir,
}

impl Place {
    async fn new() -> Self {
        let (server, folder) = (Dynoxide::start().await, tempfile::tempdir().unwrap());
        let name = folder.path().file_name().unwrap().to_string_lossy().replace('.', "");
        let place = Self { table: format!("ledger-{}-{name}", std::process::id()), server, folder };
        // The one table that index, work and ledger share, so that its keys are proven to be the ledger's too.
        dynamodb_table(&place.client(), &place.table).await;
        place
    }

    fn client(&self) -> Client {
        client(self.server.url())
    }

    fn head(&self) -> Arc<DynamoHead> {
        Arc::new(DynamoHead::new(self.client(), self.table.clone(), "test"))
    }

    async fn ledger(&self) -> Ledger {
        open(self.server.url(), &self.table, self.folder.path()).await
    }

    /// A ledger whose calls go through a proxy.
    async fn through_proxy(&self) -> (Ledger, AwsProxy) {
        let proxy = AwsProxy::start(&self.server, Arc::new(SystemClock)).await;
        (open(&proxy.url(), &self.table, self.folder.path()).await, proxy)
    }

    fn tiles(&self) -> PathBuf {
        self.folder.path().join("tiles")
    }

    /// Sort keys of all items of a partition that begins so.
    async fn items(&self, partition: &str) -> Vec<String> {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page =
                self.client().scan().table_name(&self.table).set_exclusive_start_key(after).send().await.unwrap();
            for item in page.items() {
                if item["pk"].as_s().unwrap().starts_with(partition) {
                    found.push(item["sk"].as_s().unwrap().clone());
                }
            }
            after = page.last_evaluated_key;
            if after.is_none() {
                return found;
            }
        }
    }
}

fn client(url: &str) -> Client {
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(10)).build();
    let config = dynamodb_client(url).timeout_config(timeouts);
    Client::from_conf(config.build())
}

async fn open(url: &str, table: &str, folder: &Path) -> Ledger {
    let parts = LedgerParts {
        head: Arc::new(DynamoHead::new(client(url), table.to_owned(), "test")),
        tiles: Arc::new(FolderTiles::open(&folder.join("tiles")).unwrap()),
        signer: Arc::new(LocalSigner::from_seed(&SIGNER_SEED)),
        mac: Arc::new(LocalMac::from_seed(&MAC_SEED)),
        clock: Arc::new(TestClock::default()),
        agent: agent(),
    };
    Ledger::open(parts).await.unwrap()
}

/// A draft that no token makes unique: done twice it shows.
fn plain(n: u64) -> EventDraft {
    EventDraft { idempotency: None, ..draft(n) }
}

#[tokio::test(flavor = "multi_thread")]
async fn does_what_every_head_must() {
    conformance::ledger_head(Place::new().await.head()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_ledger_works_on_it() {
    let place = Place::new().await;
    let tiles = Arc::new(FolderTiles::open(&place.tiles()).unwrap());
    conformance::ledger(place.head(), tiles).await.unwrap();
}

/// Eight machines, each with a client of its own. `HOLDFAST_APPENDS` says how many each appends, and an eighth of the batch that
/// follows, for figures.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_that_append_at_once_make_one_chain() {
    let place = Arc::new(Place::new().await);
    let each: u64 = std::env::var("HOLDFAST_APPENDS").map_or(20, |n| n.parse().unwrap());
    place.ledger().await;
    let begun = Instant::now();
    let appenders: Vec<_> = (0..8u64)
        .map(|k| {
            let place = place.clone();
            tokio::spawn(async move {
                let ledger = place.ledger().await;
                for n in 0..each {
                    ledger.append(vec![draft(1 + k * 100_000 + n)]).await.unwrap();
                }
            })
        })
        .collect();
    for appender in appenders {
        appender.await.unwrap();
    }
    println!("{} appends by eight: {:?}", 8 * each, begun.elapsed());
    let ledger = place.ledger().await;
    assert_eq!(ledger.size().await.unwrap(), 1 + 8 * each);
    assert_intact(&ledger).await;
    let begun = Instant::now();
    let batch = (0..8 * each.max(75)).map(|n| draft(5_000_000 + n)).collect::<Vec<_>>();
    let length = batch.len();
    ledger.append(batch).await.unwrap();
    println!("{length} appends in one batch: {:?}", begun.elapsed());
    assert_intact(&ledger).await;
    assert_eq!(place.items("L#test#chunks").await, [""; 0], "a batch's chunks go when it is spread out");
}

/// The answer to the commit is lost and the SDK asks again: that it had won already is recognised, so nothing is appended twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_not_done_twice() {
    let place = Place::new().await;
    let (ledger, proxy) = place.through_proxy().await;
    for (n, kind) in (0u64..).zip([FaultKind::CutAfter, FaultKind::CutAfter, FaultKind::CutBefore]) {
        proxy.fault(Fault::on("UpdateItem", kind).times(1));
        ledger.append(vec![plain(n)]).await.unwrap();
        assert_eq!(ledger.size().await.unwrap(), 2 + n);
    }
    // No answer at all, however often it is asked: then the ledger looks.
    proxy.fault(Fault::on("UpdateItem", FaultKind::CutAfter).times(3));
    ledger.append(vec![plain(9)]).await.unwrap();
    assert_eq!(ledger.size().await.unwrap(), 5);
    // A large batch, whose commit is two writes away from its chunks.
    proxy.fault(Fault::on("UpdateItem", FaultKind::CutAfter));
    ledger.append((0..400).map(plain).collect()).await.unwrap();
    assert_eq!(ledger.size().await.unwrap(), 405);
    assert_intact(&place.ledger().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_was_not_spread_out_is_read_all_the_same_and_spread_by_the_next() {
    let place = Place::new().await;
    let (ledger, proxy) = place.through_proxy().await;
    let intent = ledger.intend(plain(1)).await.unwrap();
    proxy.fault(Fault::on("BatchWriteItem", FaultKind::InternalError500).times(1000));
    ledger.append(vec![draft(2)]).await.unwrap();
    // Another machine sees it, under all its keys.
    let other = place.ledger().await;
    assert_eq!(other.size().await.unwrap(), 3);
    assert_eq!(other.entry_with_token("t:2").await.unwrap().unwrap().event.sequence, 2);
    assert_eq!(other.entries_of(&recording(2)).await.unwrap().len(), 1);
    assert_eq!(other.append(vec![draft(2)]).await.unwrap()[0].event.sequence, 2, "not twice");
    assert!(place.items("L#test").await.iter().all(|sk| !sk.ends_with("00000000000000000002")));
    other.append(vec![draft(3)]).await.unwrap();
    assert!(place.items("L#test").await.contains(&"e#00000000000000000002".to_owned()));
    // The one that can't write keeps appending what the others spread out.
    intent.conclude(&other, EventOutcome::Succeeded, |d| d).await.unwrap();
    assert_eq!(other.open_intents().await.unwrap(), []);
    proxy.clear_faults();
    ledger.append(vec![draft(4)]).await.unwrap();
    assert_intact(&ledger).await;
}

/// A machine sleeps between its commit and the spreading of it; meanwhile another concludes the intent.
#[tokio::test(flavor = "multi_thread")]
async fn who_wakes_late_opens_no_intent_again() {
    let place = Place::new().await;
    let (sleeper, proxy) = place.through_proxy().await;
    proxy.fault(Fault::on("BatchWriteItem", FaultKind::Delay(Duration::from_secs(2))));
    let asleep = tokio::spawn(async move { sleeper.intend(plain(1)).await.unwrap() });
    let other = place.ledger().await;
    let open = loop {
        let open = other.open_intents().await.unwrap();
        if let [one] = open.as_slice() {
            break one.clone();
        }
    };
    let intent = other.intent(open.event.sequence).await.unwrap();
    intent.conclude(&other, EventOutcome::Succeeded, |d| d).await.unwrap();
    assert_eq!(other.open_intents().await.unwrap(), []);
    assert_eq!(asleep.await.unwrap().sequence(), open.event.sequence);
    assert_eq!(place.ledger().await.open_intents().await.unwrap(), []);
    assert_intact(&other).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_have_their_own_words_and_pass() {
    let place = Place::new().await;
    let (ledger, proxy) = place.through_proxy().await;
    // What passes by itself is not even noticed.
    for op in ["GetItem", "Query", "UpdateItem", "BatchWriteItem"] {
        proxy.fault(Fault::on(op, FaultKind::SlowDown503));
        proxy.fault(Fault::on(op, FaultKind::CutBefore).after(1));
    }
    ledger.append(vec![plain(1)]).await.unwrap();
    assert_eq!(ledger.size().await.unwrap(), 2);
    for (kind, code) in [(FaultKind::SlowDown503, "ledger.throttled"), (FaultKind::ExpiredToken, "ledger.credentials")]
    {
        proxy.clear_faults();
        proxy.fault(Fault::on("*", kind).times(1000));
        let refused = ledger.append(vec![plain(2)]).await.unwrap_err();
        assert_eq!(refused.code(), code, "{refused}");
    }
    proxy.clear_faults();
    ledger.append(vec![plain(2)]).await.unwrap();
    assert_eq!(ledger.size().await.unwrap(), 3);
    assert_intact(&ledger).await;
    let nowhere = DynamoHead::new(place.client(), "no-such-table".into(), "test").load().await.unwrap_err();
    assert_eq!(nowhere.code(), "ledger.no_table");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lookup_that_was_changed_is_noticed_and_made_anew() {
    let place = Place::new().await;
    let ledger = place.ledger().await;
    ledger.append((1..300).map(draft).collect()).await.unwrap();
    let intent = ledger.intend(plain(7)).await.unwrap();
    assert_intact(&ledger).await;
    let (client, table) = (place.client(), &place.table);
    let page = client.scan().table_name(table).send().await.unwrap();
    let row = page.items().iter().find(|i| i["sk"].as_s().unwrap().starts_with("1#")).unwrap().clone();
    let keys: std::collections::HashMap<_, _> = row
        .iter()
        .filter(|(name, _)| ["pk", "sk"].contains(&name.as_str()))
        .collect::<Vec<_>>()
        .into_iter()
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    client.delete_item().table_name(table).set_key(Some(keys)).send().await.unwrap();
    assert_eq!(verify(&ledger).await.faults, [LedgerFault::LookupDiffers]);
    // One that stands in another's place is noticed too.
    let mut moved = row.clone();
    moved.insert("key".into(), AttributeValue::S(recording(49).to_string()));
    client.put_item().table_name(table).set_item(Some(moved)).send().await.unwrap();
    assert_eq!(verify(&ledger).await.faults, [LedgerFault::LookupDiffers]);

    let (busy, rebuilt) = (place.ledger().await, ledger.clone());
    let appending = tokio::spawn(async move {
        for n in 1000..1020 {
            busy.append(vec![draft(n)]).await.unwrap();
        }
    });
    rebuilt.rebuild_lookup(&NoProgress, &Cancel::default()).await.unwrap();
    appending.await.unwrap();
    assert_intact(&ledger).await;
    let open: Vec<u64> = ledger.open_intents().await.unwrap().iter().map(|e| e.event.sequence).collect();
    assert_eq!(open, [intent.sequence()]);
    intent.conclude(&ledger, EventOutcome::Succeeded, |d| d).await.unwrap();
    assert_eq!(place.head().find(&LookupKey::OpenIntent, None, 10).await.unwrap(), [0u64; 0]);
    // A second one sweeps what the first replaced.
    ledger.rebuild_lookup(&NoProgress, &Cancel::default()).await.unwrap();
    assert!(place.items("L#test#by#1#").await.is_empty());
    assert_intact(&ledger).await;
}

/// Every step of an append, and what a child does until it comes by it.
const STEPS: [&str; 10] = [
    "ledger.chunks_written",
    "ledger.staged",
    "ledger.committed",
    "ledger.half_spread",
    "ledger.spread",
    "ledger.batch_forgotten",
    "ledger.head_swapped",
    "ledger.tiles_written",
    "ledger.tail_told",
    "ledger.tiles_told",
];

/// Entries that stand before; a batch that needs chunks; single ones over the edge of a tile.
const BEFORE: u64 = 150;
const BATCH: u64 = 100;
const LAST: u64 = 106;

fn child(place: &Place, kill_at: Option<&str>) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "dynamo::appends_in_a_process_of_its_own", "--nocapture"]);
    command.env("LEDGER_DYNAMO", place.server.url()).env("LEDGER_TABLE", &place.table);
    command.env("LEDGER_FOLDER", place.folder.path());
    command.env_remove("HOLDFAST_KILL_AT").env_remove("HOLDFAST_FAIL_AFTER");
    command.envs(kill_at.map(|step| ("HOLDFAST_KILL_AT", step)));
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_in_a_process_of_its_own() {
    // In the parent's own run there is nothing to do.
    let Ok(url) = std::env::var("LEDGER_DYNAMO") else { return };
    let folder = std::env::var("LEDGER_FOLDER").unwrap();
    let ledger = open(&url, &std::env::var("LEDGER_TABLE").unwrap(), Path::new(&folder)).await;
    let intent = EventDraft::new(Action::Download, Phase::Intent, agent()).once("t:intent");
    let intent = ledger.intend(intent).await.unwrap();
    let long = |n: u64| draft(n).detail("note", "x".repeat(600));
    ledger.append((1..=BATCH).map(long).collect()).await.unwrap();
    println!("acknowledged {BATCH}");
    for n in BATCH + 1..=LAST {
        ledger.append(vec![draft(n)]).await.unwrap();
        println!("acknowledged {n}");
    }
    intent.conclude(&ledger, EventOutcome::Succeeded, |d| d).await.unwrap();
    ledger.publish().await.unwrap();
}

/// Kills a process at each of `steps` and the next one at the step after it, in a soak at any step; then lets a third finish.
async fn killed_at(steps: &[&str]) {
    for (n, step) in steps.iter().enumerate() {
        let next = [steps[(n + 1) % steps.len()]];
        for again in sampled(&next[..], &STEPS[..]) {
            killed_at_both(step, again).await;
        }
    }
}

async fn killed_at_both(step: &str, again: &str) {
    let place = Place::new().await;
    place.ledger().await.append((0..BEFORE).map(|n| draft(9000 + n)).collect()).await.unwrap();
    let first = child(&place, Some(step));
    assert!(!first.status.success(), "{step} was never reached: {first:?}");
    let second = child(&place, Some(again));
    let step = format!("{step}, then {again}");
    let ledger = place.ledger().await;
    assert_intact(&ledger).await;
    let told = [first, second].map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).concat();
    for n in told.lines().filter_map(|l| l.strip_prefix("acknowledged ")?.trim().parse::<u64>().ok()) {
        assert!(ledger.entry_with_token(&format!("t:{n}")).await.unwrap().is_some(), "{step}: {n} is lost");
    }
    let last = child(&place, None);
    assert!(last.status.success(), "{step}: {last:?}");
    let ledger = place.ledger().await;
    assert_intact(&ledger).await;
    let mut tokens: BTreeMap<String, u32> = BTreeMap::new();
    for entry in ledger.entries(0, usize::MAX).await.unwrap() {
        *tokens.entry(entry.event.idempotency.unwrap()).or_default() += 1;
    }
    assert_eq!(tokens.len() as u64, BEFORE + LAST + 3, "{step}: the ledger's own, the intent and its outcome");
    assert!(tokens.values().all(|times| *times == 1), "{step}: {tokens:?}");
    assert_eq!(ledger.open_intents().await.unwrap(), [], "{step}");
    // Nothing lies about: no chunk, no entry that is in a tile.
    ledger.append((1000..1100).map(|n| draft(n).detail("note", "x".repeat(600))).collect()).await.unwrap();
    assert_eq!(place.items("L#test#chunks").await, [""; 0], "{step}");
    // What a writer that died left to be dropped goes when the next tile is full.
    ledger.append((2000..2256).map(draft).collect()).await.unwrap();
    let kept: BTreeSet<String> = place.items("L#test").await.into_iter().filter(|sk| sk.starts_with("e#")).collect();
    assert_eq!(kept.len() as u64, ledger.size().await.unwrap() % 256, "{step}");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_step_and_again_while_recovering_1() {
    killed_at(&STEPS[..5]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_step_and_again_while_recovering_2() {
    killed_at(&STEPS[5..]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_of_a_newer_version_is_left_alone() {
    let place = Place::new().await;
    place.ledger().await.append((1..20).map(draft).collect()).await.unwrap();
    let head = [("pk", "L#test"), ("sk", "head")];
    let key = head.map(|(k, v)| (k.to_owned(), AttributeValue::S(v.to_owned())));
    let update = place.client().update_item().table_name(&place.table).set_key(Some(key.into()));
    let update =
        update.update_expression("SET fmt = :f").expression_attribute_values(":f", AttributeValue::N("9".into()));
    update.send().await.unwrap();
    assert_eq!(place.head().load().await.unwrap_err().code(), "ledger.format_unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_somebody_changed_is_told() {
    let place = Place::new().await;
    let ledger = place.ledger().await;
    ledger.append((1..20).map(draft).collect()).await.unwrap();
    let head = [("pk", "L#test"), ("sk", "head")];
    let key = head.map(|(k, v)| (k.to_owned(), AttributeValue::S(v.to_owned())));
    let update = place.client().update_item().table_name(&place.table).set_key(Some(key.into()));
    update.update_expression("REMOVE generation").send().await.unwrap();
    assert!(matches!(place.head().load().await, Err(LedgerError::HeadDamaged { .. })));
    assert!(matches!(verify(&ledger).await.faults.as_slice(), [LedgerFault::HeadDamaged { .. }]));
}
