//! Real servers that speak the clouds' protocols, on loopback, and the proxies that stand before them: they add what the servers
//! get wrong against the cloud, keep archive tiers under a manual clock, and fail on order.

pub mod aws;
pub mod azure;
mod clients;
mod fast_s3;
mod servers;

pub use clients::{dynamodb_client, dynamodb_table, s3_client};
pub use fast_s3::FastS3;
pub use servers::{Azurite, Dynoxide, Ministack, Rgw};
