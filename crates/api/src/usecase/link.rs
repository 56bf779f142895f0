use super::id;
use crate::{ApiError, Caller, Holdfast, dto::*};
use holdfast_index::IndexRow;
use holdfast_ledger::{Action, EventDraft, EventOutcome, Intent, Phase};
use holdfast_model::{Availability, MatterId, step};
use holdfast_store::Link;

/// One hour, unless asked otherwise.
const VALID_S: u32 = 3600;
const VALID_MIN_S: u32 = 60;
/// Two hours at most: who has a link needs no account.
const VALID_MAX_S: u32 = 7200;
/// Links made by one request.
const AT_ONCE: usize = 1000;

impl Holdfast {
    /// Makes links under which anyone who has them can read recordings for a while. What is made stands in the ledger, intent and
    /// outcome, before it is shown; the address itself never does.
    ///
    /// # Errors
    /// `link.bad_time`, `link.of_nothing`, `link.too_many`, `link.reason_needed`, `api.*`, `retrieval.*`, `ledger.*`. What stands in
    /// the way of one recording is told in its place.
    pub async fn link_make(&self, caller: &Caller, r: LinkRequest) -> Result<LinkList, ApiError> {
        let valid_s = r.valid_s.unwrap_or(VALID_S);
        if !(VALID_MIN_S..=VALID_MAX_S).contains(&valid_s) {
            let next = "Choose from one minute to two hours; later make another.";
            return Err(ApiError::usage("link.bad_time", format!("a link for {valid_s} seconds is not offered"), next));
        }
        let matter: Option<MatterId> = r.matter.as_deref().map(id).transpose()?;
        let rows = self.rows_to_link(r.id.as_deref(), matter.as_ref()).await?;
        let reason = r.reason.filter(|s| !s.trim().is_empty());
        if reason.is_none() {
            self.refuse_without_reason(&rows, matter.is_some()).await?;
        }
        let mut links = Vec::with_capacity(rows.len());
        for row in &rows {
            let mut draft = EventDraft::new(Action::Link, Phase::Intent, caller.agent().clone())
                .about(&row.archive_id)
                .object(&row.locator)
                .detail("via", caller.via())
                .detail("valid_s", valid_s.to_string());
            draft.digest_before = Some(row.fixity.digest);
            draft.reason.clone_from(&reason);
            draft.matter.clone_from(&matter);
            let intent = self.ledger.intend(draft).await?;
            step("link.intended");
            links.push(self.link_one(row, &intent, valid_s).await?);
        }
        Ok(LinkList { links })
    }

    async fn rows_to_link(&self, id: Option<&str>, matter: Option<&MatterId>) -> Result<Vec<IndexRow>, ApiError> {
        let wanted: Vec<String> = match (id, matter) {
            (Some(id), matter) => {
                if let Some(matter) = matter {
                    self.desk.matter(matter).await?;
                }
                vec![id.to_owned()]
            }
            (None, Some(matter)) => {
                self.desk.matter(matter).await?.items.iter().map(|i| i.archive_id.to_string()).collect()
            }
            (None, None) => Vec::new(),
        };
        if wanted.is_empty() {
            let next = "Name a recording, or a matter that has recordings.";
            return Err(ApiError::usage("link.of_nothing", "there is nothing to make links of", next));
        }
        if wanted.len() > AT_ONCE {
            let next = "Export an evidence package instead, or name single recordings.";
            let of = wanted.len();
            return Err(ApiError::usage(
                "link.too_many",
                format!("{of} links at once are too many; {AT_ONCE} are offered"),
                next,
            ));
        }
        let mut rows = Vec::with_capacity(wanted.len());
        for id in &wanted {
            rows.push(self.row(id).await?);
        }
        Ok(rows)
    }

    async fn refuse_without_reason(&self, rows: &[IndexRow], for_matter: bool) -> Result<(), ApiError> {
        for row in rows {
            let in_matter = for_matter || !self.desk.matters_of(&row.archive_id).await?.is_empty();
            if self.needs_reason(row, in_matter) {
                return Err(ApiError::usage(
                    "link.reason_needed",
                    "a link to this recording needs a reason, which is kept in the ledger",
                    "Say why you give it out (--reason \"...\").",
                ));
            }
        }
        Ok(())
    }

    /// Makes one link and says in the ledger what came of it. Nothing is shown that could not be written there.
    async fn link_one(&self, row: &IndexRow, intent: &Intent, valid_s: u32) -> Result<LinkView, ApiError> {
        let made = self.link_of(row, valid_s).await;
        step("link.made");
        let view = |url, until, ledger, e: Option<ApiError>| LinkView {
            archive_id: row.archive_id.to_string(),
            url,
            until,
            ledger,
            code: e.as_ref().map(|e| e.code.clone()),
            problem: e.map(|e| format!("{}. {}", e.message, e.next)),
        };
        match made {
            Ok(link) => {
                let until = link.until.to_string();
                let outcome =
                    intent.conclude(&self.ledger, EventOutcome::Succeeded, |d| d.detail("until", &until)).await?;
                Ok(view(Some(SecretText(link.url)), Some(until), outcome.event.sequence, None))
            }
            Err(e) => {
                let refused = matches!(e.code.as_str(), "store.offline" | "store.no_links" | "link.lapses_sooner");
                let how = if refused { EventOutcome::Refused } else { EventOutcome::Failed };
                let code = e.code.clone();
                let outcome = intent
                    .conclude(&self.ledger, how, |mut d| {
                        d.code = Some(code);
                        d
                    })
                    .await?;
                Ok(view(None, None, outcome.event.sequence, Some(e)))
            }
        }
    }

    async fn link_of(&self, row: &IndexRow, valid_s: u32) -> Result<Link, ApiError> {
        let reader = &self.store.reader;
        if !reader.capabilities().links {
            return Err(holdfast_store::StoreError::NoLinks(reader.name().to_owned()).into());
        }
        let now = self.clock.now();
        let info = reader.head(&row.locator).await?;
        let seconds = jiff::SignedDuration::from_secs(valid_s.into());
        match info.availability {
            Availability::Online { until: Some(until) } if until < now + seconds => {
                let message = format!("the copy that was brought back lapses at {until}, before the link would");
                let next = "Ask for a shorter time, or bring the recording back again first.";
                Err(ApiError::usage("link.lapses_sooner", message, next))
            }
            ref a if a.is_online_at(now) => Ok(reader.link(&info.locator, valid_s).await?),
            _ => {
                let mut e = ApiError::from(holdfast_store::StoreError::Offline(row.locator.clone()));
                e.message = "this recording lies in the cold tier; a link to it would open nothing".into();
                Err(e)
            }
        }
    }
}
