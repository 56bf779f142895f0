use holdfast_model::{Fault, FaultKind};
use std::{io, path::PathBuf};

/// A package that could not be made or could not be read at all. (A package that can be read and is wrong is a report.)
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// Something with the package's name is there already; nothing is replaced.
    #[error("{0} exists already")]
    Exists(PathBuf),
    /// Reading or writing failed.
    #[error("{path}: {source}")]
    Io {
        /// What was read or written.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The original is not what its manifest says; it must not be handed out.
    #[error("{exhibit} is not what its manifest says: {found} instead of {expected}")]
    ExhibitDiffers {
        /// The exhibit and the part of it.
        exhibit: String,
        /// What the manifest says.
        expected: String,
        /// What was read.
        found: String,
    },
    /// What was given can't be put into a package.
    #[error("{what}: {problem}")]
    Invalid {
        /// What was given.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
    /// There is no folder with that name.
    #[error("{0} is no folder")]
    NotAFolder(PathBuf),
    /// The person cancelled.
    #[error("cancelled")]
    Cancelled,
}

impl PackageError {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}

impl Fault for PackageError {
    fn code(&self) -> &'static str {
        match self {
            Self::Exists(_) => "verify.package_exists",
            Self::Io { .. } => "verify.package_io",
            Self::ExhibitDiffers { .. } => "verify.exhibit_differs",
            Self::Invalid { .. } => "verify.package_invalid",
            Self::NotAFolder(_) => "verify.package_not_a_folder",
            Self::Cancelled => "verify.cancelled",
        }
    }
    fn kind(&self) -> FaultKind {
        match self {
            Self::Exists(_) => FaultKind::AlreadyExists,
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FaultKind::Full,
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => FaultKind::Denied,
                io::ErrorKind::NotFound => FaultKind::NotFound,
                _ => FaultKind::Io,
            },
            Self::ExhibitDiffers { .. } => FaultKind::Corrupt,
            Self::Invalid { .. } => FaultKind::Invalid,
            Self::NotAFolder(_) => FaultKind::NotFound,
            Self::Cancelled => FaultKind::Cancelled,
        }
    }
    fn next(&self) -> String {
        match self {
            Self::Exists(_) => "Choose another folder or name; a package that was made is never replaced.".into(),
            Self::Io { .. } => match self.kind() {
                FaultKind::Full => "Make room on the disk or choose another one, then try again.".into(),
                FaultKind::Denied => "Choose a folder that you may write to, or ask for the right.".into(),
                _ => "Look at the disk and its folder, then try again.".into(),
            },
            Self::ExhibitDiffers { .. } => {
                "Retrieve the recording again and verify it; it can't go into a package as it is.".into()
            }
            Self::Invalid { .. } => "Correct what is named, then try again.".into(),
            Self::NotAFolder(_) => "Name the folder itself; unpack it first where it came as an archive file.".into(),
            Self::Cancelled => "Start again when you are ready; nothing was left half done.".into(),
        }
    }
}
