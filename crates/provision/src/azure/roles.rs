//! Least rights for the three roles. Azure's data plane knows no right for a single prefix, and setting a tier or writing a tile of the
//! ledger is the right to write: readers and the archiver have the same. Retention and hold of a version are one right, [`PROTECT`]:
//! whoever sets them may also lift a hold and shorten a policy that is not locked, so nobody who has it may delete. What keeps a writer from evidence is the container's immutability, and the `notDataActions` here, which no role of ours
//! is given back. Microsoft: "Authorize access using Microsoft Entra ID", permissions for calling data operations.

use serde_json::{Value, json};

const BLOBS: &str = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs";

/// Data actions that could take evidence away or open the way to it.
const NEVER: [&str; 4] = ["delete", "deleteBlobVersion/action", "permanentDelete/action", "manageOwnership/action"];

/// Sets retention and hold, with the blob's own write and later.
const PROTECT: &str = "immutableStorage/runAsSuperUser/action";

/// Name, description, actions, data actions.
pub(crate) struct RoleShape {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) actions: Vec<String>,
    pub(crate) data_actions: Vec<String>,
}

impl RoleShape {
    /// The `permissions` of a role definition.
    pub(crate) fn permissions(&self) -> Value {
        let never: Vec<String> = NEVER.iter().map(|a| format!("{BLOBS}/{a}")).collect();
        json!([{ "actions": self.actions, "notActions": [], "dataActions": self.data_actions, "notDataActions": never }])
    }
}

/// Reader, archiver, admin.
pub(crate) fn roles() -> [RoleShape; 3] {
    let storage =
        |all: &[&str]| all.iter().map(|a| format!("Microsoft.Storage/storageAccounts/{a}")).collect::<Vec<_>>();
    let blobs = |all: &[&str]| all.iter().map(|a| format!("{BLOBS}/{a}")).collect::<Vec<_>>();
    // What preflight looks at, and the key that links are signed with.
    let look = storage(&[
        "read",
        "encryptionScopes/read",
        "managementPolicies/read",
        "blobServices/read",
        "blobServices/containers/read",
        "blobServices/containers/immutabilityPolicies/read",
        "blobServices/generateUserDelegationKey/action",
    ]);
    let data = blobs(&["read", "tags/read", "write", "add/action", "tags/write", PROTECT]);
    [
        RoleShape {
            name: "holdfast-reader",
            description: "Holdfast: read, rehydrate and hold recordings",
            actions: look.clone(),
            data_actions: data.clone(),
        },
        RoleShape {
            name: "holdfast-archiver",
            description: "Holdfast: create recordings with their policy, and read them back",
            actions: look,
            data_actions: data,
        },
        RoleShape {
            name: "holdfast-admin",
            description: "Holdfast: provision the archive",
            actions: storage(&[
                "read",
                "write",
                "encryptionScopes/read",
                "encryptionScopes/write",
                "managementPolicies/read",
                "managementPolicies/write",
                "blobServices/read",
                "blobServices/write",
                "blobServices/containers/read",
                "blobServices/containers/write",
                "blobServices/containers/immutabilityPolicies/read",
                "blobServices/containers/immutabilityPolicies/write",
                "blobServices/containers/immutabilityPolicies/extend/action",
                "blobServices/containers/immutabilityPolicies/lock/action",
            ]),
            // No byte of the archive is read or written with this one; preflight is the archiver's.
            data_actions: Vec::new(),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_role_may_delete() {
        for role in roles() {
            for never in NEVER {
                assert!(!role.data_actions.contains(&format!("{BLOBS}/{never}")), "{} {never}", role.name);
            }
            let all = role.actions.iter().chain(&role.data_actions);
            assert!(all.into_iter().all(|a| !a.contains('*') && !a.ends_with("/delete")), "{}", role.name);
            assert_eq!(role.permissions()[0]["notDataActions"].as_array().map(Vec::len), Some(NEVER.len()));
        }
    }
}
