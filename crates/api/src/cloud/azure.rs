use super::{Identity, Network, identity::of_token};
use crate::{
    ApiError, ApiErrorKind,
    config::{AzureConfig, AzureCredential, Config},
    secrets::{SecretName, Secrets},
};
use azure_core::{
    cloud::{CloudConfiguration, CustomConfiguration},
    credentials::{AccessToken, Secret, TokenCredential, TokenRequestOptions},
    http::{ClientOptions, Transport},
};
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, ClientAssertionCredentialOptions, ClientSecretCredential,
    ClientSecretCredentialOptions, ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId,
    WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};
use std::{fmt, sync::Arc, time::Duration};
use url::Url;

/// How long the first token may take when the archive is opened.
const FIND: Duration = Duration::from_secs(15);
const SCOPE: &str = "https://storage.azure.com/.default";

/// The way to one storage account.
#[derive(Clone)]
pub(crate) struct Azure {
    /// The account's address; with a shared access signature as its query where there is no credential.
    pub(crate) url: Url,
    /// Gives tokens.
    pub(crate) credential: Option<Arc<dyn TokenCredential>>,
    /// Shared by all clients.
    pub(crate) transport: Transport,
}

impl fmt::Debug for Azure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The query of the address may be a secret.
        f.debug_struct("Azure").field("host", &self.url.host_str()).finish_non_exhaustive()
    }
}

impl Azure {
    /// Finds the credential and asks it for a token once, so that a missing sign-in is told now and the identity is known.
    ///
    /// # Errors
    /// `cloud.no_credentials`, `credentials.*`, `config.invalid`.
    pub(crate) async fn connect(
        config: &Config,
        secrets: &Secrets,
        network: &Network,
        identity: &Identity,
    ) -> Result<Self, ApiError> {
        let mut url = Url::parse(&config.archive.azure.account_url).map_err(|e| {
            let message = format!("archive.azure.account_url is no address: {e}");
            ApiError::usage("config.invalid", message, "Correct it; `holdfast config check` shows the line.")
        })?;
        let transport = Transport::new(Arc::new(network.reqwest()?));
        let chosen = choose(&config.azure, secrets)?;
        let credential: Option<Arc<dyn TokenCredential>> = match chosen {
            Chosen::Sas(sas) => {
                url.set_query(Some(sas.trim_start_matches('?')));
                None
            }
            Chosen::Token(make) => {
                let options = client_options(&config.azure, &transport);
                let inner = make(&config.azure, options).map_err(|e| no_credentials(&e.to_string()))?;
                Some(Arc::new(Watched { inner, identity: identity.clone() }))
            }
        };
        if let Some(credential) = &credential {
            let asked = tokio::time::timeout(FIND, credential.get_token(&[SCOPE], None));
            let answer = asked.await.map_err(|_| no_credentials("no token came in time"))?;
            answer.map_err(|e| no_credentials(&first_line(&e.to_string())))?;
        }
        Ok(Self { url, credential, transport })
    }
}

fn client_options(config: &AzureConfig, transport: &Transport) -> ClientOptions {
    let cloud = config.authority_host.clone().map(|authority_host| {
        let mut custom = CustomConfiguration::default();
        custom.authority_host = authority_host;
        Arc::new(CloudConfiguration::from(custom))
    });
    ClientOptions { transport: Some(transport.clone()), cloud, ..ClientOptions::default() }
}

type Make = Box<dyn Fn(&AzureConfig, ClientOptions) -> azure_core::Result<Arc<dyn TokenCredential>> + Send + Sync>;

enum Chosen {
    Sas(zeroize::Zeroizing<String>),
    Token(Make),
}

/// One credential, never several in turn: whose it is must not depend on which of them answered.
fn choose(config: &AzureConfig, secrets: &Secrets) -> Result<Chosen, ApiError> {
    let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty());
    let needed = |name: SecretName| {
        secrets.get(&name)?.ok_or_else(|| {
            let name = name.text();
            let message = format!("azure.credential needs the credential `{name}`, and none was entered");
            let next = format!("Enter it with `holdfast credentials set {name}`.");
            ApiError::new(ApiErrorKind::Failure, "cloud.no_credentials", message, next)
        })
    };
    Ok(match config.credential {
        AzureCredential::Sas => Chosen::Sas(needed(SecretName::AzureSas)?),
        AzureCredential::ServicePrincipal => Chosen::Token(principal(needed(SecretName::AzureSecret)?)),
        AzureCredential::WorkloadIdentity => Chosen::Token(Box::new(workload)),
        AzureCredential::ManagedIdentity => Chosen::Token(Box::new(managed)),
        AzureCredential::Cli => Chosen::Token(Box::new(cli)),
        AzureCredential::Auto => {
            if let Some(sas) = secrets.get(&SecretName::AzureSas)? {
                Chosen::Sas(sas)
            } else if let Some(secret) = secrets.get(&SecretName::AzureSecret)? {
                Chosen::Token(principal(secret))
            } else if set("AZURE_FEDERATED_TOKEN_FILE") {
                Chosen::Token(Box::new(workload))
            } else if set("IDENTITY_ENDPOINT") {
                Chosen::Token(Box::new(managed))
            } else {
                Chosen::Token(Box::new(cli))
            }
        }
    })
}

fn principal(secret: zeroize::Zeroizing<String>) -> Make {
    Box::new(move |config, client_options| {
        let id = |v: &Option<String>| v.clone().unwrap_or_default();
        let options = ClientSecretCredentialOptions { client_options };
        let secret = Secret::new(secret.as_str().to_owned());
        let made = ClientSecretCredential::new(&id(&config.tenant_id), id(&config.client_id), secret, Some(options))?;
        Ok(made)
    })
}

fn workload(config: &AzureConfig, client_options: ClientOptions) -> azure_core::Result<Arc<dyn TokenCredential>> {
    let options = WorkloadIdentityCredentialOptions {
        credential_options: ClientAssertionCredentialOptions { client_options },
        client_id: config.client_id.clone(),
        tenant_id: config.tenant_id.clone(),
        ..WorkloadIdentityCredentialOptions::default()
    };
    Ok(WorkloadIdentityCredential::new(Some(options))?)
}

fn managed(config: &AzureConfig, client_options: ClientOptions) -> azure_core::Result<Arc<dyn TokenCredential>> {
    let user_assigned_id = config.client_id.clone().map(UserAssignedId::ClientId);
    let options = ManagedIdentityCredentialOptions { user_assigned_id, client_options };
    Ok(ManagedIdentityCredential::new(Some(options))?)
}

fn cli(config: &AzureConfig, _: ClientOptions) -> azure_core::Result<Arc<dyn TokenCredential>> {
    let options = AzureCliCredentialOptions { tenant_id: config.tenant_id.clone(), ..Default::default() };
    Ok(AzureCliCredential::new(Some(options))?)
}

/// A credential whose tokens tell who one is: the identity in custody events is always that of the last token.
#[derive(Debug)]
struct Watched {
    inner: Arc<dyn TokenCredential>,
    identity: Identity,
}

#[async_trait::async_trait]
impl TokenCredential for Watched {
    async fn get_token(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let token = self.inner.get_token(scopes, options).await?;
        self.identity.set_azure(of_token(token.token.secret()));
        Ok(token)
    }
}

/// What came back from a sign-in, without the pages that follow.
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(300).collect()
}

fn no_credentials(why: &str) -> ApiError {
    let next = "Sign in with `az login`, choose another azure.credential, or enter a secret with \
                `holdfast credentials set azure-secret` or `azure-sas`; then run the same command again.";
    ApiError::new(
        ApiErrorKind::Failure,
        "cloud.no_credentials",
        format!("there is no usable credential for Azure: {why}"),
        next,
    )
}
