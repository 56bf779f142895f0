//! The console with an archive in Azure, signed in as an application: an Entra of its own gives the token.

use crate::{
    home::{Home, Ran, files},
    sample,
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use holdfast_model::SystemClock;
use holdfast_testkit::cloud::{Azurite, azure::AzureProxy};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::{TlsAcceptor, rustls};

const SECRET: &str = "the-secret-of-the-application";
const IDENTITY: &str = "azure:tid=t-1,appid=a-1,oid=o-1";

/// Gives a token to whoever knows the secret.
struct Entra {
    address: String,
    ca: String,
    asked: Arc<AtomicUsize>,
}

impl Entra {
    async fn start() -> Self {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
        let secret = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], secret)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("https://{}", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let Ok(mut stream) = acceptor.accept(socket).await else { continue };
                let mut request = Vec::new();
                let mut piece = [0u8; 4096];
                while let Ok(n) = stream.read(&mut piece).await {
                    request.extend_from_slice(&piece[..n]);
                    if n == 0 || String::from_utf8_lossy(&request).contains("scope=") {
                        break;
                    }
                }
                let known = String::from_utf8_lossy(&request).contains(SECRET);
                let (status, body) = if known {
                    let claims = r#"{"tid":"t-1","appid":"a-1","oid":"o-1"}"#;
                    let token = format!("e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(claims));
                    let body = format!(
                        r#"{{"token_type":"Bearer","expires_in":3600,"ext_expires_in":3600,"access_token":"{token}"}}"#
                    );
                    (200, body)
                } else {
                    let body = r#"{"error_codes":[7000215],"error_description":"AADSTS7000215: Invalid client secret provided."}"#;
                    (401, body.to_owned())
                };
                count.fetch_add(1, Ordering::SeqCst);
                let head = format!(
                    "HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
                    body.len()
                );
                let _ = stream.write_all(format!("{head}Connection: close\r\n\r\n{body}").as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        Self { address, ca: authority.pem(), asked }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_in_azure_under_an_application_s_name() {
    let azurite = Azurite::start().await;
    let proxy = AzureProxy::start(azurite.account_url(), Arc::new(SystemClock)).await;
    let container = format!("hf-{}", std::process::id());
    proxy.container(&container).await;
    let (entra, home) = (Entra::start().await, Home::new());
    let ca_file = home.beside("ca.pem");
    std::fs::write(&ca_file, format!("{}{}", proxy.ca_pem(), entra.ca)).unwrap();
    std::fs::create_dir_all(home.path()).unwrap();
    let text = format!(
        "[archive]\nbackend = \"azure\"\n[archive.azure]\naccount_url = \"{}\"\naccount = \"devstoreaccount1\"\n\
         media_container = \"{container}\"\n[azure]\ncredential = \"service_principal\"\ntenant_id = \"t-1\"\n\
         client_id = \"a-1\"\nauthority_host = \"{}\"\n[network]\nca_file = \"{}\"\n",
        proxy.url(),
        entra.address,
        ca_file.display(),
    );
    std::fs::write(home.path().join("holdfast.toml"), text).unwrap();
    let run = |args: &[&str], secret: Option<&str>| {
        let mut command = home.command();
        if let Some(secret) = secret {
            command.env("HOLDFAST_SECRET_AZURE_SECRET", secret);
        }
        Ran::of(command.args(args).arg("--json").output().unwrap())
    };
    let refused = |ran: Ran, words: &str| {
        let answer = ran.code(1).json();
        assert_eq!(answer["error"]["code"], "cloud.no_credentials", "{answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(words), "{answer}");
    };
    refused(run(&["status"], None), "none was entered");
    assert_eq!(entra.asked.load(Ordering::SeqCst), 0);
    refused(run(&["status"], Some("another-secret")), "Invalid client secret");

    let source = home.beside("source");
    sample::put(&source, "i-1", "2026-03-01", 440.0);
    let done = run(&["archiver", "ingest", source.to_str().unwrap()], Some(SECRET)).code(0).json();
    assert_eq!(done["archived"], 1, "{done}");
    let id = run(&["search"], Some(SECRET)).code(0).json()["results"][0]["archive_id"].as_str().unwrap().to_owned();
    assert_eq!(run(&["verify", &id], Some(SECRET)).code(0).json()["outcome"], "verified");
    let status = run(&["status"], Some(SECRET)).code(0).json();
    assert_eq!((&status["cloud_identity"], &status["archive"]), (&IDENTITY.into(), &"azure".into()), "{status}");
    assert_eq!(status["trouble"], serde_json::Value::Null);

    let links = run(&["link", &id, "--reason", "for counsel"], Some(SECRET)).code(0).json();
    let url = links["links"][0]["url"].as_str().unwrap();
    let signature = url.split("sig=").nth(1).unwrap().split('&').next().unwrap();
    let mut everything = String::new();
    for file in files(&home.path()) {
        everything.push_str(&String::from_utf8_lossy(&std::fs::read(file).unwrap()));
    }
    assert!(everything.contains(IDENTITY), "the identity stands in the ledger");
    for secret in [signature, SECRET] {
        assert!(!everything.contains(secret), "{secret} stands nowhere");
    }
}
