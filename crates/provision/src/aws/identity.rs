use super::{AwsClients, fault};
use crate::ProvisionError;

/// Who the credentials belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Twelve digits.
    pub account: String,
    /// ARN of the user or the assumed role's session.
    pub arn: String,
}

/// Asks STS (`GetCallerIdentity`), which needs no right.
///
/// # Errors
/// [`ProvisionError::Credentials`] or [`ProvisionError::Unreachable`].
pub async fn identity(clients: &AwsClients) -> Result<Identity, ProvisionError> {
    let answer = clients.sts.get_caller_identity().send().await;
    let answer = answer.map_err(|e| fault("asking who this is", "sts:GetCallerIdentity", &e))?;
    Ok(Identity { account: answer.account.unwrap_or_default(), arn: answer.arn.unwrap_or_default() })
}
