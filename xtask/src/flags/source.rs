//! The command line of V8's sources.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Deserialize;

use super::What;

/// Where a V8 tree comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// The `v8` package of cargo's registry
    Crate,
    /// The V8 that Node.js carries, with Node's settings
    Node,
    /// V8's own repositories, as depot_tools would fetch them
    DepotTools,
}

/// What of a source that is not cargo's registry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Upstream {
    /// With --source depot-tools: a version, a tag or a commit of V8 [default: sources.depot-tools of targets.toml]
    #[arg(long, value_name = "REVISION")]
    pub revision: Option<String>,
    /// With --source depot-tools: git=URL, gcs=URL or cipd=URL to be asked in place of upstream's; with --source node:
    /// node=URL in place of nodejs.org/dist; file:// too
    #[arg(long = "mirror", value_name = "KIND=URL", value_parser = parse_mirror)]
    pub mirrors: Vec<(MirrorKind, String)>,
    /// With --source depot-tools: fetch this path of DEPS too
    #[arg(long = "with", value_name = "PATH")]
    pub with: Vec<String>,
    /// With --source depot-tools: have gclient fetch, out of this folder of depot_tools
    #[arg(long, value_name = "DIR")]
    pub gclient: Option<PathBuf>,
    /// With --source node: a version of Node [default: sources.node of targets.toml]
    #[arg(long, value_name = "VERSION")]
    pub node: Option<String>,
    /// With --source node: a release's tarball or unpacked tree of your own, and nothing is fetched
    #[arg(long, value_name = "PATH", conflicts_with = "node")]
    pub node_tree: Option<PathBuf>,
}

impl Upstream {
    /// What is to be asked in place of upstream's: the last word of the user.
    pub fn mirror(&self, kind: MirrorKind) -> Option<&str> {
        self.mirrors.iter().rev().find(|(of, _)| *of == kind).map(|(_, url)| url.as_str())
    }

    /// Whether an address has a name or password in front of its server's. Over ssh a name is a part of it.
    pub fn has_secret(&self) -> bool {
        self.mirrors.iter().any(|(_, url)| {
            let server = url.split_once("://").and_then(|(_, rest)| rest.split('/').next());
            let user = server.and_then(|server| server.rsplit_once('@')).map(|(user, _)| user);
            user.is_some_and(|user| user.contains(':') || !url.starts_with("ssh://"))
        })
    }

    /// The feature of this tool that fetching needs, if it was compiled without: files that are not in a folder.
    pub fn lacks(&self, source: Option<SourceKind>) -> Option<&'static str> {
        let is_folder = |kind: MirrorKind| self.mirror(kind).is_some_and(|url| url.starts_with("file://"));
        let needs_http = match source {
            Some(SourceKind::Node) => self.node_tree.is_none() && !is_folder(MirrorKind::Node),
            _ => !self.with.is_empty() && ![MirrorKind::Gcs, MirrorKind::Cipd].into_iter().all(is_folder),
        };
        (needs_http && !cfg!(feature = "downloads")).then_some("downloads")
    }
}

/// What a mirror is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MirrorKind {
    /// Repositories.
    Git,
    /// Google's storage.
    Gcs,
    /// Chromium's package service.
    Cipd,
    /// Node's releases.
    Node,
}

/// `source`
#[derive(Debug, Args)]
pub struct Source {
    /// What would be built
    #[command(flatten)]
    pub what: What,
    /// Show what the tree is made of and what is left out, with sizes, and make none
    #[arg(long, conflicts_with = "bundle")]
    pub dry_run: bool,
    /// Write one file with all that a build without network needs: source, toolchain, data
    #[arg(long, value_name = "FILE")]
    pub bundle: Option<PathBuf>,
    /// Take all that out of such a file first; only what it lacks is fetched
    #[arg(long, value_name = "FILE", conflicts_with_all = ["bundle", "dry_run"])]
    pub from_bundle: Option<PathBuf>,
}

pub fn parse_mirror(text: &str) -> Result<(MirrorKind, String), String> {
    let (kind, url) = text.split_once('=').unwrap_or((text, ""));
    let kind = match kind {
        "git" => MirrorKind::Git,
        "gcs" => MirrorKind::Gcs,
        "cipd" => MirrorKind::Cipd,
        "node" => MirrorKind::Node,
        _ => return Err(format!("{text:?} is none of git=URL, gcs=URL, cipd=URL, node=URL")),
    };
    let schemes: &[&str] = match kind {
        MirrorKind::Git => &["https://", "http://", "file:///", "git://", "ssh://"],
        MirrorKind::Gcs | MirrorKind::Cipd | MirrorKind::Node => &["https://", "http://", "file:///"],
    };
    let has_rest = |scheme: &&str| url.strip_prefix(*scheme).is_some_and(|rest| !rest.is_empty());
    if schemes.iter().any(has_rest) {
        Ok((kind, url.to_owned()))
    } else {
        Err(format!("{url:?} begins with none of {}", schemes.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_addresses() {
        let check = |url: &str, expected: bool| {
            let upstream =
                Upstream { mirrors: vec![(MirrorKind::Git, url.to_owned())], ..Upstream::default() };
            assert_eq!(upstream.has_secret(), expected, "{url}");
        };
        check("https://ci:TOKEN@host/b", true);
        check("https://TOKEN@host", true);
        check("ssh://git:TOKEN@host/b", true);
        check("ssh://git@host/b", false);
        check("https://host:1/a@b", false);
        check("file:///a@b", false);
    }

    #[test]
    fn mirrors() {
        let check = |text: &str, expected: Result<(MirrorKind, &str), &str>| {
            let found = parse_mirror(text);
            let found = found.as_ref().map(|(kind, url)| (*kind, url.as_str())).map_err(String::as_str);
            assert_eq!(found, expected, "{text}");
        };
        check("git=https://a/b", Ok((MirrorKind::Git, "https://a/b")));
        check("git=git://a:1/b", Ok((MirrorKind::Git, "git://a:1/b")));
        check("gcs=file:///a b", Ok((MirrorKind::Gcs, "file:///a b")));
        check("cipd=http://a", Ok((MirrorKind::Cipd, "http://a")));
        check("svn=http://a", Err("\"svn=http://a\" is none of git=URL, gcs=URL, cipd=URL, node=URL"));
        check("git", Err("\"\" begins with none of https://, http://, file:///, git://, ssh://"));
        check("gcs=git://a", Err("\"git://a\" begins with none of https://, http://, file:///"));
        check("gcs=https://", Err("\"https://\" begins with none of https://, http://, file:///"));
        check(
            "git=file://host/a",
            Err("\"file://host/a\" begins with none of https://, http://, file:///, git://, ssh://"),
        );
    }
}
