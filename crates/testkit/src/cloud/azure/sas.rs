//! Who may: a bearer token (any), the proxy's own account SAS, or a user delegation SAS whose signature is worked out again from
//! what the request says. <https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas>

use super::{
    answer::{NOT_YOU, Refusal, UNKNOWN},
    call::Call,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac as _};
use jiff::Timestamp;
use sha2::Sha256;

pub(super) const ACCOUNT: &str = "devstoreaccount1";
/// The key behind user delegation SAS.
const KEY: &[u8; 32] = b"the user delegation key of tests";
/// What the account SAS of the proxy is signed with, as far as it looks.
pub(super) const ACCOUNT_SIGNATURE: &str = "dGhlIGFjY291bnQgc2lnbmF0dXJlIG9mIHRlc3RzIQ==";

/// The key that callers with a bearer token get.
pub(super) fn delegation_key(start: &str, expiry: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><UserDelegationKey><SignedOid>00000000-0000-0000-0000-00000000000a</SignedOid>\
         <SignedTid>00000000-0000-0000-0000-00000000000b</SignedTid><SignedStart>{start}</SignedStart>\
         <SignedExpiry>{expiry}</SignedExpiry><SignedService>b</SignedService><SignedVersion>2026-04-06</SignedVersion>\
         <Value>{}</Value></UserDelegationKey>",
        STANDARD.encode(KEY)
    )
}

/// Whether the caller may, and if not what Azure says.
pub(super) fn check(call: &Call, now: Timestamp) -> Result<(), Refusal> {
    let Some(signature) = call.get("sig") else {
        let bearer =
            call.header("authorization").is_some_and(|a| a.starts_with("Bearer ") || a.starts_with("SharedKey "));
        return if bearer { Ok(()) } else { Err(UNKNOWN) };
    };
    let get = |name: &str| call.get(name).unwrap_or("");
    let time = |name: &str| get(name).parse::<Timestamp>().ok();
    let in_time =
        time("se").is_some_and(|end| now < end) && (get("st").is_empty() || time("st").is_some_and(|s| s <= now));
    if !in_time {
        return Err(NOT_YOU);
    }
    if call.get("ss").is_some() {
        return if signature == ACCOUNT_SIGNATURE { Ok(()) } else { Err(NOT_YOU) };
    }
    let version = if get("sr") == "bv" { get("versionid") } else { "" };
    let place = format!("/blob/{ACCOUNT}/{}/{}", call.container, call.blob);
    let signed = [
        get("sp"),
        get("st"),
        get("se"),
        &place,
        get("skoid"),
        get("sktid"),
        get("skt"),
        get("ske"),
        get("sks"),
        get("skv"),
        get("saoid"),
        get("suoid"),
        get("scid"),
        get("skdutid"),
        get("sduoid"),
        get("sip"),
        get("spr"),
        get("sv"),
        get("sr"),
        version,
        get("ses"),
        "",
        "",
        get("rscc"),
        get("rscd"),
        get("rsce"),
        get("rscl"),
        get("rsct"),
    ];
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY).expect("any length");
    mac.update(signed.join("\n").as_bytes());
    if STANDARD.encode(mac.finalize().into_bytes()) != signature {
        return Err(NOT_YOU);
    }
    // Signed for reading, and for nothing else; a version's SAS opens that version alone.
    if get("sp") != "r" || !matches!(call.op, "GetBlob" | "GetBlobProperties") {
        return Err(Refusal(403, "AuthorizationPermissionMismatch"));
    }
    if get("sr") == "b" && call.version.is_some() {
        return Err(NOT_YOU);
    }
    Ok(())
}
