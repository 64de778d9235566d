//! The values of DEPS: expressions evaluated, with `{variables}` put into strings as Python's `format` does.

use std::collections::BTreeMap;

use super::Fault;
use super::parse::{Assignment, Node, NodeKind};

/// A value, and the line it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// The line in the file, from 1.
    pub line: usize,
    /// What it is.
    pub data: Data,
}

/// The kinds of values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// `None`
    None,
    /// `True`, `False`
    Bool(bool),
    /// A whole number.
    Number(u64),
    /// A string.
    Text(String),
    /// `Str('…')`: a string that a condition does not evaluate.
    Constant(String),
    /// A list or a tuple.
    List(Vec<Value>),
    /// A dictionary, in the order of the file; no key is there twice.
    Dict(Vec<(String, Value)>),
}

impl Data {
    /// In words, for errors.
    pub fn kind(&self) -> &'static str {
        match self {
            Data::None => "None",
            Data::Bool(_) => "a truth value",
            Data::Number(_) => "a number",
            Data::Text(_) | Data::Constant(_) => "a string",
            Data::List(_) => "a list",
            Data::Dict(_) => "a dictionary",
        }
    }
}

/// A variable, as `vars` or gclient itself defines it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Variable {
    /// `True`, `False`
    Bool(bool),
    /// A string; as a condition, it is evaluated.
    Text(String),
    /// `Str('…')`: taken as it stands.
    Constant(String),
}

impl Variable {
    /// As Python prints it.
    pub fn text(&self) -> &str {
        match self {
            Variable::Bool(true) => "True",
            Variable::Bool(false) => "False",
            Variable::Text(text) | Variable::Constant(text) => text,
        }
    }
}

/// Variables by name.
pub type Variables = BTreeMap<String, Variable>;

/// The values of all assignments but `vars`, which was read before with [`vars`] and is in `variables`.
pub fn assignments(all: &[Assignment], variables: &Variables) -> Result<Vec<(String, Value)>, Fault> {
    all.iter()
        .filter(|assignment| assignment.name != "vars")
        .map(|assignment| Ok((assignment.name.clone(), evaluate(&assignment.value, Some(variables))?)))
        .collect()
}

/// The variables that the file itself defines, as they stand there: `{…}` in them is left.
pub fn vars(all: &[Assignment]) -> Result<Variables, Fault> {
    let Some(assignment) = all.iter().find(|assignment| assignment.name == "vars") else {
        return Ok(Variables::new());
    };
    let Data::Dict(pairs) = evaluate(&assignment.value, None)?.data else {
        return Err(Fault::new(assignment.line, "'vars' is no dictionary"));
    };
    let variable = |(name, value): (String, Value)| {
        let variable = match value.data {
            Data::Bool(value) => Variable::Bool(value),
            Data::Text(text) => Variable::Text(text),
            Data::Constant(text) => Variable::Constant(text),
            other => {
                let what =
                    format!("the variable '{name}' is {}, not a string or a truth value", other.kind());
                return Err(Fault::new(value.line, what));
            }
        };
        Ok((name, variable))
    };
    pairs.into_iter().map(variable).collect()
}

/// `None` for variables is the evaluation of `vars` itself: nothing is put in, and `Var('x')` is `{x}`.
fn evaluate(node: &Node, variables: Option<&Variables>) -> Result<Value, Fault> {
    let line = node.line;
    let fault = |what: String| Err(Fault::new(line, what));
    let all =
        |nodes: &[Node]| nodes.iter().map(|node| evaluate(node, variables)).collect::<Result<Vec<_>, _>>();
    let data = match &node.kind {
        NodeKind::Text(text) => Data::Text(match variables {
            Some(variables) => format(text, variables).map_err(|what| Fault::new(line, what))?,
            None => text.clone(),
        }),
        NodeKind::Number(number) => Data::Number(*number),
        NodeKind::Name(name) => match name.as_str() {
            "True" => Data::Bool(true),
            "False" => Data::Bool(false),
            "None" => Data::None,
            _ => return fault(format!("the name '{name}', which is none of True, False, None")),
        },
        NodeKind::Call(function, arguments) => call(function, arguments, variables, line)?,
        NodeKind::List(nodes) | NodeKind::Tuple(nodes) => Data::List(all(nodes)?),
        NodeKind::Dict(pairs) => {
            let mut values: Vec<(String, Value)> = Vec::new();
            for (key, value) in pairs {
                let at = key.line;
                let Data::Text(key) = evaluate(key, variables)?.data else {
                    return Err(Fault::new(at, "a key that is no string"));
                };
                if values.iter().any(|(other, _)| *other == key) {
                    return Err(Fault::new(at, format!("the key '{key}' is there twice")));
                }
                values.push((key, evaluate(value, variables)?));
            }
            Data::Dict(values)
        }
        NodeKind::Add(left, right) => {
            match (evaluate(left, variables)?.data, evaluate(right, variables)?.data) {
                (Data::Text(left), Data::Text(right)) => Data::Text(left + &right),
                (Data::List(mut left), Data::List(right)) => {
                    left.extend(right);
                    Data::List(left)
                }
                (left, right) => return fault(format!("{} + {}", left.kind(), right.kind())),
            }
        }
        NodeKind::Percent(left, right) => {
            let Data::Text(pattern) = evaluate(left, variables)?.data else {
                return fault("'%' after what is no string".to_owned());
            };
            let right = evaluate(right, variables)?;
            Data::Text(percent(&pattern, right).map_err(|what| Fault::new(line, what))?)
        }
        NodeKind::And(_) | NodeKind::Or(_) | NodeKind::Not(_) | NodeKind::Compare(..) => {
            return fault("an expression that stands in conditions only".to_owned());
        }
    };
    Ok(Value { line, data })
}

fn call(
    function: &str,
    arguments: &[Node],
    variables: Option<&Variables>,
    line: usize,
) -> Result<Data, Fault> {
    let fault = |what: String| Err(Fault::new(line, what));
    if !["Var", "Str"].contains(&function) {
        return fault(format!("the function '{function}': there are Var and Str only"));
    }
    let [argument] = arguments else {
        return fault(format!("{function} takes one argument, and has {}", arguments.len()));
    };
    if function == "Str" {
        return match &argument.kind {
            NodeKind::Text(text) => Ok(Data::Constant(text.clone())),
            _ => fault("Str takes a string as it stands".to_owned()),
        };
    }
    let Data::Text(name) = evaluate(argument, variables)?.data else {
        return fault("Var takes the name of a variable".to_owned());
    };
    let Some(variables) = variables else { return Ok(Data::Text(format!("{{{name}}}"))) };
    match variables.get(&name) {
        Some(Variable::Bool(value)) => Ok(Data::Bool(*value)),
        Some(Variable::Text(text) | Variable::Constant(text)) => Ok(Data::Text(text.clone())),
        None => fault(format!("the variable '{name}' is not defined in vars")),
    }
}

/// Python's `str.format` with names only: `{name}`, and `{{`, `}}` for the brackets themselves.
pub fn format(text: &str, variables: &Variables) -> Result<String, String> {
    let (mut done, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(['{', '}']) {
        done.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("{{").or_else(|| rest.strip_prefix("}}")) {
            done.push_str(&rest[..1]);
            rest = after;
            continue;
        }
        let inside = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let (name, after) = inside.ok_or_else(|| format!("a single bracket in {text:?}"))?;
        if name.is_empty() || name.contains(['{', '!', ':', '.', '[']) {
            return Err(format!("'{{{name}}}' is more than the name of a variable"));
        }
        let value = variables.get(name);
        done.push_str(value.ok_or_else(|| format!("the variable '{name}' is not defined in vars"))?.text());
        rest = after;
    }
    Ok(done + rest)
}

/// Python's `%` with `%s`, `%d` and `%%`.
fn percent(pattern: &str, right: Value) -> Result<String, String> {
    let values = match right.data {
        Data::List(values) => values,
        other => vec![Value { line: right.line, data: other }],
    };
    let mut values = values.into_iter();
    let mut parts = pattern.split('%');
    let mut done = parts.next().unwrap_or_default().to_owned();
    while let Some(part) = parts.next() {
        let (kind, rest) = match part.chars().next() {
            Some(kind @ ('s' | 'd')) => (kind, &part[1..]),
            // `%%` gives an empty part between the two.
            None => match parts.next() {
                Some(after) => {
                    done.push('%');
                    done.push_str(after);
                    continue;
                }
                None => return Err(format!("{pattern:?} ends with a single '%'")),
            },
            Some(other) => return Err(format!("'%{other}' in {pattern:?}")),
        };
        match (kind, values.next().map(|value| value.data)) {
            (_, Some(Data::Number(number))) => done.push_str(&number.to_string()),
            ('s', Some(Data::Text(text) | Data::Constant(text))) => done.push_str(&text),
            (_, Some(other)) => return Err(format!("{} for '%{kind}' in {pattern:?}", other.kind())),
            (_, None) => return Err(format!("too few values for {pattern:?}")),
        }
        done.push_str(rest);
    }
    match values.next() {
        Some(_) => Err(format!("too many values for {pattern:?}")),
        None => Ok(done),
    }
}
