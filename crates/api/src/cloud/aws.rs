use super::{Identity, Network};
use crate::{
    ApiError, ApiErrorKind,
    config::{AwsConfig, Config},
    secrets::{AwsKeys, SecretName, Secrets, aws_keys},
};
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_credential_types::{
    Credentials,
    provider::{self, ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future},
};
use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

/// How long finding credentials may take when the archive is opened: a browser or a far metadata service must not hold it up.
const FIND: Duration = Duration::from_secs(15);
/// How long it may take to learn who the credentials are of.
const IDENTITY: Duration = Duration::from_secs(4);
/// What stores other than Amazon's are addressed with where nobody names a region.
const ELSEWHERE: &str = "us-east-1";

/// One configuration for all of Amazon's services: region, credentials, transport, retries.
#[derive(Clone)]
pub(crate) struct Aws {
    sdk: SdkConfig,
    settings: AwsConfig,
    force_path_style: bool,
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aws").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Aws {
    /// Finds region and credentials: those entered by a person, else what the SDK's chain finds; then takes on the configured role.
    ///
    /// # Errors
    /// `cloud.no_credentials`, `cloud.no_region`, `credentials.*`.
    pub(crate) async fn connect(
        config: &Config,
        secrets: &Secrets,
        network: &Network,
        identity: &Identity,
    ) -> Result<Self, ApiError> {
        let settings = config.aws.clone();
        // What was entered and cannot be used is an error: the chain's credentials would be somebody else's.
        let entered = secrets.get(&SecretName::Aws)?.map(|text| aws_keys(&text)).transpose()?;
        let found = tokio::time::timeout(FIND, sdk_config(&settings, entered, network));
        let sdk = found.await.map_err(|_| no_credentials("finding them took too long"))?;
        let sdk = with_region(sdk, &settings)?;
        let sdk = with_role(sdk, &settings).await?;
        let inner = sdk.credentials_provider().ok_or_else(|| no_credentials("none are configured"))?;
        let watched = Watched {
            inner,
            sts: sts_config(&sdk, &settings),
            identity: identity.clone(),
            last: Arc::new(Mutex::new(None)),
        };
        let first = tokio::time::timeout(FIND, watched.provide_credentials());
        first
            .await
            .map_err(|_| no_credentials("finding them took too long"))?
            .map_err(|e| no_credentials(&root(&e)))?;
        let sdk = sdk.into_builder().credentials_provider(SharedCredentialsProvider::new(watched)).build();
        Ok(Self { sdk, settings, force_path_style: config.archive.s3.force_path_style })
    }

    /// S3.
    pub(crate) fn s3(&self) -> aws_sdk_s3::Client {
        let mut builder = aws_sdk_s3::config::Builder::from(&self.sdk).force_path_style(self.force_path_style);
        if let Some(url) = &self.settings.s3_endpoint_url {
            builder = builder.endpoint_url(url);
        }
        aws_sdk_s3::Client::from_conf(builder.build())
    }

    /// DynamoDB.
    pub(crate) fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        let mut builder = aws_sdk_dynamodb::config::Builder::from(&self.sdk);
        if let Some(url) = &self.settings.dynamodb_endpoint_url {
            builder = builder.endpoint_url(url);
        }
        aws_sdk_dynamodb::Client::from_conf(builder.build())
    }

    /// The encryption key's own service.
    pub(crate) fn kms(&self) -> aws_sdk_kms::Client {
        aws_sdk_kms::Client::new(&self.sdk)
    }

    /// Who one is.
    pub(crate) fn sts(&self) -> aws_sdk_sts::Client {
        aws_sdk_sts::Client::new(&sts_config(&self.sdk, &self.settings).unwrap_or_else(|| self.sdk.clone()))
    }

    /// The region in force.
    pub(crate) fn region(&self) -> Option<String> {
        self.sdk.region().map(ToString::to_string)
    }
}

async fn sdk_config(settings: &AwsConfig, entered: Option<AwsKeys>, network: &Network) -> SdkConfig {
    let timeouts =
        TimeoutConfig::builder().connect_timeout(Duration::from_secs(5)).read_timeout(Duration::from_secs(60)).build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(network.aws())
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(4));
    if let Ok(name) = AppName::new(concat!("holdfast-", env!("CARGO_PKG_VERSION"))) {
        loader = loader.app_name(name);
    }
    if let Some(profile) = &settings.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(region) = &settings.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(url) = &settings.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    if settings.use_fips {
        loader = loader.use_fips(true);
    }
    if settings.use_dualstack {
        loader = loader.use_dual_stack(true);
    }
    if let Some((id, secret, token)) = entered {
        loader = loader.credentials_provider(Credentials::new(id, secret, token, None, "holdfast-keyring"));
    }
    loader.load().await
}

fn with_region(sdk: SdkConfig, settings: &AwsConfig) -> Result<SdkConfig, ApiError> {
    let elsewhere = settings.endpoint_url.is_some() || settings.s3_endpoint_url.is_some();
    match sdk.region() {
        Some(_) => Ok(sdk),
        None if elsewhere => Ok(sdk.into_builder().region(Region::from_static(ELSEWHERE)).build()),
        None => Err(ApiError::new(
            ApiErrorKind::Usage,
            "cloud.no_region",
            "no region of Amazon's is named",
            "Set aws.region in the configuration, or a region in the profile.",
        )),
    }
}

/// Takes on the configured role. The session is named after the account of this machine, so that the cloud's own log names it.
async fn with_role(sdk: SdkConfig, settings: &AwsConfig) -> Result<SdkConfig, ApiError> {
    let Some(role) = &settings.role_arn else { return Ok(sdk) };
    let base = sdk.credentials_provider().ok_or_else(|| no_credentials("none are configured"))?;
    let user = crate::caller::os_user();
    let fits = |c: char| c.is_ascii_alphanumeric() || "_=,.@-".contains(c);
    let session: String = format!("holdfast-{user}").chars().map(|c| if fits(c) { c } else { '-' }).take(64).collect();
    let sts = match sts_config(&sdk, settings) {
        Some(sts) => sts,
        None => sdk.clone(),
    };
    let mut builder = aws_config::sts::AssumeRoleProvider::builder(role).session_name(session).configure(&sts);
    if let Some(id) = &settings.external_id {
        builder = builder.external_id(id);
    }
    let provider = builder.build_from_provider(base).await;
    Ok(sdk.into_builder().credentials_provider(SharedCredentialsProvider::new(provider)).build())
}

/// Where to ask who one is. None where only single services were given other addresses: then these are stores of others, and
/// Amazon knows nothing of their accounts.
fn sts_config(sdk: &SdkConfig, settings: &AwsConfig) -> Option<SdkConfig> {
    if let Some(url) = &settings.sts_endpoint_url {
        return Some(sdk.clone().into_builder().endpoint_url(url).build());
    }
    let single = settings.s3_endpoint_url.is_some() || settings.dynamodb_endpoint_url.is_some();
    (settings.endpoint_url.is_some() || !single).then(|| sdk.clone())
}

/// Credentials whose owner is asked for before they are used: whenever they change, the identity in custody events does.
struct Watched {
    inner: SharedCredentialsProvider,
    sts: Option<SdkConfig>,
    identity: Identity,
    /// Id of the access key that the identity was asked for with.
    last: Arc<Mutex<Option<String>>>,
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").finish_non_exhaustive()
    }
}

impl Watched {
    async fn watch(&self) -> provider::Result {
        let found = self.inner.provide_credentials().await?;
        let known = crate::task::lock(&self.last).as_deref() == Some(found.access_key_id());
        if !known {
            let who = self.who(&found).await;
            // Unknown is asked for again with the next credentials.
            *crate::task::lock(&self.last) = who.as_ref().map(|_| found.access_key_id().to_owned());
            self.identity.set_aws(who);
        }
        Ok(found)
    }

    async fn who(&self, credentials: &Credentials) -> Option<String> {
        let sts = self.sts.as_ref()?;
        let config = aws_sdk_sts::config::Builder::from(sts).credentials_provider(credentials.clone()).build();
        let asked = aws_sdk_sts::Client::from_conf(config).get_caller_identity().send();
        match tokio::time::timeout(IDENTITY, asked).await {
            Ok(Ok(answer)) => answer.arn().map(str::to_owned),
            Ok(Err(e)) => {
                let code = aws_sdk_sts::error::ProvideErrorMetadata::code(&e).unwrap_or("no answer").to_owned();
                tracing::warn!(code, "STS does not tell who these credentials are of; custody events go without");
                None
            }
            Err(_) => {
                tracing::warn!("STS did not answer in time who these credentials are of; custody events go without");
                None
            }
        }
    }
}

impl ProvideCredentials for Watched {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.watch())
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.inner.fallback_on_interrupt()
    }
}

/// What lies at the bottom of the chain of causes; providers never put credentials there.
fn root(e: &CredentialsError) -> String {
    let mut at: &dyn std::error::Error = e;
    while let Some(source) = at.source() {
        at = source;
    }
    at.to_string()
}

fn no_credentials(why: &str) -> ApiError {
    let next = "Sign in (`aws sso login`, or a profile in aws.profile), or enter an access key with \
                `holdfast credentials set aws`; then run the same command again.";
    ApiError::new(
        ApiErrorKind::Failure,
        "cloud.no_credentials",
        format!("there are no usable credentials for Amazon's services: {why}"),
        next,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_that_cannot_be_read_is_never_replaced_by_another_identity() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = Secrets::of(folder.path()).with(&[("aws", "AKIAIOSFODNN7EXAMPLE")]);
        let network = Network::new(&crate::config::NetworkConfig::default()).unwrap();
        let refused = Aws::connect(&Config::default(), &secrets, &network, &Identity::default()).await;
        assert_eq!(refused.unwrap_err().code, "credentials.form");
    }
}
