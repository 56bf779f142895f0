//! Small disks, disks that cannot be written, little memory.

use crate::{child, open};
use holdfast_testkit::{
    ManualClock,
    store::{body, options},
};
use std::{fs, path::Path, process::Command};

/// Runs a child in a mount namespace of its own, after `prepare` (a shell command) has changed the mounts there.
fn in_own_mounts(prepare: &str, role: &str, root: &Path) -> Vec<String> {
    let inner = child::command(role, root, 0);
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-ec", &format!("{prepare}; exec \"$@\""), "sh"]);
    command.arg(inner.get_program()).args(inner.get_args());
    command.envs(inner.get_envs().filter_map(|(k, v)| Some((k, v?))));
    let output = command.output().expect("unshare (util-linux) is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    child::said(&output.stdout)
}

#[test]
fn a_full_disk_is_said_and_leaves_nothing_half_made() {
    let folder = tempfile::tempdir().unwrap();
    let mount = format!("mount -t tmpfs -o size=3m tmpfs '{}'", folder.path().display());
    assert_eq!(in_own_mounts(&mount, "fill", folder.path()), ["error store.full", "complete true", "count true"]);
}

#[test]
fn a_disk_that_cannot_be_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("archive");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = open(&root, &ManualClock::default()).store();
    let put = options(holdfast_model::StorageTier::Hot);
    runtime.block_on(store.writer.create("media", &child::key(0, 0), body("x"), put)).unwrap();
    drop(store);
    let mount = format!("mount --bind '{0}' '{0}'; mount -o remount,ro,bind '{0}'", root.display());
    assert_eq!(
        in_own_mounts(&mount, "read-only", &root),
        ["found 1", "create store.read_only", "hold store.read_only"]
    );
}

#[test]
fn memory_does_not_grow_with_the_object() {
    let folder = tempfile::tempdir().unwrap();
    let output = child::command("large", folder.path(), 256).output().unwrap();
    let said = child::said(&output.stdout);
    assert_eq!(said.len(), 2, "{}", String::from_utf8_lossy(&output.stdout));
    let kib: Vec<u64> = said.iter().map(|s| s.parse().unwrap()).collect();
    assert_eq!(fs::metadata(folder.path().join("media/hot/large")).unwrap().len(), 256 << 20);
    let grown = kib[1] - kib[0];
    assert!(grown < 48 << 10, "writing and reading 256 MiB took {grown} KiB of memory");
}
