use super::{NotSent, Notice, Notifier, secret_of, unusable};
use crate::{
    ApiError,
    cloud::Network,
    config::{EmailConfig, SmtpSecurity},
    secrets::{SecretName, Secrets},
};
use async_trait::async_trait;
use holdfast_model::Clock;
use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor,
    message::{
        Mailbox, Mailboxes,
        header::{ContentType, Header, HeaderName, HeaderValue},
    },
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
    },
};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

/// How long the mail server may take for one answer.
const ANSWER: Duration = Duration::from_secs(20);

/// E-mail over one mail server.
pub(super) struct Email {
    config: EmailConfig,
    from: Mailbox,
    to: Mailboxes,
    tls: Tls,
    secrets: Secrets,
    clock: Arc<dyn Clock>,
}

/// RFC 3834: nobody's absence note answers this.
#[derive(Clone)]
struct AutoSubmitted(String);

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }
    fn parse(s: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self(s.to_owned()))
    }
    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), self.0.clone())
    }
}

impl Email {
    pub(super) fn new(
        config: &EmailConfig,
        secrets: Secrets,
        network: &Network,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ApiError> {
        let mailbox = |text: &String| text.parse::<Mailbox>().map_err(|e| unusable("e-mail", &e));
        let mut to = Mailboxes::new();
        for address in &config.to {
            to.push(mailbox(address)?);
        }
        let parameters = || {
            let mut builder = TlsParameters::builder(config.host.clone());
            if let Some(pem) = network.pem() {
                builder = builder.add_root_certificate(Certificate::from_pem(pem)?);
            }
            builder.build()
        };
        let tls = match config.security {
            SmtpSecurity::None => Tls::None,
            SmtpSecurity::Starttls => Tls::Required(parameters().map_err(|e| unusable("e-mail", &e))?),
            SmtpSecurity::Tls => Tls::Wrapper(parameters().map_err(|e| unusable("e-mail", &e))?),
        };
        Ok(Self { from: mailbox(&config.from)?, to, tls, config: config.clone(), secrets, clock })
    }

    fn port(&self) -> u16 {
        match (self.config.port, self.config.security) {
            (0, SmtpSecurity::Starttls) => 587,
            (0, SmtpSecurity::Tls) => 465,
            (0, SmtpSecurity::None) => 25,
            (port, _) => port,
        }
    }

    fn message(&self, id: &str, notice: &Notice) -> Result<Message, lettre::error::Error> {
        let domain = self.from.email.domain();
        let now = self.clock.now().as_millisecond();
        let date = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(now).unwrap_or(0));
        let mut builder = Message::builder()
            .from(self.from.clone())
            .subject(notice.subject())
            .date(date)
            .message_id(Some(format!("<{id}@{domain}>")))
            .header(AutoSubmitted("auto-generated".into()))
            .header(ContentType::TEXT_PLAIN);
        for to in self.to.iter() {
            builder = builder.to(to.clone());
        }
        builder.body(notice.body())
    }
}

#[async_trait]
impl Notifier for Email {
    fn channel(&self) -> &str {
        "email"
    }

    async fn send(&self, id: &str, notice: &Notice) -> Result<(), NotSent> {
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&self.config.host)
            .port(self.port())
            .tls(self.tls.clone())
            .timeout(Some(ANSWER));
        if !self.config.user.is_empty() {
            let password = secret_of(&self.secrets, SecretName::SmtpPassword).await?.ok_or_else(|| {
                NotSent::because(
                    "the mail server's password was not entered (`holdfast credentials set smtp-password`)",
                )
            })?;
            builder = builder.credentials(Credentials::new(self.config.user.clone(), password.as_str().to_owned()));
        }
        let message = self.message(id, notice).map_err(|e| NotSent::because(format!("no mail could be made: {e}")))?;
        let sent = builder.build().send(message).await;
        sent.map(drop).map_err(|e| NotSent::because(words(&e)))
    }
}

/// What went wrong, without anything that the server repeats of the conversation.
fn words(e: &lettre::transport::smtp::Error) -> String {
    match e.status() {
        Some(status) => format!("the mail server answered {status}"),
        None if e.is_timeout() => "the mail server did not answer in time".into(),
        None if e.is_tls() => "the mail server's TLS certificate is not trusted, or it offers no TLS".into(),
        None => "the mail server cannot be reached".into(),
    }
}
