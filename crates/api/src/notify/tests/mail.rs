//! E-mail to a server made in the test, in the clear on this machine and over TLS under an authority of its own.

use super::{super::email::Email, *};
use crate::config::{EmailConfig, SmtpSecurity};
use sinks::{Mail, speak_smtp};
use tokio::{net::TcpListener, sync::mpsc};

fn config(port: u16, security: SmtpSecurity) -> EmailConfig {
    EmailConfig {
        host: "localhost".into(),
        port,
        security,
        user: "holdfast".into(),
        from: "holdfast@example.test".into(),
        to: vec!["desk@example.test".into(), "counsel@example.test".into()],
    }
}

fn email(bench: &Bench, config: &EmailConfig, network: &NetworkConfig) -> Arc<dyn Notifier> {
    let secrets = Secrets::of(bench.folder.path()).with(&[("smtp-password", "s3cret-of-the-mail-server")]);
    Arc::new(Email::new(config, secrets, &Network::new(network).unwrap(), bench.clock()).unwrap())
}

async fn plain_server(verdicts: Vec<&'static str>) -> (u16, mpsc::UnboundedReceiver<Mail>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (send, mails) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for verdict in verdicts {
            let (socket, _) = listener.accept().await.unwrap();
            if let Some(mail) = speak_smtp(socket, verdict).await {
                let _ = send.send(mail);
            }
        }
    });
    (port, mails)
}

#[tokio::test]
async fn a_mail_that_was_put_off_comes_again_with_the_same_message_id() {
    let bench = Bench::new().await;
    let (port, mut mails) = plain_server(vec!["451 later", "250 taken"]).await;
    let outbox = bench.outbox(vec![email(&bench, &config(port, SmtpSecurity::None), &NetworkConfig::default())]);
    let (matters, jobs) = bench.done();
    outbox.watch(&matters, &jobs).await.unwrap();
    assert_eq!(outbox.deliver().await.unwrap(), 0);
    let listed = outbox.list().await.unwrap();
    assert_eq!(listed[0].state, State::Pending);
    assert!(listed[0].delivery.problem.as_deref().unwrap().contains("451"), "{listed:?}");
    bench.clock.advance(HOUR);
    assert_eq!(outbox.deliver().await.unwrap(), 1);

    let (first, second) = (mails.recv().await.unwrap(), mails.recv().await.unwrap());
    let id = |m: &Mail| m.text.lines().find(|l| l.starts_with("Message-ID: ")).unwrap().to_owned();
    assert_eq!(id(&first), id(&second));
    let said = second.said.join("\n");
    for words in ["MAIL FROM:<holdfast@example.test>", "RCPT TO:<desk@example.test>", "RCPT TO:<counsel@example.test>"]
    {
        assert!(said.contains(words), "{said}");
    }
    let auth = BASE64_STANDARD.encode("\0holdfast\0s3cret-of-the-mail-server");
    assert!(said.contains(&format!("AUTH PLAIN {auth}")), "{said}");
    assert!(second.text.contains("Subject: Holdfast: the recordings of matter M-7 are here"), "{}", second.text);
    assert!(second.text.contains("Auto-Submitted: auto-generated"), "{}", second.text);
    assert!(!second.text.contains("Doe") && !second.text.contains("s3cret"), "{}", second.text);
}

#[tokio::test]
async fn tls_is_trusted_through_the_configured_authority_and_only_so() {
    let bench = Bench::new().await;
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let ca_file = bench.folder.path().join("ca.pem");
    std::fs::write(&ca_file, made.cert.pem()).unwrap();
    let key = tokio_rustls::rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let server = tokio_rustls::rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            if let Ok(stream) = acceptor.accept(socket).await {
                speak_smtp(stream, "250 taken").await;
            }
        }
    });
    let config = config(port, SmtpSecurity::Tls);
    let stranger = email(&bench, &config, &NetworkConfig::default());
    let refused = stranger.send("hf_1", &Notice::test()).await.unwrap_err();
    assert!(!refused.why.contains("s3cret"), "{refused:?}");
    let trusted = email(&bench, &config, &NetworkConfig { ca_file: Some(ca_file) });
    assert_eq!(trusted.send("hf_1", &Notice::test()).await, Ok(()));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_without_a_secret() {
    let bench = Bench::new().await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let mut all = NotifyConfig { email: config(closed, SmtpSecurity::None), ..NotifyConfig::default() };
    let secrets = Secrets::of(bench.folder.path()).with(&[("smtp-password", "s3cret-of-the-mail-server")]);
    let network = Network::new(&NetworkConfig::default()).unwrap();
    let made = channels(&all, &secrets, &network, &bench.clock(), "here").unwrap();
    let refused = made[0].send("hf_1", &Notice::test()).await.unwrap_err();
    assert!(refused.why.contains("cannot be reached"), "{refused:?}");
    // Without the password nothing is even asked.
    let none = channels(&all, &Secrets::of(bench.folder.path()), &network, &bench.clock(), "here").unwrap();
    assert!(none[0].send("hf_1", &Notice::test()).await.unwrap_err().why.contains("was not entered"));
    all.desktop = true;
    let both = channels(&all, &secrets, &network, &bench.clock(), "here").unwrap();
    assert_eq!(both.iter().map(|c| c.channel()).collect::<Vec<_>>(), ["desktop@here", "email"]);
}
