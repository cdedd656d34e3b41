//! The providers file (`PROVIDERS_FILE`): the authorization servers that the gateway trusts, and what is known
//! of each product.
//!
//! [`ProviderList::parse`] reads the whole file and reports every fault at once. It does no I/O: secrets in
//! files are named, and the caller reads them.

mod claims;
mod client;
mod endpoints;
mod fault;
mod parser;
mod preset;
mod settings;
mod table;

pub use fault::{ProviderFault, ProviderFaults};
pub use preset::{EndSessionStyle, ProviderPreset};
pub use settings::{
    ClientAuthentication, ClientCredential, EndpointOverrides, ProviderClient, ProviderList,
    ProviderSettings, UserinfoUse,
};
