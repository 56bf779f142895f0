use crate::{ApiError, ApiErrorKind, config::NetworkConfig};
use aws_smithy_http_client::{
    Connector,
    proxy::ProxyConfig,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use std::time::Duration;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a server may say nothing.
const SILENCE: Duration = Duration::from_secs(60);

/// What every connection has in common: proxies of the environment, roots of the system and those that were added.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    /// Further roots, PEM.
    pem: Option<Vec<u8>>,
}

impl Network {
    /// # Errors
    /// `config.invalid` where the file of further roots cannot be read.
    pub(crate) fn new(config: &NetworkConfig) -> Result<Self, ApiError> {
        let read = |path: &std::path::PathBuf| {
            std::fs::read(path).map_err(|e| {
                let message = format!("network.ca_file is {}, but it cannot be read: {e}", path.display());
                ApiError::usage("config.invalid", message, "Correct the path or the rights of the file.")
            })
        };
        Ok(Self { pem: config.ca_file.as_ref().map(read).transpose()? })
    }

    /// The client of Amazon's services. Their own default knows neither proxies nor further roots.
    pub(crate) fn aws(&self) -> SharedHttpClient {
        let pem = self.pem.clone();
        aws_smithy_http_client::Builder::new().build_with_connector_fn(move |settings, components| {
            let mut trust = TrustStore::default();
            if let Some(pem) = &pem {
                trust.add_pem_certificate(pem.clone());
            }
            let mut builder = Connector::builder().proxy_config(ProxyConfig::from_env());
            builder.set_connector_settings(settings.cloned());
            builder.set_sleep_impl(components.and_then(|c| c.sleep_impl()));
            let builder = builder.tls_provider(Provider::Rustls(CryptoMode::AwsLc));
            match TlsContext::builder().with_trust_store(trust).build() {
                Ok(context) => builder.tls_context(context).build(),
                Err(_) => builder.build(),
            }
        })
    }

    /// A client for everything else. Redirects are not followed: what we speak to answers itself.
    ///
    /// # Errors
    /// `cloud.ca_file` where the further roots are none.
    pub(crate) fn reqwest(&self) -> Result<reqwest::Client, ApiError> {
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("holdfast/", env!("CARGO_PKG_VERSION")));
        let unusable = |e: reqwest::Error| {
            let message = format!("the certificates of network.ca_file cannot be used: {e}");
            ApiError::new(ApiErrorKind::Usage, "cloud.ca_file", message, "Name a file of PEM certificates.")
        };
        if let Some(pem) = &self.pem {
            builder = builder.tls_certs_merge(reqwest::Certificate::from_pem_bundle(pem).map_err(unusable)?);
        }
        builder.build().map_err(unusable)
    }

    /// Further roots, PEM.
    pub(crate) fn pem(&self) -> Option<&[u8]> {
        self.pem.as_deref()
    }
}
