//! Evidence packages of a matter: made, verified right after, and only then shown.

use crate::{
    desk::{CAS_ATTEMPTS, Desk, draft, passed, read_doc, told, write_doc},
    error::RetrievalError,
    job::{DeskCopy, Job, JobState, blocking, job_id},
    matter::{Matter, MatterItem},
};
use holdfast_index::{Claim, CreateOutcome, Lease, Work, WorkKind};
use holdfast_ledger::{Action, Agent, Checkpoint, EventOutcome, LedgerEntry, Phase, StoredEntry};
use holdfast_model::{ArchiveId, Cancel, Fault as _, Manifest, MatterId, Progress, ProgressSink, Sha256Digest};
use holdfast_reports::{CustodyReport, render_all};
use holdfast_verify::{
    Outcome, VerificationReport,
    package::{
        ExhibitSource, FinishedPackage, MatterDescription, PackageHeader, PackageWriter, Withheld, verify_package,
    },
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    path::{Path, PathBuf},
};

const MAKING: &str = "making";
const MADE: &str = "made";
const FAILED: &str = "failed";

/// A package of a matter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// Matter.
    pub matter: MatterId,
    /// Its folder.
    pub package: PathBuf,
    /// Recordings in it.
    pub items: u32,
    /// Recordings of the matter that were left out.
    pub left_out: u32,
    /// What verifying it right after it was made said; none while it is being made.
    pub report: Option<VerificationReport>,
    /// SHA-256 of its tag manifest, which seals everything in it.
    pub seal: Option<Sha256Digest>,
    /// When it was begun, and the time that stands in it.
    pub made_at: Timestamp,
    /// Who had it made.
    pub by: Agent,
    /// The checkpoint that its proofs lead to.
    checkpoint: Option<String>,
    /// Digest over the numbers of the ledger entries in it: with the same ones, the same checkpoint can serve again.
    entries: Option<Sha256Digest>,
    intent: Option<u64>,
}

/// What to export.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExportRequest {
    /// Folder in which the package is made; the desk's `exports` where none.
    pub to: Option<PathBuf>,
    /// Whether to leave out what is not verified, rather than refuse.
    pub partial: bool,
}

/// A recording that goes in.
struct Chosen {
    item: MatterItem,
    copy: DeskCopy,
    report: VerificationReport,
}

impl Desk {
    /// Makes an evidence package of the verified recordings of a matter, and verifies it. The same state of the matter gives the
    /// same bytes but for the fields that the format names.
    ///
    /// # Errors
    /// [`RetrievalError::Unverified`] unless `partial`; [`RetrievalError::MatterEmpty`]; [`RetrievalError::Package`];
    /// [`RetrievalError::Cancelled`], after which nothing is left behind.
    pub async fn export(
        &self,
        matter: &MatterId,
        request: ExportRequest,
        by: &Agent,
        progress: &dyn ProgressSink,
        cancel: &Cancel,
    ) -> Result<Export, RetrievalError> {
        self.settle_exports().await?;
        let matter = self.matter(matter).await?;
        let (chosen, withheld) = self.choose(&matter).await?;
        match withheld.first() {
            Some(first) if !request.partial || chosen.is_empty() => {
                return Err(RetrievalError::Unverified {
                    count: withheld.len(),
                    of: matter.items.len(),
                    first: first.archive_id.clone(),
                });
            }
            None if chosen.is_empty() => return Err(RetrievalError::MatterEmpty(matter.matter_id)),
            _ => {}
        }
        let folder = request.to.unwrap_or_else(|| self.parts().folder.join("exports"));
        let folder = std::path::absolute(&folder).map_err(RetrievalError::io("name", &folder))?;
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let export = Export {
            matter: matter.matter_id.clone(),
            package: PathBuf::new(),
            items: count(chosen.len()),
            left_out: count(withheld.len()),
            report: None,
            seal: None,
            made_at: self.now(),
            by: by.clone(),
            checkpoint: None,
            entries: None,
            intent: None,
        };
        let mut making = self.take_name(&folder, export).await?;
        let made = self.make(&mut making, &matter, chosen, withheld, progress, cancel).await;
        match made {
            Ok(()) => self.finish_export(making, cancel, progress).await,
            // It has its name already: whoever drives next verifies and shows it.
            Err(e) if making.export.package.is_dir() => Err(e),
            Err(e) => {
                self.give_up(making, &e).await?;
                Err(e)
            }
        }
    }

    /// The packages of a matter, oldest first.
    ///
    /// # Errors
    /// What the work store says.
    pub async fn exports(&self, matter: &MatterId) -> Result<Vec<Export>, RetrievalError> {
        let works = self.all_work(WorkKind::Export, Some(matter.as_str()), &[MADE]).await?;
        let mut exports: Vec<Export> = works.iter().map(read_doc).collect::<Result<_, _>>()?;
        exports.sort_by(|a, b| (a.made_at, &a.package).cmp(&(b.made_at, &b.package)));
        Ok(exports)
    }

    /// Ends exports whose process died: a package that has its name is verified and shown, half of one is swept.
    pub(crate) async fn settle_exports(&self) -> Result<(), RetrievalError> {
        let claim = Claim {
            kind: WorkKind::Export,
            states: &[MAKING],
            parent: None,
            owner: &self.inner.owner,
            lease_ms: self.parts().settings.lease_ms,
            limit: 16,
        };
        for work in self.parts().work.claim(claim).await? {
            let (id, making) = (work.id.clone(), Making { export: read_doc(&work)?, work });
            let ended = if making.export.package.is_dir() {
                self.finish_export(making, &Cancel::default(), &holdfast_model::NoProgress).await.map(drop)
            } else {
                self.give_up(making, &RetrievalError::Interrupted("retrieval.export_intended")).await
            };
            told("an export", &id, ended);
        }
        Ok(())
    }

    /// The recordings that are verified and whose copies still are, and the others with the reason.
    async fn choose(&self, matter: &Matter) -> Result<(Vec<Chosen>, Vec<Withheld>), RetrievalError> {
        let (mut chosen, mut withheld) = (Vec::new(), Vec::new());
        for item in &matter.items {
            let work = self.parts().work.get(WorkKind::Retrieval, &job_id(&matter.matter_id, &item.archive_id)).await?;
            let state = work.as_ref().and_then(|w| JobState::parse(&w.state));
            let leave_out = |reason: String| Withheld { archive_id: item.archive_id.clone(), reason };
            let Some(work) = work.filter(|_| state == Some(JobState::Verified)) else {
                withheld.push(leave_out(why_left_out(state).to_owned()));
                continue;
            };
            let job: Job = read_doc(&work)?;
            match (self.check_desk_copy(&job, &work).await, job.report) {
                (Ok(Some(copy)), Some(report)) => chosen.push(Chosen { item: item.clone(), copy, report }),
                (Err(e @ RetrievalError::DeskCopyChanged { .. }), _) => withheld.push(leave_out(format!("{e}."))),
                (Err(e), _) => return Err(e),
                _ => withheld.push(leave_out("Its verified copy is gone from the desk.".into())),
            }
        }
        Ok((chosen, withheld))
    }

    /// A name in `folder` that no package has or is about to get; the row is the claim to it.
    async fn take_name(&self, folder: &Path, mut export: Export) -> Result<Making, RetrievalError> {
        for number in 1..=CAS_ATTEMPTS * 16 {
            let name = match number {
                1 => format!("{}_evidence", export.matter),
                n => format!("{}_evidence_{n}", export.matter),
            };
            export.package = folder.join(name);
            if fs::symlink_metadata(&export.package).is_ok() {
                continue;
            }
            let id = format!(
                "{}/{}",
                export.matter,
                &Sha256Digest::of(export.package.as_os_str().as_encoded_bytes()).to_hex()[..16]
            );
            let mut work =
                Work::new(WorkKind::Export, &id, MAKING, write_doc(&id, &export)?).of(export.matter.as_str());
            work.lease = Some(self.lease());
            match self.parts().work.create(work.clone()).await? {
                CreateOutcome::Created(work) => return Ok(Making { work, export }),
                // Made once and taken away since, or given up: the name is free again.
                CreateOutcome::Exists(there) if there.state != MAKING => {
                    work.rev = there.rev;
                    if let Some(rev) = self.parts().work.update(work.clone()).await?.rev() {
                        work.rev = rev;
                        return Ok(Making { work, export });
                    }
                }
                CreateOutcome::Exists(_) => {}
            }
        }
        Err(RetrievalError::Contended(folder.display().to_string()))
    }

    fn lease(&self) -> Lease {
        let ms = i64::try_from(self.parts().settings.lease_ms).unwrap_or(i64::MAX);
        let until = self.now().saturating_add(SignedDuration::from_millis(ms)).unwrap_or(Timestamp::MAX);
        Lease { owner: self.inner.owner.clone(), until }
    }

    async fn make(
        &self,
        making: &mut Making,
        matter: &Matter,
        chosen: Vec<Chosen>,
        withheld: Vec<Withheld>,
        progress: &dyn ProgressSink,
        cancel: &Cancel,
    ) -> Result<(), RetrievalError> {
        let sequences = self.entries_for(matter, &chosen).await?;
        let entries = Sha256Digest::of(format!("{sequences:?}").as_bytes());
        // Made before with the very same entries: under the same checkpoint the package gets the same bytes.
        let earlier = self.exports(&matter.matter_id).await?;
        let same = earlier.iter().rev().find(|e| e.entries == Some(entries)).and_then(|e| e.checkpoint.as_deref());
        let checkpoint = match same.and_then(|text| Checkpoint::parse(text).ok()) {
            Some(checkpoint) => checkpoint,
            None => self.parts().ledger.checkpoint().await?,
        };
        making.export.entries = Some(entries);
        making.export.checkpoint = Some(checkpoint.text().to_owned());
        let intent = self.export_draft(&making.export, Phase::Intent, None);
        let intent = self.note(intent.once(format!("export:{}:{}", making.work.id, making.work.rev))).await?;
        making.export.intent = Some(intent);
        self.keep_making(making).await?;
        passed("retrieval.export_intended")?;
        let mut proofs = Vec::with_capacity(sequences.len());
        for sequence in sequences {
            let proof = self.parts().ledger.inclusion_under(sequence, &checkpoint).await?;
            proofs.push(StoredEntry {
                index: proof.index,
                bytes: Some(proof.entry.into_bytes()),
                leaf: None,
                hashes: proof.hashes,
            });
        }
        let evidence = self.evidence_from(&checkpoint, proofs)?;
        let mut writer = self.begin_package(making, matter, withheld, cancel).await?;
        let total = chosen.len() as u64;
        let mut reports = BTreeMap::new();
        for (done, one) in chosen.into_iter().enumerate() {
            writer = self.put_exhibit(writer, &one).await?;
            reports.insert(one.item.exhibit, one.report);
            progress.report(Progress {
                stage: "Packing".into(),
                done: done as u64 + 1,
                total: Some(total),
                unit: "recordings",
            });
            let work = &self.parts().work;
            work.renew(WorkKind::Export, &making.work.id, &self.inner.owner, self.parts().settings.lease_ms).await?;
            passed("retrieval.exhibit_packed")?;
        }
        let finished = blocking(move || {
            let mut writer = writer;
            writer.add_ledger(&evidence).map_err(package_error)?;
            writer.add_verification(&reports).map_err(package_error)?;
            let report_error = |e: holdfast_reports::ReportError| RetrievalError::Package(e.to_string());
            let custody = CustodyReport::of_package(&writer, &evidence, &reports).map_err(report_error)?;
            for file in render_all(&custody).map_err(report_error)? {
                writer.add(&file.path, &file.bytes).map_err(package_error)?;
            }
            writer.finish().map_err(package_error)
        })
        .await?;
        let FinishedPackage { digest, .. } = finished;
        passed("retrieval.export_written")?;
        making.export.seal = Some(digest);
        self.keep_making(making).await
    }

    /// Everything that the ledger says of the matter and of each exhibit, but not of packages: a package says nothing of itself,
    /// and so the same matter gives the same package.
    async fn entries_for(&self, matter: &Matter, chosen: &[Chosen]) -> Result<BTreeSet<u64>, RetrievalError> {
        let ledger = &self.parts().ledger;
        let mut entries = ledger.entries_of_matter(&matter.matter_id).await?;
        for one in chosen {
            entries.extend(ledger.entries_of(&one.item.archive_id).await?);
        }
        // The making of packages, this one's among them, is no part of what is in them; a copy that left the desk is.
        let packaging = |e: &LedgerEntry| e.event.action == Action::Export && e.event.details.contains_key("package");
        Ok(entries.into_iter().filter(|e| !packaging(e)).map(|e| e.event.sequence).collect())
    }

    async fn begin_package(
        &self,
        making: &Making,
        matter: &Matter,
        withheld: Vec<Withheld>,
        cancel: &Cancel,
    ) -> Result<PackageWriter, RetrievalError> {
        let header = PackageHeader {
            matter: MatterDescription {
                id: matter.matter_id.clone(),
                name: matter.name.clone(),
                reference: matter.reference.clone(),
                justification: matter.justification.clone(),
                requested_by: matter.requester.clone(),
                deadline: Some(matter.deadline),
            },
            created_at: making.export.made_at,
            exhibit_prefix: "HF".into(),
            withheld,
        };
        let (package, cancel) = (making.export.package.clone(), cancel.clone());
        blocking(move || {
            let name = package.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            let parent = package.parent().map(Path::to_owned).unwrap_or_default();
            PackageWriter::create(&parent, &name, header, cancel).map_err(package_error)
        })
        .await
    }

    async fn put_exhibit(&self, mut writer: PackageWriter, one: &Chosen) -> Result<PackageWriter, RetrievalError> {
        let row = self.row(&one.item.archive_id).await?;
        let manifest = self.read_small(&self.meta_locator(&row.locator.store, &row.manifest_key)).await?;
        let parsed: Manifest = serde_json::from_slice(&manifest)
            .map_err(|e| RetrievalError::Damaged { what: row.manifest_key.to_string(), detail: e.to_string() })?;
        let payload = self.read_small(&self.meta_locator(&row.locator.store, &parsed.payload.key)).await?;
        let (path, exhibit) = (one.copy.path.clone(), one.item.exhibit.clone());
        blocking(move || {
            let mut original = File::open(&path).map_err(RetrievalError::io("open", &path))?;
            let source =
                ExhibitSource { manifest: &manifest, original: &mut original, payload: &mut payload.as_slice() };
            writer.add_exhibit_as(exhibit, source).map_err(package_error)?;
            Ok(writer)
        })
        .await
    }

    async fn keep_making(&self, making: &mut Making) -> Result<(), RetrievalError> {
        making.work.doc = write_doc(&making.work.id, &making.export)?;
        making.work.lease = Some(self.lease());
        let rev = self.parts().work.update(making.work.clone()).await?.rev();
        making.work.rev = rev.ok_or_else(|| RetrievalError::LostLease(making.work.id.clone()))?;
        Ok(())
    }

    fn export_draft(&self, export: &Export, phase: Phase, id: Option<&ArchiveId>) -> holdfast_ledger::EventDraft {
        let name = export.package.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        draft(Action::Export, phase, &export.by, &export.matter, id)
            .detail("package", name)
            .detail("recordings", export.items.to_string())
            .detail("left_out", export.left_out.to_string())
    }

    /// Verifies a package that has its name, notes the outcome, and shows it.
    async fn finish_export(
        &self,
        mut making: Making,
        cancel: &Cancel,
        progress: &dyn ProgressSink,
    ) -> Result<Export, RetrievalError> {
        let (package, cancel, key) = (making.export.package.clone(), cancel.clone(), self.parts().ledger.public_key());
        // Progress is told by the caller's own sink, which a blocking task cannot borrow.
        progress.report(Progress { stage: "Verifying the package".into(), done: 0, total: None, unit: "recordings" });
        let report = blocking(move || {
            verify_package(&package, Some(key), &cancel, &holdfast_model::NoProgress).map_err(package_error)
        })
        .await?;
        passed("retrieval.export_verified")?;
        let tag_manifest = making.export.package.join(holdfast_verify::package::path::TAG_MANIFEST);
        making.export.seal = Some(blocking(move || crate::job::measure(&tag_manifest)).await?.digest);
        let good = report.outcome != Outcome::Failed;
        let ending = if good { EventOutcome::Succeeded } else { EventOutcome::Failed };
        let mut outcome =
            self.export_draft(&making.export, Phase::Outcome, None).detail("outcome", report.outcome.as_str());
        outcome.digest_after = making.export.seal;
        outcome.code = report.findings.first().map(|f| f.code.as_str().to_owned());
        outcome.intent = making.export.intent;
        outcome.idempotency = making.export.intent.map(|n| format!("outcome:{n}"));
        self.conclude(vec![outcome.outcome(ending)]).await?;
        if good {
            self.note_exhibits(&making.export).await?;
        }
        passed("retrieval.export_recorded")?;
        making.export.report = Some(report);
        if !good {
            self.set_aside(&making.export.package)?;
        }
        let export = making.export.clone();
        self.rest(making, if good { MADE } else { FAILED }).await?;
        Ok(export)
    }

    /// Each recording's own history says that it went into a package.
    async fn note_exhibits(&self, export: &Export) -> Result<(), RetrievalError> {
        let at = export.package.join(holdfast_verify::package::path::PACKAGE);
        let bytes = fs::read(&at).map_err(RetrievalError::io("read", &at))?;
        let description: holdfast_verify::package::PackageDescription = serde_json::from_slice(&bytes)
            .map_err(|e| RetrievalError::Damaged { what: at.display().to_string(), detail: e.to_string() })?;
        for batch in description.exhibits.chunks(256) {
            let facts = batch.iter().map(|exhibit| {
                let mut fact = self
                    .export_draft(export, Phase::Fact, Some(&exhibit.archive_id))
                    .detail("exhibit", &exhibit.exhibit)
                    .outcome(EventOutcome::Succeeded);
                fact.digest_after = Some(exhibit.fixity.digest);
                let intent = export.intent.unwrap_or_default();
                fact.once(format!("exported:{intent}:{}", exhibit.archive_id))
            });
            self.append(facts.collect()).await?;
        }
        Ok(())
    }

    /// A package that does not verify must not be handed out by mistake.
    fn set_aside(&self, package: &Path) -> Result<(), RetrievalError> {
        let mut name = package.as_os_str().to_owned();
        name.push(".failed");
        fs::rename(package, PathBuf::from(name)).map_err(RetrievalError::io("rename", package))
    }

    /// Sweeps what was begun and says in the ledger that it came to nothing.
    async fn give_up(&self, making: Making, why: &RetrievalError) -> Result<(), RetrievalError> {
        let mut partial = making.export.package.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        match fs::remove_dir_all(&partial) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(RetrievalError::io("remove", &partial)(e));
            }
            _ => {}
        }
        if let Some(intent) = making.export.intent {
            let mut outcome = self.export_draft(&making.export, Phase::Outcome, None).outcome(EventOutcome::Failed);
            outcome.code = Some(why.code().into());
            outcome.intent = Some(intent);
            outcome.idempotency = Some(format!("outcome:{intent}"));
            self.conclude(vec![outcome]).await?;
        }
        self.rest(making, FAILED).await
    }

    async fn rest(&self, mut making: Making, state: &str) -> Result<(), RetrievalError> {
        making.work.doc = write_doc(&making.work.id, &making.export)?;
        state.clone_into(&mut making.work.state);
        making.work.lease = None;
        // Where another process ended it meanwhile, it did the same.
        self.parts().work.update(making.work).await?;
        Ok(())
    }
}

/// A package in the making, with its row.
struct Making {
    work: Work,
    export: Export,
}

fn why_left_out(state: Option<JobState>) -> &'static str {
    match state {
        None | Some(JobState::Requested | JobState::Planned) => "It was not retrieved.",
        Some(JobState::Failed) => "Its retrieval or verification failed.",
        Some(JobState::Cancelled) => "Its retrieval was cancelled.",
        Some(_) => "Its retrieval is still under way.",
    }
}

fn package_error(e: holdfast_verify::package::PackageError) -> RetrievalError {
    use holdfast_model::FaultKind;
    use holdfast_verify::package::PackageError;
    match e {
        PackageError::Cancelled => RetrievalError::Cancelled,
        PackageError::Exists(path) => RetrievalError::InTheWay(path),
        PackageError::Io { path, source } => RetrievalError::io("write", path)(source),
        other if other.kind() == FaultKind::Corrupt => {
            RetrievalError::Damaged { what: "a recording for the package".into(), detail: other.to_string() }
        }
        other => RetrievalError::Package(other.to_string()),
    }
}
