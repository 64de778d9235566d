//! Both reports, whole.

use super::super::Side;
use super::*;

fn report() -> Report {
    let side = |v8: &str| Side { v8_version: v8.into(), tree: format!("v8 of {v8}") };
    let finding = |area, weight, kind, subject: &str, what: &str, detail: &str| {
        Finding::new(area, weight, kind, subject, what.into()).detail(detail.into())
    };
    Report {
        format: 1,
        source: "crate",
        from: side("15.2.124.1"),
        to: side("15.3.1.2"),
        variant: "lite".into(),
        targets: vec!["one".into(), "two".into()],
        findings: vec![
            finding(Area::Patches, Weight::Blocks, "conflict", "0001-a", "does not apply", "```\n<<<\n>>>"),
            finding(Area::Patches, Weight::Note, "applies", "0002-b", "applies as it is", ""),
            finding(Area::Patches, Weight::Note, "applies", "0003-c", "applies as it is", ""),
            finding(
                Area::Arguments,
                Weight::Look,
                "new",
                "v8_x",
                "new in //v8/BUILD.gn: true unless it is set",
                "",
            ),
        ],
    }
}

#[test]
fn as_text() {
    let expected = "\
V8 15.2.124.1 → 15.3.1.2: 1 would stop a build, 1 to look at, 2 for the record
v8 of 15.2.124.1 → v8 of 15.3.1.2; lite for one, two

Patches
  STOP  0001-a: does not apply
          ```
          <<<
          >>>
  note  applies: 0002-b, 0003-c

gn gen: nothing

GN arguments
  look  v8_x: new in //v8/BUILD.gn: true unless it is set

Compiler flags: nothing

Macros that programs share with the library: nothing

What V8 is built with: nothing

Dependencies: nothing

Licences: nothing
";
    assert_eq!(text(&report()), expected);
}

#[test]
fn as_markdown() {
    let expected = "\
## V8 15.2.124.1 → 15.3.1.2: 1 would stop a build, 1 to look at, 2 for the record

v8 of 15.2.124.1 → v8 of 15.3.1.2; lite for one, two

### Patches

- **stops a build**: `0001-a` does not apply

  ````text
  ```
  <<<
  >>>
  ````

- applies: 0002-b, 0003-c

### GN arguments

- look: `v8_x` new in //v8/BUILD.gn: true unless it is set
";
    assert_eq!(markdown(&report()), expected);
}

#[test]
fn what_is_long_is_cut() {
    let mut report = report();
    report.findings[0].detail = "line\n".repeat(DETAIL_LINES + 3);
    assert!(text(&report).contains("… 3 lines more; --format json has them"));
    assert_eq!(text(&report).matches("          line\n").count(), DETAIL_LINES);
}
