//! A few calls of Azure Resource Manager, on the SDK's own pipeline: its retries, its credential, its proxy settings.

use crate::ProvisionError;
use azure_core::{
    credentials::TokenCredential,
    http::{
        ClientOptions, Context, Method, Pipeline, PipelineSendOptions, Request, Url,
        headers::{CONTENT_TYPE, ETAG, HeaderName, IF_MATCH},
        policies::{Policy, auth::BearerTokenAuthorizationPolicy},
    },
};
use serde_json::Value;
use std::sync::Arc;

/// Version of the storage resource provider's interface, in every call and in what is emitted.
pub(crate) const API_VERSION: &str = "2023-05-01";

/// One storage account in the management plane.
#[derive(Debug, Clone)]
pub struct Arm {
    pipeline: Pipeline,
    account: Url,
}

/// A resource with the tag that says which state was read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Resource {
    pub(crate) body: Value,
    pub(crate) etag: Option<String>,
}

impl Arm {
    /// The account `account` of a resource group. `endpoint` is `https://management.azure.com/` in the public cloud. `options`
    /// carries the shared transport.
    ///
    /// # Errors
    /// [`ProvisionError::Invalid`] where these make no address.
    pub fn new(
        endpoint: &str,
        subscription: &str,
        resource_group: &str,
        account: &str,
        credential: Arc<dyn TokenCredential>,
        options: ClientOptions,
    ) -> Result<Self, ProvisionError> {
        let invalid = |detail: String| ProvisionError::Invalid { what: "provision.azure".into(), detail };
        for (what, text) in [("subscription", subscription), ("resource_group", resource_group), ("account", account)] {
            let fits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.()".contains(&b));
            if !fits {
                return Err(invalid(format!("{what} is `{text}`: letters, digits, `-`, `_`, `.` are expected")));
            }
        }
        let base = Url::parse(endpoint).map_err(|e| invalid(format!("management_url: {e}")))?;
        let path = format!(
            "subscriptions/{subscription}/resourceGroups/{resource_group}/providers/Microsoft.Storage/storageAccounts/{account}"
        );
        let account = base.join(&path).map_err(|e| invalid(format!("management_url: {e}")))?;
        let scope = format!("{}/.default", base.as_str().trim_end_matches('/'));
        let bearer: Arc<dyn Policy> = Arc::new(BearerTokenAuthorizationPolicy::new(credential, [scope]));
        let (name, version) = (option_env!("CARGO_PKG_NAME"), option_env!("CARGO_PKG_VERSION"));
        let pipeline = Pipeline::new(name, version, options, Vec::new(), vec![bearer], None);
        Ok(Self { pipeline, account })
    }

    /// Reads the resource at `path` under the account; none where there is none.
    pub(crate) async fn get(&self, path: &str, right: &str) -> Result<Option<Resource>, ProvisionError> {
        self.send(Method::Get, path, None, None, right).await
    }

    /// Makes or replaces it.
    pub(crate) async fn put(
        &self,
        path: &str,
        body: &Value,
        etag: Option<&str>,
        right: &str,
    ) -> Result<(), ProvisionError> {
        self.send(Method::Put, path, Some(body), etag, right).await.map(drop)
    }

    /// Changes what `body` names.
    pub(crate) async fn patch(&self, path: &str, body: &Value, right: &str) -> Result<(), ProvisionError> {
        self.send(Method::Patch, path, Some(body), None, right).await.map(drop)
    }

    /// Does an action on it.
    pub(crate) async fn post(
        &self,
        path: &str,
        body: Option<&Value>,
        etag: Option<&str>,
        right: &str,
    ) -> Result<(), ProvisionError> {
        self.send(Method::Post, path, body, etag, right).await.map(drop)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        etag: Option<&str>,
        right: &str,
    ) -> Result<Option<Resource>, ProvisionError> {
        let action = format!(
            "{method} of {}",
            if path.is_empty() { "the storage account" } else { path.trim_start_matches('/') }
        );
        let mut url = self.account.clone();
        url.set_path(&format!("{}{path}", self.account.path()));
        url.query_pairs_mut().append_pair("api-version", API_VERSION);
        let mut request = Request::new(url, method);
        request.insert_header(HeaderName::from_static("accept"), "application/json");
        if let Some(etag) = etag {
            request.insert_header(IF_MATCH, etag.to_owned());
        }
        match body {
            Some(body) => {
                request.insert_header(CONTENT_TYPE, "application/json");
                request.set_body(body.to_string());
            }
            None => request.set_body(String::new()),
        }
        let options = PipelineSendOptions { skip_checks: true, ..PipelineSendOptions::default() };
        let answer = self.pipeline.send(&Context::new(), &mut request, Some(options)).await;
        let answer = answer.map_err(|e| failed(&action, &e))?;
        let status = u16::from(answer.status());
        let etag = answer.headers().get_optional_string(&ETAG);
        let text = answer.into_body();
        let body: Value = serde_json::from_slice(text.as_ref()).unwrap_or(Value::Null);
        if (200..300).contains(&status) {
            return Ok(Some(Resource { etag: body["etag"].as_str().map(str::to_owned).or(etag), body }));
        }
        refused(action, status, &body, right)
    }
}

fn failed(action: &str, e: &azure_core::Error) -> ProvisionError {
    let action = action.to_owned();
    match e.kind() {
        azure_core::error::ErrorKind::Credential => ProvisionError::Credentials { action, detail: e.to_string() },
        _ => ProvisionError::Unreachable { action, detail: e.to_string() },
    }
}

/// By the code in the answer's body. A 404 without one is a proxy's, not Azure's: only Azure's own words mean "not there".
fn refused(action: String, status: u16, body: &Value, right: &str) -> Result<Option<Resource>, ProvisionError> {
    let code = body["error"]["code"].as_str().unwrap_or_default();
    let detail = body["error"]["message"].as_str().unwrap_or_default().to_owned();
    match code {
        "ResourceNotFound"
        | "ContainerNotFound"
        | "ManagementPolicyNotFound"
        | "EncryptionScopeNotFound"
        | "ImmutabilityPolicyNotFound"
        | "NotFound" => Ok(None),
        "AuthorizationFailed" | "LinkedAuthorizationFailed" => {
            Err(ProvisionError::Denied { action, right: right.to_owned() })
        }
        "ExpiredAuthenticationToken" | "InvalidAuthenticationToken" | "AuthenticationFailed" => {
            Err(ProvisionError::Credentials { action, detail })
        }
        "TooManyRequests" | "ServerBusy" | "ServiceUnavailable" => Err(ProvisionError::Unreachable { action, detail }),
        "" => {
            Err(ProvisionError::Unreachable { action, detail: format!("an answer without a reason (HTTP {status})") })
        }
        code => Err(ProvisionError::Refused { action, reason: code.to_owned(), detail }),
    }
}
