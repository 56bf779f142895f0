//! From a matter to the desk: plan, rehydrate, download, verify, hand over.
//!
//! A [`Desk`] keeps matters and plans, drives one persisted state machine for each recording on its way back, verifies what
//! came, and makes evidence packages. Deciding what bringing back costs and takes is the pure function [`plan`]; deciding
//! whether bytes are the archived ones is `holdfast-verify`'s. Everything that touches evidence stands in the ledger before it
//! is done and again before its result is shown.

mod costs;
mod desk;
mod error;
mod evidence;
mod export;
mod job;
mod listen;
mod matter;
mod money;
mod plan;
mod plans;
mod prices;

pub use desk::{Desk, DeskParts, DeskSettings};
pub use error::RetrievalError;
pub use evidence::{FileVerification, ledger_finding};
pub use export::{Export, ExportRequest};
pub use job::{DeskCopy, DriveSummary, Job, JobState, JobView, Problem, Stamp, Started};
pub use listen::PlayableCopy;
pub use matter::{Added, Closure, Matter, MatterHold, MatterItem, NewMatter};
pub use money::{InvalidMoney, Money};
pub use plan::{
    Choice, Lanes, PlanBody, PlanInput, PlanItem, PlanOption, PlanTotals, Refusal, RefusalCode, Terms, plan,
};
pub use plans::{Plan, PlanApproval, PlanRequest, PlanState};
pub use prices::{ClassPrices, CopyExpiry, PRICES_FORMAT, PriceList, PriceListError, SpeedPrices};
