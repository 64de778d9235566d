//! What a release's files say: the same input, the same bytes; every field that the formats require; a page without script.

use serde_json::Value;
use v8_archive::Sha256;
use v8_archive::descriptor::{Patch, Tool};
use v8_archive::index::Absent;

use super::archive::{Archive, open_all};
use super::draft::{Decision, Draft, Named, Newest, Wanted, decide};
use super::files::{self, Generated};
use super::{moment, provenance, sbom};
use crate::error::{Error, Result};
use crate::source::CratePin;
use crate::toolchain::testing::Folder;
use crate::verify::sample::Sample;

/// Verified archives of two variants.
pub fn archives(folder: &Folder) -> Vec<Archive> {
    let paths: Vec<_> = ["lite", "release"]
        .map(|variant| {
            let mut sample = Sample::good();
            sample.descriptor.name = sample.descriptor.name.replace("release", variant);
            sample.descriptor.variant = variant.to_owned();
            let named = |name: &str| (name.to_owned(), Sha256::of_bytes(name.as_bytes()));
            let (name, sha256) = named("0001-some-patch");
            sample.descriptor.patches = vec![Patch { name, sha256 }];
            let (name, sha256) = named("zig");
            sample.descriptor.toolchain = vec![Tool { name, version: "0.17.0".to_owned(), sha256 }];
            sample.pack(&folder.path().join(variant))
        })
        .into();
    let mut archives = open_all(&paths).unwrap();
    let (package, version) = ("deno_core_icudata".to_owned(), "0.78.0".to_owned());
    archives[1].icu_data = Some(CratePin { package, version, sha256: "b9".repeat(32) });
    archives
}

fn wanted<'a>(archives: &'a [Archive], absent: &'a [Absent]) -> Wanted<'a> {
    let now = v8_archive::index::Moment::parse("2026-08-01T10:00:00Z").unwrap();
    let expires = v8_archive::index::Moment::parse("2027-02-01T10:00:00Z").unwrap();
    Wanted { release: None, v8_version: "15.2.124.1", archives, absent, now, expires }
}

/// A draft of a store's first release.
pub fn draft(archives: &[Archive], absent: &[Absent]) -> Draft {
    match decide(&wanted(archives, absent), None, &mut |_| Ok(None)).unwrap() {
        Decision::Begin(draft) => draft,
        other => panic!("{other:?}"),
    }
}

fn absence() -> Vec<Absent> {
    let [target, variant, reason] =
        ["some-other-system", "lite", "<script>alert('a & b')</script>"].map(str::to_owned);
    vec![Absent { target, variant, reason }]
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let (one, other) = (Folder::new(), Folder::new());
    let make = |folder: &Folder| {
        let archives = archives(folder);
        let draft = draft(&archives, &absence());
        let files = files::generated(&draft, &archives);
        (files::index(&draft, &archives, &files).to_json(), files)
    };
    assert_eq!(make(&one), make(&other));
    // A draft comes back as it was, so another run on another day makes the same.
    let archives = archives(&one);
    let draft = draft(&archives, &absence());
    assert_eq!(Draft::from_json(draft.to_json().as_bytes(), "x").unwrap(), draft);
}

/// The value at a path like `a/0/b`; it must be there.
fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    value.pointer(&format!("/{path}")).unwrap_or_else(|| panic!("{path} is missing in {value:#}"))
}

#[test]
fn a_bill_of_materials_has_what_cyclonedx_requires() {
    let folder = Folder::new();
    let archive = &archives(&folder)[0];
    let bom: Value = serde_json::from_str(&sbom::json(archive)).unwrap();
    // "required": ["bomFormat", "specVersion"]; of a component: ["type", "name"]; of a hash: ["alg", "content"].
    assert_eq!((at(&bom, "bomFormat"), at(&bom, "specVersion")), (&"CycloneDX".into(), &"1.6".into()));
    assert_eq!(at(&bom, "metadata/component/hashes/0/content"), &archive.packed.sha256.to_string());
    let serial = at(&bom, "serialNumber").as_str().unwrap();
    let uuid = serial.strip_prefix("urn:uuid:").unwrap();
    let lengths: Vec<usize> = uuid.split('-').map(str::len).collect();
    assert_eq!(lengths, [8, 4, 4, 4, 12]);
    assert!(uuid.as_bytes()[14] == b'8' && b"89ab".contains(&uuid.as_bytes()[19]), "{uuid}");
    let components = at(&bom, "components").as_array().unwrap();
    let mut refs = vec!["archive".to_owned()];
    for component in components {
        assert!(["library", "application"].contains(&at(component, "type").as_str().unwrap()));
        assert!(!at(component, "name").as_str().unwrap().is_empty());
        refs.push(at(component, "bom-ref").as_str().unwrap().to_owned());
    }
    // "bom-ref: every value must be unique within the BOM".
    refs.sort();
    let count = refs.len();
    refs.dedup();
    assert_eq!(refs.len(), count);
    let source = components.iter().find(|it| it["bom-ref"] == "source").unwrap();
    assert_eq!(at(source, "purl"), "pkg:cargo/v8@152.2.0");
    assert_eq!(at(source, "hashes/0/content"), &archive.descriptor.source.sha256.to_string());
    for licence in &archive.descriptor.licenses {
        let part = components.iter().find(|it| it["bom-ref"] == format!("part:{}", licence.part)).unwrap();
        assert_eq!(at(part, "licenses/0/expression"), &licence.spdx);
    }
    for depends in at(&bom, "dependencies/0/dependsOn").as_array().unwrap() {
        assert!(refs.contains(&depends.as_str().unwrap().to_owned()));
        assert_ne!(depends, "tool:zig", "a compiler is no part of what it makes");
    }
}

#[test]
fn provenance_has_what_in_toto_and_slsa_require() {
    let folder = Folder::new();
    let archive = &archives(&folder)[1];
    let statement: Value = serde_json::from_str(&provenance::json(archive)).unwrap();
    // in-toto Statement v1: `_type`, `subject` (each with a digest), `predicateType` are required.
    assert_eq!(at(&statement, "_type"), "https://in-toto.io/Statement/v1");
    assert_eq!(at(&statement, "subject/0/name"), &archive.name);
    assert_eq!(at(&statement, "subject/0/digest/sha256"), &archive.packed.sha256.to_string());
    assert_eq!(at(&statement, "predicateType"), "https://slsa.dev/provenance/v1");
    // SLSA v1: "buildType: required", "externalParameters: required", "builder.id: required".
    let build = at(&statement, "predicate/buildDefinition");
    assert_eq!(at(build, "buildType"), provenance::BUILD_TYPE);
    assert_eq!(
        at(build, "externalParameters/command"),
        &format!("cargo xtask build-v8 --target {} --variant release", archive.descriptor.target)
    );
    assert_eq!(at(build, "internalParameters/buildId"), &archive.descriptor.build_id.to_string());
    assert_eq!(at(&statement, "predicate/runDetails/builder/id"), provenance::BUILDER);
    // "resolvedDependencies": the source, each patch, each tool, each with its digest.
    let names: Vec<&str> = at(build, "resolvedDependencies")
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            assert_eq!(at(it, "digest/sha256").as_str().unwrap().len(), 64);
            at(it, "name").as_str().unwrap()
        })
        .collect();
    assert_eq!(names, ["v8 152.2.0", "deno_core_icudata 0.78.0", "0001-some-patch", "zig 0.17.0"]);
}

#[test]
fn the_command_of_a_provenance_makes_an_archive_of_the_same_source() {
    let folder = Folder::new();
    let mut archive = archives(&folder).remove(1);
    let mut check = |kind: &str, expected: &str| {
        (archive.descriptor.source.kind, archive.descriptor.source.version) = (kind.into(), "1.2.3".into());
        let statement: Value = serde_json::from_str(&provenance::json(&archive)).unwrap();
        let command =
            at(&statement, "predicate/buildDefinition/externalParameters/command").as_str().unwrap();
        assert!(command.ends_with(&format!(" --variant release{expected}")), "{command}");
    };
    check("crate", "");
    check("depot-tools", " --source depot-tools --revision 1.2.3");
    check("node", " --source node --node 1.2.3");
}

#[test]
fn the_data_of_icu_is_in_an_archive_with_intl() {
    let folder = Folder::new();
    let mut archive = archives(&folder).remove(1);
    for has_intl in [true, false] {
        archive.descriptor.features.insert("intl".to_owned(), has_intl);
        let bom: Value = serde_json::from_str(&sbom::json(&archive)).unwrap();
        assert_eq!(at(&bom, "components/1/purl"), "pkg:cargo/deno_core_icudata@0.78.0");
        assert_eq!(at(&bom, "components/1/hashes/0/content"), &"b9".repeat(32));
        let contained = at(&bom, "dependencies/0/dependsOn").as_array().unwrap();
        assert_eq!(contained.contains(&"icu-data".into()), has_intl);
    }
}

#[test]
fn the_page_shows_every_archive_and_runs_nothing() {
    let folder = Folder::new();
    let archives = archives(&folder);
    let files = files::generated(&draft(&archives, &absence()), &archives);
    let page = &files.iter().find(|file| file.name == files::PAGE_FILE).unwrap().text;
    for archive in &archives {
        for part in [&archive.name, &archive.packed.sha256.to_string(), &archive.descriptor.variant] {
            assert!(page.contains(part.as_str()), "{part} is missing");
        }
    }
    for part in
        ["2026-08-01", "2027-02-01", "CMake", "pkg-config", "cargo add libv8", "prefers-color-scheme: dark"]
    {
        assert!(page.contains(part), "{part} is missing");
    }
    assert!(page.contains("&lt;script&gt;alert(&#39;a &amp; b&#39;)&lt;/script&gt;"), "{page}");
    for foreign in ["<script", "http://", "https://", "src=", "@import", "url("] {
        assert!(!page.contains(foreign), "{foreign} is in the page");
    }
    // Every link is to a file of the release.
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    for target in page.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        let is_there = names.contains(&target)
            || archives.iter().any(|archive| archive.name == target)
            || target.starts_with("index.json");
        assert!(is_there, "{target}");
    }
}

#[test]
fn the_texts_of_all_licences_are_there_once() {
    let folder = Folder::new();
    let archives = archives(&folder);
    let files = files::generated(&draft(&archives, &[]), &archives);
    let Generated { text, .. } = files.iter().find(|file| file.name == files::LICENCES_FILE).unwrap();
    assert_eq!(text.matches("Copyright").count(), 1, "{text}");
    assert!(text.contains("\nv8: BSD-3-Clause\n\nCopyright\n"), "{text}");
}

#[test]
fn how_it_is_decided_what_to_publish() {
    let folder = Folder::new();
    let archives = archives(&folder);
    let index = |draft: &Draft| files::index(draft, &archives, &files::generated(draft, &archives));
    let first = draft(&archives, &[]);
    let newest =
        Newest { index: index(&first), sha256: Sha256::of_bytes(index(&first).to_json().as_bytes()) };
    let none = &mut |_: &str| Ok(None);
    assert_eq!((first.release.as_str(), first.number, first.previous), ("15.2.124.1-1", 1, None));
    assert_eq!(decide(&wanted(&archives, &[]), Some(&newest), none).unwrap(), Decision::Published);

    // Other archives are the next revision; what was begun goes on, what cannot is left behind.
    let fewer = &archives[..1];
    let Decision::Begin(second) = decide(&wanted(fewer, &[]), Some(&newest), none).unwrap() else { panic!() };
    assert_eq!(
        (second.release.as_str(), second.number, second.previous),
        ("15.2.124.1-2", 2, Some(newest.sha256))
    );
    let begun = |draft: Draft| {
        move |name: &str| -> Result<Option<Draft>> { Ok((name == draft.release).then(|| draft.clone())) }
    };
    assert_eq!(
        decide(&wanted(fewer, &[]), Some(&newest), &mut begun(second.clone())).unwrap(),
        Decision::GoOn(second.clone())
    );
    let named = Wanted { release: Some("15.2.124.1-2"), ..wanted(fewer, &[]) };
    assert_eq!(
        decide(&named, Some(&newest), &mut begun(second.clone())).unwrap(),
        Decision::GoOn(second.clone())
    );
    for spoil in [
        |draft: &mut Draft| draft.number = 1,
        |draft: &mut Draft| draft.previous = None,
        |draft: &mut Draft| draft.expires = v8_archive::index::Moment::parse("2026-08-01T10:00:00Z").unwrap(),
        // No key has signed a draft: who can write to the store could have its index never expire.
        |draft: &mut Draft| draft.expires = v8_archive::index::Moment::parse("9999-12-31T23:59:59Z").unwrap(),
        |draft: &mut Draft| draft.expires = v8_archive::index::Moment::parse("2027-02-01T10:00:01Z").unwrap(),
        |draft: &mut Draft| draft.created = v8_archive::index::Moment::parse("2026-08-01T10:00:01Z").unwrap(),
        |draft: &mut Draft| draft.archives[0].sha256 = Sha256::of_bytes(b"other"),
        |draft: &mut Draft| draft.absent = absence(),
    ] {
        let mut spoiled = second.clone();
        spoil(&mut spoiled);
        let Decision::Begin(third) =
            decide(&wanted(fewer, &[]), Some(&newest), &mut begun(spoiled.clone())).unwrap()
        else {
            panic!("{spoiled:?}")
        };
        assert_eq!((third.release.as_str(), third.number), ("15.2.124.1-3", 2));
        let error = decide(&named, Some(&newest), &mut begun(spoiled)).unwrap_err();
        assert_eq!(error.exit_code(), 1, "{error}");
    }

    // A V8 that was published before another one goes on with its own revisions.
    let mut of_other = newest.clone();
    of_other.index.release = "15.3.1.1-4".to_owned();
    of_other.index.v8_version = "15.3.1.1".to_owned();
    of_other.index.archives.clear();
    of_other.index.number = 7;
    let Decision::Begin(draft) = decide(&wanted(fewer, &[]), Some(&of_other), &mut begun(first)).unwrap()
    else {
        panic!()
    };
    assert_eq!((draft.release.as_str(), draft.number), ("15.2.124.1-2", 8));

    // What the store says when it is asked is said.
    let error =
        decide(&wanted(fewer, &[]), None, &mut |_| Err(Error::failed("the store is down"))).unwrap_err();
    assert!(error.to_string().contains("the store is down"));
    let other = Wanted { release: Some("15.3.1.1-1"), ..wanted(fewer, &[]) };
    assert_eq!(decide(&other, Some(&newest), none).unwrap_err().exit_code(), 2);
    assert_eq!(
        Named { name: archives[0].name.clone(), sha256: archives[0].packed.sha256 },
        second.archives[0]
    );
}

#[test]
fn the_present_is_a_moment() {
    let (now, later) = (moment(0), moment(60));
    assert!(now < later && now.as_str() > "2026-01-01T00:00:00Z", "{now} {later}");
}
