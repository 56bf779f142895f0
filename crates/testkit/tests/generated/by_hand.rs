//! Names that are given in a way that cannot be read from the sources without running them. Each is looked for in the function that
//! it is listed for, so that none stays here after it is gone.

/// Names of a section in one function.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ByHand {
    pub(crate) section: &'static str,
    pub(crate) file: &'static str,
    pub(crate) function: &'static str,
    pub(crate) names: &'static [&'static str],
}

const fn by_hand(
    section: &'static str,
    file: &'static str,
    function: &'static str,
    names: &'static [&'static str],
) -> ByHand {
    ByHand { section, file, function, names }
}

pub(crate) const BY_HAND: &[ByHand] = &[
    // What was heard, or how far it was read.
    by_hand("event details", "crates/api/src/usecase/play.rs", "end", &["heard_to_ms", "read_to_byte"]),
    // Variables that are asked for one after the other, or through a closure.
    by_hand("environment", "src-tauri/place.rs", "speak_a_language", &["LC_ALL", "LC_MESSAGES", "LANG"]),
    by_hand("environment", "crates/cli/src/run.rs", "demo", &["DISPLAY", "WAYLAND_DISPLAY"]),
    by_hand(
        "environment",
        "crates/api/src/cloud/azure.rs",
        "choose",
        &["AZURE_FEDERATED_TOKEN_FILE", "IDENTITY_ENDPOINT"],
    ),
    by_hand("environment", "crates/api/src/home.rs", "default_root", &["XDG_DATA_HOME", "HOME"]),
    // Variables of secrets: `SecretName::variable`, found by its form, and the one with a file's path.
    by_hand("environment", "crates/api/src/secrets.rs", "origin", &["{}_FILE"]),
    by_hand("environment", "crates/api/src/secrets.rs", "read", &[]),
    // Tokens that `intent_token` and `token_of` make, which have rules of their own.
    by_hand("event token", "crates/ingest/src/admit.rs", "intend", &[]),
    by_hand("event token", "crates/retrieval/src/job/rehydrate.rs", "intend_rehydration", &[]),
    by_hand("event token", "crates/retrieval/src/job/rehydrate.rs", "concluding", &["outcome:{}"]),
    by_hand("event token", "crates/retrieval/src/job/verify.rs", "announce_download", &[]),
    by_hand("event token", "crates/retrieval/src/job/verify.rs", "announce_verification", &[]),
    // The token of a matter's change.
    by_hand("event token", "crates/retrieval/src/matter/settle.rs", "settle_matter", &["matter:{}:{}"]),
    by_hand("event token", "crates/retrieval/src/matter/settle.rs", "settle_open", &[]),
    // A function of the same name that is no crash point: the boundary of a mail's parts.
    by_hand("crash point", "crates/audio/src/probe/text.rs", "mail", &[]),
];
