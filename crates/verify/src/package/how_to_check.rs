use crate::package::{PackageDescription, path};

/// A piece of the page.
enum Piece {
    Heading(&'static str),
    Text(String),
    /// A command for a shell, run in the package's folder.
    Command(&'static str),
    /// What it must say.
    Answer(String),
}

/// The page that tells a stranger how to check the package with common tools. One text in two forms; the commands are run by
/// a test, so that the page is true.
pub struct HowToCheck {
    title: String,
    pieces: Vec<Piece>,
}

const FILES: &str = "sha256sum --quiet -c manifest-sha256.txt && sha256sum --quiet -c tagmanifest-sha256.txt && echo 'all files are as listed'";

const SIGNATURE: &str = r#"T=$(mktemp -d)
awk '/^$/ {exit} {print}' data/ledger/checkpoint > "$T/body"
awk 'signatures && NF == 3 {print $3; exit} /^$/ {signatures = 1}' data/ledger/checkpoint | base64 -d | tail -c 64 > "$T/signature"
openssl pkeyutl -verify -pubin -inkey data/ledger/public-key.pem -rawin -in "$T/body" -sigfile "$T/signature""#;

const FINGERPRINT: &str = "openssl pkey -pubin -in data/ledger/public-key.pem -outform DER | tail -c 32 | sha256sum";

const PROOFS: &str = r#"python3 - <<'END'
import base64, hashlib, json
sha = lambda data: hashlib.sha256(data).digest()
lines = open('data/ledger/checkpoint', encoding='utf-8').read().split('\n')
size, root = int(lines[1]), base64.b64decode(lines[2])
entries = open('data/ledger/entries.jsonl', 'rb').read().splitlines()
proofs = [json.loads(line) for line in open('data/ledger/proofs.jsonl')]
assert len(entries) == len(proofs), 'an entry or a proof is missing'
stated = {}
for entry, proof in zip(entries, proofs):
    at, last, node = proof['index'], size - 1, sha(b'\x00' + entry)
    assert 0 <= at <= last
    for sibling in map(bytes.fromhex, proof['hashes']):
        assert last > 0, 'too many hashes'
        if at & 1 or at == last:
            node = sha(b'\x01' + sibling + node)
            while at & 1 == 0 and at:
                at, last = at >> 1, last >> 1
        else:
            node = sha(b'\x01' + node + sibling)
        at, last = at >> 1, last >> 1
    assert last == 0 and node == root, 'entry %d is not in the signed ledger' % proof['index']
    event = json.loads(entry)['event']
    assert event['sequence'] == proof['index']
    if (event['action'], event['phase'], event.get('outcome')) == ('accession', 'outcome', 'succeeded'):
        stated[event['subject']['archive_id']] = (event['digest_after'], event['details']['manifest_sha256'])
print(len(entries), 'entries are in the signed ledger')
for exhibit in json.load(open('package.json', encoding='utf-8'))['exhibits']:
    found = []
    for name in (exhibit['original'], exhibit['manifest']):
        digest = hashlib.sha256()
        with open(name, 'rb') as file:
            for piece in iter(lambda: file.read(1 << 20), b''):
                digest.update(piece)
        found.append(digest.hexdigest())
    assert tuple(found) == stated[exhibit['archive_id']], exhibit['exhibit'] + ' is not what was archived'
    print(exhibit['exhibit'], 'is what was archived:', found[0])
END"#;

impl HowToCheck {
    /// The page for a package.
    #[must_use]
    pub fn of(package: &PackageDescription) -> Self {
        use Piece::{Answer, Command, Heading, Text};
        let ledger = &package.ledger;
        let text = |t: &str| Text(t.to_owned());
        let pieces = vec![
            text(
                "This folder is an evidence package: recordings from an archive, with what shows that they are the same bytes \
                 that were archived. You can check it on a computer of your own, without a network and without the software \
                 that made it. Open a terminal in this folder and run the commands below; they need the common tools sha256sum, \
                 awk, openssl (3.0 or later) and python3, which every Linux system has; on macOS install openssl and coreutils first, \
                 on Windows use the Linux subsystem. Nothing in this folder is changed by them.",
            ),
            Heading("1. Are all files as they were packed?"),
            Command(FILES),
            Answer("all files are as listed".into()),
            text(
                "This finds accidents and simple changes. Whoever changes a file on purpose can change the lists too; the next \
                 steps find that.",
            ),
            Heading("2. Is the ledger's statement signed by the archive?"),
            Text(format!(
                "The file {} states how many entries the archive's ledger had and their common fingerprint (the root of a \
                 Merkle tree). It is signed with the archive's key.",
                path::CHECKPOINT
            )),
            Command(SIGNATURE),
            Answer("Signature Verified Successfully".into()),
            text(
                "The key came with this package, so you must know that it is the archive's. Print its fingerprint and compare \
                 it with the archive over another way, such as the telephone:",
            ),
            Command(FINGERPRINT),
            Answer(format!("{}  -", ledger.key_fingerprint)),
            Heading("3. Do the recordings stand in the signed ledger?"),
            Text(format!(
                "When a recording was archived, the SHA-256 of its bytes and of its description (the manifest) were written into \
                 the ledger. This checks that each entry in {} belongs to the signed tree (RFC 6962), and that each recording \
                 and manifest here has the fingerprints written there.",
                path::ENTRIES
            )),
            Command(PROOFS),
            Answer(format!("one line for each of the {} exhibits, and no error", package.exhibits.len())),
            Heading("What this shows, and what it does not"),
            Text(format!(
                "If all three steps pass and the fingerprint is the archive's, then every recording and manifest in this package \
                 is, bit for bit, what stood in the ledger {} when it had {} entries, and the entries are those that were \
                 written. The reports under {} restate this for people; the entries are the evidence. A package shows the \
                 entries that are in it; that there are no others about the same recordings can be shown only by the archive, \
                 from the whole ledger.",
                ledger.id,
                ledger.size,
                path::REPORTS
            )),
            text(
                "The program holdfast-verify does all of these steps and more, and names what does not agree. The format is \
                 published in docs/formats/evidence-package.md of the Holdfast project, so that anybody can write another.",
            ),
        ];
        Self { title: format!("How to check the evidence package {}", package.name), pieces }
    }

    /// The page as plain text; commands are indented by four spaces.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = format!("{}\n{}\n", self.title, "=".repeat(self.title.chars().count()));
        for piece in &self.pieces {
            out.push('\n');
            match piece {
                Piece::Heading(t) => out.push_str(&format!("{t}\n{}\n", "-".repeat(t.chars().count()))),
                Piece::Text(t) => out.push_str(&wrap(t, 96)),
                Piece::Command(t) => t.lines().for_each(|l| out.push_str(&format!("    {l}\n"))),
                Piece::Answer(t) => out.push_str(&format!("It must say: {t}\n")),
            }
        }
        out
    }

    /// The page for a browser: one file, no scripts, nothing loaded from elsewhere.
    #[must_use]
    pub fn to_html(&self) -> String {
        let title = escape_html(&self.title);
        let mut out = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
             content=\"width=device-width, initial-scale=1\">\n<meta http-equiv=\"Content-Security-Policy\" \
             content=\"default-src 'none'; style-src 'unsafe-inline'\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n\
             </head>\n<body>\n<main>\n<h1>{title}</h1>\n"
        );
        for piece in &self.pieces {
            match piece {
                Piece::Heading(t) => out.push_str(&format!("<h2>{}</h2>\n", escape_html(t))),
                Piece::Text(t) => out.push_str(&format!("<p>{}</p>\n", escape_html(t))),
                Piece::Command(t) => out.push_str(&format!("<pre><code>{}</code></pre>\n", escape_html(t))),
                Piece::Answer(t) => out.push_str(&format!("<p>It must say: <samp>{}</samp></p>\n", escape_html(t))),
            }
        }
        out.push_str("</main>\n</body>\n</html>\n");
        out
    }
}

const STYLE: &str = "body { font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 52rem; padding: 0 1rem; color: #1a1a1a; background: #fff; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2rem; }
pre { background: #f2f4f7; border: 1px solid #c5ccd6; padding: 0.75rem; white-space: pre-wrap; overflow-wrap: anywhere; }
samp { background: #e8f3ea; padding: 0.1rem 0.3rem; overflow-wrap: anywhere; }
";

/// Text made safe for HTML's content and quoted attributes.
#[must_use]
pub fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Controls are no characters of HTML; a visible stand-in shows that something was there.
            c if c.is_control() && !matches!(c, '\n' | '\t') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

fn wrap(text: &str, width: usize) -> String {
    let (mut out, mut column) = (String::new(), 0);
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > width {
            out.push('\n');
            column = 0;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out.push('\n');
    out
}
