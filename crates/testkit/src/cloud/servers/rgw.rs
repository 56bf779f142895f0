use super::{Program, Recipe, Running, free_port};
use std::{fs, path::Path, process::Command, time::Duration};

/// S3 of Ceph (radosgw over one monitor and one storage daemon in memory, as small as they get; no manager): a second
/// opinion on Object Lock, versions and signatures. Sign with `test` and `test`.
#[derive(Debug, Clone)]
pub struct Rgw(Running);

impl Rgw {
    /// The shared server.
    ///
    /// # Panics
    /// Where it is not installed, with the words what to do.
    pub async fn start() -> Self {
        let url = |port| format!("http://127.0.0.1:{port}");
        let patience = Duration::from_secs(120);
        Self(Recipe { name: "rgw", version: "2", url, programs, settle, patience }.start().await)
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0.url
    }
}

impl AsRef<str> for Rgw {
    fn as_ref(&self) -> &str {
        self.url()
    }
}

/// One copy of everything in memory, no limits that want a real cluster, nothing outside the folder.
fn configuration(folder: &Path, fsid: &str, monitor: u16, port: u16) -> String {
    let at = folder.display();
    format!(
        "[global]
fsid = {fsid}
mon_initial_members = a
mon_host = v2:127.0.0.1:{monitor}
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_msgr1 = false
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
keyring = {at}/keyring
run_dir = {at}
admin_socket =
log_file =
mon_cluster_log_file =
log_to_stderr = true
err_to_stderr = true
debug_rocksdb = 0
debug_mon = 0
debug_osd = 0
debug_ms = 0
mon_data = {at}/mon
osd_data = {at}/osd
paxos_propose_interval = 0.05
paxos_min_wait = 0.01
osd_objectstore = memstore
memstore_device_bytes = 4294967296
osd_memory_target = 939524096
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
osd_class_load_list = *
osd_class_default_list = *
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
mon_data_avail_crit = 0
mon_data_avail_warn = 0
rgw_frontends = beast endpoint=127.0.0.1:{port}
rgw_enable_apis = s3, admin
rgw_thread_pool_size = 32
"
    )
}

fn programs(folder: &Path, port: u16) -> Vec<Program> {
    let fsid = fs::read_to_string("/proc/sys/kernel/random/uuid").expect("an id");
    let (fsid, monitor) = (fsid.trim(), free_port());
    fs::write(folder.join("ceph.conf"), configuration(folder, fsid, monitor, port)).expect("a configuration");
    for sub in ["mon", "osd"] {
        fs::create_dir_all(folder.join(sub)).expect("a folder");
    }
    let address = format!("[v2:127.0.0.1:{monitor}]");
    run(folder, &["monmaptool", "--create", "--fsid", fsid, "--addv", "a", &address, "monmap"]);
    let all = "allow *";
    for (name, first) in [("mon.", true), ("client.admin", false), ("osd.0", false)] {
        let mut key =
            vec!["ceph-authtool", "keyring", "--gen-key", "-n", name, "--cap", "mon", all, "--cap", "osd", all];
        if first {
            key.push("--create-keyring");
        }
        run(folder, &key);
    }
    run(folder, &["ceph-mon", "-c", "ceph.conf", "--mkfs", "-i", "a", "--monmap", "monmap", "--keyring", "keyring"]);
    // No monitor runs yet that could be asked for its configuration.
    run(folder, &["ceph-osd", "-c", "ceph.conf", "-i", "0", "--mkfs", "--monmap", "monmap", "--no-mon-config"]);
    let daemon = |argv: &[&str]| Program { argv: argv.iter().map(|a| (*a).to_owned()).collect(), env: vec![] };
    vec![
        daemon(&["ceph-mon", "-f", "-c", "ceph.conf", "-i", "a"]),
        daemon(&["ceph-osd", "-f", "-c", "ceph.conf", "-i", "0"]),
        daemon(&["radosgw", "-f", "-c", "ceph.conf", "-n", "client.admin"]),
    ]
}

fn settle(folder: &Path) {
    let user = ["--uid=test", "--display-name=test", "--access-key=test", "--secret-key=test"];
    let mut argv = vec!["radosgw-admin", "-c", "ceph.conf", "-n", "client.admin", "user", "create"];
    argv.extend(user);
    run(folder, &argv);
}

fn run(folder: &Path, argv: &[&str]) {
    let out = Command::new(argv[0]).args(&argv[1..]).current_dir(folder).output().unwrap_or_else(|e| {
        panic!("{} ({e}): install the Debian packages radosgw ceph-mon ceph-osd (scripts/test does it)", argv[0])
    });
    assert!(out.status.success(), "{argv:?}: {}", String::from_utf8_lossy(&out.stderr));
}
