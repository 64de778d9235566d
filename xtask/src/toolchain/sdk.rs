//! SDKs of Windows and macOS that the user hands in as folders: neither may be given to others.
//!
//! Looked at before a plan is made: what a folder lacks is the reason why a target cannot be built, and says which folder
//! it is. Which SDK it is belongs to the build id.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::pins::Sha256;

/// The variable that names Windows' SDK, in the layout of `xwin splat`, and what makes such a folder.
pub const WINDOWS: &str = "LIBV8_WINDOWS_SDK";
const XWIN: &str = "xwin --accept-license --arch x86_64,aarch64 splat --include-debug-libs --output DIR";

/// The variable that names macOS' SDK, as Xcode's own tools have it.
pub const APPLE: &str = "SDKROOT";

/// An SDK with all that a build needs of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sdk {
    /// Where it lies.
    #[serde(skip)]
    pub folder: PathBuf,
    /// What tells it from another one: the digest of the files that state its versions.
    pub digest: String,
}

impl Sdk {
    /// Its name among the overlay's sysroots.
    pub fn name(&self) -> String {
        format!("sdk-{}", &self.digest[..16])
    }
}

/// The folders that the user names.
#[derive(Debug, Clone, Default)]
pub struct Folders {
    /// `LIBV8_WINDOWS_SDK`.
    pub windows: Option<PathBuf>,
    /// `SDKROOT`.
    pub apple: Option<PathBuf>,
}

impl Folders {
    /// The SDK for a target, by the family of its C library; none where the toolchain has all that is needed. An error is the
    /// sentence that says what is missing.
    pub fn sdk_for(&self, libc_family: &str, processor: &str) -> Result<Option<Sdk>, String> {
        match (libc_family, &self.windows, &self.apple) {
            ("msvc", Some(folder), _) => windows(folder, processor).map(Some),
            ("msvc", None, _) => Err(format!(
                "it needs Windows' SDK, and {WINDOWS} names no folder; {XWIN} makes one, if you accept Microsoft's licence"
            )),
            ("libSystem", _, Some(folder)) => apple(folder).map(Some),
            _ => Ok(None),
        }
    }
}

/// What must be in an SDK of Windows, as `xwin splat` lays it out.
fn windows(folder: &Path, processor: &str) -> Result<Sdk, String> {
    let parts: Vec<String> = ["crt/include", "sdk/include/ucrt", "sdk/include/um", "sdk/include/shared"]
        .into_iter()
        .map(str::to_owned)
        .chain(["crt/lib", "sdk/lib/ucrt", "sdk/lib/um"].map(|lib| format!("{lib}/{processor}")))
        .collect();
    lacking(WINDOWS, folder, parts.iter().map(String::as_str))?;
    // xwin writes no version. Windows' half states it as WDK_NTDDI_VERSION, in the header that every other includes; that of
    // Microsoft's compiler, whose headers and libraries have versions of their own, as _VC_CRT_BUILD_VERSION.
    sdk(WINDOWS, folder, &["sdk/include/shared/sdkddkver.h", "crt/include/crtversion.h"])
}

/// What must be in an SDK of macOS.
fn apple(folder: &Path) -> Result<Sdk, String> {
    let parts = ["usr/include", "usr/lib/libSystem.tbd", "System/Library/Frameworks", "SDKSettings.json"];
    lacking(APPLE, folder, parts.into_iter())?;
    sdk(APPLE, folder, &["SDKSettings.json"])
}

/// Names everything that is not there, in one sentence.
fn lacking<'a>(variable: &str, folder: &Path, parts: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let absent: Vec<&str> = parts.filter(|part| !folder.join(part).exists()).collect();
    if absent.is_empty() {
        return Ok(());
    }
    let folder = folder.display();
    Err(format!("{variable} is {folder}, which has no {}", absent.join(", no ")))
}

fn sdk(variable: &str, folder: &Path, versions: &[&str]) -> Result<Sdk, String> {
    let mut digests = String::new();
    for version in versions {
        let version = folder.join(version);
        let text = std::fs::read(&version)
            .map_err(|error| format!("{variable}: cannot read {}: {error}", version.display()))?;
        digests.push_str(&format!("{}\n", Sha256::of_bytes(&text)));
    }
    let folder = std::path::absolute(folder)
        .map_err(|error| format!("{variable}: cannot make {} absolute: {error}", folder.display()))?;
    Ok(Sdk { folder, digest: Sha256::of_bytes(digests.as_bytes()).to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(folder: &Path, files: &[&str]) {
        for file in files {
            let path = folder.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, *file).unwrap();
        }
    }

    #[test]
    fn what_an_sdk_of_windows_lacks_is_said_by_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let none = Folders::default().sdk_for("msvc", "x86_64").unwrap_err();
        assert!(
            none.starts_with("it needs Windows' SDK, and LIBV8_WINDOWS_SDK names no folder; xwin "),
            "{none}"
        );
        let folders = Folders { windows: Some(path.to_owned()), apple: None };
        make(path, &["crt/include/vcruntime.h", "crt/lib/x86_64/libcmt.lib", "sdk/include/ucrt/stdio.h"]);
        make(path, &["sdk/include/um/windows.h", "sdk/lib/ucrt/x86_64/libucrt.lib"]);
        let error = folders.sdk_for("msvc", "x86_64").unwrap_err();
        let expected = "which has no sdk/include/shared, no sdk/lib/um/x86_64";
        assert_eq!(error, format!("LIBV8_WINDOWS_SDK is {}, {expected}", path.display()));
        make(path, &["sdk/lib/um/x86_64/kernel32.lib", "sdk/include/shared/winerror.h"]);
        assert!(folders.sdk_for("msvc", "x86_64").unwrap_err().contains("sdkddkver.h"));
        make(path, &["sdk/include/shared/sdkddkver.h"]);
        assert!(folders.sdk_for("msvc", "x86_64").unwrap_err().contains("crtversion.h"));
        make(path, &["crt/include/crtversion.h"]);
        let sdk = folders.sdk_for("msvc", "x86_64").unwrap().unwrap();
        assert_eq!(sdk.folder, path);
        // Of the other processor there is nothing.
        let error = folders.sdk_for("msvc", "aarch64").unwrap_err();
        assert!(
            error.ends_with("no crt/lib/aarch64, no sdk/lib/ucrt/aarch64, no sdk/lib/um/aarch64"),
            "{error}"
        );
        // Another version of either half is another SDK.
        let mut names = vec![sdk.name()];
        for version in ["sdk/include/shared/sdkddkver.h", "crt/include/crtversion.h"] {
            std::fs::write(path.join(version), "newer").unwrap();
            let name = folders.sdk_for("msvc", "x86_64").unwrap().unwrap().name();
            assert!(!names.contains(&name), "{version}");
            names.push(name);
        }
    }

    #[test]
    fn an_sdk_of_macos_is_the_users_choice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        for family in ["libSystem", "glibc", "musl", "ucrt"] {
            assert_eq!(Folders::default().sdk_for(family, "aarch64"), Ok(None));
        }
        let folders = Folders { windows: None, apple: Some(path.to_owned()) };
        let error = folders.sdk_for("libSystem", "aarch64").unwrap_err();
        assert!(error.contains("which has no usr/include, no usr/lib/libSystem.tbd, no System"), "{error}");
        make(path, &["usr/include/stdio.h", "usr/lib/libSystem.tbd", "SDKSettings.json"]);
        make(path, &["System/Library/Frameworks/README"]);
        assert_eq!(folders.sdk_for("libSystem", "aarch64").unwrap().unwrap().name().len(), 20);
        assert_eq!(folders.sdk_for("glibc", "aarch64"), Ok(None));
    }
}
