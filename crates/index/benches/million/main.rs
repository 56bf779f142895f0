//! How fast search and facets are over 100,000 and 1,000,000 recordings, beside what one would write without this engine:
//! SQLite with an index on every column and FTS5. Prints Markdown.
//!
//! `cargo bench -p holdfast-index -- [ROWS...]`; the files go to `/tmp/holdfast-index-bench` unless `HOLDFAST_BENCH_DIR` says
//! otherwise, and are used again if they are there. With `HOLDFAST_BENCH_PLAIN=no` the comparison is left out.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

mod plain;
mod sample;

use holdfast_index::{Query, RebuildSink, RecordingIndex, SqliteIndex};
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

fn main() {
    let sizes: Vec<u32> = std::env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![100_000, 1_000_000] } else { sizes };
    let dir = std::env::var_os("HOLDFAST_BENCH_DIR").map_or("/tmp/holdfast-index-bench".into(), PathBuf::from);
    std::fs::create_dir_all(&dir).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    for rows in sizes {
        runtime.block_on(measure(&dir, rows));
    }
}

async fn measure(dir: &Path, rows: u32) {
    println!("\n## {rows} recordings\n");
    let path = dir.join(format!("index-{rows}.db"));
    build(&path, rows).await;
    let compare = std::env::var_os("HOLDFAST_BENCH_PLAIN").is_none_or(|v| v != "no");
    let plain = compare.then(|| plain::Plain::open(&dir.join(format!("plain-{rows}.db")), rows));

    let index = SqliteIndex::open(&path).await.unwrap();
    let cases = sample::cases();
    time(&index, &Query::default(), false).await; // reads what is kept decoded
    println!(
        "First page of 50, exact total and all facets together, in ms. `cpu` is the processor time of all threads together, \
         which other work on the machine does not change; `cold` is the first query of a process.\n"
    );
    println!(
        "| queries | n | p50 | p99 | cpu p50 | cpu p99 | cpu most | cold p50 | cold cpu p50 | plain SQLite p50 | plain p99 |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    let mut slowest: (Duration, String) = (Duration::ZERO, String::new());
    for (class, queries) in &cases {
        let (mut warm, mut cold, mut other) = (Vec::new(), Vec::new(), Vec::new());
        let (mut cpu, mut cold_cpu) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            for q in queries {
                let before = cpu_time();
                warm.push(time(&index, q, false).await);
                cpu.push(cpu_time() - before);
                if let Some(took) = cpu.last().filter(|took| **took > slowest.0) {
                    slowest = (*took, format!("{class}: {q:?}"));
                }
            }
        }
        for q in every(queries, 12) {
            let fresh = SqliteIndex::open(&path).await.unwrap();
            let before = cpu_time();
            cold.push(time(&fresh, q, false).await);
            cold_cpu.push(cpu_time() - before);
        }
        for q in every(queries, if rows > 200_000 { 8 } else { 40 }) {
            let Some(plain) = &plain else { break };
            let begun = Instant::now();
            let found = plain.search(q);
            other.push(begun.elapsed());
            let ours = index.search(q).await.unwrap();
            // FTS5 takes ids apart, so beginnings of words find more there.
            if q.text.as_ref().is_none_or(|t| t.ends_with(' ')) {
                assert_eq!(found.total, ours.total, "{q:?}");
                let first = ours.rows.first().map(|r| r.archive_id.to_string());
                assert_eq!(found.first, first, "{q:?}");
            }
        }
        let n = warm.len();
        println!(
            "| {class} | {n} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            at(&mut warm, 0.5),
            at(&mut warm, 0.99),
            at(&mut cpu, 0.5),
            at(&mut cpu, 0.99),
            at(&mut cpu, 1.0),
            at(&mut cold, 0.5),
            at(&mut cold_cpu, 0.5),
            at(&mut other, 0.5),
            at(&mut other, 0.99),
        );
    }
    println!("\nMost processor time: {:.1} ms, {}", slowest.0.as_secs_f64() * 1e3, compact(&slowest.1));
    while_writing(&index, rows).await;
}

/// Time that the threads of this process have spent on a processor. Linux only.
fn cpu_time() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let nanos = tasks.filter_map(|task| {
        let stat = std::fs::read_to_string(task.unwrap().path().join("schedstat")).ok()?;
        stat.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

fn compact(debug: &str) -> String {
    debug.split(", ").filter(|part| !part.ends_with(": None")).collect::<Vec<_>>().join(", ")
}

fn every(queries: &[Query], at_most: usize) -> impl Iterator<Item = &Query> {
    queries.iter().step_by(queries.len().div_ceil(at_most).max(1))
}

async fn time(index: &SqliteIndex, q: &Query, writing: bool) -> Duration {
    let begun = Instant::now();
    let (page, facets) = tokio::join!(index.search(q), index.facets(q));
    let took = begun.elapsed();
    let (page, facets) = (page.unwrap(), facets.unwrap());
    let media: u64 = facets.media.iter().map(|(_, n)| n).sum();
    // Every recording has one kind of media. (The two are asked one after the other, so inserts may come between.)
    assert!(media == page.total || (writing && media.abs_diff(page.total) < 20_000), "{q:?}");
    took
}

fn at(times: &mut [Duration], quantile: f64) -> String {
    times.sort_unstable();
    if times.is_empty() {
        return "-".into();
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let i = ((times.len() as f64 * quantile).ceil() as usize).clamp(1, times.len()) - 1;
    format!("{:.1}", times[i].as_secs_f64() * 1e3)
}

async fn build(path: &Path, rows: u32) {
    let index = SqliteIndex::open(path).await.unwrap();
    if index.count().await.unwrap() == u64::from(rows) {
        println!("The index is there already ({} MB).", megabytes(path));
        return;
    }
    let begun = Instant::now();
    let mut sink: Box<dyn RebuildSink> = index.rebuild().await.unwrap();
    for i in 0..rows {
        let (row, text) = sample::row(i);
        sink.push(row, text).await.unwrap();
    }
    let filled = begun.elapsed();
    assert_eq!(sink.finish().await.unwrap(), u64::from(rows));
    println!(
        "Rebuilt in {:.1} s, {:.0} rows a second, {} MB.",
        begun.elapsed().as_secs_f64(),
        f64::from(rows) / filled.as_secs_f64(),
        megabytes(path)
    );
}

fn megabytes(path: &Path) -> u64 {
    path.metadata().unwrap().len() >> 20
}

/// One by one, as ingest does it, and searches meanwhile through another instance, as another process would.
async fn while_writing(index: &SqliteIndex, rows: u32) {
    let writer = index.clone();
    let writing = tokio::spawn(async move {
        let begun = Instant::now();
        // Past a sealing of the tail, wherever it stood.
        for i in rows..rows + 5_000 {
            let (row, text) = sample::row(i);
            writer.insert(&row, text.as_deref()).await.unwrap();
        }
        5_000.0 / begun.elapsed().as_secs_f64()
    });
    let path = index_path(index);
    let reader = SqliteIndex::open(&path).await.unwrap();
    let q = Query { text: Some("the ".into()), ..Query::default() };
    time(&reader, &q, true).await;
    let mut times = Vec::new();
    while !writing.is_finished() {
        times.push(time(&reader, &q, true).await);
    }
    println!(
        "\nWhile another instance inserts one by one ({:.0} a second): the common word in p50 {} ms, p99 {} ms, most {} ms.",
        writing.await.unwrap(),
        at(&mut times, 0.5),
        at(&mut times, 0.99),
        at(&mut times, 1.0)
    );
    std::fs::remove_file(path).unwrap(); // no longer what the next run expects
}

fn index_path(index: &SqliteIndex) -> PathBuf {
    index.path().to_owned()
}
