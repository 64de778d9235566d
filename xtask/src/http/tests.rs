//! Files of a mirror that is a folder.

use std::fs;

use super::*;

const BODY: &[u8] = b"0123456789";

#[test]
fn files_of_a_folder_are_copied_and_no_longer_than_wanted() {
    let folder = tempfile::Builder::new().prefix("mirror ü ").tempdir().unwrap();
    let from = folder.path().join("file");
    let to = folder.path().join("partial");
    let url = format!("file://{}", from.display().to_string().replace(' ', "%20"));
    let check = |bytes: &[u8], expected: Result<(), &str>| {
        fs::write(&from, bytes).unwrap();
        let result = fetch(&Request { url: &url, to: &to, max_bytes: 10, is_exact: true });
        match (result, expected) {
            (Ok(()), Ok(())) => assert_eq!(fs::read(&to).unwrap(), bytes),
            (Err(error), Err(what)) => assert!(error.to_string().contains(what), "{error}"),
            (result, expected) => panic!("{result:?}, not {expected:?}"),
        }
    };
    check(BODY, Ok(()));
    check(b"012", Err("has 3 bytes, not 10"));
    check(b"01234567890", Err("has more than 10 bytes"));
}
