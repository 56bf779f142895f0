//! Links: a user delegation SAS for reading this one version by https alone. The key behind it belongs to the identity that
//! asks, so that whoever may not read cannot make a link, and revoking the identity's keys kills all of them.

use super::{
    AzureStore,
    faults::{Call, Place},
};
use crate::{Link, StoreError};
use azure_core::{
    http::{RequestContent, XmlFormat},
    time::{Duration, OffsetDateTime},
};
use azure_storage_blob::models::KeyInfo;
use azure_storage_sas::{SasBuilder, SasProtocol};
use holdfast_model::{Availability, ObjectLocator};
use jiff::Timestamp;

/// How far clocks may differ without a link being refused as not yet valid.
const SKEW_S: i64 = 300;

impl AzureStore {
    /// A SAS of the store's own cannot sign others.
    pub(super) fn makes_links(&self) -> bool {
        self.service.url().query().is_none() && self.account().is_some()
    }

    /// The account's name: the first label of its host, or the first folder where accounts share a host.
    pub(super) fn account(&self) -> Option<String> {
        let url = self.service.url();
        let folder = || url.path_segments()?.find(|s| !s.is_empty()).map(str::to_owned);
        let label = || url.domain().filter(|d| d.contains(".blob."))?.split('.').next().map(str::to_owned);
        self.config.account.clone().or_else(folder).or_else(label)
    }

    pub(super) async fn make_link(&self, at: &ObjectLocator, valid_s: u32) -> Result<Link, StoreError> {
        let account = self.account().filter(|_| self.makes_links());
        let account = account.ok_or_else(|| StoreError::NoLinks(self.config.name.clone()))?;
        let seen = self.head_of(at).await?.seen;
        let at = ObjectLocator { version_id: seen.version.clone(), ..at.clone() };
        if !matches!(self.availability_of(&at, &seen).await?, Availability::Online { .. }) {
            return Err(StoreError::Offline(at));
        }
        let client = if seen.archived() { self.copy_client(&at)? } else { self.blob(&at)? };
        let fault = |e: azure_core::Error| self.fault(Call::LinkKey, Place::Object(&at), &e);
        let time = |s: i64| OffsetDateTime::from_unix_timestamp(s).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let now = self.clock.now().as_second();
        let (start, expiry) = (time(now - SKEW_S), time(now) + Duration::seconds(i64::from(valid_s)));
        let asked = KeyInfo { start: Some(start), expiry: Some(expiry), ..Default::default() };
        let content: RequestContent<KeyInfo, XmlFormat> = asked.try_into().map_err(fault)?;
        let answer = self.service.get_user_delegation_key(content, None).await.map_err(fault)?;
        let key = answer.into_model().map_err(fault)?;
        let mut url = client.url().clone();
        let (container, name) = self.container_and_name(&url);
        let sas = SasBuilder::new(account, &key, expiry).map_err(fault)?.start(start).protocol(SasProtocol::Https);
        let mut sas = sas.blob(container, name).read();
        // Not a version where a copy is read: its name says of which it is.
        let query = if seen.archived() { None } else { url.query().map(str::to_owned) };
        if let Some(version) = seen.version.filter(|_| query.is_some()) {
            sas = sas.version(version);
        }
        let token = sas.build();
        url.set_query(Some(&query.map_or(token.clone(), |query| format!("{query}&{token}"))));
        let until = Timestamp::from_second(expiry.unix_timestamp()).unwrap_or(Timestamp::MAX);
        Ok(Link { url: url.into(), until })
    }

    /// Container and name of the blob at an address of this account, as they are without percent-encoding.
    fn container_and_name(&self, url: &azure_core::http::Url) -> (String, String) {
        let folders = self.service.url().path_segments().map_or(0, |s| s.filter(|s| !s.is_empty()).count());
        let mut parts = url.path_segments().into_iter().flatten().skip(folders).map(decode);
        (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
    }
}

/// Undoes percent-encoding.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut i) = (Vec::with_capacity(bytes.len()), 0);
    while i < bytes.len() {
        let escaped = (bytes[i] == b'%').then(|| text.get(i + 1..i + 3)).flatten();
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                i += 3;
            }
            None => {
                out.push(bytes[i]);
                i += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
