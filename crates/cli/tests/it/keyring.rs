//! The keys in a real keyring: GNOME Keyring behind a session bus of its own.

use crate::home::{Home, Ran};
use std::process::Command;

/// Runs a shell script under a session bus with a keyring that was unlocked with `password`.
fn with_keyring(home: &Home, password: &str, script: &str) -> Ran {
    let inner = home.command();
    let unlock = format!(
        "printf %s {password} | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1; sleep 1; {script}"
    );
    let mut command = Command::new("dbus-run-session");
    command.args(["--", "sh", "-c", &unlock]).env_clear();
    command.envs(inner.get_envs().filter_map(|(k, v)| Some((k, v?))));
    command.env("HOLDFAST_SET_KEYS__PLACE", "auto").env("HOLDFAST", env!("CARGO_BIN_EXE_holdfast"));
    // What is under test asks for the bus; nothing of the machine's own session may answer.
    command.env_remove("XDG_RUNTIME_DIR");
    Ran::of(command.output().unwrap())
}

#[test]
fn keys_go_to_the_keyring_and_a_locked_one_makes_no_second_key() {
    let home = Home::new();
    let first = with_keyring(&home, "right", "$HOLDFAST status --json").code(0).json();
    assert_eq!(first["keys_in"], "keyring", "{first}");
    assert!(!home.path().join("keys").exists(), "no key file beside the keyring");
    let again = with_keyring(&home, "right", "$HOLDFAST status --json").code(0).json();
    assert_eq!(again["ledger_key"], first["ledger_key"]);

    // A wrong password unlocks nothing, and the keyring then says that there is no such entry.
    let locked = with_keyring(&home, "wrong", "$HOLDFAST status --json").code(1).json();
    let code = locked["error"]["code"].as_str().unwrap();
    assert!(matches!(code, "keys.missing" | "keys.keyring"), "{locked}");
    // And without any keyring the archive's key is missed, not made anew.
    let none = home.run(&["status", "--json"]).code(1).json();
    assert!(none["error"]["code"].as_str().unwrap().starts_with("keys."), "{none}");
    assert!(!home.path().join("keys").exists());
    let after = with_keyring(&home, "right", "$HOLDFAST status --json").code(0).json();
    assert_eq!(after["ledger_key"], first["ledger_key"]);
}
