//! Reads an address such as `redis://:password@host/0`: one exact form for each scheme, everything else is refused.

use std::path::Path;

use super::{Login, Store};

/// The parts that every scheme has.
struct Parts<'a> {
    login: Option<Login>,
    /// With its port if there is one; empty for files.
    host: &'a str,
    /// From its `/`, decoded; empty if there is none.
    path: String,
    query: Vec<(&'a str, String)>,
}

/// What `text` names; the fault names no secret.
pub fn parse(text: &str) -> Result<Store, String> {
    let (scheme, rest) = text.split_once("://").ok_or("it has no scheme")?;
    if let Some(bad) = rest.chars().find(|c| c.is_whitespace() || c.is_control()) {
        return Err(format!("{bad:?} must be written as %{:02X}", u32::from(bad)));
    }
    match scheme {
        "redis" | "rediss" => redis(scheme, Parts::of(rest, &["prefix"])?),
        "s3" => s3(Parts::of(rest, &["endpoint", "region", "anonymous"])?),
        "webdav" => webdav("http", Parts::of(rest, &[])?),
        "webdavs" => webdav("https", Parts::of(rest, &[])?),
        "file" => folder(&Parts::of(rest, &[])?),
        _ => Err(format!("no cache is reached by {scheme:?}")),
    }
}

/// The text without what may be a secret: all before the last `@`, and the values behind `?`.
pub fn without_secrets(text: &str) -> String {
    let (before, after) = text.rsplit_once('@').unwrap_or(("", text));
    let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
    let login = match (before.is_empty(), scheme.is_empty()) {
        (true, _) => String::new(),
        (false, true) => "…@".to_owned(),
        (false, false) => format!("{scheme}://…@"),
    };
    let after = after.split_once('?').map_or(after.to_owned(), |(path, _)| format!("{path}?…"));
    login + &after
}

impl<'a> Parts<'a> {
    fn of(rest: &'a str, parameters: &[&str]) -> Result<Parts<'a>, String> {
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (login, host) = match authority.rsplit_once('@') {
            Some((login, host)) => (Some(login_of(login)?), host),
            None => (None, authority),
        };
        check_host(host)?;
        let mut parts = Parts { login, host, path: decoded(path)?, query: Vec::new() };
        for pair in query.into_iter().flat_map(|query| query.split('&')) {
            let (name, value) = pair.split_once('=').ok_or("a parameter without a value")?;
            if !parameters.contains(&name) {
                return Err(match parameters {
                    [] => "it takes no parameters".to_owned(),
                    _ => format!("a parameter other than {}", parameters.join(", ")),
                });
            }
            if value.is_empty() || parts.query.iter().any(|(known, _)| *known == name) {
                return Err(format!("{name} must be given once, with a value"));
            }
            parts.query.push((name, decoded(value)?));
        }
        Ok(parts)
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let at = self.query.iter().position(|(known, _)| *known == name)?;
        Some(self.query.remove(at).1)
    }

    fn need_host(&self) -> Result<(), String> {
        if self.host.is_empty() { Err("it names no host".to_owned()) } else { Ok(()) }
    }
}

fn redis(scheme: &str, mut parts: Parts<'_>) -> Result<Store, String> {
    parts.need_host()?;
    let database = match parts.path.trim_start_matches('/') {
        "" => 0,
        digits => digits.parse().map_err(|_| format!("{digits:?} is no number of a database"))?,
    };
    let port = if has_port(parts.host) { "" } else { ":6379" };
    Ok(Store::Redis {
        endpoint: format!("{scheme}://{}{port}", parts.host),
        database,
        prefix: parts.take("prefix").unwrap_or_default(),
        login: parts.login,
    })
}

fn s3(mut parts: Parts<'_>) -> Result<Store, String> {
    if parts.login.is_some() {
        return Err("credentials belong in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".to_owned());
    }
    if parts.host.is_empty() || has_port(parts.host) {
        return Err("it names no bucket".to_owned());
    }
    let endpoint = parts.take("endpoint");
    if let Some(endpoint) = &endpoint {
        let host = endpoint.strip_prefix("http://").or_else(|| endpoint.strip_prefix("https://"));
        let host =
            host.filter(|host| !host.is_empty()).ok_or("endpoint must begin with http:// or https://")?;
        check_host(host)?;
    }
    let is_anonymous = match parts.take("anonymous").as_deref() {
        None => false,
        Some("yes") => true,
        Some(_) => return Err("anonymous can only be yes".to_owned()),
    };
    Ok(Store::S3 {
        bucket: parts.host.to_owned(),
        prefix: parts.path.trim_matches('/').to_owned(),
        endpoint,
        region: parts.take("region"),
        is_anonymous,
    })
}

fn webdav(scheme: &str, parts: Parts<'_>) -> Result<Store, String> {
    parts.need_host()?;
    if parts.login.as_ref().is_some_and(|login| login.user.is_empty()) {
        return Err("a password without a user".to_owned());
    }
    let path = if parts.path.is_empty() { "/".to_owned() } else { parts.path };
    Ok(Store::WebDav { endpoint: format!("{scheme}://{}", parts.host), path, login: parts.login })
}

fn folder(parts: &Parts<'_>) -> Result<Store, String> {
    // On Windows file:///C:/x is C:/x.
    let path = if cfg!(windows) { parts.path.trim_start_matches('/') } else { &parts.path };
    let path = Path::new(path);
    if parts.login.is_some() || !parts.host.is_empty() || !path.is_absolute() {
        return Err("the path of a folder must be absolute, behind file://".to_owned());
    }
    Ok(Store::Folder(path.to_owned()))
}

/// `user:password`, decoded.
fn login_of(text: &str) -> Result<Login, String> {
    let (user, password) = text.split_once(':').ok_or("a user without a password")?;
    if password.is_empty() {
        return Err("an empty password".to_owned());
    }
    Ok(Login { user: decoded(user)?, password: decoded(password)? })
}

fn has_port(host: &str) -> bool {
    host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'))
}

/// A name or an address, and a port if there is one; the message repeats nothing: what stands here may be a secret.
fn check_host(host: &str) -> Result<(), String> {
    let (name, port) = if has_port(host) { host.rsplit_once(':').unwrap_or((host, "")) } else { (host, "1") };
    if port.parse::<u16>().map_or(true, |port| port == 0) {
        return Err("its port is no number from 1 to 65535".to_owned());
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let is_v6 = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let is_good = match is_v6 {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => name.chars().all(is_plain),
    };
    if is_good { Ok(()) } else { Err("its host is neither a name nor an address".to_owned()) }
}

/// `%2F` is `/` (RFC 3986, 2.1).
fn decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err("a % without two digits behind it: write % itself as %25".to_owned());
        };
        bytes.push(u8::try_from(high * 16 + low).expect("two hexadecimal digits"));
    }
    String::from_utf8(bytes).map_err(|_| "what %.. stands for is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let check = |text: &str, expected: &str| {
            let login = |login: Option<Login>| {
                login.map_or("-".to_owned(), |login| format!("{}:{}", login.user, login.password))
            };
            let parsed = match parse(text) {
                Ok(Store::Redis { endpoint, database, prefix, login: l }) => {
                    format!("{endpoint} {database} {prefix:?} {}", login(l))
                }
                Ok(Store::WebDav { endpoint, path, login: l }) => format!("{endpoint} {path} {}", login(l)),
                Ok(other) => format!("{other:?}"),
                Err(fault) => format!("! {fault}"),
            };
            assert_eq!(parsed, expected, "{text}");
        };
        check("redis://host", "redis://host:6379 0 \"\" -");
        check("rediss://host:7/3?prefix=v8", "rediss://host:7 3 \"v8\" -");
        check("redis://:p%40ss@[::1]", "redis://[::1]:6379 0 \"\" :p@ss");
        check("redis://me:pass@[::1]:7", "redis://[::1]:7 0 \"\" me:pass");
        check("webdav://host", "http://host / -");
        check("webdavs://me:pass@host:81/a%20b/", "https://host:81 /a b/ me:pass");
        check(
            "s3://bucket/a/b/?endpoint=http://127.0.0.1:9&region=x",
            "S3 { bucket: \"bucket\", prefix: \"a/b\", endpoint: Some(\"http://127.0.0.1:9\"), region: Some(\"x\"), is_anonymous: false }",
        );
        check(
            "s3://bucket?anonymous=yes",
            "S3 { bucket: \"bucket\", prefix: \"\", endpoint: None, region: None, is_anonymous: true }",
        );

        check("host:6379", "! it has no scheme");
        check("http://host", "! no cache is reached by \"http\"");
        check("redis://", "! it names no host");
        check("redis://host/one", "! \"one\" is no number of a database");
        check("redis://host:0", "! its port is no number from 1 to 65535");
        check("redis://host:70000", "! its port is no number from 1 to 65535");
        check("redis://ho,st", "! its host is neither a name nor an address");
        check("redis://[::x]", "! its host is neither a name nor an address");
        check("redis://me@host", "! a user without a password");
        check("redis://me:@host", "! an empty password");
        check("redis://me:100%@host", "! a % without two digits behind it: write % itself as %25");
        check("redis://host?db=1", "! a parameter other than prefix");
        check("redis://host?prefix=a&prefix=b", "! prefix must be given once, with a value");
        check("redis://host ", "! ' ' must be written as %20");
        check(
            "s3://key:secret@bucket",
            "! credentials belong in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        );
        check("s3:///prefix", "! it names no bucket");
        check("s3://bucket?endpoint=host:9", "! endpoint must begin with http:// or https://");
        check("s3://bucket?anonymous=no", "! anonymous can only be yes");
        check("webdav://:pass@host", "! a password without a user");
        check("webdav://host?x=1", "! it takes no parameters");
        check("file://relative/path", "! the path of a folder must be absolute, behind file://");
        check("file://", "! the path of a folder must be absolute, behind file://");
    }

    #[cfg(unix)]
    #[test]
    fn a_folder() {
        assert_eq!(parse("file:///a/b%20c"), Ok(Store::Folder("/a/b c".into())));
    }

    #[test]
    fn secrets_are_cut_out_of_any_text() {
        let check = |text: &str, expected: &str| assert_eq!(without_secrets(text), expected);
        check("redis://me:pa@ss/w@host/1", "redis://…@host/1");
        check("me:pass@host", "…@host");
        check("redis://host/1?token=x", "redis://host/1?…");
        check("anything", "anything");
    }
}
