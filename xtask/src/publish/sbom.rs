//! `<stem>.cdx.json`: what is in an archive, as CycloneDX 1.6.

use serde_json::{Value, json};
use v8_archive::Sha256;
use v8_archive::descriptor::{License, Source, Tool};

use super::archive::Archive;
use crate::source::CratePin;

/// The bill of materials of an archive: V8's source, ICU's data, every part with a licence of its own, the tools. The same
/// bytes for the same archive: no time, no machine.
pub fn json(archive: &Archive) -> String {
    let descriptor = &archive.descriptor;
    let source = source(&descriptor.source, &descriptor.patches);
    let has_intl = descriptor.features.get("intl") == Some(&true);
    let icu_data = archive.icu_data.iter().map(|pin| icu_data(pin, has_intl));
    let parts = descriptor.licenses.iter().map(part);
    let tools = descriptor.toolchain.iter().map(tool);
    let components: Vec<Value> = std::iter::once(source).chain(icu_data).chain(parts).chain(tools).collect();
    // What runs nowhere (the compiler) is no part of the archive.
    let contained = components.iter().filter(|it| it["scope"] != "excluded").map(|it| it["bom-ref"].clone());
    let property = |name: &str, value: &str| json!({ "name": format!("libv8:{name}"), "value": value });
    let bom = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": format!("urn:uuid:{}", uuid(&archive.packed.sha256)),
        "version": 1,
        "metadata": {
            "lifecycles": [{ "phase": "build" }],
            "tools": { "components": [{
                "type": "application",
                "name": env!("CARGO_PKG_NAME"),
                "version": env!("CARGO_PKG_VERSION"),
            }] },
            "component": {
                "type": "library",
                "bom-ref": "archive",
                "name": archive.name,
                "version": descriptor.v8_version,
                "hashes": hashes(&archive.packed.sha256),
                "properties": [
                    property("target", &descriptor.target),
                    property("variant", &descriptor.variant),
                    property("build-id", &descriptor.build_id.to_string()),
                    property("unpacked-sha256", &archive.unpacked.sha256.to_string()),
                ],
            },
        },
        "dependencies": [{ "ref": "archive", "dependsOn": contained.collect::<Vec<_>>() }],
        "components": components,
    });
    // Made of strings, numbers, lists and maps with string keys: nothing here can fail to serialise.
    let mut text = serde_json::to_string_pretty(&bom).expect("a value of JSON");
    text.push('\n');
    text
}

fn source(source: &Source, patches: &[v8_archive::descriptor::Patch]) -> Value {
    let patch = |patch: &v8_archive::descriptor::Patch| json!({ "name": "libv8:patch", "value": format!("{} sha256:{}", patch.name, patch.sha256) });
    let mut component = json!({
        "type": "library",
        "bom-ref": "source",
        "name": source.package,
        "version": source.version,
        "description": "V8's source, as it was fetched; its parts with licences of their own follow",
        "hashes": hashes(&source.sha256),
        "properties": patches.iter().map(patch).collect::<Vec<_>>(),
    });
    if let Some(purl) = purl(source) {
        component["purl"] = purl.into();
    }
    component
}

/// The package URL of a source whose kind has one.
pub fn purl(source: &Source) -> Option<String> {
    (source.kind == "crate").then(|| purl_of_crate(&source.package, &source.version))
}

/// The package URL of one of cargo's registry.
pub fn purl_of_crate(package: &str, version: &str) -> String {
    format!("pkg:cargo/{package}@{version}")
}

/// It lies in V8's tree; in the library it is where that has Intl.
fn icu_data(pin: &CratePin, has_intl: bool) -> Value {
    let CratePin { package, version, sha256 } = pin;
    json!({
        "type": "library",
        "bom-ref": "icu-data",
        "name": package,
        "version": version,
        "description": "ICU's data, which V8's source leaves out",
        "scope": if has_intl { "required" } else { "excluded" },
        "hashes": [{ "alg": "SHA-256", "content": sha256 }],
        "purl": purl_of_crate(package, version),
    })
}

fn part(licence: &License) -> Value {
    json!({
        "type": "library",
        "bom-ref": format!("part:{}", licence.part),
        "name": licence.part,
        "licenses": [{ "expression": licence.spdx }],
        "properties": [
            { "name": "libv8:licence-file", "value": licence.file },
            { "name": "libv8:licence-source", "value": licence.source },
        ],
    })
}

fn tool(tool: &Tool) -> Value {
    json!({
        "type": "application",
        "bom-ref": format!("tool:{}", tool.name),
        "name": tool.name,
        "version": tool.version,
        "scope": "excluded",
        "hashes": hashes(&tool.sha256),
    })
}

fn hashes(sha256: &Sha256) -> Value {
    json!([{ "alg": "SHA-256", "content": sha256.to_string() }])
}

/// A UUID of the digest: version 8 of RFC 9562, whose bits are ours to choose.
fn uuid(sha256: &Sha256) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&sha256.as_bytes()[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
