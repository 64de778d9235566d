//! The key that signs releases: read from the environment or a file, and never told to anybody.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use ct_codecs::Decoder as _;
use minisign::{KeyPair, SecretKey, SecretKeyBox};
use v8_archive::index::TrustedKey;

use crate::env;
use crate::error::{Error, IoContext as _, Result};

/// A secret key of minisign. It has no `Debug`.
pub struct SigningKey {
    secret: SecretKey,
    public: TrustedKey,
}

const HELP: &str = "cargo xtask publish --new-key FILE   makes a key, as the minisign program does with -G";

impl SigningKey {
    /// `LIBV8_SIGNING_KEY`, or the file that `LIBV8_SIGNING_KEY_FILE` names, with `LIBV8_SIGNING_KEY_PASSWORD`.
    ///
    /// # Errors
    /// Usage, if there is none or it cannot be used; the text never holds any of it.
    pub fn from_environment() -> Result<SigningKey> {
        let text = match (env::signing_key(), env::signing_key_file()) {
            (Some(_), Some(_)) => {
                return Err(Error::usage("both LIBV8_SIGNING_KEY and LIBV8_SIGNING_KEY_FILE are set")
                    .help("unset one of them"));
            }
            (Some(text), None) => {
                text.into_string().map_err(|_| Error::usage("LIBV8_SIGNING_KEY is not UTF-8").help(HELP))?
            }
            (None, Some(path)) => fs::read_to_string(&path).map_err(|error| {
                Error::usage(format!("LIBV8_SIGNING_KEY_FILE {}: {error}", path.display())).help(HELP)
            })?,
            (None, None) => {
                return Err(Error::usage("there is no key to sign the release with")
                    .help("set LIBV8_SIGNING_KEY_FILE to the file of a secret key of minisign, or LIBV8_SIGNING_KEY to its text")
                    .help(HELP));
            }
        };
        let password = env::signing_key_password()
            .map(|password| {
                password.into_string().map_err(|_| Error::usage("LIBV8_SIGNING_KEY_PASSWORD is not UTF-8"))
            })
            .transpose()?;
        SigningKey::read(&text, password)
    }

    /// The text of a key's file, or its one line that is not comment.
    fn read(text: &str, password: Option<String>) -> Result<SigningKey> {
        let fail = |why: &str| Error::usage(format!("the signing key cannot be used: {why}")).help(HELP);
        let mut lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with("untrusted comment:"));
        let (Some(line), None) = (lines.next(), lines.next()) else {
            return Err(fail("it is not the text of one key"));
        };
        let boxed = SecretKeyBox::from_string(&format!("untrusted comment: key\n{line}\n"))
            .map_err(|_| fail("it is no secret key of minisign"))?;
        // The letters of "EdSc": scrypt. minisign would ask the terminal for a password that it is not given.
        let is_protected = line.starts_with("RWRT");
        // What minisign says may hold parts of what it was given; our own words do not.
        let secret = match (is_protected, password) {
            (true, Some(password)) => boxed
                .into_secret_key(Some(password))
                .map_err(|_| fail("LIBV8_SIGNING_KEY_PASSWORD is not its password, or it is damaged")),
            (true, None) => {
                Err(fail("it is protected by a password, and LIBV8_SIGNING_KEY_PASSWORD is not set"))
            }
            (false, _) => unprotected(line, boxed)
                .ok_or_else(|| fail("it is no secret key of minisign, or it is damaged")),
        }?;
        let public =
            minisign::PublicKey::from_secret_key(&secret).map_err(|_| fail("it has no public half"))?;
        // Given a public key, it verifies what it has signed: both halves belong together.
        minisign::sign(Some(&public), &secret, b"probe".as_slice(), Some("probe"), None)
            .map_err(|_| fail("its halves do not belong together, or it is damaged"))?;
        let public = TrustedKey::parse(&public.to_base64()).map_err(|why| fail(&why))?;
        Ok(SigningKey { secret, public })
    }

    /// Its public half.
    pub fn public(&self) -> &TrustedKey {
        &self.public
    }

    /// The text of a `.minisig` file. Not the same twice: it has randomness against faulty hardware.
    ///
    /// # Errors
    /// If the system gives no randomness.
    pub fn sign(&self, bytes: &[u8], trusted_comment: &str) -> Result<String> {
        minisign::sign(
            None,
            &self.secret,
            bytes,
            Some(trusted_comment),
            Some("signature of a release of libv8"),
        )
        .map(|signature| signature.to_string())
        .map_err(|error| Error::failed(format!("cannot sign the index: {error}")))
    }

    /// A key without a password.
    #[cfg(test)]
    pub fn from_text(text: &str) -> SigningKey {
        SigningKey::read(text, None).unwrap()
    }
}

/// A key without a password. Version 0.11 of the program writes none of them a checksum (`minisign -G -W`), which the crate
/// misses.
fn unprotected(line: &str, boxed: SecretKeyBox) -> Option<SecretKey> {
    let bytes = ct_codecs::Base64::decode_to_vec(line, None).ok()?;
    // Three algorithms, salt, two limits, the key's number, both halves; then the checksum.
    let has_checksum = bytes.get(126..158)?.iter().any(|byte| *byte != 0);
    if has_checksum { boxed.into_unencrypted_secret_key().ok() } else { SecretKey::from_bytes(&bytes).ok() }
}

/// Makes a key: the secret half in `file`, for its owner alone, the public one beside it with `.pub`. Gives that path.
///
/// # Errors
/// Usage, if one of the files is there.
pub fn new_key(file: &Path) -> Result<PathBuf> {
    let public_file = file.with_added_extension("pub");
    if let Some(there) = [file, &public_file].into_iter().find(|path| path.exists()) {
        return Err(Error::usage(format!("{} is there, and a key is never overwritten", there.display())));
    }
    let failed = |error: minisign::PError| Error::failed(format!("cannot make a key: {error}"));
    let pair = match env::signing_key_password() {
        Some(password) => {
            let password = password
                .into_string()
                .map_err(|_| Error::usage("LIBV8_SIGNING_KEY_PASSWORD is not UTF-8"))?;
            KeyPair::generate_encrypted_keypair(Some(password)).map_err(failed)?
        }
        None => KeyPair::generate_unencrypted_keypair().map_err(failed)?,
    };
    let secret =
        pair.sk.to_box(Some("secret key that signs releases of libv8")).map_err(failed)?.into_string();
    let public = pair.pk.to_box().map_err(failed)?.into_string();
    let mut options = fs::File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut writer = options.open(file).or_io("create", file)?;
    writer.write_all(secret.as_bytes()).and_then(|()| writer.sync_all()).or_io("write", file)?;
    fs::write(&public_file, public).or_io("write", &public_file)?;
    Ok(public_file)
}

#[cfg(test)]
mod tests {
    use ct_codecs::Encoder as _;

    use super::*;
    use crate::toolchain::testing::Folder;

    #[test]
    fn a_key_is_its_file_its_line_or_protected() {
        let open = KeyPair::generate_unencrypted_keypair().unwrap();
        let text = open.sk.to_box(None).unwrap().into_string();
        let line = text.lines().nth(1).unwrap();
        for text in [text.as_str(), line, &format!("\r\n{line}\r\n")] {
            let key = SigningKey::read(text, None).unwrap();
            assert_eq!(key.public().to_string(), open.pk.to_base64());
        }
        let secret = KeyPair::generate_encrypted_keypair(Some("pass word".to_owned())).unwrap();
        let text = secret.sk.to_box(None).unwrap().into_string();
        let key = SigningKey::read(&text, Some("pass word".to_owned())).unwrap();
        assert_eq!(key.public().to_string(), secret.pk.to_base64());
        let check = |text: &str, password: Option<&str>, expected: &str| {
            let error =
                SigningKey::read(text, password.map(str::to_owned)).err().expect("no key").to_string();
            assert!(error.contains(expected), "{error}");
            for secret in text.split_whitespace().filter(|word| word.len() > 20).chain(password) {
                assert!(!error.contains(secret), "{error}");
            }
        };
        check(&text, None, "LIBV8_SIGNING_KEY_PASSWORD is not set");
        check(&text, Some("another"), "is not its password");
        check("", None, "not the text of one key");
        check(&format!("{line}\n{line}\n"), None, "not the text of one key");
        check(&line[..line.len() - 8], None, "no secret key of minisign");
        check(&format!("{}AAAA{}", &line[..100], &line[104..]), None, "or it is damaged");
        // A key without checksum, as minisign -G -W writes it, is tried out.
        let mut bytes = open.sk.to_bytes();
        bytes[126..].fill(0);
        let line = ct_codecs::Base64::encode_to_string(&bytes).unwrap();
        let key = SigningKey::read(&line, None).unwrap();
        assert_eq!(key.public().to_string(), open.pk.to_base64());
        bytes[70] ^= 1;
        let line = ct_codecs::Base64::encode_to_string(&bytes).unwrap();
        check(&line, None, "its halves do not belong together");
        check("geheim-geheim-geheim-geheim", None, "no secret key of minisign");
    }

    #[test]
    fn a_new_key_is_for_its_owner_alone_and_never_overwritten() {
        let folder = Folder::new();
        let file = folder.path().join("release.key");
        let public = new_key(&file).unwrap();
        assert_eq!(public, folder.path().join("release.key.pub"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let key = SigningKey::read(&fs::read_to_string(&file).unwrap(), None).unwrap();
        let trusted = TrustedKey::parse_all(&fs::read_to_string(&public).unwrap(), "x").unwrap();
        assert_eq!(trusted[0].to_string(), key.public().to_string());
        let before = fs::read(&file).unwrap();
        assert_eq!(new_key(&file).unwrap_err().exit_code(), 2);
        fs::remove_file(&public).unwrap();
        assert_eq!(new_key(&file).unwrap_err().exit_code(), 2);
        assert_eq!(fs::read(&file).unwrap(), before);
    }
}
