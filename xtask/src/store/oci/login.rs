//! Who we are for a registry: variables of ours, or what `docker login` has written.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use oci_client::secrets::RegistryAuth;
use serde_json::Value;

use crate::env;
use crate::error::{Error, IoContext as _, Result};
use crate::store::remote::Secret;

/// Nobody, somebody with a password, or the bearer of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// Nobody.
    Anonymous,
    /// A user, and a password or what stands for one.
    Basic(String, Secret),
    /// A token that is sent as it is.
    Bearer(Secret),
}

impl Login {
    /// Of `LIBV8_REGISTRY_…`, or else of Docker's file for this host.
    pub fn of_user(host: &str) -> Result<Login> {
        let text = |value: Option<OsString>| value.and_then(|value| value.into_string().ok());
        let password =
            secret("LIBV8_REGISTRY_PASSWORD", env::registry_password(), env::registry_password_file())?;
        let token = secret("LIBV8_REGISTRY_TOKEN", env::registry_token(), env::registry_token_file())?;
        match (text(env::registry_user()), password, token) {
            (None, None, None) => {
                let folder = env::docker_config().or_else(|| Some(env::home()?.join(".docker")));
                folder.map_or(Ok(Login::Anonymous), |folder| of_docker(&folder.join("config.json"), host))
            }
            (None, None, Some(token)) => Ok(Login::Bearer(token)),
            (Some(user), Some(password), None) => Ok(Login::Basic(user, password)),
            _ => Err(Error::usage("a registry takes a user with a password, or a token")
                .help("set LIBV8_REGISTRY_USER and LIBV8_REGISTRY_PASSWORD, or LIBV8_REGISTRY_TOKEN alone")),
        }
    }

    /// What must not be shown.
    pub fn secrets(&self) -> Vec<Secret> {
        match self {
            Login::Anonymous => Vec::new(),
            Login::Bearer(token) => vec![token.clone()],
            Login::Basic(user, password) => {
                // As it travels.
                let pair =
                    base64::engine::general_purpose::STANDARD.encode(format!("{user}:{}", password.reveal()));
                vec![password.clone(), Secret::new(&pair)]
            }
        }
    }

    /// For the client.
    pub fn auth(&self) -> RegistryAuth {
        match self {
            Login::Anonymous => RegistryAuth::Anonymous,
            Login::Basic(user, password) => RegistryAuth::Basic(user.clone(), password.reveal().to_owned()),
            Login::Bearer(token) => RegistryAuth::Bearer(token.reveal().to_owned()),
        }
    }
}

fn secret(name: &str, value: Option<OsString>, file: Option<PathBuf>) -> Result<Option<Secret>> {
    match (value.and_then(|value| value.into_string().ok()), file) {
        (Some(value), None) => Ok(Some(Secret::new(&value))),
        (None, Some(file)) => Ok(Some(Secret::new(&std::fs::read_to_string(&file).or_io("read", &file)?))),
        (Some(_), Some(_)) => Err(Error::usage(format!("{name} and {name}_FILE are both set"))),
        (None, None) => Ok(None),
    }
}

/// The entry of `auths` for this host. Helpers that keep passwords elsewhere are programs, and are not started.
fn of_docker(path: &Path, host: &str) -> Result<Login> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Login::Anonymous),
        Err(error) => return Err(error).or_io("read", path),
    };
    let fail = |why: &str| Error::usage(format!("{}: {why}", path.display()));
    let json: Value = serde_json::from_str(&text).map_err(|_| fail("it is not JSON"))?;
    let Some(entry) = json["auths"].get(host) else { return Ok(Login::Anonymous) };
    let Some(encoded) = entry["auth"].as_str().filter(|encoded| !encoded.is_empty()) else {
        return Err(fail(&format!("the password for {host} is kept by a helper, which is not started"))
            .help("set LIBV8_REGISTRY_USER and LIBV8_REGISTRY_PASSWORD, or LIBV8_REGISTRY_PASSWORD_FILE"));
    };
    let pair = base64::engine::general_purpose::STANDARD.decode(encoded).ok();
    let pair = pair.and_then(|bytes| String::from_utf8(bytes).ok());
    match pair.as_deref().and_then(|pair| pair.split_once(':')) {
        Some((user, password)) => Ok(Login::Basic(user.to_owned(), Secret::new(password))),
        None => Err(fail(&format!("the entry of {host} is not user:password in base64"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toolchain::testing::Folder;

    #[test]
    fn what_docker_login_has_written_is_read() {
        let folder = Folder::new();
        let path = folder.path().join("config.json");
        let check = |text: &str, expected: std::result::Result<Login, &str>| {
            std::fs::write(&path, text).unwrap();
            match (of_docker(&path, "registry.example.org"), expected) {
                (Ok(login), Ok(expected)) => assert_eq!(login, expected),
                (Err(error), Err(part)) => {
                    assert!(error.to_string().contains(part), "{error}");
                    assert!(!error.to_string().contains("geheim"), "{error}");
                }
                (got, expected) => panic!("{got:?}, but {expected:?} was expected"),
            }
        };
        assert_eq!(of_docker(&path, "registry.example.org").unwrap(), Login::Anonymous);
        check(
            r#"{"auths": {"registry.example.org": {"auth": "bWU6Z2VoZWlt"}}}"#,
            Ok(Login::Basic("me".to_owned(), Secret::new("geheim"))),
        );
        check(r#"{"auths": {"other.example.org": {"auth": "bWU6Z2VoZWlt"}}}"#, Ok(Login::Anonymous));
        check(r#"{"auths": {"registry.example.org": {}}, "credsStore": "x"}"#, Err("kept by a helper"));
        check(r#"{"auths": {"registry.example.org": {"auth": "geheim!"}}}"#, Err("is not user:password"));
        check("geheim", Err("it is not JSON"));
    }

    #[test]
    fn a_password_is_hidden_as_it_is_and_as_it_travels() {
        let login = Login::Basic("me".to_owned(), Secret::new("geheim"));
        let hidden: Vec<Secret> = login.secrets();
        assert_eq!(hidden, [Secret::new("geheim"), Secret::new("bWU6Z2VoZWlt")]);
        assert_eq!(format!("{login:?}"), "Basic(\"me\", Secret(…))");
        assert!(!format!("{:?}", login.auth()).contains("geheim"));
    }
}
