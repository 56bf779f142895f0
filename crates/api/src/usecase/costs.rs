use crate::{ApiError, Caller, Holdfast, dto::*, home, words};
use holdfast_reports::{CostLine, CostReport, CostTotals, CostYear};
use std::path::PathBuf;

impl Holdfast {
    /// What keeping the archive costs at list prices, and what the provider's standard class would cost: as last counted, or counted
    /// now.
    ///
    /// # Errors
    /// What store and index say, `retrieval.cancelled`, `home.*`.
    pub async fn costs(&self, _: &Caller, r: CostsRequest) -> Result<CostsAnswer, ApiError> {
        let report = if r.count {
            let (sink, cancel) = self.task("costs");
            let report = self.desk.costs(sink.as_ref(), &cancel).await?;
            let json = serde_json::to_vec(&report).map_err(|e| ApiError::internal(&e))?;
            home::write_atomic(&self.costs_file_path(), &json)?;
            Some(report)
        } else {
            self.last_costs()
        };
        Ok(CostsAnswer { report: report.as_ref().map(view) })
    }

    /// The last count as the text of a file.
    ///
    /// # Errors
    /// `api.bad_choice`; `api.not_counted` where nothing was counted yet.
    pub async fn costs_file(&self, _: &Caller, r: CostsFileRequest) -> Result<CostsFile, ApiError> {
        let report = self.last_costs().ok_or_else(|| {
            let next = "Count it with `holdfast costs`, or on the page Archiver, Costs.";
            ApiError::usage("api.not_counted", "what the storage keeps was not counted yet", next)
        })?;
        let (ending, media_type, text) = match r.format.as_str() {
            "csv" => ("csv", "text/csv; charset=utf-8", holdfast_reports::costs_csv(&report)),
            "html" => {
                ("html", "text/html; charset=utf-8", holdfast_reports::to_html(&holdfast_reports::costs(&report)))
            }
            "text" => {
                ("txt", "text/plain; charset=utf-8", holdfast_reports::to_text(&holdfast_reports::costs(&report)))
            }
            other => {
                let shown: String = other.chars().take(40).collect();
                let message = format!("`{shown}` is no form of the cost report");
                return Err(ApiError::usage("api.bad_choice", message, "Choose one of csv, html, text."));
            }
        };
        let day = report.counted_at.to_string().chars().take(10).collect::<String>();
        Ok(CostsFile { name: format!("holdfast-costs-{day}.{ending}"), media_type: media_type.into(), text })
    }

    fn costs_file_path(&self) -> PathBuf {
        self.home.root().join("costs.json")
    }

    /// The last count; none where there is none or it cannot be read: it is derived and counted anew.
    fn last_costs(&self) -> Option<CostReport> {
        let bytes = std::fs::read(self.costs_file_path()).ok()?;
        let read: Result<CostReport, _> = serde_json::from_slice(&bytes);
        read.inspect_err(|e| tracing::warn!("the last cost report cannot be read: {e}")).ok()
    }
}

fn view(r: &CostReport) -> CostReportView {
    let CostTotals { objects, recordings, size_bytes, month, year, month_standard, saving_year, unpriced } =
        r.totals.clone();
    CostReportView {
        counted_at: r.counted_at.to_string(),
        prices_dated: r.prices_dated.clone(),
        prices_source: r.prices_source.clone(),
        currency: r.currency.clone(),
        lines: r.lines.iter().cloned().map(line).collect(),
        years: r.years.iter().cloned().map(year_view).collect(),
        totals: CostTotalsView { objects, recordings, size_bytes, month, year, month_standard, saving_year, unpriced },
        remarks: r.remarks.clone(),
    }
}

fn line(l: CostLine) -> CostLineView {
    CostLineView {
        kind: words::word(&l.kind),
        storage_class: l.storage_class,
        class_name: l.class_name,
        objects: l.objects,
        size_bytes: l.size_bytes,
        billed_bytes: l.billed_bytes,
        month: l.month,
        month_on_top: l.month_on_top,
        month_standard: l.month_standard,
        saving_year: l.saving_year,
        moved_once: l.moved_once,
        min_days: l.min_days,
        early_deletion: l.early_deletion,
    }
}

fn year_view(y: CostYear) -> CostYearView {
    let CostYear { year, objects, size_bytes, month, month_standard, saving_year } = y;
    CostYearView { year, objects, size_bytes, month, month_standard, saving_year }
}
