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

#[test]
fn credentials_go_to_the_keyring_and_a_locked_one_is_told() {
    let home = Home::new();
    let set =
        "printf 'correct-horse-battery' | HOLDFAST_SET_KEYS__PLACE=file $HOLDFAST credentials set smtp-password --json";
    let list = with_keyring(&home, "right", set).code(0);
    assert!(!list.stdout.contains("correct-horse"), "{}", list.stdout);
    let of = |list: &serde_json::Value| {
        let all = list["credentials"].as_array().unwrap();
        all.iter().find(|c| c["name"] == "smtp-password").unwrap().clone()
    };
    assert_eq!(of(&list.json())["from"], "keyring");
    for file in crate::home::files(&home.path()) {
        let text = std::fs::read(&file).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains("correct-horse"), "{}", file.display());
    }
    // Nobody listens on port 9, so that reading the password is as far as it comes.
    let mail = "[notify.email]\nhost = \"127.0.0.1\"\nport = 9\nsecurity = \"none\"\nuser = \"u\"\nfrom = \"a@b.test\"\nto = [\"c@d.test\"]\n";
    std::fs::write(home.path().join("holdfast.toml"), mail).unwrap();
    let test = "HOLDFAST_SET_KEYS__PLACE=file $HOLDFAST notify test --json";
    let problem = |ran: Ran| ran.code(1).json()["channels"][0]["problem"].as_str().unwrap().to_owned();
    assert!(problem(with_keyring(&home, "right", test)).contains("cannot be reached"));
    assert!(problem(with_keyring(&home, "wrong", test)).contains("keyring does not give it"));
    assert!(problem(home.run(&["notify", "test", "--json"])).contains("keyring does not give it"));
    let clear = "HOLDFAST_SET_KEYS__PLACE=file $HOLDFAST credentials clear smtp-password --json";
    assert!(of(&with_keyring(&home, "right", clear).code(0).json())["from"].is_null());
    assert!(problem(with_keyring(&home, "right", test)).contains("was not entered"));
}
