//! Reading of settings, without knowledge of any: the sections pass the list of their settings.

pub(super) mod address;
pub(super) mod dotenv;
mod environment;
pub(super) mod faults;
pub(super) mod reader;
pub(super) mod reference;
mod source;
mod spelling;
pub(super) mod value_parsers;

pub use environment::Environment;
pub use faults::{SettingFault, SettingFaults, SettingWarning};
pub use reader::SettingRow;
pub use reference::{DefaultValue, SettingDoc, ValueExposure};
pub use source::{SettingOrigin, SettingsSource};
