//! What went into an archive and stands not in its descriptor: the package with ICU's data.

use v8_archive::Descriptor;

use crate::error::Result;
use crate::plan::{self, Inputs};
use crate::rebuild;
use crate::source::{CratePin, Kind, Origin};
use crate::toolchain::sdk;
use crate::workspace::Workspace;

/// The package with ICU's data that an archive of the source `crate` was made with, if this checkout's own plan is the
/// archive's, to the build id; that says so. The environment plays no part, so that whoever goes on with a release finds the same.
pub fn icu_data(workspace: &Workspace, descriptor: &Descriptor) -> Result<Option<CratePin>> {
    let matrix = &workspace.matrix;
    let mut known = matrix.other_pins()?.into_iter().chain([matrix.source_pins()?]);
    let is_of_crate = descriptor.source.kind == Kind::Crate.name();
    // What is not pinned would have to be fetched to be known.
    let Some(pins) = known.find(|pins| is_of_crate && pins.v8.version == descriptor.source.version) else {
        return Ok(None);
    };
    let inputs = Inputs {
        repository: &workspace.repository,
        matrix,
        cache: &workspace.cache,
        host: None,
        own_clang: None,
        depot: None,
        node: None,
        sdks: &sdk::Folders::default(),
        another: Some(&pins),
    };
    let plan = plan::plans(&inputs, &rebuild::what_of(descriptor)?)?.swap_remove(0);
    Ok(match plan.source.origin {
        Origin::Crate { icu_data, .. } if plan.build_id == descriptor.build_id => Some(icu_data),
        Origin::Crate { .. } | Origin::DepotTools { .. } | Origin::Node { .. } => None,
    })
}

#[cfg(test)]
mod tests {
    use v8_archive::Sha256;

    use super::*;
    use crate::verify::sample::Sample;

    #[test]
    fn it_is_named_where_the_plan_is_the_archives() {
        let workspace =
            Workspace { cache: crate::paths::Cache::at("cache".into()), ..Workspace::open().unwrap() };
        let plan = plan::testing::every_target().remove(0);
        let mut descriptor = Sample::good().descriptor;
        (descriptor.target, descriptor.variant) = (plan.target, plan.variant);
        (descriptor.source.version, descriptor.build_id) =
            (plan.source.origin.described().version, plan.build_id);
        let Origin::Crate { icu_data: expected, .. } = plan.source.origin else { panic!() };
        assert_eq!(icu_data(&workspace, &descriptor).unwrap(), Some(expected));

        let check = |edit: fn(&mut Descriptor)| {
            let mut descriptor = descriptor.clone();
            edit(&mut descriptor);
            assert_eq!(icu_data(&workspace, &descriptor).unwrap(), None, "{:?}", descriptor.source);
        };
        check(|it| it.build_id = Sha256::of_bytes(b"of another checkout"));
        check(|it| it.source.version = "1.0.0".to_owned());
        check(|it| it.source.kind = "depot-tools".to_owned());
    }
}
