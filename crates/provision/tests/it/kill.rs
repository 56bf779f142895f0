//! The process dies between every two steps, and what comes next goes on.

use crate::support::{World, clients, settings};
use holdfast_model::{Cancel, NoProgress};
use holdfast_provision::aws;
use std::{os::unix::process::ExitStatusExt as _, process::Command};

/// Runs in a process of its own, started by the test below.
#[tokio::test]
async fn child_applies() {
    let Ok(url) = std::env::var("HOLDFAST_TEST_PROVISION_URL") else { return };
    let name = std::env::var("HOLDFAST_TEST_PROVISION_NAME").unwrap();
    let key = std::env::var("HOLDFAST_TEST_PROVISION_KEY").unwrap();
    let desired = aws::desired(&settings(&name, Some(key))).unwrap();
    let applied = aws::apply(&clients(&url), &desired, &NoProgress, &Cancel::default()).await.unwrap();
    assert!(applied.left.is_empty(), "{:#?}", applied.left);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_every_two_steps_it_goes_on() {
    let w = World::new().await;
    let steps = w.plan().await.to_do().count();
    assert!(steps > 20);
    let mut killed = 0;
    loop {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child
            .args(["--exact", "kill::child_applies"])
            .env("HOLDFAST_TEST_PROVISION_URL", w.proxy.url())
            .env("HOLDFAST_TEST_PROVISION_NAME", w.name())
            .env("HOLDFAST_TEST_PROVISION_KEY", w.settings.kms_key.clone().unwrap())
            // Each one does a single step.
            .env("HOLDFAST_KILL_AT", "provision.step:2");
        let status = tokio::task::spawn_blocking(move || child.output().unwrap().status).await.unwrap();
        if status.success() {
            break;
        }
        assert_eq!(status.signal(), Some(9), "it was killed, and did not fail");
        killed += 1;
        assert!(killed <= steps, "each run does at least one step");
    }
    assert_eq!(killed, steps - 1);
    assert!(w.plan().await.entries.is_empty());
    assert_eq!(w.proxy.calls("CreateBucket"), 3, "nothing was made twice");
}
