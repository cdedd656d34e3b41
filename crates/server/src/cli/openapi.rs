//! `openapi`: the OpenAPI document, as `/openapi.json` serves it.

use super::{Stop, output};
use crate::http::docs;

/// Prints the document.
pub(super) fn openapi() -> Result<(), Stop> {
    Ok(output::print_json(&docs::document())?)
}
