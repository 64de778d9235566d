//! Objects that ninja would keep though they would come out otherwise today.
//!
//! ninja looks at command lines and times. It does not see that another compiler or another libc stands behind the same path
//! (headers of the system are in no list of what an object was made from), nor that a source gets its precompiled header
//! another way than when its object was made.

use std::fs;
use std::path::Path;

use crate::error::{IoContext as _, Result};
use crate::paths::{all_files, remove_folder, write_whole};
use crate::pch::policy::Policy;
use crate::pch::shim::FOLDER;

/// In ninja's folder: which toolchain has made what is there.
const TOOLCHAIN_FILE: &str = "libv8-compiler";

/// Removes such objects, remembers the toolchain and, if there are headers, how they are used; says how many it removed.
pub fn remove(out: &Path, toolchain: &str, policy: Option<&Policy>) -> Result<usize> {
    let path = out.join(TOOLCHAIN_FILE);
    let other_toolchain = fs::read_to_string(&path).is_ok_and(|before| before != toolchain);
    let before = policy.and(Policy::read(out));
    let other_way = |object: &str| match (&before, policy) {
        (Some(before), Some(now)) => before.way(object) != now.way(object),
        _ => false,
    };
    if other_toolchain {
        // Precompiled headers, what was read to choose them and for sccache's keys, and where the compiler looks: clang does not
        // ask whether headers of the system are those that it has precompiled.
        remove_folder(&out.join(FOLDER))?;
    }
    let mut removed = 0;
    if other_toolchain || before.as_ref() != policy {
        // Microsoft's command line gives objects another name.
        let is_object = |file: &Path| file.extension().is_some_and(|end| end == "o" || end == "obj");
        for file in all_files(out)?.into_iter().filter(|file| is_object(file)) {
            let object = file.strip_prefix(out).expect("it lies below").to_string_lossy().replace('\\', "/");
            if other_toolchain || other_way(&object) {
                fs::remove_file(&file).or_io("remove", &file)?;
                removed += 1;
            }
        }
    }
    // Last, so that whoever is killed before begins anew.
    write_whole(&path, toolchain)?;
    policy.map_or(Ok(()), |policy| policy.write(out))?;
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pch::policy::Compared;

    #[test]
    fn only_what_would_come_out_otherwise_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path();
        let objects = ["obj/a/one.o", "obj/a/two.o", "host/obj/a/two.o", "obj/b/one.obj", "pch/a.full.pch"];
        let make = || {
            for object in objects {
                let path = out.join(object);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "").unwrap();
            }
        };
        let left = || objects.into_iter().filter(|object| out.join(object).exists()).collect::<Vec<_>>();
        let policy = |lists: &Compared| lists.clone().policy("1.2.3.4", "clang");
        let mut lists = Compared::empty("1.2.3.4", "clang");
        make();
        assert_eq!(remove(out, "clang 1", Some(&policy(&lists))).unwrap(), 0, "nothing is known of them");
        assert_eq!(remove(out, "clang 1", Some(&policy(&lists))).unwrap(), 0);
        lists.differ(["obj/a/two.o"]).unwrap();
        assert_eq!(remove(out, "clang 1", Some(&policy(&lists))).unwrap(), 2);
        assert_eq!(left(), ["obj/a/one.o", "obj/b/one.obj", "pch/a.full.pch"]);
        make();
        assert_eq!(remove(out, "clang 1", None).unwrap(), 0, "without headers there is one way");
        let another = remove(out, "clang 1 with another libc", Some(&policy(&lists))).unwrap();
        assert_eq!((another, left()), (4, vec![]), "another toolchain has made them, and headers");
        assert_eq!(Policy::read(out), Some(policy(&lists)), "compilers need it all the same");
        make();
        assert_eq!(remove(out, "clang 1 with another libc", Some(&policy(&lists))).unwrap(), 0, "once");
    }
}
