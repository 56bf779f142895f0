//! What only the provider's own calls tell, on Azure.

use super::{Session, Trouble, aws::skew};
use crate::{
    ProvisionError,
    azure::{Arm, AzureDesired, plan},
    plan::{Entry, Kind},
};
use azure_core::http::headers::HeaderName;
use azure_storage_blob::BlobServiceClient;
use holdfast_model::Clock;
use std::sync::Arc;

/// What preflight needs on Azure beside the store.
#[derive(Clone)]
pub struct AzureTarget {
    /// The data plane, of the same configuration as the store's.
    pub service: Arc<BlobServiceClient>,
    /// Who the credentials belong to, where the caller could find out.
    pub identity: Option<String>,
    /// A container to ask for the time.
    pub container: String,
    /// The management plane with what is configured, where this identity has it.
    pub management: Option<(Arm, AzureDesired)>,
}

/// Which check a setting of the plan belongs to.
fn check_of(setting: &str) -> &'static str {
    match setting {
        "lifecycle" => "preflight.lifecycle_meta",
        "immutability" | "default_retention" | "retention_lock" => "preflight.object_lock",
        "versioning" => "preflight.versioning",
        "encryption_scope" | "identity" => "preflight.encryption",
        _ => ACCOUNT,
    }
}

const ACCOUNT: &str = "preflight.account";

const SETTINGS: [&str; 5] =
    [ACCOUNT, "preflight.versioning", "preflight.object_lock", "preflight.encryption", "preflight.lifecycle_meta"];

/// Identity, clock, and the settings, as far as the management plane may be asked.
pub(super) async fn settings(s: &mut Session<'_>, t: &AzureTarget, clock: &dyn Clock) {
    match &t.identity {
        Some(who) => {
            let who = who.clone();
            s.check("preflight.identity", "", async { Ok(((), format!("{who}."))) }).await;
        }
        None => s.skip("preflight.identity", "", "The credentials name nobody (a SAS)."),
    }
    s.check("preflight.clock", "", clocks(t, clock)).await;
    let Some((arm, desired)) = &t.management else {
        for code in SETTINGS {
            s.skip(
                code,
                "",
                "No management plane is configured (provision.azure); what can be proved by acting is proved below.",
            );
        }
        return;
    };
    let found = match plan(arm, desired).await {
        Ok(found) => found,
        // That is not what an archiver's or a reader's work needs.
        Err(ProvisionError::Denied { right, .. }) => {
            let why = format!(
                "This identity may not look at the storage account's settings ({right}); `holdfast provision plan` shows them to an administrator."
            );
            for code in SETTINGS {
                s.skip(code, "", &why);
            }
            return;
        }
        Err(e) => {
            let mut trouble = Some(Trouble::from(e));
            for code in SETTINGS {
                match trouble.take() {
                    Some(t) => drop(s.check::<()>(code, "", async { Err(t) }).await),
                    None => s.skip(code, "", "The management plane could not be asked."),
                }
            }
            return;
        }
    };
    let unfit = |e: &Entry| e.kind == Kind::Barred && e.place == "storage account" && check_of(&e.setting) == ACCOUNT;
    let unfit = found.entries.iter().any(unfit);
    for code in SETTINGS {
        if unfit && code != ACCOUNT {
            s.skip(code, "", "This account cannot become the archive, so nothing else of it was compared.");
            continue;
        }
        let differs = found.entries.iter().find(|e| e.kind != Kind::Remark && check_of(&e.setting) == code);
        s.check(code, differs.map_or("", |e| &e.place), async {
            match differs {
                None => Ok(((), "As configured.".to_owned())),
                Some(e) => Err(Trouble::setting(
                    format!(
                        "Found {}, configured {}.",
                        if e.found.is_empty() { "nothing" } else { &e.found },
                        e.wanted
                    ),
                    e.setting.clone(),
                    if e.kind == Kind::Barred { e.words.clone() } else { "Run `holdfast provision apply`.".into() },
                )),
            }
        })
        .await;
    }
}

async fn clocks(t: &AzureTarget, clock: &dyn Clock) -> Result<((), String), Trouble> {
    let before = clock.now();
    let answer = t.service.blob_container_client(&t.container).get_properties(None).await;
    let answer = answer.map_err(|e| Trouble {
        says: format!("The container {} could not be asked: {e}.", t.container),
        missing: Some("Microsoft.Storage/storageAccounts/blobServices/containers/read".into()),
        next: Some("Make the container (`holdfast provision apply`), or grant the right.".into()),
    })?;
    let date = answer.headers().get_optional_str(&HeaderName::from_static("date")).unwrap_or_default();
    skew(date, before)
}
