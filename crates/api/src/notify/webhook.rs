use super::{NotSent, Notice, Notifier, secret_of, unusable};
use crate::{
    ApiError,
    config::WebhookConfig,
    secrets::{SecretName, Secrets, webhook_key},
};
use async_trait::async_trait;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::Mac as _;
use holdfast_model::Clock;
use jiff::Timestamp;
use reqwest::{StatusCode, header::RETRY_AFTER};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use url::Url;

/// How long a receiver may take. It should take the message and answer, and work on it afterwards.
const ANSWER: Duration = Duration::from_secs(20);
/// Longest pause that a receiver may ask for.
const PAUSE_MAX: Duration = Duration::from_secs(24 * 3600);

/// One receiver of webhooks, signed as the Standard Webhooks specification has it: `webhook-id`, `webhook-timestamp`, and in
/// `webhook-signature` `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`.
pub(super) struct Webhook {
    channel: String,
    name: SecretName,
    url: Url,
    secrets: Secrets,
    client: reqwest::Client,
    clock: Arc<dyn Clock>,
    answer: Duration,
}

impl Webhook {
    pub(super) fn new(
        config: &WebhookConfig,
        secrets: Secrets,
        client: reqwest::Client,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ApiError> {
        let channel = format!("webhook-{}", config.name);
        let url = Url::parse(&config.url).map_err(|e| unusable(&channel, &e))?;
        Ok(Self {
            name: SecretName::Webhook(config.name.clone()),
            channel,
            url,
            secrets,
            client,
            clock,
            answer: ANSWER,
        })
    }

    /// The same, waiting for an answer so long.
    #[cfg(test)]
    pub(super) fn patient_for(mut self, answer: Duration) -> Self {
        self.answer = answer;
        self
    }
}

fn sign(key: &[u8], id: &str, timestamp: i64, body: &[u8]) -> Option<String> {
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(key).ok()?;
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    Some(format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes())))
}

/// Seconds, or a date as RFC 9110 has it.
fn pause(value: &str, now: Timestamp) -> Option<Duration> {
    let seconds = value.trim().parse::<u64>().ok().map(Duration::from_secs);
    let until = || {
        let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value.trim()).ok()?;
        Duration::try_from(at.duration_since(now)).ok()
    };
    seconds.or_else(until).map(|d| d.min(PAUSE_MAX))
}

#[async_trait]
impl Notifier for Webhook {
    fn channel(&self) -> &str {
        &self.channel
    }

    async fn send(&self, id: &str, notice: &Notice) -> Result<(), NotSent> {
        let secret = secret_of(&self.secrets, self.name.clone()).await?.ok_or_else(|| {
            NotSent::because(format!(
                "no secret to sign with was entered (`holdfast credentials set {}`)",
                self.name.text()
            ))
        })?;
        let now = self.clock.now();
        let body = json!({ "type": notice.event(), "timestamp": now.to_string(), "data": notice }).to_string();
        let timestamp = now.as_second();
        let key = webhook_key(&self.name, &secret).map_err(|e| NotSent::because(e.message))?;
        let signature = sign(&key, id, timestamp, body.as_bytes())
            .ok_or_else(|| NotSent::because("the secret cannot be signed with"))?;
        let asked = self
            .client
            .post(self.url.clone())
            .timeout(self.answer)
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(body);
        // The address may hold a secret of the receiver's; its errors are told without it.
        let answer = asked.send().await.map_err(|e| NotSent::because(words(&e.without_url())))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let retry_after = answer.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()).and_then(|v| pause(v, now));
        Err(NotSent {
            why: format!("the receiver answered {}", status.as_u16()),
            retry_after,
            forever: status == StatusCode::GONE,
        })
    }
}

fn words(e: &reqwest::Error) -> String {
    if e.is_timeout() {
        "the receiver did not answer in time".into()
    } else if e.is_connect() {
        "the receiver cannot be reached".into()
    } else {
        format!("the message did not get through: {e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_as_the_specification_has_it() {
        // The example of the specification's reference libraries.
        let name = SecretName::Webhook("desk".into());
        let key = webhook_key(&name, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = sign(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
        assert_eq!(
            **webhook_key(&name, "plain text of thirty characters").unwrap(),
            *b"plain text of thirty characters"
        );
    }

    #[test]
    fn pauses_are_seconds_or_dates_and_bounded() {
        let now: Timestamp = "2026-11-20T08:00:00Z".parse().unwrap();
        assert_eq!(pause("120", now), Some(Duration::from_secs(120)));
        assert_eq!(pause("Fri, 20 Nov 2026 08:01:00 GMT", now), Some(Duration::from_secs(60)));
        assert_eq!(pause("999999999", now), Some(PAUSE_MAX));
        assert_eq!(pause("Fri, 20 Nov 2026 07:00:00 GMT", now), None);
        assert_eq!(pause("soon", now), None);
    }
}
