//! Where S3 is and who we are there: the variables and files that Amazon's own tools read.

use std::collections::BTreeMap;
use std::path::Path;

use object_store::aws::AmazonS3ConfigKey;

use crate::env;
use crate::error::{Error, IoContext as _, Result};
use crate::store::remote::{self, Limits, Secret};

/// Everything but the bucket.
#[derive(Debug, Clone)]
pub struct Settings {
    /// A server that is not Amazon's, without `/` at its end.
    pub endpoint: Option<String>,
    /// Where the bucket is; servers that are not Amazon's take any.
    pub region: String,
    /// Whether a server other than this machine may be plain http.
    pub allow_http: bool,
    /// Whether a bucket is part of the host's name, as Amazon prefers, or of the path.
    pub virtual_hosts: bool,
    /// Who we are, in the client's own terms.
    pub credentials: Vec<(AmazonS3ConfigKey, Secret)>,
    /// What bounds every request.
    pub limits: Limits,
    /// Larger files are uploaded in parts of this length.
    pub part_bytes: usize,
}

/// At the least throughput a part takes nine minutes; Amazon takes ten thousand of them.
pub const PART_BYTES: usize = 16 << 20;

/// The variables that say who we are: the first two together, the third beside them.
const KEYS: [&str; 3] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];

impl Settings {
    /// Of the variables `AWS_…`, and of the files `credentials` and `config` in `~/.aws`.
    pub fn of_user() -> Result<Settings> {
        let variables = env::aws().into_iter();
        let variables =
            variables.filter_map(|(name, value)| Some((name, value.into_string().ok()?))).collect();
        Settings::of(&variables, env::home().as_deref())
    }

    fn of(variables: &BTreeMap<&'static str, String>, home: Option<&Path>) -> Result<Settings> {
        let get = |name: &str| variables.get(name).cloned();
        let file = |variable: &str, name: &str| {
            let path = get(variable).map(Into::into);
            path.or_else(|| home.map(|home| home.join(".aws").join(name)))
        };
        let profile = get("AWS_PROFILE");
        let section = profile.as_deref().unwrap_or("default");
        let config = match file("AWS_CONFIG_FILE", "config") {
            Some(path) => section_of(&path, &[&format!("profile {section}"), section])?.unwrap_or_default(),
            None => BTreeMap::new(),
        };
        let mut credentials = Vec::new();
        // A profile that is asked for by name is meant more than keys that lie about.
        if profile.is_none() {
            credentials = of_variables(variables)?;
        }
        if credentials.is_empty() {
            let path = file("AWS_SHARED_CREDENTIALS_FILE", "credentials");
            let keys = match &path {
                Some(path) => section_of(path, &[section])?.unwrap_or_default(),
                None => BTreeMap::new(),
            };
            let keys = if keys.is_empty() { &config } else { &keys };
            for name in ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"] {
                if let Some(value) = keys.get(name) {
                    credentials.push((key(name), Secret::new(value)));
                }
            }
            if credentials.len() < 2 {
                let fault = match (&profile, path) {
                    (Some(profile), Some(path)) => {
                        format!("{} has no keys of the profile {profile}", path.display())
                    }
                    _ => "there are no keys for S3".to_owned(),
                };
                return Err(Error::usage(fault).help(
                    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE to one of ~/.aws/credentials",
                ));
            }
        }
        let endpoint = get("AWS_ENDPOINT_URL_S3").or_else(|| get("AWS_ENDPOINT_URL"));
        let endpoint = endpoint.or_else(|| config.get("endpoint_url").cloned());
        let region = get("AWS_REGION").or_else(|| get("AWS_DEFAULT_REGION"));
        let region = region.or_else(|| config.get("region").cloned());
        if region.is_none() && endpoint.is_none() {
            return Err(Error::usage("S3 needs the region of the bucket").help("set AWS_REGION"));
        }
        let settings = Settings {
            endpoint: endpoint.map(|url| url.trim_end_matches('/').to_owned()),
            region: region.unwrap_or_else(|| "us-east-1".to_owned()),
            allow_http: get("AWS_ALLOW_HTTP").is_some_and(|value| value == "true" || value == "1"),
            virtual_hosts: get("AWS_VIRTUAL_HOSTED_STYLE_REQUEST").is_some_and(|value| value == "true"),
            credentials,
            limits: Limits::default(),
            part_bytes: PART_BYTES,
        };
        settings.check()?;
        Ok(settings)
    }

    /// Whether nothing would go over the network in the clear.
    pub fn check(&self) -> Result<()> {
        let how = "set AWS_ALLOW_HTTP=true if nobody listens on the way";
        self.endpoint.iter().try_for_each(|url| remote::check_scheme(url, self.allow_http, Some(how)))
    }
}

fn of_variables(variables: &BTreeMap<&'static str, String>) -> Result<Vec<(AmazonS3ConfigKey, Secret)>> {
    let (there, missing): (Vec<&str>, Vec<&str>) =
        KEYS[..2].iter().copied().partition(|name| variables.contains_key(name));
    match (there.as_slice(), missing.as_slice()) {
        ([], _) => Ok(Vec::new()),
        ([there, ..], [missing, ..]) => Err(Error::usage(format!("{there} is set and {missing} is not"))),
        _ => {
            let found = KEYS.iter().filter_map(|name| Some((key(name), Secret::new(variables.get(name)?))));
            Ok(found.collect())
        }
    }
}

fn key(name: &str) -> AmazonS3ConfigKey {
    // Names of this file only; a test goes through all of them.
    name.to_ascii_lowercase().parse().expect("the client knows Amazon's names")
}

/// The first of these sections of an INI file as Amazon's tools write them; nothing if there is no such file or section.
fn section_of(path: &Path, names: &[&str]) -> Result<Option<BTreeMap<String, String>>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).or_io("read", path),
    };
    let mut sections: BTreeMap<&str, BTreeMap<String, String>> = BTreeMap::new();
    let mut section = None;
    for line in text.lines() {
        // Indented lines are settings within a setting, of which none is ours.
        if line.starts_with([' ', '\t', '#', ';']) || line.trim().is_empty() {
            continue;
        }
        if let Some(name) = line.trim_end().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = Some(sections.entry(name.trim()).or_default());
        } else if let (Some(section), Some((name, value))) = (section.as_mut(), line.split_once('=')) {
            section.insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    Ok(names.iter().find_map(|name| sections.remove(name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toolchain::testing::Folder;

    fn of(pairs: &[(&'static str, &str)], home: Option<&Path>) -> Result<Settings> {
        let variables = pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Settings::of(&variables, home)
    }

    fn keys(settings: &Settings) -> Vec<&str> {
        settings.credentials.iter().map(|(_, secret)| secret.reveal()).collect()
    }

    #[test]
    fn every_name_is_one_of_the_clients() {
        for name in KEYS {
            key(name);
            assert!(env::TABLE.iter().any(|(names, _)| names.split(", ").any(|one| one == name)), "{name}");
        }
    }

    #[test]
    fn variables_come_before_files_and_a_profile_before_both() {
        let home = Folder::new();
        std::fs::create_dir_all(home.path().join(".aws")).unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(home.path().join(".aws").join(name), text).unwrap();
        write(
            "credentials",
            "# mine\n[default]\naws_access_key_id = A\naws_secret_access_key=B\n\n[ci]\naws_access_key_id=C\n\
             aws_secret_access_key = D\naws_session_token = E\n",
        );
        write("config", "[default]\nregion = here\ns3 =\n  region = nested\n[profile ci]\nregion=there\n");
        let settings = of(&[], Some(home.path())).unwrap();
        assert_eq!((keys(&settings), settings.region.as_str()), (vec!["A", "B"], "here"));
        let set = [("AWS_ACCESS_KEY_ID", "X"), ("AWS_SECRET_ACCESS_KEY", "Y"), ("AWS_REGION", "z")];
        let settings = of(&set, Some(home.path())).unwrap();
        assert_eq!((keys(&settings), settings.region.as_str()), (vec!["X", "Y"], "z"));
        let settings = of(&[set[0], set[1], ("AWS_PROFILE", "ci")], Some(home.path())).unwrap();
        assert_eq!((keys(&settings), settings.region.as_str()), (vec!["C", "D", "E"], "there"));
        let error = of(&[("AWS_PROFILE", "other")], Some(home.path())).unwrap_err().to_string();
        assert!(error.contains("has no keys of the profile other"), "{error}");
        let text = format!("{settings:?}");
        assert!(!text.contains("\"D\"") && text.contains("Secret(…)"), "{text}");
    }

    #[test]
    fn what_is_missing_is_said_before_anything_is_sent() {
        let check = |pairs: &[(&'static str, &str)], expected: &str| {
            let error = of(pairs, None).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(expected), "{error}");
        };
        let (id, secret) = (("AWS_ACCESS_KEY_ID", "X"), ("AWS_SECRET_ACCESS_KEY", "Y"));
        check(&[], "set AWS_ACCESS_KEY_ID and");
        check(&[id], "AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not");
        check(&[id, secret], "set AWS_REGION");
        check(&[id, secret, ("AWS_ENDPOINT_URL", "http://10.0.0.1:9000")], "set AWS_ALLOW_HTTP=true");
        check(&[id, secret, ("AWS_ENDPOINT_URL", "10.0.0.1:9000")], "is no address");
        let http = [id, secret, ("AWS_ENDPOINT_URL", "http://10.0.0.1:9000/"), ("AWS_ALLOW_HTTP", "true")];
        assert_eq!(of(&http, None).unwrap().endpoint.unwrap(), "http://10.0.0.1:9000");
        let own = [id, secret, ("AWS_ENDPOINT_URL", "https://a"), ("AWS_ENDPOINT_URL_S3", "https://b")];
        assert_eq!(of(&own, None).unwrap().endpoint.unwrap(), "https://b");
    }
}
