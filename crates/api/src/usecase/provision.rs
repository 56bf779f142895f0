//! The cloud side of the archive, for the shells that have an installation open.

use crate::{ApiError, Caller, Holdfast, cloud::Cloud, dto::*, provision};
use holdfast_model::{Progress, ProgressSink as _};
use holdfast_provision::preflight::CHECKS;
use std::sync::atomic::{AtomicU64, Ordering};

impl Holdfast {
    /// What differs between the cloud side as it must be and as it is. Changes nothing.
    ///
    /// # Errors
    /// `provision.*`, `cloud.*`.
    pub async fn provision_plan(&self, _: &Caller, _: Nothing) -> Result<ProvisionPlan, ApiError> {
        provision::look(self.config(), &self.fresh_cloud().await?).await
    }

    /// Makes the cloud side as it must be.
    ///
    /// # Errors
    /// `provision.not_admin`, `provision.not_confirmed`, `provision.*`, `cloud.*`.
    pub async fn provision_apply(
        &self,
        caller: &Caller,
        r: ProvisionApplyRequest,
    ) -> Result<ProvisionApplied, ApiError> {
        let (sink, cancel) = self.task("provision");
        let cloud = self.fresh_cloud().await?;
        provision::mend(self.config(), &cloud, &caller.agent().role, &r.confirm, sink.as_ref(), &cancel).await
    }

    /// The same as files for those who review infrastructure in their own way.
    ///
    /// # Errors
    /// `provision.*`.
    pub async fn provision_emit(&self, _: &Caller, _: Nothing) -> Result<ProvisionDocuments, ApiError> {
        provision::documents(self.config())
    }

    /// Proves the store by acting.
    ///
    /// # Errors
    /// `cloud.*`; checks that fail are in the report.
    pub async fn preflight(&self, _: &Caller, _: Nothing) -> Result<PreflightReport, ApiError> {
        let (sink, cancel) = self.task("preflight");
        let cloud = self.fresh_cloud().await?;
        let done = AtomicU64::new(0);
        let hear = |c: PreflightCheck| {
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            let total = Some(CHECKS.len() as u64).filter(|t| *t > done);
            sink.report(Progress { stage: c.title, done, total, unit: "checks" });
        };
        provision::prove(self.config(), &cloud, &self.store, self.clock.as_ref(), &hear, &cancel).await
    }

    /// The way to the clouds anew: what was signed in or entered since this was opened counts.
    async fn fresh_cloud(&self) -> Result<Cloud, ApiError> {
        Cloud::connect(self.config(), &self.secrets).await
    }
}
