//! `openapi`: prints the OpenAPI document that `/openapi.json` serves.

use super::{CommandError, output};
use crate::http::docs;

/// Prints the document. Needs no settings.
pub(super) fn openapi() -> Result<(), CommandError> {
    Ok(output::print_json(&docs::document())?)
}
