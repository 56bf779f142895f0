use crate::{
    ApiError, ApiErrorKind, Caller, Holdfast,
    config::SourceConfig,
    dto::*,
    task::{Task, lock},
    words,
};
use holdfast_connectors::{FolderOptions, FolderSource, Readiness, SourceConnector};
use holdfast_ingest::{
    Decision, QuarantineCase, RefreshReport, RunSummary,
    catalogue::{self, CatalogueFinding, CatalogueReport},
    refresh, state,
};
use holdfast_model::Cancel;
use holdfast_verify::{Finding, FindingCode};
use jiff::SignedDuration;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// How many items of the quarantine are listed.
const LISTED: usize = 1_000;
/// How many runs are told.
const RUNS: usize = 20;
/// How often the storage is asked where recordings lie.
const DAY: SignedDuration = SignedDuration::from_hours(24);

impl Holdfast {
    /// Takes in a folder, once. What a broken-off run left is taken up first.
    ///
    /// # Errors
    /// `source.*`, `mapping.*`, and faults of the archive itself. What is wrong with single recordings is told in the summary and
    /// in the quarantine.
    pub async fn ingest(&self, caller: &Caller, r: IngestRequest) -> Result<IngestSummary, ApiError> {
        let root = PathBuf::from(&r.path);
        // The whole path, so that two folders of the same name are two sources.
        let name = FolderSource::name_of(&root);
        let options = self.folder(name, root, r.mapping.map(PathBuf::from), None, Readiness::Now)?;
        let (sink, cancel) = self.task("ingest");
        self.take_in(options, caller, sink, &cancel).await
    }

    /// Looks once at every configured source, and takes up what broken-off runs left.
    ///
    /// # Errors
    /// As [`Self::ingest`]; a source that cannot be read does not keep the others from being looked at.
    pub async fn run_sources(&self, caller: &Caller) -> Result<Vec<IngestSummary>, ApiError> {
        let (sink, cancel) = self.task("ingest");
        let resumed = self.archiver.resume(caller.agent(), sink.clone(), &cancel).await?;
        let mut out: Vec<IngestSummary> = resumed.iter().map(summary).collect();
        let sources = &self.loaded.config.archiver.sources;
        if sources.is_empty() {
            let next = "Add [[archiver.sources]] with name and folder to holdfast.toml, or take in a folder once with \
                        `holdfast archiver ingest`.";
            return Err(ApiError::usage("api.no_sources", "no source is configured for the archiver", next));
        }
        let mut first_fault = None;
        for s in sources {
            let done = match self.source(s) {
                Ok(options) => self.take_in(options, caller, sink.clone(), &cancel).await,
                Err(e) => Err(e),
            };
            match done {
                Ok(done) => out.push(done),
                Err(e) => {
                    tracing::warn!(code = e.code, source = s.name, "{e}");
                    first_fault.get_or_insert(e);
                }
            }
        }
        match first_fault {
            Some(e) if out.is_empty() => Err(e),
            _ => Ok(out),
        }
    }

    fn source(&self, s: &SourceConfig) -> Result<FolderOptions, ApiError> {
        let settled = Readiness::SettledForMs(s.stable_s.saturating_mul(1000));
        self.folder(s.name.clone(), s.folder.clone(), s.mapping.clone(), s.organisation.clone(), settled)
    }

    fn folder(
        &self,
        name: String,
        root: PathBuf,
        mapping: Option<PathBuf>,
        organisation: Option<String>,
        readiness: Readiness,
    ) -> Result<FolderOptions, ApiError> {
        Ok(FolderOptions {
            name,
            root,
            mapping: mapping.as_deref().map(read_mapping).transpose()?,
            mapping_path: mapping,
            organisation: Some(organisation.unwrap_or_else(|| self.loaded.config.archiver.organisation.clone())),
            readiness,
            clock: Arc::clone(&self.clock),
        })
    }

    async fn take_in(
        &self,
        options: FolderOptions,
        caller: &Caller,
        sink: Arc<Task>,
        cancel: &Cancel,
    ) -> Result<IngestSummary, ApiError> {
        let source: Arc<dyn SourceConnector> = Arc::new(FolderSource::open(options)?);
        let run = self.archiver.ingest(source, caller.agent(), sink, cancel).await?;
        self.remember_checkpoint().await;
        match &run.fault {
            // The archive itself gave way before anything was done: that is an error, not a summary.
            Some(f) if run.archived + run.already + run.quarantined == 0 && run.failed > 0 => {
                Err(ApiError::new(ApiErrorKind::Failure, &f.code, f.sentence.clone(), f.next.clone()).with_evidence(
                    "Nothing was lost: what was not taken in stays at its source and is taken in on the next try.",
                ))
            }
            _ => Ok(summary(&run)),
        }
    }

    /// Health of the archiver.
    ///
    /// # Errors
    /// What the work store says.
    pub async fn archiver_status(&self, _: &Caller, _: Nothing) -> Result<ArchiverStatus, ApiError> {
        let status = self.archiver.status(RUNS).await?;
        let open = status.items.iter().filter(|(s, _)| s.as_str() != state::ARCHIVED);
        let sources = &self.loaded.config.archiver.sources;
        Ok(ArchiverStatus {
            archived: self.index.count().await?,
            open: open.map(|(s, n)| StateCount { state: s.clone(), count: *n }).collect(),
            runs: status
                .runs
                .iter()
                .map(|r| RunView {
                    started_at: r.summary.started_at.to_string(),
                    ended_at: r.summary.ended_at.map(|t| t.to_string()),
                    source: r.summary.source.clone(),
                    running: r.running,
                    summary: summary(&r.summary),
                })
                .collect(),
            sources: sources
                .iter()
                .map(|s| SourceView {
                    name: s.name.clone(),
                    kind: "folder".into(),
                    place: s.folder.display().to_string(),
                })
                .collect(),
        })
    }

    /// Items in quarantine.
    ///
    /// # Errors
    /// What the work store says.
    pub async fn quarantine_list(&self, _: &Caller, _: Nothing) -> Result<QuarantineList, ApiError> {
        let items = self.archiver.quarantine_list(LISTED).await?;
        Ok(QuarantineList { items: items.into_iter().map(case).collect() })
    }

    /// One item in quarantine, also one that was decided on.
    ///
    /// # Errors
    /// `ingest.no_such_item`.
    pub async fn quarantine_show(&self, _: &Caller, r: QuarantineRequest) -> Result<QuarantineItem, ApiError> {
        Ok(case(self.archiver.quarantine_show(&r.id).await?))
    }

    /// Decides on an item in quarantine.
    ///
    /// # Errors
    /// `api.bad_choice`, `ingest.*`; a reason is needed.
    pub async fn quarantine_resolve(
        &self,
        caller: &Caller,
        r: QuarantineResolveRequest,
    ) -> Result<QuarantineItem, ApiError> {
        let decision = match r.decision.as_str() {
            "retry" => Decision::Retry,
            "accept" => Decision::Accept,
            "explain" => Decision::Explain,
            other => {
                let shown: String = other.chars().take(40).collect();
                let next = "Choose one of retry, accept, explain.";
                return Err(ApiError::usage("api.bad_choice", format!("`{shown}` is no decision"), next));
            }
        };
        let (sink, cancel) = self.task("ingest");
        let item = self.archiver.quarantine_resolve(&r.id, decision, &r.reason, caller.agent(), sink, &cancel).await?;
        Ok(case(item))
    }

    /// Compares the index with manifests and ledger.
    ///
    /// # Errors
    /// What store, index and ledger say; differences are told as findings.
    pub async fn index_check(&self, _: &Caller, _: Nothing) -> Result<IndexReport, ApiError> {
        let (sink, cancel) = self.task("index_check");
        Ok(index_report(catalogue::check(&self.catalogue, sink.as_ref(), &cancel).await?))
    }

    /// Builds the index anew from manifests and ledger, and puts it in the place of the old one.
    ///
    /// # Errors
    /// As [`Self::index_check`].
    pub async fn index_rebuild(&self, caller: &Caller, _: Nothing) -> Result<IndexReport, ApiError> {
        let (sink, cancel) = self.task("index_rebuild");
        let report = catalogue::rebuild(&self.catalogue, caller.agent(), sink.as_ref(), &cancel).await?;
        // Holds stand with the matters, not in the manifests.
        self.desk.restate_holds().await?;
        Ok(index_report(report))
    }

    /// Asks the storage where recordings lie now (lifecycle rules move them), and tells the index.
    ///
    /// # Errors
    /// Where store or index cannot be read; `ingest.cancelled`.
    pub async fn index_refresh(&self, _: &Caller, _: Nothing) -> Result<RefreshView, ApiError> {
        let (sink, cancel) = self.task("index_refresh");
        let RefreshReport { looked_at, changed, missing } = refresh(&self.catalogue, sink.as_ref(), &cancel).await?;
        *lock(&self.refreshed) = Some(self.clock.now());
        Ok(RefreshView { looked_at, changed, missing })
    }

    /// [`Self::index_refresh`], where this process has not done it for a day: lifecycle rules work once a day.
    ///
    /// # Errors
    /// As [`Self::index_refresh`].
    pub async fn index_refresh_daily(&self, caller: &Caller) -> Result<Option<RefreshView>, ApiError> {
        let recent = lock(&self.refreshed).is_some_and(|at| self.clock.now() < at.saturating_add(DAY).unwrap_or(at));
        if recent { Ok(None) } else { self.index_refresh(caller, Nothing {}).await.map(Some) }
    }
}

fn read_mapping(path: &Path) -> Result<String, ApiError> {
    std::fs::read_to_string(path).map_err(|e| {
        let message = format!("the mapping file {} cannot be read: {e}", path.display());
        ApiError::usage("mapping.unreadable", message, "Check the path and that the file is UTF-8 text.")
    })
}

fn summary(r: &RunSummary) -> IngestSummary {
    let elapsed = r.ended_at.map_or(0, |end| end.as_millisecond() - r.started_at.as_millisecond());
    IngestSummary {
        run_id: r.run_id.to_string(),
        discovered: r.discovered,
        archived: r.archived,
        already: r.already,
        quarantined: r.quarantined,
        awaiting: r.awaiting,
        explained: r.explained,
        failed: r.failed,
        bytes: r.bytes,
        complete: r.complete(),
        elapsed_ms: u64::try_from(elapsed).unwrap_or(0),
        problem: r.fault.as_ref().map(|f| format!("{} {}", f.sentence, f.next)),
    }
}

fn case(c: QuarantineCase) -> QuarantineItem {
    let place = c.place.map(|(line, column)| format!(" (line {line}, column {column})")).unwrap_or_default();
    let waits = [state::QUARANTINED, state::DEAD_LETTERED].contains(&c.state.as_str());
    QuarantineItem {
        id: c.id,
        source: c.source.source,
        item: c.name,
        reason: c.reason,
        sentence: format!("{}{place}", c.sentence),
        expected: c.expected,
        found: c.found,
        since: c.since.to_string(),
        kept_at: c.kept_at,
        state: if waits { c.state } else { "resolved".into() },
        resolution: c.resolution,
    }
}

/// Findings that are told; the counts are whole.
const TOLD: usize = 100;

fn index_report(r: CatalogueReport) -> IndexReport {
    let mut findings: Vec<FindingView> = r.findings.into_iter().take(TOLD).flat_map(index_findings).collect();
    findings.truncate(TOLD);
    IndexReport {
        rows: r.rows,
        manifests: r.manifests,
        missing: r.missing,
        surplus: r.surplus,
        different: r.differing,
        unfinished: r.unfinished,
        damaged: r.damaged,
        findings,
    }
}

fn index_findings(found: CatalogueFinding) -> Vec<FindingView> {
    let finding = |code: FindingCode, subject: String, expected: &str, found: &str| {
        words::finding(&Finding::new(code, subject, expected, found))
    };
    match found {
        CatalogueFinding::Missing(id) => vec![finding(FindingCode::IndexRowMissing, id.to_string(), "a row", "none")],
        CatalogueFinding::Surplus(id) => {
            vec![finding(FindingCode::ManifestMissing, id.to_string(), "a manifest", "a row without one")]
        }
        CatalogueFinding::Differs(id, differences) => differences
            .into_iter()
            .map(|d| {
                let subject = format!("{id} {}", d.field);
                finding(FindingCode::IndexRowDiffers, subject, &d.expected.to_string(), &d.found.to_string())
            })
            .collect(),
        CatalogueFinding::Unfinished(id) => {
            vec![finding(FindingCode::LedgerOutcomeOpen, id.to_string(), "an outcome", "an intent alone")]
        }
        CatalogueFinding::Damaged(key, why) => {
            vec![finding(FindingCode::ManifestMalformed, key.to_string(), "a manifest as the ledger states it", &why)]
        }
    }
}
