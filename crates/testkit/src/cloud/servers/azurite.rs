use super::{Program, Recipe, Running, cache, installed};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use std::{fs, path::Path, time::Duration};

/// Azure Blob (azurite 3.37.0) over https with a certificate of its own authority, since bearer tokens want TLS. It knows one
/// account, `devstoreaccount1`, and takes any well-formed token.
#[derive(Debug, Clone)]
pub struct Azurite(Running, String);

impl Azurite {
    /// The shared server.
    ///
    /// # Panics
    /// Where it is not installed, with the words what to do.
    pub async fn start() -> Self {
        let url = |port| format!("https://127.0.0.1:{port}");
        let patience = Duration::from_secs(90);
        let running =
            Recipe { name: "azurite", version: "3.37.0", url, programs, settle: |_| {}, patience }.start().await;
        let ca = fs::read_to_string(running.folder.join("ca.pem")).expect("the certificate authority of azurite");
        Self(running, ca)
    }

    /// Where it listens, without the account: `https://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// The address of its only account.
    #[must_use]
    pub fn account_url(&self) -> String {
        format!("{}/devstoreaccount1", self.url())
    }

    /// The authority that signed its certificate, PEM.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.1
    }
}

fn programs(folder: &Path, port: u16) -> Vec<Program> {
    let how = "npm install --prefix $HOLDFAST_CACHE/node azurite@3.37.0 (scripts/test does it)";
    let program = installed(cache().join("node/node_modules/.bin/azurite-blob"), how);
    certificates(folder);
    let path = |name: &str| folder.join(name).display().to_string();
    let mut argv = vec![program];
    argv.extend(
        [
            ["--blobHost", "127.0.0.1"],
            ["--blobPort", &port.to_string()],
            ["--location", &path("data")],
            ["--oauth", "basic"],
            ["--cert", &path("leaf.pem")],
            ["--key", &path("leaf.key")],
        ]
        .iter()
        .flatten()
        .map(|a| (*a).to_owned()),
    );
    argv.extend(["--skipApiVersionCheck", "--silent", "--disableTelemetry"].map(str::to_owned));
    vec![Program { argv, env: vec![] }]
}

/// An authority (`ca.pem`), and a leaf for loopback signed by it (`leaf.pem`, `leaf.key`): clients refuse a leaf that is its own authority.
pub(in crate::cloud) fn certificates(folder: &Path) {
    let mut authority = CertificateParams::new(Vec::new()).expect("parameters");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority.distinguished_name.push(DnType::CommonName, "Holdfast test servers");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key")).expect("an authority");
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let key = KeyPair::generate().expect("a key");
    let leaf = CertificateParams::new(names).expect("parameters").signed_by(&key, &authority).expect("a certificate");
    for (name, text) in [("ca.pem", authority.pem()), ("leaf.pem", leaf.pem()), ("leaf.key", key.serialize_pem())] {
        fs::write(folder.join(name), text).expect("a certificate file");
    }
}
