//! Reads `parts.toml`: what of the parts that DEPS names a static V8 needs.

use serde::Deserialize;

use super::super::deps::What;
use super::super::version::glob;
use crate::error::{Error, Result};

/// The whole file; its head documents every key.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    part: Vec<Row>,
}

/// One row.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    path: String,
    wanted: bool,
    why: String,
    #[serde(default)]
    targets: Option<String>,
}

/// Whether a part is fetched, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    pub wanted: bool,
    pub why: String,
}

/// The rows of `parts.toml`, in their order.
pub fn rows() -> Result<Vec<Row>> {
    let file: File = toml::from_str(include_str!("parts.toml"))
        .map_err(|error| Error::failed(format!("parts.toml: {}", error.to_string().trim_end())))?;
    Ok(file.part)
}

/// What the first row that fits says of this place.
pub fn choose(rows: &[Row], place: &str, what: &What, target: &str) -> Choice {
    let fits = |row: &&Row| {
        glob(&row.path, place) && row.targets.as_ref().is_none_or(|pattern| glob(pattern, target))
    };
    match (rows.iter().find(fits), what) {
        (Some(row), _) => Choice { wanted: row.wanted, why: row.why.clone() },
        (None, What::Git { .. }) => {
            Choice { wanted: true, why: "not in parts.toml: fetched to be sure".to_owned() }
        }
        (None, What::Gcs { .. } | What::Cipd(_)) => {
            Choice { wanted: false, why: "not in parts.toml: --with fetches it".to_owned() }
        }
    }
}
