use crate::{PutOptions, StoreError};

/// User metadata must be what every provider can keep: as S3 has it, so that what works in one store works in all.
pub(crate) fn check_metadata(options: &PutOptions) -> Result<(), StoreError> {
    let visible = |s: &str| s.bytes().all(|b| (b' '..=b'~').contains(&b));
    match options.metadata.iter().find(|(k, v)| k.is_empty() || !visible(k) || !visible(v)) {
        None => Ok(()),
        Some((name, _)) => Err(StoreError::Invalid {
            what: format!("the metadata {name:?}"),
            detail: "names and values are visible ASCII characters".to_owned(),
        }),
    }
}
