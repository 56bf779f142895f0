//! One set of bucket names, key and table for each test, on the server that all tests share.

use crate::rights::Tls;
use aws_credential_types::Credentials;
use holdfast_model::{Cancel, NoProgress, SystemClock};
use holdfast_provision::{
    Applied, Plan,
    aws::{self, AwsClients, AwsDesired, AwsSettings},
};
use holdfast_store::Buckets;
use holdfast_testkit::cloud::{Ministack, aws::AwsProxy};
use std::sync::Arc;

pub(crate) const REGION: &str = "eu-central-1";

pub(crate) struct World {
    pub(crate) proxy: AwsProxy,
    /// Through the proxy.
    pub(crate) clients: AwsClients,
    /// Past it: what somebody else does.
    pub(crate) other: AwsClients,
    pub(crate) settings: AwsSettings,
}

/// Clients for one endpoint.
pub(crate) fn clients(url: &str) -> AwsClients {
    clients_of(url, Credentials::new("test", "test", None, None, "test"), None)
}

/// The same for somebody in particular, as if through TLS where asked for.
pub(crate) fn clients_of(url: &str, credentials: Credentials, tls: Option<Tls>) -> AwsClients {
    macro_rules! config {
        ($sdk:ident) => {{
            let config = $sdk::Config::builder()
                .behavior_version_latest()
                .region($sdk::config::Region::new(REGION))
                .endpoint_url(url)
                .credentials_provider(credentials.clone());
            match &tls {
                Some(tls) => config.interceptor(tls.clone()),
                None => config,
            }
        }};
    }
    AwsClients::new(
        aws_sdk_s3::Client::from_conf(config!(aws_sdk_s3).force_path_style(true).build()),
        aws_sdk_dynamodb::Client::from_conf(config!(aws_sdk_dynamodb).build()),
        aws_sdk_kms::Client::from_conf(config!(aws_sdk_kms).build()),
        aws_sdk_sts::Client::from_conf(config!(aws_sdk_sts).build()),
    )
}

pub(crate) fn settings(name: &str, kms_key: Option<String>) -> AwsSettings {
    let bucket = |what| format!("{name}-{what}");
    AwsSettings {
        region: REGION.into(),
        account: Some("000000000000".into()),
        buckets: Some(Buckets { media: bucket("media"), meta: bucket("meta"), quarantine: bucket("aside") }),
        kms_key,
        retention: Default::default(),
        lifecycle: Default::default(),
        replication: None,
        table: Some(format!("{name}-index")),
        principals: Default::default(),
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        let server = Ministack::start().await;
        let proxy = AwsProxy::start(&server, Arc::new(SystemClock)).await;
        let clients = clients(&proxy.url());
        let other = self::clients(server.url());
        let key = other.kms.create_key().send().await.unwrap().key_metadata.unwrap().arn.unwrap();
        let name = format!("p{}", uuid::Uuid::new_v4().simple());
        Self { proxy, clients, other, settings: settings(&name, Some(key)) }
    }

    pub(crate) async fn provisioned() -> Self {
        let world = Self::new().await;
        let applied = world.apply().await;
        assert!(applied.left.is_empty(), "{:#?}", applied.left);
        world
    }

    pub(crate) fn desired(&self) -> AwsDesired {
        aws::desired(&self.settings).unwrap()
    }

    pub(crate) async fn plan(&self) -> Plan {
        aws::plan(&self.clients, &self.desired()).await.unwrap()
    }

    pub(crate) async fn apply(&self) -> Applied {
        aws::apply(&self.clients, &self.desired(), &NoProgress, &Cancel::default()).await.unwrap()
    }

    /// Calls that change something, so far.
    pub(crate) fn writes(&self) -> Vec<String> {
        let changes = |op: &str| ["Put", "Create", "Delete", "Update", "Restore"].iter().any(|w| op.starts_with(w));
        self.proxy.log().into_iter().map(|(op, _)| op).filter(|op| changes(op)).collect()
    }
}

/// `place setting kind` of each entry, for comparing.
pub(crate) fn told(plan: &Plan, name: &str) -> Vec<String> {
    let prefix = format!("{name}-");
    plan.entries
        .iter()
        .map(|e| format!("{} {} {}", e.place.replace(&prefix, ""), e.setting, format!("{:?}", e.kind).to_lowercase()))
        .collect()
}

impl World {
    pub(crate) fn buckets(&self) -> &Buckets {
        self.settings.buckets.as_ref().unwrap()
    }

    /// What the names start with.
    pub(crate) fn name(&self) -> &str {
        self.buckets().media.trim_end_matches("-media")
    }
}

impl World {
    /// As somebody makes it who does not know what it is for.
    pub(crate) async fn plain_bucket(&self, bucket: &str, versioned: bool) {
        use aws_sdk_s3::types::{
            BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration, VersioningConfiguration,
        };
        let place =
            CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::from(REGION)).build();
        self.other.s3.create_bucket().bucket(bucket).create_bucket_configuration(place).send().await.unwrap();
        if versioned {
            let on = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
            self.other.s3.put_bucket_versioning().bucket(bucket).versioning_configuration(on).send().await.unwrap();
        }
    }
}
