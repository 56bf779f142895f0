use crate::package::{PACKAGE_FORMAT, PackageDescription, path};
use holdfast_model::visible_lines;

/// A piece of the page.
enum Piece {
    Heading(String),
    Text(String),
    /// Lines for a shell in the folder that contains the package's folder. Each block can be pasted as it is: no line holds `!`
    /// (history) or a tab (completion), none is blank, and here-documents are not indented.
    Command(String),
    /// What the last line of the answer must be.
    Answer(String),
}

/// The page that tells a stranger how to check the package with common tools. One text in two forms; the commands are pasted into
/// shells by a test, so that the page is true.
pub struct HowToCheck {
    title: String,
    pieces: Vec<Piece>,
}

/// Around each block of commands in the text form.
const COPY_FROM: &str = "---- copy from the next line ----";
const COPY_TO: &str = "---- to the line above ----";

/// Where tools are looked for: never in the package, whatever folder the reader is in. Homebrew's come first, since the `openssl` of
/// macOS does not know Ed25519.
const TOOLS: &str = "PATH=/opt/homebrew/opt/openssl@3/bin:/usr/local/opt/openssl@3/bin:/opt/homebrew/bin:/usr/local/bin:/usr/bin:/bin:/sbin
export PATH";

const FILES: &str = r#"CDPATH= cd -- "${PACKAGE:?}" && test -s manifest-sha256.txt && test -s tagmanifest-sha256.txt &&
sha256sum --quiet -c manifest-sha256.txt && sha256sum --quiet -c tagmanifest-sha256.txt &&
echo 'STEP 1 PASSED' || echo 'STEP 1 FAILED'"#;

/// Takes the signed notes apart and compares the key with what the reader typed. `-I` keeps Python from importing anything from the
/// folder it runs in.
const NOTES: &str = r#"T=$(mktemp -d) &&
python3 -I - "${PACKAGE:?}" "$T" "${FINGERPRINT:?}" <<'END' &&
import base64, hashlib, os, sys
package, work, typed = sys.argv[1:]
def need(holds, what):
    holds or sys.exit('FAILED: ' + what)
def read(name):
    path = os.path.join(package, name)
    need(os.path.isfile(path), name + ' is missing')
    return open(path, 'rb').read(1 << 26)
def write(name, data):
    open(os.path.join(work, name), 'wb').write(data)
pem = read('data/ledger/public-key.pem').decode('ascii', 'replace').split('-----')
need(len(pem) == 5 and pem[1] == 'BEGIN PUBLIC KEY', 'public-key.pem is no public key')
der = base64.b64decode(pem[2])
need(len(der) == 44 and der[:12].hex() == '302a300506032b6570032100', 'public-key.pem is no Ed25519 key')
key, typed = der[12:], ''.join(typed.lower().split()).replace(':', '').replace('-', '')
need(len(typed) == 64, 'type the 64 digits of the fingerprint that the archive tells you')
own = hashlib.sha256(key).hexdigest()
need(own == typed, 'the key of this package has the fingerprint ' + own + ', which is not what you typed')
write('key.pem', b'-----BEGIN PUBLIC KEY-----\n' + base64.b64encode(der) + b'\n-----END PUBLIC KEY-----\n')
def note(name, ledger):
    body, _, signatures = read(name).rpartition(b'\n\n')
    body, lines = body + b'\n', body.decode('utf-8', 'replace').split('\n')
    origin = ledger(lines).encode()
    wanted = hashlib.sha256(origin + b'\n\x01' + key).digest()[:4]
    for line in signatures.split(b'\n'):
        parts = line.split(b' ')
        raw = base64.b64decode(parts[2]) if len(parts) == 3 and parts[1] == origin else b''
        if len(raw) == 68 and raw[:4] == wanted:
            write(os.path.basename(name), body)
            write(os.path.basename(name) + '.signature', raw[4:])
            return lines
    sys.exit('FAILED: ' + name + ' has no signature by this key')
checkpoint = note('data/ledger/checkpoint', lambda lines: lines[0])
need(len(checkpoint) > 2, 'data/ledger/checkpoint is cut short')
"#;

const SEAL: &str = r#"seal = note('seal.txt', lambda lines: lines[1][7:] if len(lines) > 1 else '')
need(len(seal) > 4 and seal[0] == 'holdfast-seal/1', 'seal.txt is no seal')
need(seal[1] == 'ledger ' + checkpoint[0], 'the seal is of another ledger')
tags = hashlib.sha256(read('tagmanifest-sha256.txt')).hexdigest()
need(seal[2] == 'tagmanifest-sha256 ' + tags, 'the lists of files are not those that were sealed')
need(seal[3] == 'checkpoint-size ' + checkpoint[1], 'the seal is of another checkpoint')
need(seal[4] == 'checkpoint-root ' + base64.b64decode(checkpoint[2]).hex(), 'the seal is of another checkpoint')
"#;

const ENTRIES: &str = r#"python3 -I - "${PACKAGE:?}" <<'END' && echo 'STEP 3 PASSED' || echo 'STEP 3 FAILED'
import base64, hashlib, json, os, sys
package = sys.argv[1]
def need(holds, what):
    holds or sys.exit('FAILED: ' + what)
def at(name):
    path = os.path.join(package, name)
    need(os.path.isfile(path), ascii(name) + ' is missing')
    return path
def sha(data):
    return hashlib.sha256(data).digest()
def measure(name):
    digest = hashlib.sha256()
    with open(at(name), 'rb') as file:
        for piece in iter(lambda: file.read(1 << 20), b''):
            digest.update(piece)
    return digest.hexdigest()
known = {'tagmanifest-sha256.txt', 'seal.txt'}
for name in ('manifest-sha256.txt', 'tagmanifest-sha256.txt'):
    known.update(line.split('  ', 1)[-1] for line in open(at(name), encoding='utf-8').read().split('\n'))
for folder, _, names in os.walk(package):
    for name in names:
        path = os.path.relpath(os.path.join(folder, name), package).replace(os.sep, '/')
        litter = name.startswith('._') or name in ('.DS_Store', 'Thumbs.db', 'desktop.ini')
        need(path in known or litter, 'the file ' + ascii(path) + ' is not listed: it was added')
lines = open(at('data/ledger/checkpoint'), encoding='utf-8').read().split('\n')
size, root = int(lines[1]), base64.b64decode(lines[2])
entries = open(at('data/ledger/entries.jsonl'), 'rb').read().split(b'\n')
proofs = open(at('data/ledger/proofs.jsonl'), 'rb').read().split(b'\n')
need(entries.pop() == proofs.pop() == b'', 'the last line of the entries or proofs is cut short')
need(len(entries) == len(proofs), 'an entry or a proof is missing')
before, stated = -1, {}
for entry, proof in zip(entries, map(json.loads, proofs)):
    index = proof['index']
    need(type(index) is int and before < index < size, 'the entries are not in their order')
    before = spot = index
    last, node = size - 1, sha(b'\x00' + entry)
    for sibling in map(bytes.fromhex, proof['hashes']):
        need(last > 0, 'the proof of entry %d is too long' % index)
        if spot & 1 or spot == last:
            node = sha(b'\x01' + sibling + node)
            while spot & 1 == 0 and spot:
                spot, last = spot >> 1, last >> 1
        else:
            node = sha(b'\x01' + node + sibling)
        spot, last = spot >> 1, last >> 1
    need(last == 0 and node == root, 'entry %d is not in the signed ledger' % index)
    event = json.loads(entry)['event']
    need(event['sequence'] == index, 'entry %d claims to be another' % index)
    if (event['action'], event['phase'], event.get('outcome')) == ('accession', 'outcome', 'succeeded'):
        stated[event['subject']['archive_id']] = (event['digest_after'], event['details']['manifest_sha256'])
print(len(entries), 'entries are in the signed ledger, in their order')
content = json.load(open(at('package.json'), encoding='utf-8'))
"#;

const COUNTS: &str = r#"counts = [('exhibits', content['exhibits']), ('withheld', content['withheld']), ('entries', entries)]
sealed = open(at('seal.txt'), encoding='utf-8').read().split('\n')[5:8]
need(sealed == ['%s %d' % (name, len(of)) for name, of in counts], 'the seal counts other exhibits or entries')
"#;

const EXHIBITS: &str = r#"seen = set()
for exhibit in content['exhibits']:
    name, files = ascii(exhibit['exhibit']), [exhibit[part] for part in ('original', 'manifest', 'payload')]
    need(seen.isdisjoint(files), name + ' names a file of another exhibit')
    seen.update(files)
    original, manifest, payload = map(measure, files)
    need(stated.get(exhibit['archive_id']) == (original, manifest), name + ' is not what was archived')
    described = json.load(open(at(files[1]), encoding='utf-8'))
    need(described['payload']['fixity']['digest'] == payload, name + ' has other metadata of the source than was archived')
    print(name, 'is what was archived:', original)
END"#;

/// The block of the first step.
fn files_block() -> String {
    format!("(\n{TOOLS}\n{FILES}\n)")
}

/// The block of the second step: key and signatures.
fn signature_block(sealed: bool) -> String {
    let (seal, notes) = if sealed { (SEAL, &["checkpoint", "seal.txt"][..]) } else { ("", &["checkpoint"][..]) };
    let check = |note: &&str| {
        let verify = r#"openssl pkeyutl -verify -pubin -inkey "$T/key.pem" -rawin"#;
        format!("{verify} -in \"$T/{note}\" -sigfile \"$T/{note}.signature\" &&\n")
    };
    let checks: String = notes.iter().map(check).collect();
    format!("(\n{TOOLS}\n{NOTES}{seal}END\n{checks}echo 'STEP 2 PASSED' || echo 'STEP 2 FAILED'\nrm -rf \"$T\"\n)")
}

/// The block of the third step: entries, originals, manifests, the source's metadata.
fn entries_block(sealed: bool) -> String {
    format!("(\n{TOOLS}\n{ENTRIES}{}{EXHIBITS}\n)", if sealed { COUNTS } else { "" })
}

impl HowToCheck {
    /// The page for a package.
    #[must_use]
    pub fn of(package: &PackageDescription) -> Self {
        let (ledger, sealed) = (&package.ledger, package.format != PACKAGE_FORMAT_UNSEALED);
        let mut pieces = Self::beginning(&package.name);
        pieces.extend(Self::steps(sealed));
        pieces.extend(Self::end(&format!("the ledger {} when it had {} entries", ledger.id, ledger.size), sealed));
        Self { title: format!("How to check the evidence package {}", package.name), pieces }
    }

    /// The page as it is published, for any package: a reader who has it from elsewhere need not trust the one in the package.
    #[must_use]
    pub fn published() -> Self {
        let sealed = PACKAGE_FORMAT != PACKAGE_FORMAT_UNSEALED;
        let mut pieces = Self::beginning("NAME-OF-THE-PACKAGE");
        pieces.extend(Self::steps(sealed));
        pieces.extend(Self::end("the archive's ledger when the package was made", sealed));
        Self { title: "How to check an evidence package".into(), pieces }
    }

    fn beginning(name: &str) -> Vec<Piece> {
        use Piece::{Command, Heading, Text};
        let text = |t: &str| Text(t.to_owned());
        vec![
            text(
                "An evidence package holds recordings from an archive, with what shows that they are the same bytes that were \
                 archived. You can check it on a computer of your own, without a network and without the software that made it. \
                 Nothing in the package is changed, and nothing in it is run.",
            ),
            text(
                "This page came with the package, and whoever forges a package can forge this page too. The Holdfast project \
                 publishes the same commands as docs/formats/how-to-check.txt; where much depends on it, use those.",
            ),
            Heading("Before you begin".into()),
            text(
                "Linux has all that is needed: sha256sum, openssl 3, python3. On a Mac, install coreutils, openssl@3 and python3 \
                 with Homebrew. On Windows, use the Linux subsystem (WSL); without it, PowerShell or certutil can do the first step \
                 for single files: \"certutil -hashfile FILE SHA256\" or \"Get-FileHash FILE\" prints what manifest-sha256.txt \
                 must say of the file.",
            ),
            text(
                "Open a terminal in the folder that contains the package's folder, not in the package itself. Copy each block of \
                 commands whole and paste it. First say which folder the package is, by its name here:",
            ),
            Command(format!("PACKAGE='{name}'")),
            text(
                "Then ask the archive for the fingerprint of its ledger's key over another way: by telephone under a number that \
                 you have from elsewhere, from its letterhead, from its lawyer. Do not take it from this package, which could say \
                 anything. Type what you are told between the quotes; spaces and colons do not matter:",
            ),
            Command(FINGERPRINT_LINE.into()),
        ]
    }

    fn steps(sealed: bool) -> Vec<Piece> {
        use Piece::{Answer, Command, Heading, Text};
        let text = |t: &str| Text(t.to_owned());
        let seal = if sealed {
            " The second signature is the seal's: it covers the lists of step 1, and so every report and every other file."
        } else {
            ""
        };
        vec![
            Heading("1. Are all files as they were packed?".into()),
            Command(files_block()),
            Answer("STEP 1 PASSED".into()),
            text(
                "This finds accidents and simple changes. Whoever changes a file on purpose can change the lists too; the next \
                 steps find that.",
            ),
            Heading("2. Did the archive sign it?".into()),
            Text(format!(
                "The file {} states how many entries the archive's ledger had and their common fingerprint (the root of a Merkle \
                 tree), signed with the archive's key. This compares the key with the fingerprint that you typed and checks the \
                 signature.{seal}",
                path::CHECKPOINT
            )),
            Command(signature_block(sealed)),
            Answer("STEP 2 PASSED".into()),
            Heading("3. Are the recordings those of the signed ledger?".into()),
            Text(format!(
                "When a recording was archived, the SHA-256 of its bytes and of its description (the manifest) were written into \
                 the ledger. This checks that each entry in {} is in the signed tree (RFC 6962) and in its order, and that each \
                 recording, its manifest and the source's metadata have the fingerprints written there. It prints a line for each \
                 exhibit.",
                path::ENTRIES
            )),
            Command(entries_block(sealed)),
            Answer("STEP 3 PASSED".into()),
        ]
    }

    fn end(state: &str, sealed: bool) -> Vec<Piece> {
        let reports = if sealed {
            "Reports, load file and lists are those that the archive sealed; they restate the entries for people, and the entries are \
             the evidence."
        } else {
            "The reports restate the entries for people; no signature covers them, and the entries are the evidence."
        };
        vec![
            Piece::Heading("What this shows, and what it does not".into()),
            Piece::Text(format!(
                "If all three steps pass with the fingerprint that the archive told you, then every recording and manifest in this \
                 package is, bit for bit, what was written into {state}, and the entries are those that were written. {reports} A \
                 package shows the entries that are in it; that there are no others about the same recordings can be shown only from \
                 the whole ledger.",
            )),
            Piece::Text(
                "The program holdfast-verify does all of these steps and more, and names what does not agree. The format is \
                 published in docs/formats/evidence-package.md of the Holdfast project, so that anybody can write another."
                    .into(),
            ),
        ]
    }

    /// The page as plain text. Commands begin at the first column between two marks.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = format!("{}\n{}\n", self.title, "=".repeat(self.title.chars().count()));
        for piece in &self.pieces {
            out.push('\n');
            match piece {
                Piece::Heading(t) => out.push_str(&format!("{t}\n{}\n", "-".repeat(t.chars().count()))),
                Piece::Text(t) => out.push_str(&wrap(t, 96)),
                Piece::Command(t) => out.push_str(&format!("{COPY_FROM}\n{t}\n{COPY_TO}\n")),
                Piece::Answer(t) => out.push_str(&format!("The last line must be: {t}\n")),
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
                Piece::Answer(t) => {
                    out.push_str(&format!("<p>The last line must be: <samp>{}</samp></p>\n", escape_html(t)));
                }
            }
        }
        out.push_str("</main>\n</body>\n</html>\n");
        out
    }
}

/// The line that the reader completes.
const FINGERPRINT_LINE: &str = "FINGERPRINT='TYPE IT HERE'";

/// The format of packages without a seal.
const PACKAGE_FORMAT_UNSEALED: &str = "holdfast-package/1";

const STYLE: &str = "body { font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 52rem; padding: 0 1rem; color: #1a1a1a; background: #fff; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2rem; }
pre { background: #f2f4f7; border: 1px solid #c5ccd6; padding: 0.75rem; white-space: pre-wrap; overflow-wrap: anywhere; }
samp { background: #e8f3ea; padding: 0.1rem 0.3rem; overflow-wrap: anywhere; }
";

/// Text made safe for HTML's content and quoted attributes.
#[must_use]
pub fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // Controls are no characters of HTML, and some would show the text in another order; what they are is shown instead.
    for c in visible_lines(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
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
