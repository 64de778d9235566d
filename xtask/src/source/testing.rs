//! A cargo home with packages, for tests.

use std::path::Path;

use super::{CratePin, depot, sha256};
use crate::paths::Cache;

/// Packs a `.crate` file into the cache of a mirror, beside another registry's folder.
pub fn pack(folder: &Path, package: &str, version: &str, files: &[(&str, &str, u32)]) -> CratePin {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (name, text, mode) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(*mode);
        header.set_size(text.len() as u64);
        tar.append_data(&mut header, format!("{package}-{version}/{name}"), text.as_bytes()).unwrap();
    }
    store(folder, package, version, &tar.into_inner().unwrap().finish().unwrap())
}

/// These bytes as a `.crate` file there.
pub fn store(folder: &Path, package: &str, version: &str, bytes: &[u8]) -> CratePin {
    let cache = folder.join("home/registry/cache");
    std::fs::create_dir_all(cache.join("empty-2")).unwrap();
    std::fs::create_dir_all(cache.join("mirror-1")).unwrap();
    std::fs::write(cache.join(format!("mirror-1/{package}-{version}.crate")), bytes).unwrap();
    CratePin { package: package.into(), version: version.into(), sha256: sha256(bytes) }
}

/// A plan of the registry's tree with these versions, without patches; the digests are all `a` and all `b`.
pub fn plan_of(v8: &str, package: &str, icu_data: &str) -> super::SourcePlan {
    let pin = |package: &str, version: &str, digit: &str| CratePin {
        package: package.into(),
        version: version.into(),
        sha256: digit.repeat(64),
    };
    super::SourcePlan {
        kind: super::Kind::Crate,
        v8_version: v8.parse().unwrap(),
        origin: super::Origin::Crate {
            package: pin("v8", package, "a"),
            icu_data: pin("deno_core_icudata", icu_data, "b"),
        },
        patches: Vec::new(),
        embed: Vec::new(),
        key: String::new(),
        folder: "v8".into(),
        present: false,
    }
}

/// V8's own repositories, of which there is V8 alone, at this commit.
pub fn checkout_of(v8: &str, url: &str, commit: &str, cache: &Cache) -> depot::Checkout {
    let nowhere = depot::Mirrors { git: None, gcs: String::new(), cipd: String::new() };
    let asked = depot::Asked {
        url: url.to_owned(),
        revision: v8.to_owned(),
        commit: None,
        with: Vec::new(),
        cipd: std::collections::BTreeMap::new(),
        mirrors: nowhere,
        gclient: None,
        cache: cache.clone(),
    };
    let looked = depot::Looked {
        commit: commit.to_owned(),
        v8_version: v8.parse().unwrap(),
        texts: [("v8".to_owned(), Some("deps = {}\n".to_owned()))].into(),
        sizes: std::collections::BTreeMap::new(),
    };
    let (os, cpu) = ("linux", "x64");
    let platform = depot::Platform { target_os: os, target_cpu: cpu, host_os: os, host_cpu: cpu };
    depot::decide(&asked, &looked, "x", platform).unwrap()
}

/// A plan of them, without patches.
pub fn depot_plan_of(v8: &str, commit: &str) -> super::SourcePlan {
    let checkout = checkout_of(v8, "https://example.org/v8.git", commit, &Cache::at("cache".into()));
    super::SourcePlan {
        kind: super::Kind::DepotTools,
        origin: super::Origin::DepotTools { checkout: Box::new(checkout) },
        ..plan_of(v8, "0.0.0", "0.0.0")
    }
}
