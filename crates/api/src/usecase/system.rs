use super::archive::id;
use crate::{ApiError, ApiErrorKind, Caller, Holdfast, dto::*, words};
use holdfast_model::{ArchiveId, MatterId};

impl Holdfast {
    /// What this installation is and how it is.
    ///
    /// # Errors
    /// What index, ledger and work store say.
    pub async fn status(&self, caller: &Caller, _: Nothing) -> Result<Status, ApiError> {
        let matters = self.desk.matters().await?;
        Ok(Status {
            version: holdfast_model::HOLDFAST_VERSION.into(),
            home: self.home.root().display().to_string(),
            person: caller.agent().person.clone(),
            role: caller.agent().role.clone(),
            cloud_identity: caller.agent().cloud_identity.clone(),
            archive: words::word(&self.loaded.config.archive.backend),
            index: words::word(&self.loaded.config.index.backend),
            trouble: self.trouble.as_ref().map(|e| format!("{}. {}", e.message, e.next)),
            recordings: self.index.count().await?,
            ledger_entries: self.ledger.size().await?,
            open_matters: u32::try_from(matters.iter().filter(|m| m.is_open()).count()).unwrap_or(u32::MAX),
            quarantined: self.archiver.quarantined().await?,
            keys: self.keys_sentence.clone(),
            keys_in: self.keys_place.into(),
            ledger_key: hex::encode(self.ledger.public_key()),
            ledger_key_fingerprint: holdfast_verify::key_fingerprint(&self.ledger.public_key()),
            ledger_id: self.ledger.id().into(),
            demo: crate::demo::is_demo(&self.home),
            ffmpeg: self.ffmpeg,
        })
    }

    /// Settings as they are in force, each with its meaning.
    ///
    /// # Errors
    /// None today; the signature is every command's.
    pub async fn settings(&self, _: &Caller, _: Nothing) -> Result<SettingsView, ApiError> {
        let file = self.home.config_file();
        Ok(SettingsView {
            file: file.exists().then(|| file.display().to_string()),
            values: crate::config::describe(&self.loaded),
            problems: Vec::new(),
        })
    }

    /// Checks the whole ledger, also against the newest checkpoint that was seen before.
    ///
    /// # Errors
    /// `ledger.*` where it cannot be read at all; what is wrong in it is told as findings.
    pub async fn ledger_verify(&self, _: &Caller, _: Nothing) -> Result<LedgerReportView, ApiError> {
        let (sink, cancel) = self.task("ledger_verify");
        let began = std::time::Instant::now();
        let known: Vec<_> = self.desk.remembered_checkpoint()?.into_iter().collect();
        let report = self.ledger.verify(&known, sink.as_ref(), &cancel).await?;
        let findings: Vec<FindingView> =
            report.faults.iter().map(|f| words::finding(&holdfast_retrieval::ledger_finding(f))).collect();
        if findings.is_empty() {
            self.remember_checkpoint().await;
        }
        Ok(LedgerReportView {
            outcome: if findings.is_empty() { "verified" } else { "failed" }.into(),
            entries: report.entries,
            findings,
            elapsed_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }

    /// Shows ledger entries.
    ///
    /// # Errors
    /// `api.bad_id`, `ledger.*`.
    pub async fn ledger_show(&self, _: &Caller, request: LedgerShowRequest) -> Result<LedgerEntries, ApiError> {
        let limit = request.limit.unwrap_or(50).clamp(1, 1000) as usize;
        let size = self.ledger.size().await?;
        let mut entries = match (&request.id, &request.matter) {
            (Some(text), _) => self.ledger.entries_of(&id::<ArchiveId>(text)?).await?,
            (None, Some(text)) => self.ledger.entries_of_matter(&id::<MatterId>(text)?).await?,
            (None, None) => {
                let from = request.from.unwrap_or_else(|| size.saturating_sub(limit as u64));
                self.ledger.entries(from, limit).await?
            }
        };
        if let Some(from) = request.from {
            entries.retain(|e| e.event.sequence >= from);
        }
        // The last ones, where none was named.
        let surplus = if request.from.is_none() { entries.len().saturating_sub(limit) } else { 0 };
        entries.drain(..surplus);
        entries.truncate(limit);
        Ok(LedgerEntries { entries: entries.iter().map(words::custody).collect(), size })
    }

    /// The newest signed checkpoint, with all that is needed to check it published beside the ledger.
    ///
    /// # Errors
    /// `ledger.*`.
    pub async fn ledger_checkpoint(&self, _: &Caller, _: Nothing) -> Result<CheckpointView, ApiError> {
        let checkpoint = self.ledger.publish().await?;
        self.remember_checkpoint().await;
        Ok(CheckpointView {
            text: checkpoint.text().to_owned(),
            size: checkpoint.size(),
            root: checkpoint.root().to_hex(),
            key: hex::encode(self.ledger.public_key()),
            key_fingerprint: holdfast_verify::key_fingerprint(&self.ledger.public_key()),
        })
    }

    /// Has the ledger's entries written in the newest format from now on, and records that. Older versions of Holdfast refuse to open
    /// the ledger from here on.
    ///
    /// # Errors
    /// `ledger.not_admin`, `ledger.*`.
    pub async fn ledger_upgrade(&self, caller: &Caller, _: Nothing) -> Result<LedgerUpgraded, ApiError> {
        let agent = caller.agent();
        if agent.role != "admin" {
            let message = format!("only the role admin upgrades the ledger; this is the role {}", agent.role);
            let next = "Set person.role to \"admin\" in holdfast.toml on the administrator's machine.";
            return Err(ApiError::new(ApiErrorKind::Failure, "ledger.not_admin", message, next));
        }
        let entry = self.ledger.upgrade(agent.clone()).await?;
        Ok(LedgerUpgraded {
            format: self.ledger.format().await?.as_str().to_owned(),
            entry: entry.map(|e| e.event.sequence),
        })
    }

    /// Stops a task, named as in its progress.
    ///
    /// # Errors
    /// None today; the signature is every command's.
    pub async fn cancel(&self, _: &Caller, request: CancelRequest) -> Result<Cancelled, ApiError> {
        Ok(Cancelled { stopped: self.cancel_task(&request.task) })
    }
}
