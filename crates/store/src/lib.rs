//! Write-once storage: the seams that every backend stands behind, and the backends.
//!
//! Reading, writing, retention and rehydration are four traits, so that code which only reads cannot even name a write.
//! Nothing here can delete a retained object; there is no delete at all on these seams.

mod azure;
mod error;
mod fixity;
mod local;
mod metadata;
mod s3;
mod types;

pub use azure::{AzureConfig, AzureStore, AzureTier, RehydrateBy, azure_service};
pub use error::StoreError;
pub use fixity::hash_file;
pub use local::{LocalStore, LocalStoreConfig, RehydrationTime};
pub use s3::{S3Config, S3Store};
pub use types::{
    BYTE_RANGE_ALL, Buckets, ByteRange, ByteStream, Capabilities, Created, Link, ObjectEntry, ObjectInfo, ObjectPage,
    PutOptions, RehydrationOption, Ticket,
};

use async_trait::async_trait;
use holdfast_model::{ObjectKey, ObjectLocator, ObjectRetention, RehydrationSpeed, StorageState};

/// Reads objects. Every read names a version where the locator carries one.
#[async_trait]
pub trait ArchiveReader: Send + Sync {
    /// The configured name, as it stands in [`ObjectLocator::store`].
    fn name(&self) -> &str;
    /// What this backend can and cannot do.
    fn capabilities(&self) -> Capabilities;
    /// Facts of one object without its bytes.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or a fault of the backend.
    async fn head(&self, at: &ObjectLocator) -> Result<ObjectInfo, StoreError>;
    /// The bytes in `range` as a stream of pieces of at most 1 MiB.
    ///
    /// # Errors
    /// [`StoreError::Offline`] where the object must be rehydrated first; otherwise as [`Self::head`]. The stream itself ends
    /// with an error where fewer bytes come than were promised.
    async fn read(&self, at: &ObjectLocator, range: ByteRange) -> Result<ByteStream, StoreError>;
    /// Up to `limit` objects of `bucket` whose key starts with `prefix`, in key order after `after`. Rehydration state is part of
    /// each entry, so that thousands are asked for in few calls.
    ///
    /// # Errors
    /// A fault of the backend.
    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<ObjectPage, StoreError>;
    /// An address under which anyone can read these bytes for `valid_s` seconds, without an account.
    ///
    /// # Errors
    /// [`StoreError::NoLinks`] where the backend makes none; [`StoreError::Offline`]; otherwise as [`Self::head`].
    async fn link(&self, at: &ObjectLocator, valid_s: u32) -> Result<Link, StoreError>;
}

/// Creates objects, never replaces them.
#[async_trait]
pub trait ArchiveWriter: Send + Sync {
    /// Streams `body` into a new object, hashing on the way; durable when it returns. Tags, metadata, retention and hold go in
    /// with the object's own write. Where `options.expected` is set and differs from what streamed by, nothing is created.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] with the facts of what is there; [`StoreError::Mismatch`]; [`StoreError::Full`];
    /// [`StoreError::ReadOnly`]; or a fault of the backend, after which the object may exist all the same: ask
    /// [`ArchiveReader::head`].
    async fn create(
        &self,
        bucket: &str,
        key: &ObjectKey,
        body: ByteStream,
        options: PutOptions,
    ) -> Result<Created, StoreError>;
}

/// Lengthens retention, sets and lifts holds. Nothing here shortens.
#[async_trait]
pub trait RetentionControl: Send + Sync {
    /// Sets retention to a later date or a stricter mode; setting what is already there succeeds.
    ///
    /// # Errors
    /// [`StoreError::RetentionShortened`] where `to` is earlier or weaker than what stands.
    async fn extend(&self, at: &ObjectLocator, to: ObjectRetention) -> Result<(), StoreError>;
    /// Sets or lifts the legal hold flag; doing it twice is no error. Which matters hold is kept by the caller.
    ///
    /// # Errors
    /// A fault of the backend.
    async fn set_legal_hold(&self, at: &ObjectLocator, on: bool) -> Result<(), StoreError>;
}

/// Brings cold objects online for a while.
#[async_trait]
pub trait Rehydrator: Send + Sync {
    /// What can be asked for in this storage class, fastest first, with expected and worst-case times.
    fn options(&self, storage_class: &str) -> Vec<RehydrationOption>;
    /// Asks for a readable copy that stays for `keep_days`. Asking again while it is under way or online succeeds and says so; a
    /// higher speed raises a pending one where the backend can.
    ///
    /// # Errors
    /// [`StoreError::Unsupported`] for a speed that this class does not offer; or a fault of the backend, after which the
    /// request may have been accepted all the same: ask [`Self::status`].
    async fn request(&self, at: &ObjectLocator, speed: RehydrationSpeed, keep_days: u16) -> Result<Ticket, StoreError>;
    /// Whether bringing this class online moves the object itself to another class (Azure by tier change), which ends what it is
    /// billed for there, rather than making a copy beside it.
    fn moves(&self, _storage_class: &str) -> bool {
        false
    }
    /// Where each is kept now and whether it can be read, in the order asked, none for one that is not there; thousands in few calls.
    ///
    /// # Errors
    /// A fault of the backend.
    async fn status(&self, of: &[ObjectLocator]) -> Result<Vec<Option<StorageState>>, StoreError>;
}

/// The four seams of one configured store, and its buckets. `rehydrator` is none where nothing ever goes cold.
#[derive(Clone)]
pub struct Store {
    /// Where its objects lie.
    pub buckets: Buckets,
    /// Reads.
    pub reader: std::sync::Arc<dyn ArchiveReader>,
    /// Creates.
    pub writer: std::sync::Arc<dyn ArchiveWriter>,
    /// Retention and hold.
    pub retention: std::sync::Arc<dyn RetentionControl>,
    /// Rehydration.
    pub rehydrator: Option<std::sync::Arc<dyn Rehydrator>>,
}
