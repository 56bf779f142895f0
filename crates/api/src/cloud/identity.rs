use crate::task::lock;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use std::sync::{Arc, Mutex};

/// Longest identity that a custody event takes.
const MAX_BYTES: usize = 1024;

/// Who this process is towards the clouds: what they themselves said of the credentials in use. Unknown is none, never a guess.
#[derive(Debug, Clone, Default)]
pub(crate) struct Identity(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    aws: Option<String>,
    azure: Option<String>,
}

impl Identity {
    /// As it goes into custody events.
    pub(crate) fn now(&self) -> Option<String> {
        let known = lock(&self.0);
        let all: Vec<&str> = [&known.aws, &known.azure].into_iter().flatten().map(String::as_str).collect();
        (!all.is_empty()).then(|| all.join("; ")).filter(|t| t.len() <= MAX_BYTES)
    }

    pub(super) fn set_aws(&self, arn: Option<String>) {
        lock(&self.0).aws = arn;
    }

    pub(super) fn set_azure(&self, claims: Option<String>) {
        lock(&self.0).azure = claims;
    }
}

/// Who a token of Entra ID was issued to: tenant, user or application, and object. The token came from the authority itself over
/// TLS, so its signature is not checked again.
pub(super) fn of_token(token: &str) -> Option<String> {
    let payload = token.split('.').nth(1)?;
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    let fits = |v: &&str| !v.is_empty() && v.len() <= 200 && !v.chars().any(char::is_control);
    let claim = |name: &str| claims.get(name).and_then(serde_json::Value::as_str).filter(fits);
    let mut parts = Vec::new();
    // A person's token carries the tool's application id as well: the person is who acts.
    let who = claim("upn").map(|v| ("upn", v)).or_else(|| claim("appid").or(claim("azp")).map(|v| ("appid", v)));
    for (name, value) in [claim("tid").map(|v| ("tid", v)), who, claim("oid").map(|v| ("oid", v))].into_iter().flatten()
    {
        parts.push(format!("{name}={value}"));
    }
    (!parts.is_empty()).then(|| format!("azure:{}", parts.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        format!("e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn claims_tell_who_and_nothing_is_guessed() {
        let person = token(r#"{"tid":"t1","upn":"kim@example.test","appid":"cli","oid":"o1"}"#);
        assert_eq!(of_token(&person).as_deref(), Some("azure:tid=t1,upn=kim@example.test,oid=o1"));
        let app = token(r#"{"tid":"t1","appid":"a1","oid":"o2"}"#);
        assert_eq!(of_token(&app).as_deref(), Some("azure:tid=t1,appid=a1,oid=o2"));
        for bad in ["", "opaque", "a.b.c", &token("[]"), &token("{}"), &token(r#"{"tid":7}"#)] {
            assert_eq!(of_token(bad), None, "{bad}");
        }
        let identity = Identity::default();
        assert_eq!(identity.now(), None);
        identity.set_aws(Some("arn:aws:iam::1:user/x".into()));
        identity.set_azure(Some("azure:tid=t".into()));
        assert_eq!(identity.now().as_deref(), Some("arn:aws:iam::1:user/x; azure:tid=t"));
        identity.set_aws(None);
        identity.set_azure(None);
        assert_eq!(identity.now(), None);
    }
}
