//! `<stem>.intoto.json`: how an archive was made, as an in-toto Statement v1 with a predicate of SLSA Provenance v1.
//!
//! The statement has no envelope of its own: the release's signed index holds its digest.

use serde_json::{Value, json};
use v8_archive::descriptor::Source;

use super::archive::Archive;
use super::sbom::{purl, purl_of_crate};
use crate::source::{CratePin, Kind};

/// What `externalParameters` and `internalParameters` mean; raised when that changes.
pub const BUILD_TYPE: &str = "urn:x-libv8:build-v8:1";

/// Who has built: this tool, wherever it ran. Who vouches for it is the key of the index.
pub const BUILDER: &str = "urn:x-libv8:xtask";

/// The provenance of an archive. The same bytes for the same archive.
pub fn json(archive: &Archive) -> String {
    let descriptor = &archive.descriptor;
    let digest = |sha256: &v8_archive::Sha256| json!({ "sha256": sha256.to_string() });
    let source = &descriptor.source;
    let mut package =
        json!({ "name": format!("{} {}", source.package, source.version), "digest": digest(&source.sha256) });
    if let Some(purl) = purl(source) {
        package["uri"] = purl.into();
    }
    let patches =
        descriptor.patches.iter().map(|it| json!({ "name": it.name, "digest": digest(&it.sha256) }));
    let tools = descriptor
        .toolchain
        .iter()
        .map(|it| json!({ "name": format!("{} {}", it.name, it.version), "digest": digest(&it.sha256) }));
    let icu_data = archive.icu_data.iter().map(|pin| {
        let CratePin { package, version, sha256 } = pin;
        let digest = json!({ "sha256": sha256 });
        json!({ "name": format!("{package} {version}"), "digest": digest, "uri": purl_of_crate(package, version) })
    });
    let dependencies: Vec<Value> =
        std::iter::once(package).chain(icu_data).chain(patches).chain(tools).collect();
    let (target, variant) = (&descriptor.target, &descriptor.variant);
    let command = format!("cargo xtask build-v8 --target {target} --variant {variant}{}", of_source(source));
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": archive.name, "digest": digest(&archive.packed.sha256) }],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "command": command,
                    "v8Version": descriptor.v8_version,
                    "target": target,
                    "variant": variant,
                    "source": source.kind,
                },
                "internalParameters": {
                    "buildId": descriptor.build_id.to_string(),
                    "gnArgs": descriptor.gn_args,
                    "droppedFlags": descriptor.dropped_flags,
                    "unpackedSha256": archive.unpacked.sha256.to_string(),
                },
                "resolvedDependencies": dependencies,
            },
            "runDetails": {
                "builder": { "id": BUILDER, "version": { env!("CARGO_PKG_NAME"): env!("CARGO_PKG_VERSION") } },
                "metadata": { "invocationId": descriptor.build_id.to_string() },
            },
        },
    });
    // Made of strings, numbers, lists and maps with string keys: nothing here can fail to serialise.
    let mut text = serde_json::to_string_pretty(&statement).expect("a value of JSON");
    text.push('\n');
    text
}

/// What `build-v8` is told of the source: nothing of the one that it takes by itself.
fn of_source(source: &Source) -> String {
    let Source { kind, version, .. } = source;
    match Kind::from_name(kind) {
        // Its version is V8's commit.
        Some(Kind::DepotTools) => format!(" --source {kind} --revision {version}"),
        Some(Kind::Node) => format!(" --source {kind} --node {version}"),
        Some(Kind::Crate) | None => String::new(),
    }
}
