//! Clients of the SDKs for a server on loopback, with keys that it takes.

use holdfast_index::dynamodb::table_definition;

/// A client for S3 at `url`, to be built or changed further: `Client::from_conf(s3_client(url).build())`.
#[must_use]
pub fn s3_client(url: &str) -> aws_sdk_s3::config::Builder {
    use aws_sdk_s3::config::{BehaviorVersion, Builder, Credentials, Region};
    Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(url)
        .force_path_style(true)
}

/// A client for DynamoDB at `url`, to be built or changed further.
#[must_use]
pub fn dynamodb_client(url: &str) -> aws_sdk_dynamodb::config::Builder {
    use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, Credentials, Region};
    Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(url)
}

/// Makes a table as the product does.
///
/// # Panics
/// Where the server refuses it.
#[allow(clippy::expect_used)] // for tests
pub async fn dynamodb_table(client: &aws_sdk_dynamodb::Client, name: &str) {
    table_definition().create(client, name).send().await.expect("a table");
}
