//! Reads `V8.json` without serde, whose eleven crates every embedder would compile for it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use hifijson::token::Lex as _;
use hifijson::value::parse_bounded;
use hifijson::{SliceLexer, value};

use crate::Sha256;
use crate::descriptor::{
    Cxx, CxxRuntime, Descriptor, File, GnValue, Libc, LibcFamily, Library, License, Patch, Source, TlsModel,
    Tool,
};

/// Deeper texts are refused; ours has five levels.
const MAX_DEPTH: usize = 64;

/// Strings are borrowed where they have no escapes.
pub(crate) type Value<'a> = value::Value<&'a str, Cow<'a, str>>;

/// The whole text, in which no object has a key twice.
pub(crate) fn parse(json: &[u8]) -> Result<Value<'_>, String> {
    let mut lexer = SliceLexer::new(json);
    let parsed = lexer.exactly_one(SliceLexer::ws_peek, |next, lexer| parse_bounded(MAX_DEPTH, next, lexer));
    let value = parsed.map_err(|error: hifijson::Error| {
        // What is left is what was not read.
        let read = json.len() - lexer.as_slice().len();
        let line = json[..read].iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("no JSON at line {line}: {error}")
    })?;
    unique_keys(&value)?;
    Ok(value)
}

fn unique_keys(value: &Value<'_>) -> Result<(), String> {
    match value {
        Value::Object(members) => {
            let mut keys = BTreeSet::new();
            for (key, value) in members {
                if !keys.insert(key.as_ref()) {
                    return Err(format!("the key '{key}' occurs twice in one object"));
                }
                unique_keys(value)?;
            }
            Ok(())
        }
        Value::Array(items) => items.iter().try_for_each(unique_keys),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

/// The number of the format.
pub(crate) fn format(value: &Value<'_>) -> Result<u64, String> {
    field(value, "format")
}

/// All of it.
pub(crate) fn descriptor(value: &Value<'_>) -> Result<Descriptor, String> {
    Read::read(value)
}

/// What a value is in Rust. Errors say where, from the outermost key on.
trait Read: Sized {
    fn read(value: &Value<'_>) -> Result<Self, String>;
}

/// A member of an object; further ones are ignored.
fn field<T: Read>(value: &Value<'_>, name: &str) -> Result<T, String> {
    let Value::Object(members) = value else { return Err(wrong(value, "an object")) };
    let Some((_, value)) = members.iter().find(|(key, _)| key == name) else {
        return Err(format!("missing field `{name}`"));
    };
    T::read(value).map_err(|why| format!("{name}: {why}"))
}

fn wrong(value: &Value<'_>, expected: &str) -> String {
    let mut found: String = value.to_string().chars().take(40).flat_map(char::escape_debug).collect();
    if found.len() >= 40 {
        found.push('…');
    }
    format!("expected {expected}, found {found}")
}

/// Structs by their fields' names: one that is left out here does not compile.
macro_rules! structs {
    ($($type:ident { $($field:ident),+ $(,)? })+) => {
        $(impl Read for $type {
            fn read(value: &Value<'_>) -> Result<Self, String> {
                Ok(Self { $($field: field(value, stringify!($field))?),+ })
            }
        })+
    };
}

structs! {
    Descriptor {
        format, name, v8_version, target, variant, build_id, source, patches, gn_args, defines, cxx, libraries,
        system_libraries, frameworks, cxx_runtime, tls_model, libc, features, toolchain, dropped_flags, licenses, files,
    }
    Source { kind, package, version, sha256 }
    Patch { name, sha256 }
    Cxx { standard, flags, defines, include_dirs }
    Library { name, path }
    CxxRuntime { name, abi_namespace, bundled }
    Libc { family, floor }
    Tool { name, version, sha256 }
    License { part, spdx, file, source }
    File { path, size_bytes, sha256 }
}

/// One of a closed set of names.
fn one_of<T: Copy>(value: &Value<'_>, names: &[(&str, T)]) -> Result<T, String> {
    let text = String::read(value)?;
    names.iter().find(|(name, _)| *name == text).map(|(_, found)| *found).ok_or_else(|| {
        let names: Vec<String> = names.iter().map(|(name, _)| format!("`{name}`")).collect();
        format!("unknown variant `{}`, expected one of {}", text.escape_debug(), names.join(", "))
    })
}

impl Read for TlsModel {
    fn read(value: &Value<'_>) -> Result<Self, String> {
        one_of(
            value,
            &[
                ("local-exec", TlsModel::LocalExec),
                ("initial-exec", TlsModel::InitialExec),
                ("local-dynamic", TlsModel::LocalDynamic),
                ("global-dynamic", TlsModel::GlobalDynamic),
                ("platform", TlsModel::Platform),
            ],
        )
    }
}

impl Read for LibcFamily {
    fn read(value: &Value<'_>) -> Result<Self, String> {
        one_of(
            value,
            &[
                ("glibc", LibcFamily::Glibc),
                ("musl", LibcFamily::Musl),
                ("ucrt", LibcFamily::Ucrt),
                ("libSystem", LibcFamily::LibSystem),
            ],
        )
    }
}

impl Read for GnValue {
    fn read(value: &Value<'_>) -> Result<Self, String> {
        match value {
            Value::Bool(value) => Ok(GnValue::Bool(*value)),
            Value::Number(_) => i64::read(value).map(GnValue::Integer),
            Value::String(value) => Ok(GnValue::String(value.clone().into_owned())),
            Value::Array(_) => Vec::read(value).map(GnValue::List),
            Value::Null | Value::Object(_) => Err(wrong(value, "a value of GN")),
        }
    }
}

impl Read for bool {
    fn read(value: &Value<'_>) -> Result<Self, String> {
        if let Value::Bool(value) = value { Ok(*value) } else { Err(wrong(value, "true or false")) }
    }
}

/// JSON has no leading `+` or zeros, and what has a point or an exponent is no integer for `FromStr`.
fn number<T: std::str::FromStr>(value: &Value<'_>, expected: &str) -> Result<T, String> {
    let parsed = if let Value::Number((text, _)) = value { text.parse().ok() } else { None };
    parsed.ok_or_else(|| wrong(value, expected))
}

impl Read for u32 {
    fn read(value: &Value<'_>) -> Result<Self, String> {
        number(value, "a number below 2^32")
    }
}

impl Read for u64 {
    fn read(value: &Value<'_>) -> Result<Self, String> {
        number(value, "a number below 2^64")
    }
}

impl Read for i64 {
    fn read(value: &Value<'_>) -> Result<Self, String> {
        number(value, "an integer of 64 bits")
    }
}

impl Read for String {
    fn read(value: &Value<'_>) -> Result<Self, String> {
        if let Value::String(text) = value {
            Ok(text.clone().into_owned())
        } else {
            Err(wrong(value, "a text"))
        }
    }
}

impl Read for Sha256 {
    fn read(value: &Value<'_>) -> Result<Self, String> {
        String::read(value)?.parse().map_err(|error: crate::Error| error.to_string())
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(value: &Value<'_>) -> Result<Self, String> {
        let Value::Array(items) = value else { return Err(wrong(value, "a list")) };
        let read = |(number, item)| T::read(item).map_err(|why| format!("{number}: {why}"));
        items.iter().enumerate().map(read).collect()
    }
}

impl<T: Read> Read for BTreeMap<String, T> {
    fn read(value: &Value<'_>) -> Result<Self, String> {
        let Value::Object(members) = value else { return Err(wrong(value, "an object")) };
        let read = |(key, value): &(Cow<'_, str>, Value<'_>)| {
            let read = T::read(value).map_err(|why| format!("{}: {why}", key.escape_debug()))?;
            Ok((key.clone().into_owned(), read))
        };
        members.iter().map(read).collect()
    }
}
