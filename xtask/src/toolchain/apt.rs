//! Programs out of Debian's packages: a private apt root, the user's own mirror, Debian's own signatures; the system is not touched.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::download;
use super::pins::{DebianPin, FilePin, Sha256};
use super::programs::Programs;
use crate::error::{Error, IoContext as _, Result};
use crate::paths::remove_folder;
use crate::process;

/// What [`unpack`] needs to know.
pub struct Job<'a> {
    /// Debian releases that may have the packages.
    pub suites: &'a [String],
    /// The keys that sign these releases.
    pub keyring: &'a str,
    /// The packages.
    pub packages: &'a [DebianPin],
    /// Debian's name of the processor that they are for.
    pub architecture: &'a str,
    /// The user's mirror of Debian; not needed when the cache has the packages.
    pub mirror: Option<&'a str>,
    /// Where verified files lie.
    pub downloads: &'a Path,
    /// A folder for apt's state, and for nothing else.
    pub scratch: &'a Path,
    /// What a user can do who gets none of these packages.
    pub help: &'a str,
    /// Whether the packages that are pinned at the first one's version belong together, as parts of one compiler do: then no newer
    /// version of one is taken.
    pub exact: bool,
}

/// Why packages are not there.
#[derive(Debug)]
pub enum Fault {
    /// Nobody offers them, or nobody who does can be reached.
    Absent(Error),
    /// They are not what was promised, or cannot be unpacked.
    Failed(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        Fault::Failed(error)
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Error {
        match fault {
            Fault::Absent(error) | Fault::Failed(error) => error,
        }
    }
}

/// Fetches what is not in the cache and unpacks all packages into `root`.
pub fn unpack(job: &Job<'_>, programs: &Programs, root: &Path) -> Result<(), Fault> {
    remove_folder(job.scratch)?;
    fs::create_dir_all(root).or_io("create", root)?;
    let mut apt = None;
    for pin in job.packages {
        let mut version = pin.version.clone();
        let mut file_pin = file_pin(pin);
        if download::check(&download::place(job.downloads, &file_pin), &file_pin).is_err() {
            let apt = match &mut apt {
                Some(apt) => apt,
                none => none.insert(Apt::update(job, programs).map_err(Fault::Absent)?),
            };
            let offer = apt.choose(pin).map_err(Fault::Absent)?;
            if let Some(why) = job.refuses(pin, &offer) {
                return Err(Fault::Absent(why));
            }
            if offer.version != pin.version {
                eprintln!(
                    "note: Debian no longer offers {} {}; taking {} with SHA-256 {} from its signed index",
                    pin.package, pin.version, offer.version, offer.file.sha256
                );
            }
            (version, file_pin) = (offer.version, offer.file);
        }
        let (apt, mut came) = (apt.as_ref(), true);
        let deb = download::ensure(job.downloads, &file_pin, |folder| {
            let apt =
                apt.ok_or_else(|| Error::failed(format!("{} vanished from the cache", file_pin.file)))?;
            let done = apt.download(&pin.package, &version, &file_pin.file, folder);
            came = done.is_ok();
            done
        });
        let deb = deb.map_err(|error| if came { Fault::Failed(error) } else { Fault::Absent(error) })?;
        process::read(programs.command("dpkg-deb").arg("-x").arg(&deb).arg(root))?;
    }
    Ok(remove_folder(job.scratch)?)
}

impl Job<'_> {
    fn refuses(&self, pin: &DebianPin, offer: &Offer) -> Option<Error> {
        let belongs = self.exact && self.packages.first().is_some_and(|first| first.version == pin.version);
        let DebianPin { package, version, .. } = pin;
        (belongs && offer.version != *version).then(|| {
            Error::failed(format!(
                "Debian offers {package} {} and no longer {version}, which others here belong to",
                offer.version
            ))
            .help(self.help)
        })
    }
}

/// The pin of a package as a pin of a file.
pub fn file_pin(pin: &DebianPin) -> FilePin {
    let file = format!("{}_{}.deb", pin.package, pin.version);
    FilePin { file, size_bytes: pin.size_bytes, sha256: pin.sha256.clone() }
}

struct Offer {
    version: String,
    file: FilePin,
}

/// An apt root of our own with fresh indexes.
struct Apt<'a> {
    programs: &'a Programs,
    help: &'a str,
    options: Vec<String>,
    config: PathBuf,
}

impl<'a> Apt<'a> {
    fn update(job: &Job<'a>, programs: &'a Programs) -> Result<Apt<'a>> {
        let mirror = job
            .mirror
            .ok_or_else(|| Error::failed("apt's sources name no mirror of Debian").help(job.help))?;
        let at = |name: &str| job.scratch.join(name);
        for folder in ["state/lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(at(folder)).or_io("create", &at(folder))?;
        }
        let list: String = job
            .suites
            .iter()
            .map(|suite| format!("deb [signed-by={}] {mirror} {suite} main\n", job.keyring))
            .collect();
        // An image's hooks would clean the system's own folders, or refresh its indexes. They can only be cleared in a file read last.
        let hooks = ["Pre-Invoke", "Post-Invoke", "Post-Invoke-Success"];
        let clear: String = hooks.iter().map(|hook| format!("#clear APT::Update::{hook};\n")).collect();
        for (name, text) in [("status", ""), ("sources.list", &list), ("apt.conf", &clear)] {
            fs::write(at(name), text).or_io("write", &at(name))?;
        }
        let options = [
            ("Dir::State", at("state").display().to_string()),
            ("Dir::State::status", at("status").display().to_string()),
            ("Dir::Cache", at("cache").display().to_string()),
            ("Dir::Etc::sourcelist", at("sources.list").display().to_string()),
            ("Dir::Etc::sourceparts", "/nonexistent".into()),
            ("APT::Architecture", job.architecture.into()),
            ("APT::Architectures", job.architecture.into()),
            ("APT::Sandbox::User", String::new()),
            ("Acquire::Languages", "none".into()),
            // A third of the download, and nothing we read.
            ("Acquire::IndexTargets::deb::DEP-11::DefaultEnabled", "false".into()),
            ("Acquire::Retries", "3".into()),
        ];
        let options = options.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let apt = Apt { programs, help: job.help, options, config: at("apt.conf") };
        process::read(apt.command("apt-get").args(["--error-on=any", "update"]))?;
        Ok(apt)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = self.programs.command(program);
        command.arg("-qq").arg("-c").arg(&self.config);
        command.args(self.options.iter().flat_map(|option| ["-o", option.as_str()]));
        command
    }

    fn choose(&self, pin: &DebianPin) -> Result<Offer> {
        let shown = process::read(self.command("apt-cache").args(["show", &pin.package]));
        // A package that nobody offers is an error of apt-cache.
        let text = shown.map_err(|error| {
            Error::failed(format!("Debian offers no {}: {}", pin.package, error.message())).help(self.help)
        })?;
        choose(pin, &text, |left, right| {
            let mut command = self.programs.command("dpkg");
            command.args(["--compare-versions", left, "ge", right]);
            Ok(process::output(&mut command)?.status.success())
        })
        .map_err(|error| error.help(self.help))
    }

    fn download(&self, package: &str, version: &str, file: &str, folder: &Path) -> Result<()> {
        let mut command = self.command("apt-get");
        process::read(command.arg("download").arg(format!("{package}={version}")).current_dir(folder))?;
        for entry in fs::read_dir(folder).or_io("read", folder)?.flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "deb") {
                return fs::rename(entry.path(), folder.join(file)).or_io("rename", &entry.path());
            }
        }
        Err(Error::failed(format!("{} left no .deb", process::display(&command))))
    }
}

/// The pinned version if `apt-cache show` has it, else the newest that is not older; `not_older` compares as dpkg does.
fn choose(pin: &DebianPin, shown: &str, not_older: impl Fn(&str, &str) -> Result<bool>) -> Result<Offer> {
    let mut best: Option<Offer> = None;
    for stanza in shown.split("\n\n") {
        let field = |name: &str| {
            stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(str::trim)
        };
        let (Some(version), Some(size), Some(digest)) = (field("Version"), field("Size"), field("SHA256"))
        else {
            continue;
        };
        if version == pin.version {
            // Compared with the pin after the download, which then names both values.
            return Ok(Offer { version: version.into(), file: file_pin(pin) });
        }
        let floor = best.as_ref().map_or(pin.version.as_str(), |best| &best.version);
        if not_older(version, floor)? {
            let bad =
                |what| Error::failed(format!("apt-cache says a bad {what} for {} {version}", pin.package));
            let sha256 = Sha256::try_from(digest.to_owned()).map_err(|_| bad("SHA256"))?;
            let size_bytes = size.parse().map_err(|_| bad("Size"))?;
            let file = file_pin(&DebianPin {
                package: pin.package.clone(),
                version: version.into(),
                size_bytes,
                sha256,
            });
            best = Some(Offer { version: version.into(), file });
        }
    }
    best.ok_or_else(|| {
        Error::failed(format!("Debian offers no {} of version {} or later", pin.package, pin.version))
    })
}

/// apt's sources in its folder: file name and text, by name.
pub fn sources(apt: &Path) -> Vec<(String, String)> {
    let mut paths = vec![apt.join("sources.list")];
    let listed =
        fs::read_dir(apt.join("sources.list.d")).into_iter().flatten().flatten().map(|entry| entry.path());
    paths.extend(listed.filter(|path| path.extension().is_some_and(|end| end == "list" || end == "sources")));
    paths.sort();
    paths
        .into_iter()
        .filter_map(|path| Some((path.to_string_lossy().into_owned(), fs::read_to_string(&path).ok()?)))
        .collect()
}

/// The mirror of Debian in the texts of apt's sources (file name, text): the first entry with a release of Debian that is not its security
/// archive. Both of apt's formats, sources.list(5).
pub fn debian_mirror(sources: &[(String, String)]) -> Option<String> {
    sources
        .iter()
        .find_map(|(name, text)| if name.ends_with(".sources") { from_deb822(text) } else { from_list(text) })
}

fn from_deb822(text: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    lines.split(|line| line.trim().is_empty()).find_map(|stanza| {
        let field = |name: &str| {
            let value = |line: &&str| {
                let (key, value) = line.split_once(':')?;
                key.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            };
            stanza.iter().find_map(value)
        };
        let words = |name: &str| {
            field(name).unwrap_or_default().split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        let off = field("Enabled").is_some_and(|value| value.eq_ignore_ascii_case("no"));
        let ours = !off
            && words("Types").contains(&"deb".to_owned())
            && words("Suites").iter().any(|suite| is_debian(suite));
        if ours { words("URIs").into_iter().next() } else { None }
    })
}

fn from_list(text: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let rest =
            line.split('#').next()?.trim().strip_prefix("deb")?.strip_prefix([' ', '\t'])?.trim_start();
        let rest = match rest.strip_prefix('[') {
            Some(options) => options.split_once(']')?.1,
            None => rest,
        };
        let mut words = rest.split_whitespace();
        let (uri, suite) = (words.next()?, words.next()?);
        is_debian(suite).then(|| uri.to_owned())
    })
}

/// A suite of Debian itself; its security archive and its updates lie elsewhere or have another shape.
fn is_debian(suite: &str) -> bool {
    let releases =
        ["bullseye", "bookworm", "trixie", "forky", "sid", "stable", "testing", "unstable", "oldstable"];
    releases.contains(&suite)
}

#[cfg(test)]
#[path = "apt_tests.rs"]
mod tests;
