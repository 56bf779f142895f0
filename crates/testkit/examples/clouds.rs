//! The clouds as the tests have them, for a browser or for trying things by hand: `clouds aws` or `clouds azure`. Says where they
//! are as one line of JSON, then takes commands on standard input, each answered by a line: `advance SECONDS` lets time pass,
//! `make CONTAINER` makes one at Azure,
//! `cool BUCKET CLASS` does what a lifecycle rule would do to every recording there, `calls OPERATION` counts. Ends with its input.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use holdfast_model::{Clock as _, SystemClock};
use holdfast_testkit::{
    ManualClock,
    cloud::{Azurite, Ministack, aws::AwsProxy, azure::AzureProxy},
};
use serde_json::json;
use std::{collections::BTreeSet, io::BufRead as _, sync::Arc, time::Duration};

enum Cloud {
    Aws(AwsProxy),
    Azure(AzureProxy),
}

impl Cloud {
    async fn start(name: &str, clock: Arc<ManualClock>) -> Self {
        match name {
            "aws" => Self::Aws(AwsProxy::start(Ministack::start().await.url(), clock).await),
            "azure" => Self::Azure(AzureProxy::start(Azurite::start().await.account_url(), clock).await),
            other => panic!("{other:?} is no cloud: aws or azure"),
        }
    }

    fn address(&self) -> serde_json::Value {
        match self {
            Self::Aws(proxy) => json!({ "url": proxy.url() }),
            Self::Azure(proxy) => json!({ "url": proxy.url(), "ca": proxy.ca_pem() }),
        }
    }

    async fn cool(&self, bucket: &str, class: &str) -> usize {
        let log = match self {
            Self::Aws(proxy) => proxy.log(),
            Self::Azure(proxy) => proxy.log(),
        };
        let prefix = format!("{bucket}/");
        let written = ["PutObject", "CompleteMultipartUpload", "PutBlob", "PutBlockList"];
        let keys: BTreeSet<&str> = log
            .iter()
            .filter(|(op, _)| written.contains(&op.as_str()))
            .filter_map(|(_, at)| at.trim_start_matches('/').strip_prefix(&prefix))
            .filter(|key| key.starts_with("recordings/"))
            .collect();
        for key in &keys {
            match self {
                Self::Aws(proxy) => proxy.transition(bucket, key, class).await,
                Self::Azure(proxy) => proxy.transition(bucket, key, class).await,
            }
        }
        keys.len()
    }

    fn calls(&self, operation: &str) -> usize {
        match self {
            Self::Aws(proxy) => proxy.calls(operation),
            Self::Azure(proxy) => proxy.calls(operation),
        }
    }
}

#[tokio::main]
async fn main() {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let name = std::env::args().nth(1).unwrap_or_default();
    let cloud = Cloud::start(&name, clock.clone()).await;
    println!("{}", cloud.address());
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["advance", seconds] => {
                clock.advance(Duration::from_secs(seconds.parse().expect("a number of seconds")));
                println!("{}", json!({ "advanced": seconds }));
            }
            ["cool", bucket, class] => println!("{}", json!({ "cooled": cloud.cool(bucket, class).await })),
            ["make", container] => {
                if let Cloud::Azure(proxy) = &cloud {
                    proxy.container(container).await;
                }
                println!("{}", json!({ "made": container }));
            }
            ["calls", operation] => println!("{}", json!({ "calls": cloud.calls(operation) })),
            _ => println!("{}", json!({ "error": "advance SECONDS, cool BUCKET CLASS, calls OPERATION" })),
        }
    }
}
