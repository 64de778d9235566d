//! Conditions: whether an entry is wanted on this host, for this target.

use super::Fault;
use super::eval::{Variable, Variables};
use super::parse::{self, Comparison, Node, NodeKind};

/// What a part of a condition is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Bool(bool),
    Text(String),
    Tuple(Vec<String>),
}

/// Whether the condition holds. As gclient does it: a variable that is a string is a condition itself, and a name that is
/// no variable is a string. Unlike gclient's, a condition whose value is no truth value is refused: there, a misspelt
/// variable counts as true.
pub fn holds(condition: &str, line: usize, variables: &Variables) -> Result<bool, Fault> {
    match evaluate(&parse::condition(condition, line)?, variables, &mut Vec::new())? {
        Part::Bool(value) => Ok(value),
        other => {
            let what = format!("the condition {condition:?} is {}, neither true nor false", other.shown());
            Err(Fault::new(line, what))
        }
    }
}

/// What a condition evaluates to, for whoever wants more than its truth.
pub fn value(condition: &str, line: usize, variables: &Variables) -> Result<Variable, Fault> {
    match evaluate(&parse::condition(condition, line)?, variables, &mut Vec::new())? {
        Part::Bool(value) => Ok(Variable::Bool(value)),
        Part::Text(text) => Ok(Variable::Text(text)),
        other => Err(Fault::new(line, format!("{condition:?} is {}", other.shown()))),
    }
}

impl Part {
    fn shown(&self) -> String {
        match self {
            Part::Bool(value) => value.to_string(),
            Part::Text(text) => format!("the string {text:?}"),
            Part::Tuple(_) => "a list of strings".to_owned(),
        }
    }
}

/// `open` holds the variables whose values are being evaluated.
fn evaluate(node: &Node, variables: &Variables, open: &mut Vec<String>) -> Result<Part, Fault> {
    let fault = |what: String| Err(Fault::new(node.line, what));
    match &node.kind {
        NodeKind::Text(text) => Ok(Part::Text(text.clone())),
        NodeKind::Name(name) => match (name.as_str(), variables.get(name)) {
            ("True", _) => Ok(Part::Bool(true)),
            ("False", _) => Ok(Part::Bool(false)),
            (_, None) => Ok(Part::Text(name.clone())),
            (_, Some(Variable::Bool(value))) => Ok(Part::Bool(*value)),
            (_, Some(Variable::Constant(text))) => Ok(Part::Text(text.clone())),
            (_, Some(Variable::Text(text))) => {
                if open.contains(name) {
                    return fault(format!("the variable '{name}' is defined by itself"));
                }
                open.push(name.clone());
                let value = evaluate(&parse::condition(text, node.line)?, variables, open)?;
                open.pop();
                Ok(value)
            }
        },
        // All parts are looked at, as gclient does: a fault behind a false part is a fault too.
        NodeKind::And(parts) => {
            let all = truths(parts, variables, open, "and")?;
            Ok(Part::Bool(all.into_iter().all(|value| value)))
        }
        NodeKind::Or(parts) => {
            let all = truths(parts, variables, open, "or")?;
            Ok(Part::Bool(all.into_iter().any(|value| value)))
        }
        NodeKind::Not(part) => {
            Ok(Part::Bool(!truths(std::slice::from_ref(&**part), variables, open, "not")?[0]))
        }
        NodeKind::Tuple(parts) => {
            let text = |part: &Node| match evaluate(part, variables, open)? {
                Part::Text(text) => Ok(text),
                other => Err(Fault::new(part.line, format!("{} in a list of strings", other.shown()))),
            };
            Ok(Part::Tuple(parts.iter().map(text).collect::<Result<_, _>>()?))
        }
        NodeKind::Compare(comparison, left, right) => {
            let (left, right) = (evaluate(left, variables, open)?, evaluate(right, variables, open)?);
            Ok(Part::Bool(match (comparison, &left, &right) {
                (Comparison::In, Part::Text(left), Part::Tuple(right)) => right.contains(left),
                (Comparison::In, Part::Text(left), Part::Text(right)) => right.contains(left.as_str()),
                (Comparison::In, ..) | (_, Part::Tuple(_), _) | (_, _, Part::Tuple(_)) => {
                    return fault(format!("{} cannot be compared with {}", left.shown(), right.shown()));
                }
                (Comparison::Equal, ..) => left == right,
                (Comparison::NotEqual, ..) => left != right,
            }))
        }
        NodeKind::Number(_)
        | NodeKind::Call(..)
        | NodeKind::List(_)
        | NodeKind::Dict(_)
        | NodeKind::Add(..)
        | NodeKind::Percent(..) => fault("an expression that no condition has".to_owned()),
    }
}

fn truths(
    parts: &[Node],
    variables: &Variables,
    open: &mut Vec<String>,
    word: &str,
) -> Result<Vec<bool>, Fault> {
    let truth = |part: &Node| match evaluate(part, variables, open)? {
        Part::Bool(value) => Ok(value),
        other => Err(Fault::new(
            part.line,
            format!("'{word}' of {}, which is neither true nor false", other.shown()),
        )),
    };
    parts.iter().map(truth).collect()
}
