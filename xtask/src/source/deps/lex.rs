//! The words of DEPS: names, strings, whole numbers, marks, ends of lines.

use super::Fault;

/// A word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    Name(String),
    Text(String),
    Number(u64),
    Mark(&'static str),
    NewLine,
    End,
}

impl Token {
    /// For errors.
    pub fn shown(&self) -> String {
        match self {
            Token::Name(name) => format!("'{name}'"),
            Token::Text(text) => format!("the string {text:?}"),
            Token::Number(number) => format!("the number {number}"),
            Token::Mark(mark) => format!("'{mark}'"),
            Token::NewLine => "the end of the line".to_owned(),
            Token::End => "the end".to_owned(),
        }
    }
}

/// Longer ones first.
const MARKS: [&str; 13] = ["==", "!=", "{", "}", "[", "]", "(", ")", ",", ":", "=", "+", "%"];

/// The words of a text with their lines; `depth` says how many brackets are open where it begins.
pub fn tokens(text: &str, mut depth: usize) -> Result<Vec<(usize, Token)>, Fault> {
    let mut all = Vec::new();
    let (mut rest, mut line) = (text, 1);
    while let Some(first) = rest.chars().next() {
        let here = line;
        let token = match first {
            '\n' => {
                rest = &rest[1..];
                line += 1;
                // As in Python: inside brackets an end of line is a blank.
                if depth == 0 { Some(Token::NewLine) } else { None }
            }
            ' ' | '\t' | '\r' => {
                rest = &rest[1..];
                None
            }
            '#' => {
                rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
                None
            }
            '\\' if rest.starts_with("\\\n") => {
                rest = &rest[2..];
                line += 1;
                None
            }
            '\'' | '"' => {
                let (value, used) = string(rest, here)?;
                line += rest[..used].matches('\n').count();
                rest = &rest[used..];
                Some(Token::Text(value))
            }
            '0'..='9' => {
                let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
                let (digits, after) = rest.split_at(end);
                if after.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.') {
                    return Err(Fault::new(here, "a number that is not plain and whole"));
                }
                rest = after;
                let number =
                    digits.parse().map_err(|_| Fault::new(here, format!("the number {digits} is too large")));
                Some(Token::Number(number?))
            }
            c if c.is_ascii_alphabetic() || c == '_' => {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
                let (name, after) = rest.split_at(end);
                if after.starts_with(['\'', '"']) {
                    return Err(Fault::new(here, format!("a string with the prefix '{name}'")));
                }
                rest = after;
                Some(Token::Name(name.to_owned()))
            }
            other => {
                let mark = MARKS.iter().find(|mark| rest.starts_with(**mark));
                let mark = mark.ok_or_else(|| Fault::new(here, format!("unexpected '{other}'")))?;
                rest = &rest[mark.len()..];
                match *mark {
                    "{" | "[" | "(" => depth += 1,
                    "}" | "]" | ")" => depth = depth.saturating_sub(1),
                    _ => {}
                }
                Some(Token::Mark(mark))
            }
        };
        all.extend(token.map(|token| (here, token)));
    }
    all.push((line, Token::End));
    Ok(all)
}

/// The string that `text` begins with, and how many bytes it takes there.
fn string(text: &str, line: usize) -> Result<(String, usize), Fault> {
    let quote = &text[..1];
    let triple = quote.repeat(3);
    let end = if text.starts_with(&triple) { triple.as_str() } else { quote };
    let mut value = String::new();
    let mut at = end.len();
    loop {
        let rest = &text[at..];
        if rest.starts_with(end) {
            return Ok((value, at + end.len()));
        }
        let mut chars = rest.chars();
        match chars.next() {
            None => return Err(Fault::new(line, "a string without an end")),
            Some('\n') if end.len() == 1 => return Err(Fault::new(line, "a string without an end")),
            Some('\\') => {
                let escaped = chars.next().unwrap_or(' ');
                match escaped {
                    '\\' | '\'' | '"' => value.push(escaped),
                    'n' => value.push('\n'),
                    't' => value.push('\t'),
                    '\n' => {}
                    other => return Err(Fault::new(line, format!("the escape '\\{other}'"))),
                }
                at += 1 + escaped.len_utf8();
            }
            Some(c) => {
                value.push(c);
                at += c.len_utf8();
            }
        }
    }
}
