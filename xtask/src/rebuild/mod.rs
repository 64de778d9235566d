//! `verify --rebuild FILE`: an archive is built again from its descriptor alone and compared, down to the byte.
//!
//! Deciding ([`same`]: is this checkout's plan the archive's?) and comparing ([`compare`]) are pure; this file does.

pub mod compare;
pub mod conditions;
mod same;
pub mod snapshot;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use v8_archive::pack::Packed;
use v8_archive::{Descriptor, Limits, Reader, Sha256};

use self::compare::{Difference, Side};
use crate::caches::{Choice, Mode, Store};
use crate::commands::package;
use crate::compile::{self, Options};
use crate::error::{Error, IoContext as _, Kind, Result};
use crate::flags::{Format, Rebuild, SourceKind, Upstream, What};
use crate::paths::{Cache, remove_folder};
use crate::plan::{self, Plan};
use crate::source::{self, Cargo};
use crate::workspace::Workspace;
use crate::{ninja, signals};

/// In the folder of a rebuild that has begun and not ended: the same command goes on in it.
const RUNNING_FILE: &str = "libv8-rebuild-running";

/// How many differences are told; the first is what one looks for, the others say how far it goes.
const TOLD: usize = 20;

/// Builds the archive again and compares. Status 1 if it differs, 2 if this checkout would make another one by its plan.
pub fn run(file: &Path, flags: &Rebuild) -> Result<()> {
    let workspace = Workspace::open()?;
    let reader = v8_archive::open(file).map_err(|error| Error::failed(error.to_string()))?;
    let folder = match &flags.folder {
        Some(folder) => std::path::absolute(folder).or_io("make absolute", folder)?,
        None => workspace.cache.root().join("rebuild").join(&reader.descriptor().build_id.to_string()[..16]),
    };
    // Another cache folder, so that tree, build folder and objects are new; the toolchain is the one that is there.
    let fresh = Workspace { cache: Cache::at(folder.clone()), ..Workspace::open()? };
    let plan = plan_of(&reader, &workspace, &fresh.cache)?;
    enter(&folder, flags.folder.is_some())?;
    eprintln!("building {} {} again in {}", plan.target, plan.variant, folder.display());
    let packed = build(&plan, &workspace, &fresh, flags)?;
    let verdict = judge(file, &reader, &packed);
    let running = folder.join(RUNNING_FILE);
    fs::remove_file(&running).or_io("remove", &running)?;
    match verdict {
        Ok(()) if flags.folder.is_none() => remove_folder(&folder),
        Ok(()) => Ok(()),
        Err(error) => Err(error.help(format!("what was built: {}", packed.path.display()))),
    }
}

/// This checkout's plan, with its tree in `cache`, of the archive that the descriptor describes; refused if it is not the one
/// it was made by.
fn plan_of(reader: &Reader, workspace: &Workspace, cache: &Cache) -> Result<Plan> {
    let descriptor = reader.descriptor();
    let archive_format = match reader.format() {
        v8_archive::Format::TarZst => Format::TarZst,
        v8_archive::Format::TarGz => Format::TarGz,
        v8_archive::Format::TarXz => Format::TarXz,
        v8_archive::Format::Zip => Format::Zip,
    };
    let what = What { output: Some(cache.root().join("archive")), archive_format, ..what_of(descriptor)? };
    let (mut plans, _) = plan::buildable(workspace.plans_in(&what, cache)?)?;
    let plan = plans.swap_remove(0);
    if plan.build_id == descriptor.build_id {
        return Ok(plan);
    }
    let zig = &workspace.matrix.tools.zig;
    let differences = same::differences(&plan, &[("zig", &zig.version)], descriptor);
    let (ours, its) = (plan.build_id, descriptor.build_id);
    let what = format!("this checkout makes another archive: its build id is {ours}, that of the file {its}");
    Err(Error::all(Kind::Usage, &what, &differences).help(advice(&plan, descriptor)))
}

/// What to ask for, so that the plan is the archive's: its target, its variant, and the source it says it is of.
pub fn what_of(descriptor: &Descriptor) -> Result<What> {
    let v8_archive::descriptor::Source { kind, version, .. } = &descriptor.source;
    let what = What::of(vec![descriptor.target.clone()], &descriptor.variant);
    let upstream = Upstream::default();
    let version = Some(version.clone());
    Ok(match source::Kind::from_name(kind) {
        Some(source::Kind::Crate) => What { source: Some(SourceKind::Crate), crate_version: version, ..what },
        // Its version is V8's commit.
        Some(source::Kind::DepotTools) => What {
            source: Some(SourceKind::DepotTools),
            upstream: Upstream { revision: version, ..upstream },
            ..what
        },
        Some(source::Kind::Node) => {
            What { source: Some(SourceKind::Node), upstream: Upstream { node: version, ..upstream }, ..what }
        }
        None => {
            return Err(Error::usage(format!(
                "{} was made from the source {kind:?}, and this checkout has crate, depot-tools and node",
                descriptor.name
            )));
        }
    })
}

/// How the archive could be made after all.
fn advice(plan: &Plan, descriptor: &Descriptor) -> String {
    let is_other_source = plan.source.origin.described().sha256 != descriptor.source.sha256.to_string();
    match plan.source.kind {
        source::Kind::Node if is_other_source => {
            "one that was made with --node-tree cannot be built from its descriptor; build-v8 with that tree, and compare"
        }
        source::Kind::DepotTools if is_other_source => {
            "one that was made with --with cannot be built from its descriptor; build-v8 with that, and compare"
        }
        source::Kind::Crate | source::Kind::DepotTools | source::Kind::Node => {
            "check out the commit that made the archive; if that was with a clang of its own, name it: LIBV8_CLANG=DIR"
        }
    }
    .to_owned()
}

/// A new folder, or the one of a rebuild that was interrupted. A folder of the user's own is never emptied.
fn enter(folder: &Path, is_users: bool) -> Result<()> {
    let running = folder.join(RUNNING_FILE);
    if running.is_file() {
        eprintln!("going on in {}", folder.display());
        return Ok(());
    }
    let is_empty = fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none());
    if is_users && !is_empty {
        return Err(Error::usage(format!("{} is not empty", folder.display()))
            .help("name a new folder: a rebuild must not find anything of an earlier one"));
    }
    remove_folder(folder)?;
    fs::create_dir_all(folder).or_io("create", folder)?;
    fs::write(&running, "").or_io("write", &running)
}

/// From the registry's package to a packed archive, with nothing of an earlier build but the toolchain.
fn build(plan: &Plan, workspace: &Workspace, fresh: &Workspace, flags: &Rebuild) -> Result<Packed> {
    signals::listen()?;
    let deadline = flags.deadline.map(|time| Instant::now() + time);
    let (objects, cache) = if flags.with_cache {
        (workspace.cache.sccache(), Choice::of_user()?)
    } else {
        (fresh.cache.sccache(), Choice { store: Store::Local, mode: Mode::ReadWrite })
    };
    let what = What::of(vec![plan.target.clone()], &plan.variant);
    let toolchain = workspace.toolchain(&what, std::slice::from_ref(plan))?;
    source::prepare(&plan.source, &Cargo::of_user()?, &|line| eprintln!("{line}"))?;
    let build = compile::configure(plan, &toolchain)?;
    let options = Options { jobs: flags.jobs, deadline, precompile: true, cache: &cache, cluster: None };
    let statistics = compile::compile(plan, &build, &toolchain, &objects, &options)?;
    eprintln!("compiled: {}", compile::summary(&statistics));
    package::pack(fresh, plan, &build, &toolchain)
}

/// Says that the archives are equal, or is an error that names the first difference.
fn judge(file: &Path, reader: &Reader, packed: &Packed) -> Result<()> {
    let expected = Sha256::of_file(file).map_err(|error| Error::failed(error.to_string()))?;
    if expected.sha256 == packed.sha256 {
        println!("the same archive: {}\nsha256  {}", file.display(), packed.sha256);
        return Ok(());
    }
    let paths = compare::differing(reader.descriptor(), &packed.descriptor);
    let differences = compare::compare(&side(file, &paths)?, &side(&packed.path, &paths)?);
    Err(different(file, (expected.sha256, packed.sha256), &differences))
}

fn different(file: &Path, (expected, found): (Sha256, Sha256), differences: &[Difference]) -> Error {
    let mut lines: Vec<String> = differences.iter().take(TOLD).map(ToString::to_string).collect();
    if lines.is_empty() {
        lines.push("descriptor and files are equal: they were packed in another way".to_owned());
    } else if differences.len() > TOLD {
        lines.push(format!("and {} more", differences.len() - TOLD));
    }
    let what = format!("{} is not what a build gives: sha256 {found}, expected {expected}", file.display());
    Error::all(Kind::Failed, &what, &lines)
}

/// What is compared of an archive: the bytes of these files.
fn side(file: &Path, paths: &BTreeSet<&str>) -> Result<Side> {
    let mut files = BTreeMap::new();
    let (descriptor, faults) = v8_archive::verify_contents_with(file, &Limits::default(), |entry, data| {
        if paths.contains(entry.path.as_str()) {
            let mut bytes = Vec::new();
            data.read_to_end(&mut bytes)?;
            files.insert(entry.path.clone(), bytes);
        }
        Ok(())
    })
    .map_err(|error| Error::failed(error.to_string()))?;
    match faults.as_slice() {
        [] => Ok(Side { descriptor, files }),
        faults => {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            Err(Error::all(Kind::Failed, &format!("{} is damaged", file.display()), &faults))
        }
    }
}

/// `cargo xtask test --rebuild`: the archive once more, in another folder, under other conditions, by this same program.
pub fn under_other_conditions(archive: &Path, deadline: Duration) -> Result<()> {
    let program = crate::process::this_program()?;
    let mut arguments: Vec<String> = vec!["verify".into(), "--rebuild".into()];
    arguments.push(archive.display().to_string());
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    arguments.extend(["--jobs".to_owned(), (processors + 1).to_string()]);
    arguments.extend(["--deadline".to_owned(), format!("{}s", deadline.as_secs())]);
    let (mut command, said) = conditions::all_at_once(&program, &arguments);
    eprintln!("building again {}", said.join(", "));
    let status = crate::process::status(&mut command)?;
    match status.code() {
        Some(0) => Ok(()),
        Some(75) => Err(Error::stopped(format!(
            "the rebuild took longer than {}; the same command goes on",
            ninja::minutes(deadline)
        ))),
        _ => Err(Error::failed(format!("the rebuild ended with {status}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::sample::Sample;

    /// The sample, and the sample with a change, both packed and judged as a rebuild's result is.
    fn judged(edit: impl Fn(&mut Sample)) -> Result<()> {
        let folder = tempfile::tempdir().unwrap();
        let file = Sample::good().pack(&folder.path().join("release"));
        let mut sample = Sample::good();
        edit(&mut sample);
        let path = sample.pack(&folder.path().join("rebuilt"));
        let reader = v8_archive::open(&file).unwrap();
        let digest = Sha256::of_file(&path).unwrap();
        let packed = Packed {
            descriptor: v8_archive::open(&path).unwrap().into_descriptor(),
            size_bytes: digest.size_bytes,
            sha256: digest.sha256,
            tar: digest,
            path,
        };
        judge(&file, &reader, &packed)
    }

    #[test]
    fn a_rebuild_is_equal_or_its_first_difference_is_named() {
        let check = |edit: fn(&mut Sample), expected: &[&str]| {
            let error = judged(edit).unwrap_err();
            assert_eq!(error.exit_code(), 1);
            let error = error.to_string();
            assert!(error.contains(" is not what a build gives: sha256 "), "{error}");
            for expected in expected {
                assert!(error.contains(expected), "{error}\nexpected: {expected}");
            }
        };
        judged(|_| {}).unwrap();
        check(
            |sample| sample.part("wasm.o").sections.push((".text.x", 1, b"1")),
            &["lib/libv8.a: wasm.o: has the section .text.x, expected .note.GNU-stack"],
        );
        check(
            |sample| drop(sample.files.insert("include/v8.h", b"#include \"v8-gn.H\"\n".to_vec())),
            &["include/v8.h: byte 0x10 of 0x13: 48 22 0a, expected 68 22 0a"],
        );
        check(
            |sample| sample.descriptor.dropped_flags.push("-fnew".into()),
            &["V8.json: dropped_flags: [\"-fnew\"], expected []"],
        );
    }

    #[test]
    fn an_archive_of_every_source_is_asked_for_from_that_source() {
        let check = |kind: &str, expected: What| {
            let mut descriptor = Sample::good().descriptor;
            (descriptor.source.kind, descriptor.source.version) = (kind.to_owned(), "1.2.3".to_owned());
            let what = What::of(vec![descriptor.target.clone()], &descriptor.variant);
            let what = What { targets: what.targets, variant: what.variant, ..expected };
            assert_eq!(format!("{:?}", what_of(&descriptor).unwrap()), format!("{what:?}"));
        };
        let (what, version) = (What::of(Vec::new(), ""), Some("1.2.3".to_owned()));
        let source = Some(SourceKind::Crate);
        check("crate", What { source, crate_version: version.clone(), ..what.clone() });
        let upstream = Upstream { revision: version.clone(), ..Upstream::default() };
        check("depot-tools", What { source: Some(SourceKind::DepotTools), upstream, ..what.clone() });
        let upstream = Upstream { node: version, ..Upstream::default() };
        check("node", What { source: Some(SourceKind::Node), upstream, ..what });
        let mut descriptor = Sample::good().descriptor;
        descriptor.source.kind = "fossil".to_owned();
        assert_eq!(what_of(&descriptor).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn what_cannot_be_made_from_a_descriptor_is_said() {
        let plan = crate::plan::testing::every_target().remove(0);
        let mut descriptor = Sample::good().descriptor;
        descriptor.source.sha256 = Sha256::of_bytes(b"another");
        let check = |kind: source::Kind, expected: &str| {
            let source = source::SourcePlan { kind, ..plan.source.clone() };
            let found = advice(&Plan { source, ..plan.clone() }, &descriptor);
            assert!(found.contains(expected), "{found}");
        };
        check(source::Kind::Crate, "check out the commit");
        check(source::Kind::DepotTools, "--with");
        check(source::Kind::Node, "--node-tree");
    }

    #[test]
    fn the_same_files_packed_otherwise_are_said_to_be() {
        let digests = [b"1", b"2"].map(|bytes| Sha256::of_bytes(bytes));
        let error = different(Path::new("a.tar.zst"), (digests[0], digests[1]), &[]).to_string();
        assert!(error.contains("they were packed in another way"), "{error}");
        let many: Vec<Difference> =
            (0..25).map(|n| Difference { place: vec![n.to_string()], what: "x".into() }).collect();
        let error = different(Path::new("a.tar.zst"), (digests[0], digests[1]), &many).to_string();
        assert!(error.ends_with("19: x\n  and 5 more"), "{error}");
    }

    #[test]
    fn a_folder_of_the_users_is_never_emptied_and_an_interrupted_one_is_gone_on_in() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("rebuild");
        enter(&folder, true).unwrap();
        fs::write(folder.join("object"), "").unwrap();
        enter(&folder, true).unwrap();
        assert!(folder.join("object").is_file(), "the first one was interrupted");
        fs::remove_file(folder.join(RUNNING_FILE)).unwrap();
        let error = enter(&folder, true).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(folder.join("object").is_file());
        enter(&folder, false).unwrap();
        assert!(!folder.join("object").exists(), "our own is made anew");
    }
}
