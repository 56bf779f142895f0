//! 10,000 recordings in DynamoDB as dynoxide speaks it: how long they take to come in, and what questions take. It measures our
//! part and the number of calls; a real table answers each call in a few milliseconds whatever its size.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods)] // a bench

use aws_sdk_dynamodb::Client;
use holdfast_index::{Query, RecordingIndex, Sort, dynamodb::DynamoIndex};
use holdfast_model::SystemClock;
use holdfast_testkit::{
    cloud::{Dynoxide, aws::AwsProxy, dynamodb_client, dynamodb_table},
    index_suite::RowMaker,
};
use std::{sync::Arc, time::Instant};

const ROWS: u32 = 10_000;
const OPS: [&str; 5] = ["GetItem", "BatchGetItem", "Query", "BatchWriteItem", "UpdateItem"];

fn calls(proxy: &AwsProxy) -> usize {
    OPS.iter().map(|op| proxy.calls(op)).sum()
}

#[tokio::main]
async fn main() {
    let server = Dynoxide::start().await;
    let proxy = AwsProxy::start(&server, Arc::new(SystemClock)).await;
    let client = Client::from_conf(dynamodb_client(&proxy.url()).build());
    let table = format!("bench-{}", std::process::id());
    dynamodb_table(&client, &table).await;
    let index = DynamoIndex::new(client, table, Arc::new(SystemClock));
    let maker = RowMaker::new(1);
    let began = Instant::now();
    for first in (0..ROWS).step_by(500) {
        index.insert_many((first..first + 500).map(|i| maker.row(i)).collect()).await.unwrap();
    }
    println!("{ROWS} rows inserted in {:.1} s, {} calls", began.elapsed().as_secs_f64(), calls(&proxy));
    let some = |v: &str| Some(v.to_owned());
    let row = maker.row(4_711).0;
    let first = Query { limit: 50, ..Query::default() };
    for (name, q) in [
        ("newest", first.clone()),
        ("oldest", Query { sort: Sort::Oldest, ..first.clone() }),
        ("interaction", Query { interaction: Some(row.record.interaction_id.clone()), ..first.clone() }),
        ("recording", Query { recording_id: Some(row.record.recording_id.clone()), ..first.clone() }),
        ("agent", Query { agent: some("a-1"), ..first.clone() }),
        ("queue", Query { queue: some("trading-desk"), ..first.clone() }),
        ("matter", Query { hold: Some("m-1".parse().unwrap()), ..first.clone() }),
        ("words in a queue", Query { text: some("refund"), queue: some("trading-desk"), ..first.clone() }),
        ("no path (codec)", Query { codec: some("opus"), ..first.clone() }),
    ] {
        let (began, before) = (Instant::now(), calls(&proxy));
        let page = index.search(&q).await.unwrap();
        let (ms, made) = (began.elapsed().as_millis(), calls(&proxy) - before);
        let plus = if page.total_is_exact { "" } else { "+" };
        let next = Query { cursor: page.next.clone(), ..q };
        let (began, before) = (Instant::now(), calls(&proxy));
        index.search(&next).await.unwrap();
        let (next_ms, next_made) = (began.elapsed().as_millis(), calls(&proxy) - before);
        println!(
            "{name}: {}{plus} in {ms} ms, {made} calls; the next page in {next_ms} ms, {next_made} calls",
            page.total
        );
    }
    let (began, before) = (Instant::now(), calls(&proxy));
    let n = index.count().await.unwrap();
    println!("count {n} in {} ms, {} calls", began.elapsed().as_millis(), calls(&proxy) - before);
}
