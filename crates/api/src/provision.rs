//! The cloud side of the archive: looking at it, making it, saying it in other tools' words, proving it. All of it works before an
//! installation can be opened, since what opening needs may be what is missing.

use crate::{
    ApiError, ApiErrorKind, OpenOptions,
    cloud::{Aws, Azure, Cloud, copies_prefix, places},
    config::{Config, IndexBackend, ProvisionMode, RehydrateBy, StoreBackend},
    dto::*,
    open::Ground,
};
use azure_core::http::ClientOptions;
pub use holdfast_model::Cancel;
use holdfast_model::{Clock, ImmutabilityMode, Progress, ProgressSink, SystemClock};
use holdfast_provision::{
    DefaultRetention, Kind, Lifecycle, Plan, Principals, Replication,
    aws::{self, AwsClients, AwsSettings},
    azure::{self, Arm, AzureSettings, Copies, EncryptionScope},
    preflight::{self, AwsTarget, AzureTarget, Check, Outcome, Provider, Report},
};
use holdfast_store::{Store, azure_service};
use std::{path::Path, sync::Arc};

/// What differs on the cloud side. Changes nothing.
///
/// # Errors
/// `provision.*`, `cloud.*`, `config.invalid`, `home.*`.
pub async fn plan(options: &OpenOptions) -> Result<ProvisionPlan, ApiError> {
    let ground = Ground::prepare(options, Arc::new(SystemClock)).await?;
    look(ground.config(), &ground.cloud).await
}

/// Mends what differs on the cloud side, and tells each step as it begins.
///
/// # Errors
/// As [`plan`], `provision.not_admin`, `provision.not_confirmed`.
pub async fn apply(
    options: &OpenOptions,
    request: &ProvisionApplyRequest,
    told: &(dyn Fn(&str) + Send + Sync),
    cancel: &Cancel,
) -> Result<ProvisionApplied, ApiError> {
    struct Stages<'a>(&'a (dyn Fn(&str) + Send + Sync));
    impl ProgressSink for Stages<'_> {
        fn report(&self, progress: Progress) {
            (self.0)(&progress.stage);
        }
    }
    let ground = Ground::prepare(options, Arc::new(SystemClock)).await?;
    let role = &ground.config().person.role;
    mend(ground.config(), &ground.cloud, role, &request.confirm, &Stages(told), cancel).await
}

/// The same as files for those who review infrastructure in their own way. Talks to nobody.
///
/// # Errors
/// `provision.*`, `config.invalid`, `home.*`.
pub fn emit(options: &OpenOptions) -> Result<ProvisionDocuments, ApiError> {
    let (_, loaded) = crate::setup::home_and_config(options)?;
    documents(&loaded.config)
}

/// Proves the store by acting, and tells each check as it ends.
///
/// # Errors
/// `cloud.*`, `config.invalid`, `home.*`; checks that fail are in the report.
pub async fn preflight(
    options: &OpenOptions,
    hear: &(dyn Fn(PreflightCheck) + Send + Sync),
    cancel: &Cancel,
) -> Result<PreflightReport, ApiError> {
    let ground = Ground::prepare(options, Arc::new(SystemClock)).await?;
    let store = ground.store()?;
    prove(ground.config(), &ground.cloud, &store, ground.clock.as_ref(), hear, cancel).await
}

/// Writes each document to a new file of `folder`; none of them replaces one that is there and differs.
///
/// # Errors
/// `provision.not_written`.
pub fn write(documents: &ProvisionDocuments, folder: &Path) -> Result<(), ApiError> {
    let failed = |path: &Path, why: &dyn std::fmt::Display| {
        let message = format!("{} could not be written: {why}", path.display());
        let next = "Name another folder, or take away the file that is there.";
        ApiError::new(ApiErrorKind::Usage, "provision.not_written", message, next)
    };
    std::fs::create_dir_all(folder).map_err(|e| failed(folder, &e))?;
    for d in &documents.documents {
        let path = folder.join(&d.name);
        match std::fs::read_to_string(&path) {
            Ok(there) if there == d.text => continue,
            Ok(_) => return Err(failed(&path, &"a different file is there already")),
            Err(_) => std::fs::write(&path, &d.text).map_err(|e| failed(&path, &e))?,
        }
    }
    Ok(())
}

/// What of the configuration lies on which cloud.
struct Sites {
    aws: Option<AwsSettings>,
    azure: Option<AzureSettings>,
}

fn sites(c: &Config, region: Option<String>) -> Result<Sites, ApiError> {
    let on_s3 = c.archive.backend == StoreBackend::S3;
    let table = (c.index.backend == IndexBackend::Dynamodb).then(|| c.index.dynamodb.table.clone());
    let aws = (on_s3 || table.is_some()).then(|| aws_settings(c, region.unwrap_or_default(), on_s3, table));
    let azure = (c.archive.backend == StoreBackend::Azure).then(|| azure_settings(c)).transpose()?;
    if aws.is_none() && azure.is_none() {
        return Err(ApiError::usage(
            "provision.nothing",
            "this archive lies on this machine, so there is nothing to provision",
            "Set archive.backend to \"s3\" or \"azure\" for an archive in a cloud; `holdfast preflight` proves the local one.",
        ));
    }
    Ok(Sites { aws, azure })
}

fn lifecycle(c: &Config) -> Lifecycle {
    let l = &c.provision.lifecycle;
    let days = |n: u32| (n > 0).then_some(n);
    Lifecycle {
        cool_after_days: days(l.cool_after_days),
        cool_class: l.cool_class.clone(),
        cold_after_days: days(l.cold_after_days),
        cold_class: l.cold_class.clone(),
        noncurrent_after_days: l.noncurrent_after_days,
        abort_uploads_after_days: l.abort_uploads_after_days,
        rehydrated_copies_days: l.rehydrated_copies_days,
    }
}

fn retention(c: &Config) -> DefaultRetention {
    let mode = match c.provision.retention.mode {
        ProvisionMode::Governance => ImmutabilityMode::Governance,
        ProvisionMode::Compliance => ImmutabilityMode::Compliance,
    };
    DefaultRetention { mode, days: c.provision.retention.days }
}

fn principals(c: &Config) -> Principals {
    let p = &c.provision.principals;
    Principals { reader: p.reader.clone(), archiver: p.archiver.clone(), admin: p.admin.clone() }
}

fn aws_settings(c: &Config, region: String, on_s3: bool, table: Option<String>) -> AwsSettings {
    let key = if on_s3 { c.archive.s3.kms_key.clone() } else { None };
    let s3 = &c.archive.s3;
    AwsSettings {
        region,
        // Not that of the key's ARN: a key may well belong to another account.
        account: c.provision.account.clone(),
        buckets: on_s3.then(|| places(&s3.media_bucket, &s3.meta_bucket, &s3.quarantine_bucket)),
        kms_key: key,
        retention: retention(c),
        lifecycle: lifecycle(c),
        replication: c.provision.replication.as_ref().map(|r| Replication {
            role_arn: r.role_arn.clone(),
            media_bucket: r.media_bucket.clone(),
            meta_bucket: r.meta_bucket.clone(),
            quarantine_bucket: r.quarantine_bucket.clone(),
            kms_key: r.kms_key.clone(),
            account: r.account.clone(),
        }),
        table,
        principals: principals(c),
    }
}

fn azure_settings(c: &Config) -> Result<AzureSettings, ApiError> {
    let (a, p) = (&c.archive.azure, &c.provision.azure);
    Ok(AzureSettings {
        account: account(c)?,
        location: p.location.clone(),
        sku: p.sku.clone(),
        containers: places(&a.media_container, &a.meta_container, &a.quarantine_container),
        copies: (a.rehydrate == RehydrateBy::Copy)
            .then(|| Copies { container: a.copy_container.clone(), prefix: copies_prefix().to_owned() }),
        encryption_scope: a.encryption_scope.clone().map(|name| EncryptionScope { name, key_uri: p.key_uri.clone() }),
        retention: retention(c),
        lifecycle: lifecycle(c),
        principals: principals(c),
    })
}

/// The storage account's name: as configured, else the first label of its address.
fn account(c: &Config) -> Result<String, ApiError> {
    if let Some(name) = &c.archive.azure.account {
        return Ok(name.clone());
    }
    let host = url::Url::parse(&c.archive.azure.account_url).ok().and_then(|u| u.host_str().map(str::to_owned));
    host.and_then(|h| h.split('.').next().map(str::to_owned)).filter(|n| !n.is_empty()).ok_or_else(|| {
        let message = "archive.azure.account_url names no storage account";
        ApiError::usage("config.invalid", message, "Set it, or archive.azure.account.")
    })
}

fn clients(aws: &Aws) -> AwsClients {
    AwsClients::new(aws.s3(), aws.dynamodb(), aws.kms(), aws.sts())
}

/// The management plane; none where the configuration does not say where it is.
fn arm(c: &Config, azure: &Azure) -> Result<Option<Arm>, ApiError> {
    let p = &c.provision.azure;
    if p.subscription.is_empty() || p.resource_group.is_empty() {
        return Ok(None);
    }
    let Some(credential) = azure.credential.clone() else { return Ok(None) };
    let options = ClientOptions { transport: Some(azure.transport.clone()), ..ClientOptions::default() };
    Ok(Some(Arm::new(&p.management_url, &p.subscription, &p.resource_group, &account(c)?, credential, options)?))
}

fn no_management() -> ApiError {
    ApiError::usage(
        "provision.no_management",
        "the storage account's settings are made in Azure's management plane, and the configuration does not lead there",
        "Set provision.azure.subscription and provision.azure.resource_group, and sign in (a shared access signature is not enough).",
    )
}

/// What must be typed for apply.
fn confirmation(s: &Sites) -> String {
    let aws = s.aws.as_ref().and_then(|a| a.buckets.as_ref().map(|b| b.media.clone()).or_else(|| a.table.clone()));
    s.azure.as_ref().map(|a| a.account.clone()).or(aws).unwrap_or_default()
}

fn entries(all: Vec<holdfast_provision::Entry>) -> Vec<ProvisionEntry> {
    let kind = |k| match k {
        Kind::Missing => "missing",
        Kind::Drifted => "drifted",
        Kind::Barred => "barred",
        Kind::Remark => "remark",
    };
    let one = |e: holdfast_provision::Entry| ProvisionEntry {
        kind: kind(e.kind).into(),
        place: e.place,
        setting: e.setting,
        found: e.found,
        wanted: e.wanted,
        words: e.words,
    };
    all.into_iter().map(one).collect()
}

fn shown(plans: Vec<Plan>, confirm: String) -> ProvisionPlan {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let all = Plan { entries: plans.into_iter().flat_map(|p| p.entries).collect() };
    let (to_do, barred) = (count(all.to_do().count()), count(all.barred().count()));
    ProvisionPlan { entries: entries(all.entries), to_do, barred, confirm }
}

fn region_of(c: &Config, cloud: &Cloud) -> Option<String> {
    c.aws.region.clone().or_else(|| cloud.aws.as_ref().and_then(Aws::region))
}

pub(crate) async fn look(c: &Config, cloud: &Cloud) -> Result<ProvisionPlan, ApiError> {
    let sites = sites(c, region_of(c, cloud))?;
    let mut plans = Vec::new();
    if let (Some(settings), Some(azure)) = (&sites.azure, &cloud.azure) {
        let arm = arm(c, azure)?.ok_or_else(no_management)?;
        plans.push(azure::plan(&arm, &azure::desired(settings)?).await?);
    }
    if let (Some(settings), Some(aws)) = (&sites.aws, &cloud.aws) {
        plans.push(aws::plan(&clients(aws), &aws::desired(settings)?).await?);
    }
    Ok(shown(plans, confirmation(&sites)))
}

pub(crate) async fn mend(
    c: &Config,
    cloud: &Cloud,
    role: &str,
    confirm: &str,
    sink: &dyn ProgressSink,
    cancel: &Cancel,
) -> Result<ProvisionApplied, ApiError> {
    if role != "admin" {
        let message = format!("only the role admin provisions; this is the role {role}");
        let next = "Set person.role to \"admin\" on the administrator's machine (--set person.role=admin).";
        return Err(ApiError::new(ApiErrorKind::Failure, "provision.not_admin", message, next));
    }
    let sites = sites(c, region_of(c, cloud))?;
    let wanted = confirmation(&sites);
    if confirm != wanted {
        let message = format!("nothing was changed: what was typed is not `{wanted}`");
        return Err(ApiError::usage(
            "provision.not_confirmed",
            message,
            "Look at the plan, then type the name it asks for.",
        ));
    }
    let (mut done, mut left) = (Vec::new(), Vec::new());
    if let (Some(settings), Some(azure)) = (&sites.azure, &cloud.azure) {
        let arm = arm(c, azure)?.ok_or_else(no_management)?;
        let applied = azure::apply(&arm, &azure::desired(settings)?, sink, cancel).await?;
        done.extend(applied.done);
        left.push(applied.left);
    }
    if let (Some(settings), Some(aws)) = (&sites.aws, &cloud.aws) {
        let applied = aws::apply(&clients(aws), &aws::desired(settings)?, sink, cancel).await?;
        done.extend(applied.done);
        left.push(applied.left);
    }
    Ok(ProvisionApplied { done: entries(done), left: shown(left, wanted) })
}

pub(crate) fn documents(c: &Config) -> Result<ProvisionDocuments, ApiError> {
    let sites = sites(c, c.aws.region.clone())?;
    let mut all = Vec::new();
    if let Some(settings) = &sites.azure {
        all.extend(azure::emit(settings)?);
    }
    if let Some(settings) = &sites.aws {
        all.extend(aws::emit(settings)?);
    }
    let one = |d: holdfast_provision::Document| ProvisionDocument { name: d.name, text: d.text };
    Ok(ProvisionDocuments { documents: all.into_iter().map(one).collect() })
}

fn provider(c: &Config, cloud: &Cloud, store: &Store) -> Result<Provider, ApiError> {
    if c.archive.backend == StoreBackend::Local && cloud.aws.is_none() {
        return Ok(Provider::Local);
    }
    let sites = sites(c, region_of(c, cloud))?;
    match (&sites, &cloud.azure, &cloud.aws) {
        (Sites { azure: Some(settings), .. }, Some(azure), _) => {
            let service = azure_service(azure.url.clone(), azure.credential.clone(), Some(azure.transport.clone()))?;
            let management = match arm(c, azure)? {
                Some(arm) => Some((arm, azure::desired(settings)?)),
                None => None,
            };
            let container = store.buckets.media.clone();
            let target =
                AzureTarget { service: Arc::new(service), identity: cloud.identity.now(), container, management };
            Ok(Provider::Azure(Box::new(target)))
        }
        (Sites { aws: Some(settings), .. }, _, Some(aws)) => {
            let target = AwsTarget::new(clients(aws), settings)?;
            Ok(Provider::Aws(Box::new(target)))
        }
        _ => Ok(Provider::Local),
    }
}

fn shown_check(c: &Check) -> PreflightCheck {
    let outcome = match c.outcome {
        Outcome::Passed => "passed",
        Outcome::Failed => "failed",
        Outcome::Skipped => "skipped",
    };
    PreflightCheck {
        code: c.code.clone(),
        title: c.title.clone(),
        place: c.place.clone(),
        outcome: outcome.into(),
        says: c.says.clone(),
        missing: c.missing.clone(),
        next: c.next.clone(),
        elapsed_ms: c.elapsed_ms,
    }
}

pub(crate) async fn prove(
    c: &Config,
    cloud: &Cloud,
    store: &Store,
    clock: &dyn Clock,
    hear: &(dyn Fn(PreflightCheck) + Send + Sync),
    cancel: &Cancel,
) -> Result<PreflightReport, ApiError> {
    let provider = provider(c, cloud, store)?;
    let told = |check: &Check| hear(shown_check(check));
    let mut report = preflight::run(store, &provider, clock, &told, cancel).await;
    // An index on DynamoDB beside an archive on the other cloud.
    if let (Provider::Azure(_), Some(aws)) = (&provider, &cloud.aws)
        && let Some(settings) = sites(c, region_of(c, cloud))?.aws
    {
        let target = AwsTarget::new(clients(aws), &settings)?;
        let more = preflight::table(&target, clock, &told, cancel).await;
        report.checks.extend(more.checks);
        report.stopped |= more.stopped;
    }
    Ok(shown_report(&report))
}

fn shown_report(r: &Report) -> PreflightReport {
    let count = |o| u32::try_from(r.checks.iter().filter(|c| c.outcome == o).count()).unwrap_or(u32::MAX);
    PreflightReport {
        checks: r.checks.iter().map(shown_check).collect(),
        green: r.is_green(),
        passed: count(Outcome::Passed),
        failed: count(Outcome::Failed),
        skipped: count(Outcome::Skipped),
        probes: r.probes.clone(),
        stopped: r.stopped,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_account_of_the_key_is_not_taken_for_that_of_the_archive() {
        let mut c = Config::default();
        c.archive.backend = StoreBackend::S3;
        c.archive.s3.media_bucket = "acme-media".into();
        let id = "00000000-1111-2222-3333-444444444444";
        c.archive.s3.kms_key = Some(format!("arn:aws:kms:eu-central-1:999999999999:key/{id}"));
        c.aws.region = Some("eu-central-1".into());
        let emitted = |c: &Config| documents(c).unwrap().documents.iter().map(|d| d.text.clone()).collect::<String>();
        assert!(!emitted(&c).contains("aws:ResourceAccount"));
        c.provision.account = Some("123456789012".into());
        assert!(emitted(&c).contains("\"aws:ResourceAccount\": \"123456789012\""));
    }

    #[test]
    fn what_is_configured_by_default_can_be_made_on_azure() {
        let mut c = Config::default();
        c.archive.backend = StoreBackend::Azure;
        c.archive.azure.account_url = "https://acmearchive.blob.core.windows.net".into();
        c.archive.azure.media_container = "media".into();
        let made = documents(&c).unwrap();
        let bicep = made.documents.iter().find(|d| d.name == "holdfast.bicep").unwrap();
        assert!(bicep.text.contains("'Standard_GRS'") && bicep.text.contains("tierToArchive"), "{}", bicep.text);
        c.archive.azure.encryption_scope = Some("legal".into());
        assert_eq!(documents(&c).unwrap_err().code, "provision.invalid");
    }
}
