//! Why a request to a registry came to nothing: whether to repeat it, and what to say of it.

use oci_client::errors::{OciDistributionError, OciErrorCode};

use crate::error::Error;
use crate::store::remote;

/// Why a request came to nothing.
pub enum Failure {
    /// The registry's, or the network's.
    Oci(OciDistributionError),
    /// Its time was over.
    Late,
    /// Ours, or the user wants us to stop.
    Own(Error),
}

impl Failure {
    /// Whether the same request may be answered a moment later.
    pub fn may_pass(&self) -> bool {
        match self {
            Failure::Own(_) | Failure::Late => false,
            Failure::Oci(error) => match error {
                OciDistributionError::RequestError(error) if error.status().is_none() => !error.is_builder(),
                OciDistributionError::IoError(_) => true,
                _ => status(error).is_some_and(|code| code >= 500 || code == 429 || code == 408),
            },
        }
    }
}

/// Without URLs: those of uploads are long, and hold what is the registry's own.
pub fn said(error: OciDistributionError) -> String {
    match error {
        OciDistributionError::ServerError { code, message, .. } => {
            format!("the registry answered {code}: {message}")
        }
        OciDistributionError::RegistryError { envelope, .. } => {
            let errors = envelope.errors.iter().map(|error| format!("{:?}: {}", error.code, error.message));
            format!("the registry answered {}", errors.collect::<Vec<_>>().join(", "))
        }
        OciDistributionError::UnauthorizedError { .. } => "the registry does not let us".to_owned(),
        OciDistributionError::RequestError(error) => remote::whole(&error.without_url()),
        other => remote::whole(&other),
    }
}

fn status(error: &OciDistributionError) -> Option<u16> {
    match error {
        OciDistributionError::ServerError { code, .. } => Some(*code),
        OciDistributionError::RequestError(error) => Some(error.status()?.as_u16()),
        OciDistributionError::RegistryError { envelope, .. } => {
            let is_busy = envelope.errors.iter().any(|error| error.code == OciErrorCode::Toomanyrequests);
            is_busy.then_some(429)
        }
        _ => None,
    }
}

/// Whether there is no such manifest.
pub fn is_not_found(error: &OciDistributionError) -> bool {
    match error {
        OciDistributionError::ImageManifestNotFoundError(_) => true,
        OciDistributionError::ServerError { code, .. } => *code == 404,
        OciDistributionError::RegistryError { envelope, .. } => envelope.errors.iter().any(|error| {
            let code = &error.code;
            matches!(code, OciErrorCode::ManifestUnknown | OciErrorCode::NameUnknown | OciErrorCode::NotFound)
        }),
        _ => false,
    }
}

/// Whether the registry wants another login.
pub fn is_refused(error: &OciDistributionError) -> bool {
    match error {
        OciDistributionError::UnauthorizedError { .. } | OciDistributionError::AuthenticationFailure(_) => {
            true
        }
        error => status(error).is_some_and(|code| code == 401 || code == 403),
    }
}
