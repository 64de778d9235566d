//! What every command starts from: the repository, the matrix, the cache folder, this machine.

use std::path::{Path, PathBuf};

use crate::env;
use crate::error::{Error, IoContext as _, Result};
use crate::flags::{MirrorKind, SourceKind, Upstream, What};
use crate::matrix::Matrix;
use crate::paths::{self, Cache};
use crate::plan::{self, Plan};
use crate::source::depot::{self, Asked, Looked, Mirrors};
use crate::source::{Cargo, Pins, another, node};
use crate::toolchain::pins::Host;
use crate::toolchain::{
    self, Found, Programs, Request, Toolchain, ToolchainPlan, Wanted, companion, own_clang, rust, sdk,
};

/// Read once at the start of a command.
pub struct Workspace {
    /// The repository this tool was built from.
    pub repository: PathBuf,
    /// `targets.toml`.
    pub matrix: Matrix,
    /// The user's cache folder.
    pub cache: Cache,
    /// Programs on this machine.
    pub programs: Programs,
}

impl Workspace {
    /// Reads `targets.toml` and finds the cache folder; writes nothing.
    pub fn open() -> Result<Workspace> {
        let repository = paths::repository();
        let matrix = Matrix::load(&repository)?;
        Ok(Workspace { matrix, cache: Cache::locate()?, programs: Programs::new(env::path()), repository })
    }

    /// The plans for what was asked for, in that order.
    pub fn plans(&self, what: &What) -> Result<Vec<Plan>> {
        self.plans_in(what, &self.cache)
    }

    /// The same with the trees in another folder. What V8's own repositories and Node's releases say is kept in this one's,
    /// as everything that was fetched and is verified whenever it is used.
    pub fn plans_in(&self, what: &What, cache: &Cache) -> Result<Vec<Plan>> {
        self.refuse_foreign_flags(what)?;
        let another = self.look_at_registry(what)?;
        let depot = self.look_at_upstream(what)?;
        let node = self.look_at_node(what)?;
        let sdks = sdk::Folders { windows: env::windows_sdk(), apple: env::apple_sdk() };
        let inputs = plan::Inputs {
            sdks: &sdks,
            depot: depot.as_ref().map(|(asked, looked)| (asked, looked)),
            node: node.as_ref(),
            another: another.as_ref(),
            repository: &self.repository,
            matrix: &self.matrix,
            cache,
            host: Host::current(),
            own_clang: clang(what)?
                .map(|folder| own_clang::version(&folder))
                .transpose()
                .map_err(Error::usage)?,
        };
        plan::plans(&inputs, what)
    }

    /// The pins of another version of the `v8` package, if one was asked for: what stands in it is fetched.
    fn look_at_registry(&self, what: &What) -> Result<Option<Pins>> {
        let Some(version) = &what.crate_version else { return Ok(None) };
        let scratch = self.cache.sources().join(format!("look-{}", std::process::id()));
        let (pinned, known) = (self.matrix.source_pins()?, self.matrix.other_pins()?);
        Ok(Some(another::pins(&pinned, &known, version, &Cargo::of_user, &scratch)?))
    }

    /// Whether [`Workspace::plans`] fetches something, unless it is there: it stands in a tree which V8 that is.
    pub fn plans_fetch(&self, what: &What) -> bool {
        self.source(what) != SourceKind::Crate || what.crate_version.is_some()
    }

    /// What was asked of V8's own repositories and what they say, if they are the source. Fetches V8 and the DEPS files,
    /// which is where a plan begins, unless the cache has them.
    fn look_at_upstream(&self, what: &What) -> Result<Option<(Asked, Looked)>> {
        let upstream = &what.upstream;
        let Upstream { revision, with, gclient, .. } = upstream;
        if self.source(what) != SourceKind::DepotTools {
            return Ok(None);
        }
        let row = &self.matrix.sources.depot;
        let mirror = |kind| upstream.mirror(kind).map(str::to_owned);
        let is_pinned = revision.as_ref().is_none_or(|revision| *revision == row.revision);
        let asked = Asked {
            url: row.url.clone(),
            revision: revision.clone().unwrap_or_else(|| row.revision.clone()),
            commit: row.commit.clone().filter(|_| is_pinned),
            with: with.iter().map(|path| path.trim_end_matches('/').to_owned()).collect(),
            cipd: row.cipd.clone(),
            mirrors: Mirrors {
                git: mirror(MirrorKind::Git),
                gcs: mirror(MirrorKind::Gcs).unwrap_or_else(|| row.gcs.clone()),
                cipd: mirror(MirrorKind::Cipd).unwrap_or_else(|| row.cipd_service.clone()),
            },
            gclient: gclient.as_deref().map(absolute).transpose()?,
            cache: self.cache.clone(),
        };
        let mut platforms = Vec::new();
        for target in plan::chosen(&self.matrix, Host::current(), what)? {
            let platform = plan::platform(&target.target, Host::current())?;
            if !platforms.contains(&platform) {
                platforms.push(platform);
            }
        }
        let looked = depot::look(&asked, &platforms, &|line| eprintln!("{line}"))?;
        Ok(Some((asked, looked)))
    }

    /// Node's tree, if that is the source. Fetches the release, whose V8 a plan begins with, unless the cache has it.
    fn look_at_node(&self, what: &What) -> Result<Option<node::Looked>> {
        if self.source(what) != SourceKind::Node {
            return Ok(None);
        }
        let Upstream { node: version, node_tree, .. } = &what.upstream;
        let row = &self.matrix.sources.node;
        let is_pinned = version.as_ref().is_none_or(|version| *version == row.version);
        let asked = node::Asked {
            version: version.clone().unwrap_or_else(|| row.version.clone()),
            url: what.upstream.mirror(MirrorKind::Node).unwrap_or(&row.url).to_owned(),
            sha256: row.sha256.clone().filter(|_| is_pinned),
            given: node_tree.as_deref().map(absolute).transpose()?,
            runtime: self.matrix.source_pins()?.v8,
            cache: self.cache.clone(),
        };
        node::look(&asked, &|line| eprintln!("{line}")).map(Some)
    }

    fn source(&self, what: &What) -> SourceKind {
        what.source.unwrap_or(self.matrix.v8.source)
    }

    /// Flags of another source than the one that was chosen.
    fn refuse_foreign_flags(&self, what: &What) -> Result<()> {
        let Upstream { revision, mirrors, with, gclient, node, node_tree } = &what.upstream;
        if what.upstream.has_secret() {
            // Not by clap, which would repeat it.
            return Err(Error::usage(
                "--mirror takes no name or password: output, errors and logs have addresses in them",
            )
            .help("git asks its credential helper; the other servers are asked without"));
        }
        let source = self.source(what);
        let of_depot = revision.is_some() || !with.is_empty() || gclient.is_some();
        let of_node = node.is_some() || node_tree.is_some();
        let is_nodes = |kind: MirrorKind| kind == MirrorKind::Node;
        if source != SourceKind::DepotTools && (of_depot || mirrors.iter().any(|(kind, _)| !is_nodes(*kind)))
        {
            return Err(Error::usage(
                "--revision, --mirror git=, gcs= and cipd=, --with and --gclient are for --source depot-tools",
            ));
        }
        if source != SourceKind::Node && (of_node || mirrors.iter().any(|(kind, _)| is_nodes(*kind))) {
            return Err(Error::usage("--node, --node-tree and --mirror node= are for --source node"));
        }
        if source != SourceKind::Crate && what.crate_version.is_some() {
            return Err(Error::usage("--crate-version is for --source crate"));
        }
        Ok(())
    }

    /// Those of the plans that can be built; what of `all` cannot be is said.
    pub fn buildable(&self, what: &What) -> Result<Vec<Plan>> {
        let (plans, mut left_out) = plan::buildable(self.plans(what)?)?;
        let (plans, not_here) = self.buildable_here(what, plans)?;
        left_out.extend(not_here);
        for plan in &left_out {
            eprintln!("left out: {}", plan.refusal());
        }
        Ok(plans)
    }

    /// Those of the plans whose toolchain can be had on this machine, and those of `all` whose cannot, with what is missing.
    ///
    /// What was named itself is not left out: then the toolchain says what is missing when it is made. Nor is anything if
    /// everything would be.
    pub fn buildable_here(&self, what: &What, plans: Vec<Plan>) -> Result<(Vec<Plan>, Vec<Plan>)> {
        if plans.iter().all(|plan| plan.by_name) {
            return Ok((plans, Vec::new()));
        }
        let found = self.look(what)?;
        let (mut can, mut cannot) = (Vec::new(), Vec::new());
        let mut first = None;
        for plan in plans {
            match self.toolchain_plan_of(&found, std::slice::from_ref(&plan)) {
                Err(error) if !plan.by_name => {
                    let missing = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
                    cannot.push(Plan { missing_here: Some(missing), ..plan });
                    first.get_or_insert(error);
                }
                Ok(_) | Err(_) => can.push(plan),
            }
        }
        match first {
            Some(error) if can.is_empty() => Err(error),
            _ => Ok((can, cannot)),
        }
    }

    /// The plan of a command that is about one target; a name for several is refused.
    pub fn one_plan(&self, what: &What) -> Result<Plan> {
        let mut plans = self.plans(what)?;
        if plans.len() == 1 {
            return Ok(plans.swap_remove(0));
        }
        let there: Vec<&str> = plans.iter().map(|plan| plan.target.as_str()).collect();
        Err(Error::usage(format!("--target {} is several targets", what.targets.join(" --target ")))
            .help(format!("name one: {}", there.join(", "))))
    }

    /// This machine, as `[tools]` names it.
    pub fn host(&self) -> Result<Host> {
        Host::current().ok_or_else(|| {
            Error::usage(format!(
                "no toolchain is pinned for {}-{}",
                std::env::consts::OS,
                std::env::consts::ARCH
            ))
            .help("add its wheels to [tools] of targets.toml")
        })
    }

    /// What of the toolchain is on this machine.
    pub fn look(&self, what: &What) -> Result<Found> {
        let request = Request {
            host: self.host()?,
            clang: clang(what)?,
            gn: env::gn().map(|gn| program(&gn)).transpose()?,
            programs: &self.programs,
            apt: std::path::Path::new("/etc/apt"),
        };
        Ok(toolchain::look(&self.matrix.tools, &request, &self.cache))
    }

    /// What is to be done so that the toolchain can build `plans`. Everything missing is reported together.
    pub fn toolchain_plan(&self, what: &What, plans: &[Plan]) -> Result<ToolchainPlan> {
        self.toolchain_plan_of(&self.look(what)?, plans)
    }

    /// The same for `doctor`: as much of it as there is, and what is missing.
    pub fn toolchain_survey(&self, what: &What, plans: &[Plan]) -> Result<(ToolchainPlan, Vec<String>)> {
        let host = self.host()?;
        toolchain::survey(&self.matrix.tools, host, &wanted(&self.matrix, host, plans), &self.look(what)?)
    }

    fn toolchain_plan_of(&self, found: &Found, plans: &[Plan]) -> Result<ToolchainPlan> {
        let host = self.host()?;
        toolchain::decide(&self.matrix.tools, host, &wanted(&self.matrix, host, plans), found)
    }

    /// The toolchain itself: fetched, unpacked and assembled if it is not there.
    pub fn toolchain(&self, what: &What, plans: &[Plan]) -> Result<Toolchain> {
        toolchain::prepare(&self.toolchain_plan(what, plans)?, &self.cache, &self.programs)
    }
}

/// What of the toolchain is for some targets alone.
fn wanted(matrix: &Matrix, host: Host, plans: &[Plan]) -> Wanted {
    let mut wanted = Wanted::default();
    for plan in plans.iter().filter(|plan| plan.is_wanted()) {
        // What only an SDK has is in no sysroot of ours. Whether one is there the plan says.
        if plan.sdk.is_none() && matrix.tools.sysroots.contains_key(&plan.row.sysroot) {
            wanted.sysroots.insert(plan.row.sysroot.clone());
        }
        if plan.runs_programs_of_the_machine() {
            let own = matrix.targets.values().find(|row| row.host == host.name());
            wanted.sysroots.extend(own.map(|row| row.sysroot.clone()));
        }
        wanted.emulators.extend(plan.emulator(host).map(str::to_owned));
        let processor = plan.target.split('-').next().unwrap_or_default();
        let (is_musl, is_glibc) = match plan.row.libc.family.as_str() {
            "musl" => (true, false),
            "glibc" => (false, true),
            "ucrt" => (false, false),
            // Their programs are not run here.
            _ => continue,
        };
        if is_musl || is_glibc {
            wanted.companions.extend(companion::wanted(&matrix.tools, host, processor, is_musl));
        }
        if plan.row.host != host.name() && !rust::has_std(&env::rustc(), &plan.target) {
            wanted.companions.extend(rust::wanted(&matrix.tools, host, processor, !is_glibc));
        }
    }
    wanted
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).or_io("make absolute", path)
}

/// `--clang`, else `LIBV8_CLANG`: ninja starts it in a folder of its own, and the toolchain is named by it.
fn clang(what: &What) -> Result<Option<PathBuf>> {
    what.clang.clone().or_else(env::clang).map(|folder| absolute(&folder)).transpose()
}

/// A program that is started in other folders; a name alone is looked for on `PATH`.
fn program(path: &Path) -> Result<PathBuf> {
    if path.components().count() > 1 { absolute(path) } else { Ok(path.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_of_ones_own_are_found_from_every_folder() {
        let here = std::env::current_dir().unwrap();
        let what = What { clang: Some("own/llvm".into()), ..What::of(Vec::new(), "lite") };
        assert_eq!(clang(&what).unwrap(), Some(here.join("own/llvm")));
        assert_eq!(program(Path::new("out/gn")).unwrap(), here.join("out/gn"));
        assert_eq!(program(Path::new("./gn")).unwrap(), here.join("gn"));
        assert_eq!(program(Path::new("gn")).unwrap(), Path::new("gn"));
    }

    #[test]
    fn a_sysroot_is_asked_for_where_there_is_one() {
        let matrix = Matrix::load(&paths::repository()).unwrap();
        for plan in plan::testing::every_target() {
            let plan = Plan { by_name: true, ..plan };
            let sysroots = wanted(&matrix, Host::LinuxX64, std::slice::from_ref(&plan)).sysroots;
            let known = |name: &String| matrix.tools.sysroots.contains_key(name);
            assert!(sysroots.iter().all(known), "{}: {sysroots:?}", plan.target);
            // Only Microsoft's is nowhere but in an SDK, and then the plan names what is missing.
            assert_eq!(known(&plan.row.sysroot), plan.row.libc.family != "msvc", "{}", plan.target);
            let says_so = plan.planned_only.as_ref().is_some_and(|why| why.contains("needs Windows' SDK"));
            assert_eq!(says_so, plan.row.libc.family == "msvc", "{}", plan.target);
        }
    }
}
