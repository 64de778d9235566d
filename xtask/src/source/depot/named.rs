//! What V8's own DEPS file names for a system, in a form that two versions can be compared in.

use std::collections::BTreeMap;

use super::super::deps::What;
use super::resolve::{self, Platform, Texts};
use crate::error::Result;

/// By path in gclient's checkout: a repository at a commit, or files and packages by name and version. Only what the
/// platform wants; what the named repositories name themselves is not followed.
///
/// # Errors
/// What is not understood, with the line.
pub fn named(text: &str, platform: &Platform) -> Result<BTreeMap<String, String>> {
    let texts = Texts::from([(resolve::ROOT.to_owned(), Some(text.to_owned()))]);
    let resolved = resolve::resolve(&texts, platform)?;
    let wanted = resolved.named.into_iter().filter(|(_, named)| named.refused_by.is_none());
    Ok(wanted.map(|(path, named)| (path, shown(&named.what))).collect())
}

fn shown(what: &What) -> String {
    match what {
        What::Git { url, revision } => format!("{url} {}", revision.as_deref().unwrap_or("without a commit")),
        What::Gcs { objects, .. } => {
            objects.iter().map(|object| object.name.as_str()).collect::<Vec<_>>().join(", ")
        }
        What::Cipd(packages) => {
            let shown = packages.iter().map(|package| format!("{} {}", package.name, package.version));
            shown.collect::<Vec<_>>().join(", ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_is_named_with_its_version() {
        let text = "vars = {'a': '1'}\ndeps = {\n\
                    'x': 'https://h/x.git' + '@' + Var('a'),\n\
                    'y': {'url': 'https://h/y.git@2', 'condition': 'checkout_mac'},\n\
                    'z': {'packages': [{'package': 'p/q', 'version': 'v3'}], 'dep_type': 'cipd'},\n}\n";
        let platform = Platform { target_os: "linux", target_cpu: "x64", host_os: "linux", host_cpu: "x64" };
        let found = named(text, &platform).unwrap();
        let found: Vec<String> = found.into_iter().map(|(path, what)| format!("{path}: {what}")).collect();
        assert_eq!(found, ["x: https://h/x.git 1", "z: p/q v3"]);
        assert!(named("deps = f(", &platform).is_err());
    }
}
