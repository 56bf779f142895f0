//! Creating an object. The order of steps is what makes it safe to be killed, or to lose power, between any two:
//!
//! 1. The bytes stream into a draft file, hashed on the way; fsync. What goes to the cold tier is read back. The record goes beside it; fsync. The names of both: fsync
//!    of the session's folder. Nothing is visible; a sweep takes it away.
//! 2. The record gets its final name by `link`, which fails where one is there: of any number of writers, in any number of
//!    processes, exactly one is elected. From here on the object exists, and whoever meets it before step 4 can finish it, since
//!    its version id leads to the draft.
//! 3. The bytes get their final name by `link`.
//! 4. fsync of both folders, and of those above that are new. Only now the caller hears of it, and the draft's names go.
//!
//! That is five fsyncs, and one for each folder that is new.

use super::{
    Facts,
    disk::{Disk, write_fault, write_new},
    facts::{Change, FACTS_FORMAT, LocalTier},
    joined,
    layout::{check_bucket, check_key, draft_facts},
    records::facts_text,
};
use crate::{ByteStream, Created, PutOptions, StoreError, metadata::check_metadata};
use bytes::Bytes;
use futures_util::StreamExt as _;
use holdfast_model::{Clock, Fixity, ObjectKey, ObjectLocator, Sha256Digest};
use sha2::{Digest as _, Sha256};
use std::{
    fs::{self, File, Permissions},
    io::{self, BufWriter, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::mpsc;

/// Pieces between the source and the disk, so that each goes on while the other waits.
const AHEAD: usize = 4;

/// What the source says to the disk. Without the end the bytes were cut off.
enum Piece {
    Bytes(Bytes),
    End,
}

/// What one create is about.
struct Order {
    at: ObjectLocator,
    tier: LocalTier,
    options: PutOptions,
}

pub(super) async fn create(
    disk: Arc<Disk>,
    clock: Arc<dyn Clock>,
    bucket: &str,
    key: &ObjectKey,
    mut body: ByteStream,
    options: PutOptions,
) -> Result<Created, StoreError> {
    check_bucket(bucket)?;
    check_key(key)?;
    check_metadata(&options)?;
    let tier = LocalTier::of(options.tier)
        .ok_or_else(|| StoreError::NoTier { store: disk.store.clone(), tier: options.tier })?;
    let at = ObjectLocator { store: disk.store.clone(), bucket: bucket.to_owned(), key: key.clone(), version_id: None };
    let order = Order { at, tier, options };
    let (pieces, inbox) = mpsc::channel(AHEAD);
    let writer = tokio::task::spawn_blocking(move || write(&disk, &*clock, order, inbox));
    let mut cut_off = None;
    loop {
        let next = tokio::select! {
            biased;
            // A writer that hung up has an answer already, however long the source would take.
            () = pieces.closed() => break,
            next = body.next() => next,
        };
        let piece = match next {
            Some(Ok(bytes)) => Piece::Bytes(bytes),
            None => Piece::End,
            Some(Err(e)) => {
                cut_off = Some(e);
                break;
            }
        };
        let end = matches!(piece, Piece::End);
        if pieces.send(piece).await.is_err() || end {
            break;
        }
    }
    drop(pieces);
    let answer = joined(writer.await);
    cut_off.map_or(answer, Err)
}

/// A draft's two files, taken away again unless the record was elected.
struct Draft {
    bytes: PathBuf,
    elected: bool,
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.elected {
            let _ = fs::remove_file(&self.bytes);
            let _ = fs::remove_file(draft_facts(&self.bytes));
        }
    }
}

fn write(
    disk: &Disk,
    clock: &dyn Clock,
    order: Order,
    mut inbox: mpsc::Receiver<Piece>,
) -> Result<Created, StoreError> {
    let fault = |e| write_fault(&disk.layout.root, "storing", e);
    refuse_existing(disk, clock, &order)?;
    let session = disk.session()?;
    let created_at = clock.now();
    let (version_id, path) = session.draft(created_at);
    let mut draft = Draft { bytes: path, elected: false };

    let fixity = receive(&draft.bytes, &mut inbox).map_err(fault)?;
    if let Some(expected) = order.options.expected.clone().filter(|e| *e != fixity) {
        return Err(StoreError::Mismatch { expected, found: fixity });
    }
    if order.tier == LocalTier::Cold {
        read_back(&order.at, &draft.bytes, &fixity)?;
    }
    let facts = record(&order, version_id, created_at, &fixity);
    write_new(&draft_facts(&draft.bytes), &facts_text(&facts)?).map_err(fault)?;
    session.sync().map_err(fault)?;

    elect(disk, clock, &order, &draft.bytes)?;
    draft.elected = true;
    disk.finish(&facts, &draft.bytes)?;
    let _ = fs::remove_file(&draft.bytes);
    let _ = fs::remove_file(draft_facts(&draft.bytes));
    Ok(Created { locator: disk.locator(&facts), fixity, storage_class: facts.tier.class().to_owned() })
}

/// Refuses before the first byte is taken: an object under this key, or a file that the store did not put there.
fn refuse_existing(disk: &Disk, clock: &dyn Clock, order: &Order) -> Result<(), StoreError> {
    let ObjectLocator { bucket, key, .. } = &order.at;
    if let Some(facts) = disk.find(bucket, key)? {
        disk.finish_other(&facts)?;
        return Err(StoreError::AlreadyExists(Box::new(disk.info(&facts, clock.now())?)));
    }
    let bytes = disk.layout.bytes(bucket, order.tier, key);
    if bytes.is_file() && disk.find(bucket, key)?.is_none() {
        return Err(refused(&order.at, "a file that the archive did not put there lies in its place"));
    }
    Ok(())
}

fn refused(at: &ObjectLocator, detail: &str) -> StoreError {
    StoreError::Invalid { what: format!("the key {}", at.key), detail: detail.to_owned() }
}

/// Writes what arrives, hashing it, and makes it durable and read-only.
fn receive(path: &Path, inbox: &mut mpsc::Receiver<Piece>) -> io::Result<Fixity> {
    let mut file = BufWriter::with_capacity(64 << 10, File::create_new(path)?);
    let (mut hash, mut size_bytes) = (Sha256::new(), 0u64);
    loop {
        match inbox.blocking_recv() {
            Some(Piece::Bytes(piece)) => {
                hash.update(&piece);
                size_bytes += piece.len() as u64;
                file.write_all(&piece)?;
            }
            Some(Piece::End) => break,
            None => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the source stopped before the end")),
        }
    }
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.set_permissions(Permissions::from_mode(0o444))?;
    file.sync_all()?;
    Ok(Fixity::sha256(Sha256Digest(hash.finalize().into()), size_bytes))
}

/// Bytes in the cold tier cannot be read through the store any more, so that this is the only time they can be read back.
fn read_back(at: &ObjectLocator, path: &Path, written: &Fixity) -> Result<(), StoreError> {
    let found = crate::hash_file(path, &holdfast_model::Cancel::default(), |_| {})
        .map_err(|source| StoreError::Io { action: format!("reading back {at}"), source })?;
    if found == *written { Ok(()) } else { Err(StoreError::Mismatch { expected: written.clone(), found }) }
}

fn record(order: &Order, version_id: String, created_at: jiff::Timestamp, fixity: &Fixity) -> Facts {
    let (at, options) = (&order.at, &order.options);
    Facts {
        format: FACTS_FORMAT.to_owned(),
        bucket: at.bucket.clone(),
        key: at.key.clone(),
        version_id,
        created_at,
        tier: order.tier,
        size_bytes: fixity.size_bytes,
        sha256: fixity.digest,
        media_type: options.media_type.clone(),
        metadata: options.metadata.clone(),
        tags: options.tags.clone(),
        retention: options.retention,
        legal_hold: options.legal_hold,
        history: vec![Change { at: created_at, retention: options.retention, legal_hold: options.legal_hold }],
        rehydration: None,
    }
}

/// Gives the record its final name, where nobody else has.
fn elect(disk: &Disk, clock: &dyn Clock, order: &Order, draft: &Path) -> Result<(), StoreError> {
    let fault = |e| write_fault(&disk.layout.root, "storing", e);
    let ObjectLocator { bucket, key, .. } = &order.at;
    let name = disk.layout.facts(bucket, key);
    let folders =
        disk.make_folder_of(&name).and_then(|()| disk.make_folder_of(&disk.layout.bytes(bucket, order.tier, key)));
    match folders {
        Err(e) if matches!(e.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory) => {
            return Err(refused(&order.at, "a part of it is itself an object, so nothing can lie below"));
        }
        other => other.map_err(fault)?,
    }
    match fs::hard_link(draft_facts(draft), &name) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            refuse_existing(disk, clock, order)?;
            Err(refused(&order.at, "objects lie below it, or it differs from another key in case only"))
        }
        other => other.map_err(fault),
    }
}
