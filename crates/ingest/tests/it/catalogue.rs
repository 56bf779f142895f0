use crate::support::{Home, agent, sidecar};
use holdfast_index::Query;
use holdfast_ingest::{
    RefreshReport,
    catalogue::{self, CatalogueFinding},
    refresh,
};
use holdfast_model::{Availability, Cancel, NoProgress, StorageTier};
use serde_json::json;

#[tokio::test]
async fn a_rebuilt_index_equals_the_one_that_grew() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path()).await;
    for i in 0..4 {
        home.voice(&format!("r{i}"), 700);
    }
    let mut chat = sidecar("chat", 1_000);
    chat["media"] = json!("chat");
    home.pair("chat", "txt", b"Ann: where is my refund?", &chat);
    assert_eq!(home.ingest().await.archived, 5);
    let before = home.rows().await;
    let report = catalogue::rebuild(&home.parts, &agent(), &NoProgress, &Cancel::default()).await.unwrap();
    assert_eq!((report.manifests, report.rows, report.damaged), (5, 5, 0));
    assert_eq!(home.rows().await, before);
    let query = Query { text: Some("refund".into()), ..Query::default() };
    assert_eq!(home.parts.index.search(&query).await.unwrap().rows.len(), 1, "texts are found again");
    home.check().await;
}

#[tokio::test]
async fn every_disagreement_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path()).await;
    for name in ["a", "b", "c"] {
        home.voice(name, 700);
    }
    home.ingest().await;
    // An index with one row missing, one changed and one too many.
    let rows = home.rows().await;
    let mut sink = home.parts.index.rebuild().await.unwrap();
    sink.push(rows[0].clone(), None).await.unwrap();
    let mut changed = rows[1].clone();
    changed.record.queues = vec!["forged".into()];
    sink.push(changed, None).await.unwrap();
    let mut surplus = rows[2].clone();
    surplus.record.recording_id = "invented".into();
    surplus.archive_id = surplus.record.idempotency_key().archive_id();
    surplus.manifest_key = holdfast_model::ObjectKey::new("manifests/no/such.json").unwrap();
    sink.push(surplus.clone(), None).await.unwrap();
    sink.finish().await.unwrap();
    let report = catalogue::check(&home.parts, &NoProgress, &Cancel::default()).await.unwrap();
    assert_eq!((report.equal, report.differing, report.missing, report.surplus), (1, 1, 1, 1), "{report:?}");
    assert!(!report.agrees());
    let fields: Vec<_> = report
        .findings
        .iter()
        .filter_map(|f| match f {
            CatalogueFinding::Differs(id, d) => {
                Some((id.clone(), d.iter().map(|d| d.field.clone()).collect::<Vec<_>>()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(fields, [(rows[1].archive_id.clone(), vec!["record.queues".to_owned()])]);
    assert!(report.findings.contains(&CatalogueFinding::Missing(rows[2].archive_id.clone())));
    assert!(report.findings.contains(&CatalogueFinding::Surplus(surplus.archive_id)));
    catalogue::rebuild(&home.parts, &agent(), &NoProgress, &Cancel::default()).await.unwrap();
    home.check().await;
}

/// A store in which everything lies in another class than it was archived to, but for what is gone.
struct Moved {
    gone: holdfast_model::ObjectLocator,
}

#[async_trait::async_trait]
impl holdfast_store::Rehydrator for Moved {
    fn options(&self, _: &str) -> Vec<holdfast_store::RehydrationOption> {
        Vec::new()
    }
    async fn request(
        &self,
        at: &holdfast_model::ObjectLocator,
        _: holdfast_model::RehydrationSpeed,
        _: u16,
    ) -> Result<holdfast_store::Ticket, holdfast_store::StoreError> {
        Err(holdfast_store::StoreError::NotFound(at.clone()))
    }
    async fn status(
        &self,
        of: &[holdfast_model::ObjectLocator],
    ) -> Result<Vec<Option<holdfast_model::StorageState>>, holdfast_store::StoreError> {
        let state = holdfast_model::StorageState {
            tier: StorageTier::DeepCold,
            storage_class: "DEEP_ARCHIVE".into(),
            availability: Availability::Offline,
        };
        Ok(of.iter().map(|at| (*at != self.gone).then(|| state.clone())).collect())
    }
}

#[tokio::test]
async fn what_lifecycle_moved_is_noted() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path()).await;
    for name in ["a", "b", "c"] {
        home.voice(name, 700);
    }
    home.ingest().await;
    let gone = home.rows().await[1].locator.clone();
    let mut parts = home.parts.clone();
    parts.store.rehydrator = Some(std::sync::Arc::new(Moved { gone: gone.clone() }));
    let report = refresh(&parts, &NoProgress, &Cancel::default()).await.unwrap();
    assert_eq!(report, RefreshReport { looked_at: 3, changed: 2, missing: 1 });
    for row in home.rows().await {
        let moved = row.locator != gone;
        assert_eq!((row.tier_now() == StorageTier::DeepCold, row.tier), (moved, StorageTier::Hot));
    }
    assert!(catalogue::check(&home.parts, &NoProgress, &Cancel::default()).await.unwrap().agrees());
    let again = refresh(&parts, &NoProgress, &Cancel::default()).await.unwrap();
    assert_eq!((again.changed, again.missing), (0, 1));
}
