//! `index.html`: a release for people. No script, nothing from elsewhere; it reads as well from a folder as from a server.

use std::fmt::Write as _;

use v8_archive::index::{Absent, INDEX_FILE, SIGNATURE_FILE};

use super::archive::Archive;
use super::draft::Draft;
use super::files::{LICENCES_FILE, SUMS_FILE, provenance_file, sbom_file};

/// The whole page.
pub fn html(draft: &Draft, archives: &[Archive]) -> String {
    let title = format!("libv8 {}", escape(&draft.release));
    let day = |moment: &str| moment.split('T').next().unwrap_or_default().to_owned();
    let mut text = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>\n{css}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n\
         <p class=\"quiet\">V8 {v8} as static libraries. Release number {number}, of {created}; its index is good until {expires}.</p>\n",
        css = include_str!("page.css"),
        v8 = escape(&draft.v8_version),
        number = draft.number,
        created = day(draft.created.as_str()),
        expires = day(draft.expires.as_str()),
    );
    text.push_str(
        "<h2 id=\"archives\">Archives</h2>\n<div class=\"wide\">\n<table>\n<thead><tr><th scope=\"col\">Target</th>\
         <th scope=\"col\">Variant</th><th scope=\"col\">Archive, SHA-256</th><th scope=\"col\">Size</th>\
         <th scope=\"col\">More</th></tr></thead>\n<tbody>\n",
    );
    for archive in archives {
        row(&mut text, archive);
    }
    text.push_str("</tbody>\n</table>\n</div>\n");
    absent(&mut text, &draft.absent);
    check(&mut text);
    if let Some(first) = archives.first() {
        use_it(&mut text, first);
    }
    text + "</main>\n</body>\n</html>\n"
}

fn row(text: &mut String, archive: &Archive) {
    let descriptor = &archive.descriptor;
    let features: Vec<&str> =
        descriptor.features.iter().filter(|(_, has)| **has).map(|(name, _)| name.as_str()).collect();
    let libc = serde_json::to_value(descriptor.libc.family).unwrap_or_default();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "<tr><td>{target}<br><small>{libc} {floor} or newer</small></td><td>{variant}<br><small>{features}</small></td>\
         <td><a href=\"{name}\">{name}</a><br><code class=\"digest\">{sha256}</code></td>\
         <td class=\"size\">{size}<br><small>{unpacked} unpacked</small></td>\
         <td><a href=\"{sbom}\">parts</a> (CycloneDX)<br><a href=\"{provenance}\">provenance</a> (in‑toto)</td></tr>",
        target = escape(&descriptor.target),
        libc = escape(libc.as_str().unwrap_or_default()),
        floor = escape(&descriptor.libc.floor),
        variant = escape(&descriptor.variant),
        features = escape(&features.join(", ")),
        name = escape(&archive.name),
        sha256 = archive.packed.sha256,
        size = mebibytes(archive.packed.size_bytes),
        unpacked = mebibytes(archive.unpacked.size_bytes),
        sbom = escape(&sbom_file(archive)),
        provenance = escape(&provenance_file(archive)),
    );
}

fn absent(text: &mut String, absent: &[Absent]) {
    if absent.is_empty() {
        return;
    }
    text.push_str("<h2 id=\"absent\">Not in this release</h2>\n<ul>\n");
    for Absent { target, variant, reason } in absent {
        let _ = writeln!(text, "<li>{} {}: {}</li>", escape(target), escape(variant), escape(reason));
    }
    text.push_str("</ul>\n");
}

fn check(text: &mut String) {
    let _ = write!(
        text,
        "<h2 id=\"check\">Check</h2>\n<p><a href=\"{INDEX_FILE}\">{INDEX_FILE}</a> names every file by size and digest, and is signed: \
         <a href=\"{SIGNATURE_FILE}\">{SIGNATURE_FILE}</a>. The key comes from elsewhere: from the repository that you use, \
         not from this page. <a href=\"{SUMS_FILE}\">{SUMS_FILE}</a> is for who has the files; \
         <a href=\"{LICENCES_FILE}\">{LICENCES_FILE}</a> has the licences of all parts.</p>\n\
         <pre>minisign -Vm {INDEX_FILE} -p release-keys.pub\nsha256sum -c --ignore-missing {SUMS_FILE}</pre>\n"
    );
}

/// How each kind of user takes an archive; `example` is the one that the commands name.
fn use_it(text: &mut String, example: &Archive) {
    let name = escape(&example.name);
    let stem = escape(example.stem());
    let version: Vec<&str> = example.descriptor.v8_version.split('.').take(2).collect();
    let version = escape(&version.join("."));
    let _ = write!(
        text,
        "<h2 id=\"use\">Use</h2>\n<h3>Rust</h3>\n<p>The crate has this release's digests once its maintainer has run \
         <code>cargo xtask lock</code>; it then fetches and verifies the archive of your target by itself.</p>\n\
         <pre>cargo add libv8\ncargo build</pre>\n\
         <p>With an archive that is already here:</p>\n<pre>LIBV8_ARCHIVE=$PWD/{name} cargo build</pre>\n\
         <h3>Everyone else: unpack it first</h3>\n<pre>mkdir {stem}\ntar --zstd -xf {name} -C {stem}</pre>\n\
         <p>Two ways in: <code>capi</code> is the C interface, for any compiler; <code>v8</code> is V8's own, for clang.</p>\n\
         <h3>CMake</h3>\n<pre>list(APPEND CMAKE_PREFIX_PATH /path/to/{stem})\nfind_package(V8 {version} CONFIG REQUIRED)\n\
         target_link_libraries(program PRIVATE V8::capi)</pre>\n\
         <h3>pkg-config</h3>\n<pre>PKG_CONFIG_PATH=$PWD/{stem}/lib/pkgconfig pkg-config --cflags --libs v8-capi</pre>\n\
         <h3>A compiler alone</h3>\n<pre>cc program.c $(cargo xtask link-line {name}) -o program</pre>\n"
    );
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}
