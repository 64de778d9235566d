//! Values where DEPS wants a string, a list, a path: each as that or refused with its line.

use super::Fault;
use super::eval::{Data, Value};

/// The keys of a dictionary, each read once; what is left at the end is unknown.
pub struct Fields {
    line: usize,
    pairs: Vec<(String, Value)>,
}

impl Fields {
    pub fn of(value: Value) -> Result<Fields, Fault> {
        Ok(Fields { line: value.line, pairs: dict(value)? })
    }

    pub fn optional<T>(
        &mut self,
        name: &str,
        read: fn(Value) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        let at = self.pairs.iter().position(|(key, _)| key == name);
        at.map(|at| read(self.pairs.remove(at).1)).transpose()
    }

    pub fn wanted<T>(&mut self, name: &str, read: fn(Value) -> Result<T, Fault>) -> Result<T, Fault> {
        self.optional(name, read)?.ok_or_else(|| Fault::new(self.line, format!("'{name}' is missing")))
    }

    pub fn end(self) -> Result<(), Fault> {
        match self.pairs.first() {
            Some((key, value)) => Err(Fault::new(value.line, format!("the key '{key}' is not known here"))),
            None => Ok(()),
        }
    }
}

pub fn wrong<T>(wanted: &str, value: &Value) -> Result<T, Fault> {
    Err(Fault::new(value.line, format!("{} where {wanted} stands", value.data.kind())))
}

pub fn dict(value: Value) -> Result<Vec<(String, Value)>, Fault> {
    match value.data {
        Data::Dict(pairs) => Ok(pairs),
        _ => wrong("a dictionary", &value),
    }
}

pub fn list(value: Value) -> Result<Vec<Value>, Fault> {
    match value.data {
        Data::List(values) => Ok(values),
        _ => wrong("a list", &value),
    }
}

pub fn string(value: Value) -> Result<String, Fault> {
    match value.data {
        Data::Text(text) | Data::Constant(text) => Ok(text),
        _ => wrong("a string", &value),
    }
}

pub fn number(value: Value) -> Result<u64, Fault> {
    match value.data {
        Data::Number(number) => Ok(number),
        _ => wrong("a number", &value),
    }
}

pub fn truth(value: Value) -> Result<bool, Fault> {
    match value.data {
        Data::Bool(value) => Ok(value),
        _ => wrong("True or False", &value),
    }
}

/// A relative path that stays below its folder.
pub fn path(value: Value) -> Result<String, Fault> {
    let line = value.line;
    let text = string(value)?;
    inside(&text, line)?;
    Ok(text)
}

/// What becomes a part of a URL: no `..`, and nothing that means something else there.
pub fn plain(value: Value) -> Result<String, Fault> {
    let line = value.line;
    let text = string(value)?;
    let known = |c: char| c.is_ascii_alphanumeric() || "-_.+/${}".contains(c);
    inside(&text, line)?;
    if text.chars().all(known) {
        Ok(text)
    } else {
        Err(Fault::new(line, format!("{text:?} is no plain name")))
    }
}

pub fn inside(path: &str, line: usize) -> Result<(), Fault> {
    let is_inside = !path.contains(['\\', ':', '\0', '\n'])
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if is_inside { Ok(()) } else { Err(Fault::new(line, format!("the path {path:?} does not stay inside"))) }
}
