//! Azure Blob Storage, through its management plane (Azure Resource Manager).

mod apply;
mod arm;
mod desired;
mod diff;
mod emit;
mod observe;
mod roles;

pub use apply::{apply, plan};
pub use arm::Arm;
pub use desired::{AzureDesired, AzureSettings, ContainerDesired, Copies, EncryptionScope, desired};
pub use emit::emit;
pub use observe::{AzureObserved, ContainerObserved, observe};
