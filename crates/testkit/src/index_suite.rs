//! What every index promises, as functions to run against each one. `index_conformance!` makes a named test of each.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)] // these are tests

mod basics;
mod many;
mod naive;
mod paging;
mod rebuilding;
mod rows;

pub use basics::*;
pub use many::*;
pub use naive::answers_as_going_through_all_rows_does;
pub use paging::*;
pub use rebuilding::*;
pub use rows::{Made, RowMaker};

/// Makes one `#[tokio::test]` of each promise. `$make` is an async function without parameters that returns an empty
/// `Arc<dyn RecordingIndex>` and whatever must outlive it.
#[macro_export]
macro_rules! index_conformance {
    ($make:path) => {
        $crate::index_conformance!($make =>
            inserts_each_recording_once, inserts_a_batch_at_once, refuses_a_row_under_a_wrong_id,
            finds_by_id_key_and_external_id, answers_as_going_through_all_rows_does, takes_any_text,
            refuses_what_contradicts_itself, keeps_the_bounds_of_ranges, finds_words_and_their_beginnings,
            follows_availability_and_holds, pages_cover_all_once_while_rows_come, orders_equal_starts_by_id,
            refuses_a_cursor_that_is_not_its_own, scans_in_order_of_ids, a_rebuild_takes_the_place_of_what_was,
            a_rebuild_loses_nothing_that_comes_meanwhile, a_later_rebuild_ends_an_earlier_one,
            an_unfinished_rebuild_changes_nothing, gets_many_as_one_by_one, notes_many_states_as_one_by_one,
            a_rebuild_takes_up_states_told_together
        );
    };
    ($make:path => $($promise:ident),+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let (index, _alive) = $make().await;
                $crate::index_suite::$promise(index).await;
            }
        )+
    };
}
