use crate::{Finding, FindingCode, Severity};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// How a verification ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Everything that was looked at agrees, and everything that should be looked at was.
    Verified,
    /// Everything that was looked at agrees; something was not looked at or not shown.
    VerifiedWithRemarks,
    /// Everything that was looked at agrees with itself, but nobody vouches for the key that it is signed with: it may come from
    /// anyone. There may be remarks too.
    SelfConsistent,
    /// Something does not agree.
    Failed,
}

impl Outcome {
    /// `verified`, `verified_with_remarks`, `self_consistent` or `failed`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::VerifiedWithRemarks => "verified_with_remarks",
            Self::SelfConsistent => "self_consistent",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A link of the chain between a recording and what proves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// The folder's own consistency (packages only): every file is listed and as listed.
    Package,
    /// The original's SHA-256.
    Bytes,
    /// The original's length.
    Size,
    /// What the store says about the object.
    ObjectMetadata,
    /// The manifest: format, identity, digest.
    Manifest,
    /// The vendor's metadata.
    Payload,
    /// The row of the search index.
    Index,
    /// The ledger entries of the recording are all there.
    LedgerEntry,
    /// The entries' MACs, where a holder of the key checked them.
    Mac,
    /// Neighbouring entries name each other.
    Chain,
    /// Entries stand in the signed tree.
    Inclusion,
    /// The checkpoint's signature.
    CheckpointSignature,
    /// The ledger continues the one known before.
    Rollback,
    /// The timestamp of an independent authority.
    Timestamp,
    /// The object's retention.
    Retention,
    /// The object's legal hold.
    Hold,
}

impl Link {
    /// Every link, in the order in which it is looked at.
    pub const ALL: &'static [Self] = &[
        Self::Package,
        Self::Bytes,
        Self::Size,
        Self::ObjectMetadata,
        Self::Manifest,
        Self::Payload,
        Self::Index,
        Self::LedgerEntry,
        Self::Mac,
        Self::Chain,
        Self::Inclusion,
        Self::CheckpointSignature,
        Self::Rollback,
        Self::Timestamp,
        Self::Retention,
        Self::Hold,
    ];

    /// The link in words.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Package => "every file of the package is as listed",
            Self::Bytes => "SHA-256 of the original",
            Self::Size => "length of the original",
            Self::ObjectMetadata => "the store's metadata of the object",
            Self::Manifest => "manifest against the ledger",
            Self::Payload => "the vendor's metadata against the manifest",
            Self::Index => "search index against the manifest",
            Self::LedgerEntry => "ledger entries of the recording",
            Self::Mac => "message authentication codes of the entries",
            Self::Chain => "chain between neighbouring entries",
            Self::Inclusion => "entries stand in the signed tree",
            Self::CheckpointSignature => "signature of the checkpoint",
            Self::Rollback => "the ledger continues the one known before",
            Self::Timestamp => "timestamp of an independent authority",
            Self::Retention => "retention of the stored object",
            Self::Hold => "legal hold on the stored object",
        }
    }

    /// What must be at hand to look at it: what is missing where it was not looked at.
    #[must_use]
    pub fn needs(self) -> &'static str {
        match self {
            Self::ObjectMetadata | Self::Retention | Self::Hold => "the archive's storage",
            Self::Manifest | Self::Payload => "the manifest and the ledger entry that states it",
            Self::Index => "the archive's search index",
            Self::LedgerEntry | Self::Inclusion | Self::CheckpointSignature => "the ledger's signed checkpoint",
            Self::Mac => "the ledger's secret key",
            Self::Chain => "two entries that follow each other",
            Self::Rollback => "a checkpoint from before",
            Self::Timestamp => "a timestamp of an independent authority",
            _ => "the files themselves",
        }
    }
}

/// What came of looking at a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckResult {
    /// Looked at, and it agrees.
    Passed,
    /// Looked at, and it does not agree; a finding says how.
    Failed,
    /// Not looked at, as what is needed was not at hand. Nothing is claimed about it.
    NotChecked,
}

/// One link that was looked at, or was not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Which link.
    pub link: Link,
    /// Of what: an archive id, an exhibit, the package.
    pub subject: String,
    /// What came of it.
    pub result: CheckResult,
}

/// What a verification found. A function of what was read and nothing else: it holds no time and no name of who asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerificationReport {
    /// How it ended: the heaviest finding decides. A key that nobody vouches for weighs more than other remarks.
    pub outcome: Outcome,
    /// What does not agree or was not looked at, in the order of the links.
    pub findings: Vec<Finding>,
    /// What was looked at.
    pub checks: Vec<Check>,
}

impl VerificationReport {
    /// The report of these findings and checks.
    #[must_use]
    pub fn new(findings: Vec<Finding>, checks: Vec<Check>) -> Self {
        let outcome = if findings.iter().any(|f| f.severity == Severity::Failure) {
            Outcome::Failed
        } else if findings.iter().any(|f| f.code == FindingCode::KeyNotPinned) {
            Outcome::SelfConsistent
        } else if findings.is_empty() {
            Outcome::Verified
        } else {
            Outcome::VerifiedWithRemarks
        };
        Self { outcome, findings, checks }
    }

    /// Whether a finding with this code is in it.
    #[must_use]
    pub fn has(&self, code: FindingCode) -> bool {
        self.findings.iter().any(|f| f.code == code)
    }

    /// The failures.
    pub fn failures(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|f| f.severity == Severity::Failure)
    }
}

/// Findings of one code that are kept; more are counted. What is checked may be made to have millions.
const CODE_MAX: u64 = 100;

/// Findings in their order, bounded: of each code the first hundred, and how many more there were.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    kept: Vec<Finding>,
    counts: BTreeMap<FindingCode, u64>,
}

impl Findings {
    pub(crate) fn push(&mut self, finding: Finding) {
        let count = self.counts.entry(finding.code).or_default();
        // What was counted before is added up.
        *count += finding.more().unwrap_or(1);
        if *count <= CODE_MAX && finding.more().is_none() {
            self.kept.push(finding);
        }
    }

    /// The same where millions may come: a finding that is only counted is not made.
    pub(crate) fn push_with(&mut self, code: FindingCode, finding: impl FnOnce() -> Finding) {
        match self.counts.get_mut(&code) {
            Some(count) if *count >= CODE_MAX => *count += 1,
            _ => self.push(finding()),
        }
    }

    pub(crate) fn failed(&self) -> bool {
        self.counts.keys().any(|code| code.severity() == Severity::Failure)
    }

    pub(crate) fn into_vec(self) -> Vec<Finding> {
        let Self { mut kept, counts } = self;
        for (code, count) in counts {
            let shown = kept.iter().filter(|f| f.code == code).count() as u64;
            if count > shown {
                kept.push(Finding::and_more(code, count - shown));
            }
        }
        kept
    }
}

impl Extend<Finding> for Findings {
    fn extend<T: IntoIterator<Item = Finding>>(&mut self, findings: T) {
        findings.into_iter().for_each(|f| self.push(f));
    }
}

impl IntoIterator for Findings {
    type Item = Finding;
    type IntoIter = std::vec::IntoIter<Finding>;
    fn into_iter(self) -> Self::IntoIter {
        self.into_vec().into_iter()
    }
}

/// Collects findings and checks while links are looked at.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    findings: Findings,
    checks: Vec<Check>,
}

impl Collector {
    /// Notes a link that was looked at, with what did not agree. Remarks alone do not fail a link.
    pub(crate) fn checked(&mut self, link: Link, subject: &str, findings: impl IntoIterator<Item = Finding>) {
        let mut failed = false;
        for finding in findings {
            // What the index says is only remarked on; the link shows all the same that it does not agree.
            failed |= finding.severity == Severity::Failure || link == Link::Index;
            self.findings.push(finding);
        }
        let result = if failed { CheckResult::Failed } else { CheckResult::Passed };
        self.checks.push(Check { link, subject: subject.to_owned(), result });
    }

    /// Notes a link that was not looked at.
    pub(crate) fn not_checked(&mut self, link: Link, subject: &str) {
        self.checks.push(Check { link, subject: subject.to_owned(), result: CheckResult::NotChecked });
    }

    /// Adds a remark that belongs to no link's result.
    pub(crate) fn remark(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Whether a failure was found.
    pub(crate) fn failed(&self) -> bool {
        self.findings.failed()
    }

    /// Takes over another report.
    pub(crate) fn extend(&mut self, report: VerificationReport) {
        self.findings.extend(report.findings);
        self.checks.extend(report.checks);
    }

    pub(crate) fn finish(self) -> VerificationReport {
        VerificationReport::new(self.findings.into_vec(), self.checks)
    }
}
