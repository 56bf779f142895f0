//! Where the window runs: its home folder, its language, its display, and whether it is there already.

use anyhow::{Context as _, bail};
use std::{
    env,
    ffi::OsString,
    fs::{self, File, TryLockError},
    io::{Read as _, Write as _},
    os::unix::{
        net::{UnixListener, UnixStream},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::Command,
};

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Open the window on this home folder, or on the default one.
    Open(Option<PathBuf>),
    Help,
    Version,
}

/// Reads the command line (without the program's name).
pub(crate) fn asked(mut args: impl Iterator<Item = OsString>, home: Option<OsString>) -> anyhow::Result<Asked> {
    let mut home = home.filter(|h| !h.is_empty()).map(PathBuf::from);
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("--help" | "-h") => return Ok(Asked::Help),
            Some("--version" | "-V") => return Ok(Asked::Version),
            Some("--home") => home = Some(args.next().context("--home wants a folder")?.into()),
            Some(a) if a.starts_with("--home=") => home = Some(a["--home=".len()..].into()),
            _ => bail!("{} is not known; try --help", arg.to_string_lossy()),
        }
    }
    Ok(Asked::Open(home))
}

/// WebKitGTK takes its language from the environment, and under `C` or `POSIX` its `Intl` throws. The environment cannot be
/// changed safely once threads may run, so the program replaces itself with itself, once, in a real language.
pub(crate) fn speak_a_language() {
    let spoken = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(|n| env::var(n).ok().filter(|v| !v.is_empty()));
    let plain = spoken.is_none_or(|v| v == "POSIX" || v == "C" || v.starts_with("C."));
    if plain
        && env::var_os("HOLDFAST_LANGUAGE_SET").is_none()
        && let Ok(me) = env::current_exe()
    {
        let again = Command::new(me)
            .args(env::args_os().skip(1))
            .env("LC_ALL", "en_GB.UTF-8")
            .env("LANGUAGE", "en_GB:en")
            .env("HOLDFAST_LANGUAGE_SET", "1")
            .exec();
        eprintln!("holdfast-app: goes on without a language of its own: {again}");
    }
}

/// The window of this home folder: the first one, which later ones can ask to show itself.
pub(crate) struct First {
    _lock: File,
    calls: Option<UnixListener>,
}

/// Takes the home folder's window lock. `None` where a window has it already; that one was asked to come to the front.
pub(crate) fn first(home: &Path) -> anyhow::Result<Option<First>> {
    let path = home.join("window-lock");
    let lock = File::create(&path).with_context(|| format!("{} cannot be written", path.display()))?;
    let socket = home.join("window-socket");
    match lock.try_lock() {
        Ok(()) => {
            // Left over from a window that was killed; the lock says that nobody listens there.
            let _ = fs::remove_file(&socket);
            Ok(Some(First { _lock: lock, calls: UnixListener::bind(&socket).ok() }))
        }
        Err(TryLockError::WouldBlock) => {
            if let Ok(mut there) = UnixStream::connect(&socket) {
                let _ = there.write_all(b"show");
            }
            Ok(None)
        }
        Err(TryLockError::Error(e)) => Err(e).with_context(|| format!("{} cannot be locked", path.display())),
    }
}

impl First {
    /// Calls `show` whenever a later window wants this one to come to the front.
    pub(crate) fn on_call(&mut self, show: impl Fn() + Send + 'static) {
        let Some(calls) = self.calls.take() else { return };
        std::thread::spawn(move || {
            for call in calls.incoming().flatten() {
                let mut word = [0u8; 4];
                if (&call).read_exact(&mut word).is_ok() && &word == b"show" {
                    show();
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(args: &[&str], home: Option<&str>) -> anyhow::Result<Asked> {
        asked(args.iter().map(OsString::from), home.map(OsString::from))
    }

    #[test]
    fn the_flag_wins_over_the_environment() {
        assert_eq!(read(&[], None).unwrap(), Asked::Open(None));
        assert_eq!(read(&[], Some("")).unwrap(), Asked::Open(None));
        assert_eq!(read(&[], Some("/e")).unwrap(), Asked::Open(Some("/e".into())));
        assert_eq!(read(&["--home", "/f"], Some("/e")).unwrap(), Asked::Open(Some("/f".into())));
        assert_eq!(read(&["--home=/f"], Some("/e")).unwrap(), Asked::Open(Some("/f".into())));
        assert_eq!(read(&["--version"], None).unwrap(), Asked::Version);
        assert!(read(&["--home"], None).is_err());
        assert!(read(&["--hmoe", "/f"], None).unwrap_err().to_string().contains("--hmoe"));
    }

    #[test]
    fn the_second_window_calls_the_first() {
        let home = env::temp_dir().join(format!("holdfast-window-{}", std::process::id()));
        fs::create_dir_all(&home).unwrap();
        let mut one = first(&home).unwrap().expect("the first has the lock");
        let (sender, called) = std::sync::mpsc::channel();
        one.on_call(move || sender.send(()).unwrap());
        assert!(first(&home).unwrap().is_none());
        called.recv().unwrap();
        drop(one);
        assert!(first(&home).unwrap().is_some(), "the lock goes with its window");
        fs::remove_dir_all(home).unwrap();
    }
}
