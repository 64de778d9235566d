//! Whole outputs compared with committed files. A small own helper: crates for this bring a diff engine and a runtime of
//! their own, and what is needed is one comparison and one way to accept the new text.

use std::path::Path;

/// Compares `text` with the file at `path`; writes the file instead if `update` is set.
///
/// # Panics
/// If they differ or there is no file, with the lines that differ and the command that accepts them.
pub fn check(path: &Path, text: &str, update: bool) {
    if update {
        std::fs::create_dir_all(path.parent().expect("a file lies in a folder"))
            .expect("a folder to write to");
        std::fs::write(path, text).expect("a snapshot that can be written");
        return;
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        expected == text,
        "{} differs; if the new text is right: UPDATE_SNAPSHOTS=1 cargo test -p xtask\n{}",
        path.display(),
        difference(&expected, text)
    );
}

/// The lines between the first and the last that differ: `-` expected, `+` found, and the line before.
pub fn difference(expected: &str, found: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), found.lines().collect());
    let same_start = old.iter().zip(&new).take_while(|(one, other)| one == other).count();
    let (old_rest, new_rest) = (&old[same_start..], &new[same_start..]);
    let same_end =
        old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(one, other)| one == other).count();
    let mut text = format!("  line {}\n", same_start + 1);
    if let Some(before) = same_start.checked_sub(1) {
        text.push_str(&format!("    {}\n", old[before]));
    }
    for (sign, lines) in
        [("-", &old_rest[..old_rest.len() - same_end]), ("+", &new_rest[..new_rest.len() - same_end])]
    {
        for line in lines {
            text.push_str(&format!("  {sign} {line}\n"));
        }
    }
    text
}
