//! Objects that ninja would keep though they would come out otherwise today.
//!
//! ninja looks at command lines and times. It does not see that another compiler stands behind the same path, nor that a
//! source gets its precompiled header another way than when its object was made.

use std::fs;
use std::path::Path;

use crate::error::{IoContext as _, Result};
use crate::paths::{files_below, write_whole};
use crate::pch::policy::Policy;

/// In ninja's folder: which compiler has made what is there.
const COMPILER_FILE: &str = "libv8-compiler";

/// Removes such objects, remembers the compiler and, if there are headers, how they are used; says how many it removed.
pub fn remove(out: &Path, compiler: &str, policy: Option<&Policy>) -> Result<usize> {
    let path = out.join(COMPILER_FILE);
    let other_compiler = fs::read_to_string(&path).is_ok_and(|before| before != compiler);
    let before = policy.and(Policy::read(out));
    let other_way = |object: &str| match (&before, policy) {
        (Some(before), Some(now)) => before.way(object) != now.way(object),
        _ => false,
    };
    let mut removed = 0;
    if other_compiler || before.as_ref() != policy {
        for file in files_below(out, "o")? {
            let object = file.strip_prefix(out).expect("it lies below").to_string_lossy().replace('\\', "/");
            if other_compiler || other_way(&object) {
                fs::remove_file(&file).or_io("remove", &file)?;
                removed += 1;
            }
        }
    }
    // Last, so that whoever is killed before begins anew.
    write_whole(&path, compiler)?;
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
        let objects = ["obj/a/one.o", "obj/a/two.o", "host/obj/a/two.o"];
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
        assert_eq!(left(), ["obj/a/one.o"]);
        make();
        assert_eq!(remove(out, "clang 1", None).unwrap(), 0, "without headers there is one way");
        assert_eq!(
            remove(out, "clang 2", Some(&policy(&lists))).unwrap(),
            3,
            "another compiler has made them"
        );
        assert_eq!(left(), [""; 0]);
    }
}
