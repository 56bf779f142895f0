//! Planning 10,000 recordings from the call to the persisted plan: facts from index and storage, the plan, its ledger entry, its
//! rows. The storage answers at once; what a real one adds is a dozen listing calls.
//!
//! `cargo bench -p holdfast-retrieval --bench plan`. Ends with failure where it takes more than 2 s.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::disallowed_methods)]

#[path = "../tests/it/counted.rs"]
mod counted;

use counted::Many;
use holdfast_model::SystemClock;
use holdfast_retrieval::PlanRequest;
use std::{process::ExitCode, sync::Arc, time::Instant};

const RECORDINGS: u32 = 10_000;
const BUDGET_S: f64 = 2.0;

#[tokio::main]
async fn main() -> ExitCode {
    let dir = tempfile::tempdir().unwrap();
    let many = Many::of(RECORDINGS, dir.path(), Arc::new(SystemClock)).await;
    let mut worst = 0f64;
    for round in 1..=5 {
        let began = Instant::now();
        let plan = many.desk.make_plan(&many.matter, PlanRequest::default(), &many.me).await.unwrap();
        let took = began.elapsed().as_secs_f64();
        assert_eq!(plan.body.totals.items, RECORDINGS);
        println!("plan {round} of {RECORDINGS} recordings: {took:.2} s; calls {:?}", many.calls.taken());
        worst = worst.max(took);
    }
    if worst > BUDGET_S {
        println!("over the budget of {BUDGET_S} s");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
