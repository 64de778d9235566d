//! The signed index: what is accepted, and each way in which one is refused.

use minisign::{KeyPair, PublicKey, SecretKey};
use v8_archive::index::{self, Absent, Archive, File, Moment, Trust, TrustedKey, trusted_comment};
use v8_archive::{Index, Sha256};

const GNU: &str = "x86_64-unknown-linux-gnu";

fn archive(target: &str, variant: &str) -> Archive {
    let name = format!("libv8-15.2.124.1-{target}-{variant}.tar.zst");
    Archive {
        target: target.to_owned(),
        variant: variant.to_owned(),
        size_bytes: 20_000_000,
        sha256: Sha256::of_bytes(name.as_bytes()),
        unpacked_size_bytes: 180_000_000,
        unpacked_sha256: Sha256::of_bytes(b"unpacked"),
        build_id: Sha256::of_bytes(b"build"),
        name,
    }
}

fn sample() -> Index {
    Index {
        format: index::INDEX_FORMAT,
        release: "15.2.124.1-2".to_owned(),
        number: 7,
        v8_version: "15.2.124.1".to_owned(),
        expires: moment("2027-01-31T12:00:00Z"),
        previous: Some(Sha256::of_bytes(b"before")),
        archives: vec![archive(GNU, "lite"), archive(GNU, "release")],
        absent: vec![Absent {
            target: "aarch64-apple-darwin".to_owned(),
            variant: "lite".to_owned(),
            reason: "not built yet".to_owned(),
        }],
        files: ["SHA256SUMS", "index.html"]
            .map(|name| File { name: name.to_owned(), size_bytes: 1, sha256: Sha256::of_bytes(b"x") })
            .into(),
    }
}

fn moment(text: &str) -> Moment {
    Moment::parse(text).unwrap()
}

fn keys() -> KeyPair {
    KeyPair::generate_unencrypted_keypair().unwrap()
}

fn trusted(key: &PublicKey) -> TrustedKey {
    TrustedKey::parse(&key.to_base64()).unwrap()
}

fn sign(key: &SecretKey, json: &str, comment: &str) -> String {
    minisign::sign(None, key, json.as_bytes(), Some(comment), None).unwrap().to_string()
}

/// Signed as `publish` does.
fn signed(key: &SecretKey, index: &Index) -> (String, String) {
    let json = index.to_json();
    let signature = sign(key, &json, &trusted_comment(&index.release, index.number));
    (json, signature)
}

fn verify(json: &str, signature: &str, keys: &[TrustedKey]) -> Result<Index, String> {
    let now = moment("2026-12-31T00:00:00Z");
    let trust = Trust { keys, now: Some(&now), seen: None };
    Index::verified(json.as_bytes(), signature, &trust, "the index").map_err(|error| error.to_string())
}

fn refused(json: &str, signature: &str, keys: &[TrustedKey], expected: &str) {
    let error = verify(json, signature, keys).unwrap_err();
    assert!(error.starts_with("the index: ") && error.contains(expected), "{error}");
}

#[test]
fn a_signed_index_comes_back() {
    let pair = keys();
    let (json, signature) = signed(&pair.sk, &sample());
    assert_eq!(verify(&json, &signature, &[trusted(&pair.pk)]).unwrap(), sample());
    // What we do not know is not our business.
    let with_more = json.replacen('{', "{\n  \"colour\": {\"a\": [1]},", 1);
    let signature = sign(&pair.sk, &with_more, &trusted_comment("15.2.124.1-2", 7));
    assert_eq!(verify(&with_more, &signature, &[trusted(&pair.pk)]).unwrap(), sample());
}

#[test]
fn f21_unsigned_is_refused() {
    let pair = keys();
    let (json, signature) = signed(&pair.sk, &sample());
    let trusted = [trusted(&pair.pk)];
    refused(&json, "", &trusted, "it is not signed");
    refused(&json, "\n", &trusted, "it is not signed");
    refused(&json, "<html>404</html>", &trusted, "is none of minisign");
    refused(
        &json,
        &signature.lines().take(2).collect::<Vec<_>>().join("\n"),
        &trusted,
        "is none of minisign",
    );
    refused(&json, &" ".repeat(5000).replacen(' ', "x", 1), &trusted, "5000 bytes, the limit is 4096");
}

#[test]
fn f21_a_wrong_key_is_refused() {
    let (ours, theirs) = (keys(), keys());
    let (json, signature) = signed(&theirs.sk, &sample());
    refused(&json, &signature, &[trusted(&ours.pk)], "signed by none of the trusted keys; those are: RW");
    refused(&json, &signature, &[], "none of the trusted keys; those are: none");
}

#[test]
fn f21_the_right_key_id_with_another_key_is_refused() {
    let (ours, theirs) = (keys(), keys());
    // Two bytes of algorithms each, salt and two numbers; then the key's id.
    let mut forged = theirs.sk.to_bytes();
    forged[54..62].copy_from_slice(ours.sk.keynum());
    let forged = SecretKey::from_bytes(&forged).unwrap();
    assert_eq!(forged.keynum(), ours.sk.keynum());
    let (json, signature) = signed(&forged, &sample());
    refused(&json, &signature, &[trusted(&ours.pk)], "but that key has not signed this file");
    // It is a good signature of the other key under that id.
    let under_their_key = trusted(&PublicKey::from_secret_key(&forged).unwrap());
    assert_eq!(verify(&json, &signature, &[under_their_key]).unwrap(), sample());
}

#[test]
fn f21_the_signature_of_another_file_is_refused() {
    let pair = keys();
    let (_, signature) = signed(&pair.sk, &sample());
    let trusted = [trusted(&pair.pk)];
    let mut other = sample();
    other.archives.pop();
    refused(&other.to_json(), &signature, &trusted, "that key has not signed this file");
    // One flipped bit of the file or of the signature.
    let (json, signature) = signed(&pair.sk, &sample());
    refused(&json.replacen("20000000", "20000001", 1), &signature, &trusted, "has not signed this file");
    // Of another release, whose bytes were signed with this key too: the comment is signed and tells.
    let moved = sign(&pair.sk, &json, &trusted_comment("15.2.124.1-1", 6));
    refused(&json, &moved, &trusted, "signature is of 'libv8 release 15.2.124.1-1 number 6'");
    // A changed comment is no longer signed.
    let changed = moved.replace("15.2.124.1-1 number 6", "15.2.124.1-2 number 7");
    refused(&json, &changed, &trusted, "has not signed this file");
}

#[test]
fn f22_an_older_index_than_the_last_one_seen_is_refused() {
    let pair = keys();
    let (json, signature) = signed(&pair.sk, &sample());
    let (keys, now) = ([trusted(&pair.pk)], moment("2026-12-31T00:00:00Z"));
    let check = |seen: (u64, Sha256)| {
        let trust = Trust { keys: &keys, now: Some(&now), seen: Some(seen) };
        Index::verified(json.as_bytes(), &signature, &trust, "x").map_err(|error| error.to_string())
    };
    let its = Sha256::of_bytes(json.as_bytes());
    check((6, Sha256::of_bytes(b"other"))).unwrap();
    check((7, its)).unwrap();
    let error = check((8, its)).unwrap_err();
    assert!(error.contains("has the number 7, but number 8 was seen before"), "{error}");
    let error = check((7, Sha256::of_bytes(b"other"))).unwrap_err();
    assert!(error.contains("has the number 7, which another index had"), "{error}");
}

#[test]
fn f23_an_expired_index_is_refused() {
    let pair = keys();
    let (json, signature) = signed(&pair.sk, &sample());
    let keys = [trusted(&pair.pk)];
    let check = |now: Option<&str>| {
        let now = now.map(moment);
        let trust = Trust { keys: &keys, now: now.as_ref(), seen: None };
        Index::verified(json.as_bytes(), &signature, &trust, "x").map_err(|error| error.to_string())
    };
    check(Some("2027-01-31T11:59:59Z")).unwrap();
    check(None).unwrap();
    for now in ["2027-01-31T12:00:00Z", "2027-02-01T00:00:00Z", "2100-01-01T00:00:00Z"] {
        let error = check(Some(now)).unwrap_err();
        assert!(error.contains("has expired at 2027-01-31T12:00:00Z, and it is 2"), "{error}");
    }
}

#[test]
fn f24_the_entry_of_another_target_or_variant_is_refused() {
    let check = |spoil: &dyn Fn(&mut Index), expected: &str| {
        let mut index = sample();
        spoil(&mut index);
        let error = Index::from_json(index.to_json().as_bytes(), "x").unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(&|index| index.archives[1].variant = "lite".to_owned(), "in the place of V8 15.2.124.1 for x86_64");
    check(
        &|index| index.archives[0].target = "x86_64-unknown-linux-musl".to_owned(),
        "linux-musl, variant lite",
    );
    check(&|index| index.archives[0].name = index.archives[1].name.clone(), "in the place of");
    check(
        &|index| index.archives[0].name = index.archives[0].name.replace(".1-x", ".2-x"),
        "in the place of",
    );
    check(&|index| index.archives[0].name = "../x.tar.zst".to_owned(), "not valid in an archive's name");
}

#[test]
fn f25_a_key_given_twice_is_refused() {
    let json = sample().to_json();
    for (from, to) in [
        ("\"number\": 7", "\"number\": 7, \"number\": 8"),
        ("\"format\": 1", "\"format\": 1, \"format\": 1"),
        ("\"variant\": \"release\"", "\"variant\": \"release\", \"variant\": \"release\""),
        // Also where we would not look.
        ("\"number\": 7", "\"number\": 7, \"more\": {\"a\": 1, \"a\": 2}"),
    ] {
        let error = Index::from_json(json.replacen(from, to, 1).as_bytes(), "x").unwrap_err().to_string();
        assert!(error.contains("occurs twice in one object"), "{error}");
    }
}

#[test]
fn f26_another_digest_algorithm_is_refused() {
    let json = sample().to_json();
    let digest = sample().archives[0].sha256.to_string();
    let check = |json: &str, expected: &str| {
        let error = Index::from_json(json.as_bytes(), "x").unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(&json.replacen("\"sha256\":", "\"sha512\":", 1), "missing field `sha256`");
    check(&json.replacen(&digest, &format!("sha512:{digest}"), 1), "is not a SHA-256");
    check(&json.replacen(&digest, &format!("{digest}{digest}"), 1), "is not a SHA-256");
    check(&json.replacen(&digest, "d41d8cd98f00b204e9800998ecf8427e", 1), "is not a SHA-256");
    check(&json.replacen(&digest, &digest.to_uppercase(), 1), "is not a SHA-256");
    // A signature of another kind: minisign's older form, and one that nobody knows.
    let pair = keys();
    let (json, signature) = signed(&pair.sk, &sample());
    // The first two bytes, "ED", are the first three of base64's letters: RUQ.
    let line = signature.lines().nth(1).unwrap();
    assert!(
        line.starts_with("RUQ")
            || line.starts_with("RUR")
            || line.starts_with("RUS")
            || line.starts_with("RUT")
    );
    let with = |start: &str| signature.replacen(line, &format!("{start}{}", &line[2..]), 1);
    refused(&json, &with("RW"), &[trusted(&pair.pk)], "old form");
    refused(&json, &with("AA"), &[trusted(&pair.pk)], "none of minisign");
}

#[test]
fn f27_keys_are_rotated_from_old_to_new() {
    let (old, new) = (keys(), keys());
    let text = format!(
        "# until 2027\n{}\n\n# from 2026 on\n{}",
        old.pk.to_box().unwrap().into_string(),
        new.pk.to_box().unwrap().into_string()
    );
    let both = TrustedKey::parse_all(&text, "release-keys.pub").unwrap();
    assert_eq!(both.len(), 2);
    let (by_old, by_new) = (signed(&old.sk, &sample()), signed(&new.sk, &sample()));
    for (json, signature) in [&by_old, &by_new] {
        assert_eq!(verify(json, signature, &both).unwrap(), sample());
    }
    // Who has dropped the old one no longer takes it; who has not heard of the new one does not yet.
    refused(&by_old.0, &by_old.1, &both[1..], "signed by none of the trusted keys");
    refused(&by_new.0, &by_new.1, &both[..1], "signed by none of the trusted keys");
    let error = TrustedKey::parse_all("# x\nRWnokey\n", "release-keys.pub").unwrap_err().to_string();
    assert_eq!(error, "release-keys.pub:2: 'RWnokey' is not a public key of minisign");
    assert!(TrustedKey::parse_all("# none yet\n", "x").unwrap().is_empty());
}

#[test]
fn what_is_no_release_is_refused() {
    let check = |spoil: &dyn Fn(&mut Index), expected: &str| {
        let mut index = sample();
        spoil(&mut index);
        let error = Index::from_json(index.to_json().as_bytes(), "x").unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(&|index| index.format = 2, "index format 2, but this program reads format 1");
    check(&|index| index.release = "15.2.124.2-1".to_owned(), "release is '15.2.124.2-1'");
    check(&|index| index.release = "15.2.124.1".to_owned(), "release is '15.2.124.1'");
    check(&|index| index.number = 0, "number is 0");
    check(&|index| index.number = 1 << 63, "number is 9223372036854775808");
    check(&|index| index.archives.clear(), "has no archive");
    check(&|index| index.archives.reverse(), "they are sorted, each once");
    check(&|index| index.archives[1] = index.archives[0].clone(), "they are sorted, each once");
    check(&|index| index.archives[1].size_bytes = 0, "a size of 0 bytes");
    check(
        &|index| index.absent[0] = Absent { target: GNU.into(), ..index.absent[0].clone() },
        "is there too",
    );
    check(&|index| index.absent.push(index.absent[0].clone()), "absent twice");
    check(&|index| index.files.reverse(), "they are sorted, each once");
    for name in ["", "..", "a/b", ".x", "-x", "a b"] {
        check(&|index| index.files[0].name = name.to_owned(), "cannot be the name of a file");
    }
    check(&|index| index.files[1].name = "index.json".to_owned(), "listed as a file beside");
    check(&|index| index.files[1].name = index.archives[0].name.clone(), "listed as a file beside");
    let long = format!("{}{}", " ".repeat(5 << 20), sample().to_json());
    assert!(Index::from_json(long.as_bytes(), "x").unwrap_err().to_string().contains("the limit is"));
}

#[test]
fn moments() {
    for text in ["2027-01-31T12:00:00Z", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z"] {
        assert_eq!(moment(text).as_str(), text);
    }
    for text in [
        "",
        "2027-01-31",
        "2027-01-31T12:00:00",
        "2027-01-31T12:00:00+00:00",
        "2027-01-31 12:00:00Z",
        "2027-01-31T12:00:00.0Z",
        "2027-13-01T12:00:00Z",
        "2027-00-01T12:00:00Z",
        "2027-01-32T12:00:00Z",
        "2027-01-31T24:00:00Z",
        "2027-01-31T12:60:00Z",
        "2027-01-31T12:00:60Z",
        "2027-1-31T12:00:00ZZ",
        "２027-01-31T12:00:0Z",
        "+027-01-31T12:00:00Z",
    ] {
        assert!(Moment::parse(text).is_err(), "{text}");
    }
    assert!(moment("2027-01-31T12:00:00Z") < moment("2027-02-01T00:00:00Z"));
}
