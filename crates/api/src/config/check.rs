//! What cannot be right in a configuration that has the right form: each with the settings it is about and a sentence.

use super::{
    AzureCredential, Config, EmailConfig, IndexBackend, NotifyConfig, RehydrateBy, SmtpSecurity, StoreBackend,
    WebhookConfig,
};
use url::Url;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// Dotted names of the settings it is about; it is shown at the first that was set.
    pub(crate) at: Vec<String>,
    /// A sentence.
    pub(crate) message: String,
}

struct Found(Vec<Wrong>);

impl Found {
    fn add(&mut self, at: &[&str], message: impl Into<String>) {
        self.0.push(Wrong { at: at.iter().map(|a| (*a).to_owned()).collect(), message: message.into() });
    }
}

/// Everything that is wrong, in the order of the sections. Reads no file but `network.ca_file`.
pub(crate) fn wrong(c: &Config) -> Vec<Wrong> {
    let mut found = Found(Vec::new());
    let policy = c.retention.policy.as_ref();
    if let Some(rule) = policy.and_then(holdfast_model::RetentionPolicy::unknown_class) {
        let message = format!("retention rule `{}` names the class `{}`, which is not there", rule.name, rule.class);
        found.add(&["retention.policy"], message);
    }
    if !c.policy.truncation_threshold_s.is_finite() || c.policy.truncation_threshold_s < 0.0 {
        let at = ["policy.truncation_threshold_s"];
        found.add(&at, "policy.truncation_threshold_s must be a number of seconds, 0 or more");
    }
    match c.archive.backend {
        StoreBackend::Local => {}
        StoreBackend::S3 => s3(c, &mut found),
        StoreBackend::Azure => azure_store(c, &mut found),
    }
    index(c, &mut found);
    aws(c, &mut found);
    azure(c, &mut found);
    if let Some(file) = &c.network.ca_file {
        let pem = std::fs::read_to_string(file);
        if !pem.as_ref().is_ok_and(|t| t.contains("-----BEGIN CERTIFICATE-----")) {
            let why = pem.err().map_or("it holds no PEM certificate".into(), |e| format!("it cannot be read: {e}"));
            found.add(&["network.ca_file"], format!("network.ca_file is {}, but {why}", file.display()));
        }
    }
    notify(&c.notify, &mut found);
    found.0
}

fn s3(c: &Config, found: &mut Found) {
    let s3 = &c.archive.s3;
    if s3.media_bucket.is_empty() {
        let at = ["archive.s3.media_bucket", "archive.backend"];
        found.add(&at, "archive.backend is \"s3\", so archive.s3.media_bucket must name the bucket of the recordings");
    }
    for (name, bucket) in [
        ("archive.s3.media_bucket", &s3.media_bucket),
        ("archive.s3.meta_bucket", &s3.meta_bucket),
        ("archive.s3.quarantine_bucket", &s3.quarantine_bucket),
    ] {
        if !bucket.is_empty() && !is_bucket(bucket) {
            let form = "3 to 63 of a-z 0-9 . - or the ARN of an access point";
            found.add(&[name], format!("{name} is `{}`, which is no name of a bucket ({form})", shown(bucket)));
        }
    }
    if !["STANDARD", "STANDARD_IA", "INTELLIGENT_TIERING", "GLACIER_IR"].contains(&s3.storage_class.as_str()) {
        let message = format!(
            "archive.s3.storage_class is `{}`; new recordings are read back, so it must be an online class: STANDARD, \
             STANDARD_IA, INTELLIGENT_TIERING or GLACIER_IR (lifecycle rules move them on)",
            shown(&s3.storage_class)
        );
        found.add(&["archive.s3.storage_class"], message);
    }
    if let Some(key) = s3.kms_key.iter().chain(&s3.earlier_kms_keys).find(|key| !is_kms_key(key)) {
        let alias =
            if key.contains("alias/") { "; an alias can be pointed at another key, so it proves nothing" } else { "" };
        let message = format!(
            "`{}` is neither the ARN of a KMS key (arn:aws:kms:REGION:ACCOUNT:key/ID) nor its id{alias}",
            shown(key)
        );
        let first = if s3.kms_key.as_ref() == Some(key) { "archive.s3.kms_key" } else { "archive.s3.earlier_kms_keys" };
        found.add(&[first], message);
    }
    if c.archive.cold_after_days.is_some() {
        let message = "archive.cold_after_days is of the local archive; in S3 a lifecycle rule makes recordings cold (`holdfast provision`)";
        found.add(&["archive.cold_after_days"], message);
    }
}

fn azure_store(c: &Config, found: &mut Found) {
    let azure = &c.archive.azure;
    for (name, value, what) in [
        ("archive.azure.account_url", &azure.account_url, "the address of the storage account"),
        ("archive.azure.media_container", &azure.media_container, "the container of the recordings"),
    ] {
        if value.is_empty() {
            found.add(&[name, "archive.backend"], format!("archive.backend is \"azure\", so {name} must be {what}"));
        }
    }
    url("archive.azure.account_url", Some(azure.account_url.as_str()).filter(|u| !u.is_empty()), found);
    for (name, container) in [
        ("archive.azure.media_container", &azure.media_container),
        ("archive.azure.meta_container", &azure.meta_container),
        ("archive.azure.quarantine_container", &azure.quarantine_container),
        ("archive.azure.copy_container", &azure.copy_container),
    ] {
        if !container.is_empty() && !is_container(container) {
            let form = "3 to 63 of a-z 0-9 and single -";
            found.add(&[name], format!("{name} is `{}`, which is no name of a container ({form})", shown(container)));
        }
    }
    if azure.rehydrate == RehydrateBy::Copy && azure.copy_container.is_empty() {
        let at = ["archive.azure.copy_container", "archive.azure.rehydrate"];
        found.add(&at, "archive.azure.rehydrate is \"copy\", so archive.azure.copy_container must name the container of the copies");
    }
    if !["Hot", "Cool", "Cold"].contains(&azure.tier.as_str()) {
        let message = format!(
            "archive.azure.tier is `{}`; new recordings are read back, so it must be an online tier: Hot, Cool or Cold \
             (lifecycle rules move them on)",
            shown(&azure.tier)
        );
        found.add(&["archive.azure.tier"], message);
    }
    // What lifecycle drops or archives again too soon was paid for in vain.
    let (kept, stays) = (u32::from(c.archive.keep_days), c.provision.lifecycle.rehydrated_copies_days);
    if stays < kept.saturating_add(2) {
        let message = format!(
            "provision.lifecycle.rehydrated_copies_days is {stays}, but archive.keep_days promises {kept} days, and lifecycle counts from \
             when a copy was asked for: it must be {} or more",
            kept.saturating_add(2)
        );
        found.add(&["provision.lifecycle.rehydrated_copies_days", "archive.keep_days"], message);
    }
    if c.archive.cold_after_days.is_some() {
        let message = "archive.cold_after_days is of the local archive; in Azure a lifecycle rule makes recordings cold (`holdfast provision`)";
        found.add(&["archive.cold_after_days"], message);
    }
}

fn index(c: &Config, found: &mut Found) {
    if c.index.backend != IndexBackend::Dynamodb {
        return;
    }
    let table = &c.index.dynamodb.table;
    if table.is_empty() {
        let at = ["index.dynamodb.table", "index.backend"];
        found.add(&at, "index.backend is \"dynamodb\", so index.dynamodb.table must name the table");
    } else if !is_table(table) {
        let message = format!(
            "index.dynamodb.table is `{}`, which is no name of a table (3 to 255 of a-z A-Z 0-9 _ . -)",
            shown(table)
        );
        found.add(&["index.dynamodb.table"], message);
    }
    if c.archive.backend == StoreBackend::Local {
        let message = "index.backend is \"dynamodb\", which many machines share, but archive.backend is \"local\", which they \
                       cannot: choose \"s3\" or \"azure\" for the archive, or \"sqlite\" for the index";
        found.add(&["index.backend"], message);
    }
}

fn aws(c: &Config, found: &mut Found) {
    let aws = &c.aws;
    for (name, value) in [
        ("aws.endpoint_url", &aws.endpoint_url),
        ("aws.s3_endpoint_url", &aws.s3_endpoint_url),
        ("aws.dynamodb_endpoint_url", &aws.dynamodb_endpoint_url),
        ("aws.sts_endpoint_url", &aws.sts_endpoint_url),
    ] {
        url(name, value.as_deref(), found);
        if value.is_some() && (aws.use_fips || aws.use_dualstack) {
            let which = if aws.use_fips { "aws.use_fips" } else { "aws.use_dualstack" };
            let message =
                format!("{which} chooses among Amazon's own addresses, but {name} names another; take one of them out");
            found.add(&[which], message);
            break;
        }
    }
    if aws.region.as_ref().is_some_and(|r| r.is_empty() || !r.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')) {
        found.add(&["aws.region"], "aws.region is no name of a region, such as eu-central-1");
    }
    if let Some(role) = &aws.role_arn
        && !(arn(role, "iam").is_some_and(|r| r.starts_with("role/")))
    {
        let message = format!("aws.role_arn is `{}`, which is no role (arn:aws:iam::ACCOUNT:role/NAME)", shown(role));
        found.add(&["aws.role_arn"], message);
    }
    if aws.external_id.is_some() && aws.role_arn.is_none() {
        found.add(&["aws.external_id"], "aws.external_id goes with aws.role_arn, which is not set");
    }
}

fn azure(c: &Config, found: &mut Found) {
    let azure = &c.azure;
    if azure.credential == AzureCredential::ServicePrincipal {
        for (name, value) in [("azure.tenant_id", &azure.tenant_id), ("azure.client_id", &azure.client_id)] {
            if value.as_ref().is_none_or(String::is_empty) {
                let message = format!("azure.credential is \"service_principal\", so {name} must be set");
                found.add(&[name, "azure.credential"], message);
            }
        }
    }
    for (name, value) in [("azure.tenant_id", &azure.tenant_id), ("azure.client_id", &azure.client_id)] {
        let odd = |v: &String| v.is_empty() || !v.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b));
        if value.as_ref().is_some_and(odd) {
            found.add(&[name], format!("{name} is no id"));
        }
    }
    url("azure.authority_host", azure.authority_host.as_deref(), found);
}

fn notify(n: &NotifyConfig, found: &mut Found) {
    let e = &n.email;
    if e.host.is_empty() {
        if *e != EmailConfig::default() {
            let at =
                ["notify.email.host", "notify.email.from", "notify.email.to", "notify.email.user", "notify.email.port"];
            found.add(&at, "notify.email.host names the mail server; without it no mail is sent");
        }
    } else {
        email(e, found);
    }
    for (i, w) in n.webhook.iter().enumerate() {
        webhook(i, w, found);
        if n.webhook[..i].iter().any(|before| before.name == w.name) {
            let at = format!("notify.webhook.{i}.name");
            found.add(&[&at], format!("two webhooks have the name `{}`", shown(&w.name)));
        }
    }
}

fn email(e: &EmailConfig, found: &mut Found) {
    let is_address = |a: &String| a.parse::<lettre::Address>().is_ok();
    if !is_address(&e.from) {
        let message = format!("notify.email.from is `{}`, which is no mail address", shown(&e.from));
        found.add(&["notify.email.from", "notify.email.host"], message);
    }
    if e.to.is_empty() {
        found.add(&["notify.email.to", "notify.email.host"], "notify.email.to names nobody");
    }
    for to in e.to.iter().filter(|a| !is_address(a)) {
        found.add(&["notify.email.to"], format!("notify.email.to has `{}`, which is no mail address", shown(to)));
    }
    if e.security == SmtpSecurity::None && !is_loopback_host(&e.host) {
        let message = "notify.email.security is \"none\", which is for a mail server on this machine only: choose \"starttls\" or \"tls\"";
        found.add(&["notify.email.security"], message);
    }
}

fn webhook(i: usize, w: &WebhookConfig, found: &mut Found) {
    let (name, address) = (format!("notify.webhook.{i}.name"), format!("notify.webhook.{i}.url"));
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if !(1..=32).contains(&w.name.len()) || !w.name.bytes().all(fits) {
        found.add(&[&name], format!("`{}` is no name for a webhook (1 to 32 of a-z 0-9 -)", shown(&w.name)));
    }
    url(&address, Some(&w.url), found);
}

/// https, or http to this machine; without a password in it, as secrets do not stand in the configuration.
fn url(name: &str, value: Option<&str>, found: &mut Found) {
    let Some(value) = value else { return };
    match Url::parse(value) {
        Err(e) => found.add(&[name], format!("{name} is no address: {e}")),
        Ok(u)
            if !u.username().is_empty() || u.password().is_some() || u.query().is_some_and(|q| q.contains("sig=")) =>
        {
            let message = format!("{name} carries a secret; secrets go into the keyring (`holdfast credentials set`)");
            found.add(&[name], message);
        }
        Ok(u) if u.scheme() == "https" || (u.scheme() == "http" && is_loopback(&u)) => {}
        Ok(_) => found.add(&[name], format!("{name} must begin with https:// (http:// is for this machine only)")),
    }
}

/// Whether an address leads to this machine.
fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(is_loopback_host)
}

fn is_loopback_host(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// What follows the account in an ARN of that service.
fn arn<'a>(text: &'a str, service: &str) -> Option<&'a str> {
    let mut parts = text.splitn(6, ':');
    let (arn, partition, named) = (parts.next()?, parts.next()?, parts.next()?);
    let (_region, account, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let fits = arn == "arn" && partition.starts_with("aws") && named == service;
    (fits && account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit())).then_some(rest)
}

fn is_bucket(name: &str) -> bool {
    if name.starts_with("arn:") {
        return ["s3", "s3-outposts", "s3-object-lambda"]
            .iter()
            .any(|s| arn(name, s).is_some_and(|r| r.starts_with("accesspoint/")));
    }
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    let ends = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && bytes.iter().all(|b| fits(*b))
        && ends(bytes.first())
        && ends(bytes.last())
        && !name.contains("..")
}

fn is_container(name: &str) -> bool {
    is_bucket(name) && !name.contains('.') && !name.contains("--") && !name.starts_with("arn:")
}

fn is_table(name: &str) -> bool {
    (3..=255).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

/// An ARN of a key, a key's UUID, or the id of a multi-Region key.
fn is_kms_key(text: &str) -> bool {
    let id = match arn(text, "kms") {
        Some(rest) => match rest.strip_prefix("key/") {
            Some(id) => id,
            None => return false,
        },
        None => text,
    };
    let hex = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_hexdigit());
    match id.strip_prefix("mrk-") {
        Some(rest) => rest.len() == 32 && hex(rest),
        None => id.len() == 36 && id.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && id.split('-').all(hex),
    }
}

/// What was typed, bounded.
fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_forms_of_their_providers() {
        for good in ["abc", "my.bucket-1", "arn:aws:s3:eu-central-1:123456789012:accesspoint/x"] {
            assert!(is_bucket(good), "{good}");
        }
        for bad in ["ab", "Bucket", "a..b", "-ab", "ab-", "arn:aws:s3:::bucket", "a_b"] {
            assert!(!is_bucket(bad), "{bad}");
        }
        assert!(is_container("media-1") && !is_container("me.dia") && !is_container("me--dia"));
        let id = "1234abcd-12ab-34cd-56ef-1234567890ab";
        for good in [
            id.to_owned(),
            format!("arn:aws:kms:eu-central-1:123456789012:key/{id}"),
            format!("mrk-{}", "a".repeat(32)),
        ] {
            assert!(is_kms_key(&good), "{good}");
        }
        for bad in ["alias/x", "key", "arn:aws:kms:eu-central-1:123456789012:alias/x", "arn:aws:s3:::x", ""] {
            assert!(!is_kms_key(bad), "{bad}");
        }
        assert!(is_loopback_host("127.0.0.1") && is_loopback_host("[::1]") && !is_loopback_host("10.0.0.1"));
    }

    #[test]
    fn what_was_brought_back_stays_as_long_as_was_promised() {
        let mut c = Config::default();
        c.archive.backend = StoreBackend::Azure;
        c.archive.azure.account_url = "https://acme.blob.core.windows.net".into();
        c.archive.azure.media_container = "media".into();
        assert_eq!(wrong(&c), []);
        c.archive.keep_days = 13;
        let found = wrong(&c);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].message.contains("it must be 15 or more"), "{}", found[0].message);
        c.provision.lifecycle.rehydrated_copies_days = 15;
        assert_eq!(wrong(&c), []);
    }
}
