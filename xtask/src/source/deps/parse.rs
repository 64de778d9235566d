//! The grammar of DEPS: a small part of Python's. What is not in it is refused with its line, never guessed.

use super::Fault;
use super::lex::{Token, tokens};

/// An expression, and where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The line in the file, from 1.
    pub line: usize,
    /// What it is.
    pub kind: NodeKind,
}

/// The expressions of files and of conditions; each of the two takes only some of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    /// A string; several beside each other are joined already.
    Text(String),
    /// A whole number.
    Number(u64),
    /// A word without quotes: `True`, `host_os`.
    Name(String),
    /// `Var('x')`: the function's name, and its arguments.
    Call(String, Vec<Node>),
    /// `[…]`
    List(Vec<Node>),
    /// `(a, b)`
    Tuple(Vec<Node>),
    /// `{…}`, in the order of the file.
    Dict(Vec<(Node, Node)>),
    /// `a + b`
    Add(Box<Node>, Box<Node>),
    /// `a % b`
    Percent(Box<Node>, Box<Node>),
    /// `a and b and c`
    And(Vec<Node>),
    /// `a or b or c`
    Or(Vec<Node>),
    /// `not a`
    Not(Box<Node>),
    /// `a == b` and its siblings.
    Compare(Comparison, Box<Node>, Box<Node>),
}

/// The comparisons that DEPS knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `in`
    In,
}

/// `name = expression`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The line in the file, from 1.
    pub line: usize,
    /// What is given a value.
    pub name: String,
    /// The value.
    pub value: Node,
}

/// A whole file: assignments and nothing else, each name once.
pub fn file(text: &str) -> Result<Vec<Assignment>, Fault> {
    let mut parser = Parser::new(text, 0)?;
    let mut all: Vec<Assignment> = Vec::new();
    loop {
        while parser.take(&Token::NewLine) {}
        let line = parser.line();
        let name = match parser.next() {
            Token::End => return Ok(all),
            Token::Name(name) => name,
            other => {
                return Err(Fault::new(
                    line,
                    format!("{} begins no assignment: only 'name = value' stands here", other.shown()),
                ));
            }
        };
        parser.expect("=")?;
        let value = parser.expression()?;
        if !matches!(parser.peek(), Token::NewLine | Token::End) {
            return Err(Fault::new(parser.line(), format!("unexpected {}", parser.peek().shown())));
        }
        if all.iter().any(|other| other.name == name) {
            return Err(Fault::new(line, format!("'{name}' is assigned a second time")));
        }
        all.push(Assignment { line, name, value });
    }
}

/// A condition: one expression, which begins in `line` of its file.
pub fn condition(text: &str, line: usize) -> Result<Node, Fault> {
    let within = |fault: Fault| Fault::new(line, format!("{} in the condition {text:?}", fault.what));
    // As if in brackets, so that a condition may go over several lines.
    let mut parser = Parser::new(text, 1).map_err(within)?;
    let mut node = parser.expression().map_err(within)?;
    if *parser.peek() != Token::End {
        return Err(within(Fault::new(line, format!("unexpected {}", parser.peek().shown()))));
    }
    set_line(&mut node, line);
    Ok(node)
}

fn set_line(node: &mut Node, line: usize) {
    node.line = line;
    match &mut node.kind {
        NodeKind::Text(_) | NodeKind::Number(_) | NodeKind::Name(_) => {}
        NodeKind::Call(_, all)
        | NodeKind::List(all)
        | NodeKind::Tuple(all)
        | NodeKind::And(all)
        | NodeKind::Or(all) => all.iter_mut().for_each(|node| set_line(node, line)),
        NodeKind::Dict(all) => all.iter_mut().for_each(|(key, value)| {
            set_line(key, line);
            set_line(value, line);
        }),
        NodeKind::Not(one) => set_line(one, line),
        NodeKind::Add(one, two) | NodeKind::Percent(one, two) | NodeKind::Compare(_, one, two) => {
            set_line(one, line);
            set_line(two, line);
        }
    }
}

/// Deeper nesting than any DEPS has; without a limit, a bad file overflows the stack.
const MAX_DEPTH: usize = 64;

struct Parser {
    tokens: Vec<(usize, Token)>,
    at: usize,
    depth: usize,
}

impl Parser {
    /// `depth`: how many brackets are open where the text begins.
    fn new(text: &str, depth: usize) -> Result<Parser, Fault> {
        Ok(Parser { tokens: tokens(text, depth)?, at: 0, depth: 0 })
    }

    fn peek(&self) -> &Token {
        &self.tokens[self.at].1
    }

    fn line(&self) -> usize {
        self.tokens[self.at].0
    }

    /// The last token, `End`, is never passed.
    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    fn take(&mut self, token: &Token) -> bool {
        let is_there = self.peek() == token;
        if is_there {
            self.next();
        }
        is_there
    }

    fn mark(&mut self, mark: &'static str) -> bool {
        self.take(&Token::Mark(mark))
    }

    fn word(&mut self, word: &str) -> bool {
        self.take(&Token::Name(word.to_owned()))
    }

    fn expect(&mut self, mark: &'static str) -> Result<(), Fault> {
        let (line, found) = (self.line(), self.peek().shown());
        if self.mark(mark) {
            Ok(())
        } else {
            Err(Fault::new(line, format!("'{mark}' is missing before {found}")))
        }
    }

    fn expression(&mut self) -> Result<Node, Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Fault::new(self.line(), format!("brackets nest deeper than {MAX_DEPTH}")));
        }
        let node =
            self.joined("or", NodeKind::Or, |parser| parser.joined("and", NodeKind::And, Parser::negated));
        self.depth -= 1;
        node
    }

    fn joined(
        &mut self,
        word: &str,
        make: fn(Vec<Node>) -> NodeKind,
        part: fn(&mut Parser) -> Result<Node, Fault>,
    ) -> Result<Node, Fault> {
        let mut parts = vec![part(self)?];
        while self.word(word) {
            parts.push(part(self)?);
        }
        Ok(match parts.len() {
            1 => parts.remove(0),
            _ => Node { line: parts[0].line, kind: make(parts) },
        })
    }

    fn negated(&mut self) -> Result<Node, Fault> {
        let line = self.line();
        let mut count = 0;
        while self.word("not") {
            count += 1;
        }
        let mut node = self.compared()?;
        for _ in 0..count {
            node = Node { line, kind: NodeKind::Not(Box::new(node)) };
        }
        Ok(node)
    }

    fn compared(&mut self) -> Result<Node, Fault> {
        let left = self.added()?;
        let Some(comparison) = self.comparison() else { return Ok(left) };
        let right = self.added()?;
        let (line, at) = (left.line, self.line());
        if self.comparison().is_some() {
            return Err(Fault::new(at, "a comparison of three"));
        }
        Ok(Node { line, kind: NodeKind::Compare(comparison, Box::new(left), Box::new(right)) })
    }

    fn comparison(&mut self) -> Option<Comparison> {
        if self.mark("==") {
            Some(Comparison::Equal)
        } else if self.mark("!=") {
            Some(Comparison::NotEqual)
        } else if self.word("in") {
            Some(Comparison::In)
        } else {
            None
        }
    }

    fn added(&mut self) -> Result<Node, Fault> {
        let mut left = self.formatted()?;
        while self.mark("+") {
            let right = self.formatted()?;
            left = Node { line: left.line, kind: NodeKind::Add(Box::new(left), Box::new(right)) };
        }
        Ok(left)
    }

    fn formatted(&mut self) -> Result<Node, Fault> {
        let mut left = self.atom()?;
        while self.mark("%") {
            let right = self.atom()?;
            left = Node { line: left.line, kind: NodeKind::Percent(Box::new(left), Box::new(right)) };
        }
        Ok(left)
    }

    fn atom(&mut self) -> Result<Node, Fault> {
        let line = self.line();
        let kind = match self.next() {
            Token::Text(mut text) => {
                while let Token::Text(more) = self.peek() {
                    text.push_str(more);
                    self.next();
                }
                NodeKind::Text(text)
            }
            Token::Number(number) => NodeKind::Number(number),
            Token::Name(word)
                if ["and", "or", "not", "in", "is", "if", "else", "for", "lambda"].contains(&&*word) =>
            {
                return Err(Fault::new(line, format!("unexpected '{word}'")));
            }
            Token::Name(name) if self.mark("(") => NodeKind::Call(name, self.list(")")?.0),
            Token::Name(name) => NodeKind::Name(name),
            Token::Mark("[") => NodeKind::List(self.list("]")?.0),
            Token::Mark("(") => {
                let (mut all, comma_last) = self.list(")")?;
                if all.len() == 1 && !comma_last {
                    return Ok(all.remove(0));
                }
                NodeKind::Tuple(all)
            }
            Token::Mark("{") => NodeKind::Dict(self.dict()?),
            other => return Err(Fault::new(line, format!("unexpected {}", other.shown()))),
        };
        Ok(Node { line, kind })
    }

    /// What stands before `end`, and whether a comma was the last of it.
    fn list(&mut self, end: &'static str) -> Result<(Vec<Node>, bool), Fault> {
        let (mut all, mut comma) = (Vec::new(), false);
        while !self.mark(end) {
            if !all.is_empty() && !comma {
                return Err(Fault::new(
                    self.line(),
                    format!("',' or '{end}' is missing before {}", self.peek().shown()),
                ));
            }
            all.push(self.expression()?);
            comma = self.mark(",");
        }
        Ok((all, comma))
    }

    fn dict(&mut self) -> Result<Vec<(Node, Node)>, Fault> {
        let (mut all, mut comma) = (Vec::new(), true);
        while !self.mark("}") {
            if !comma {
                return Err(Fault::new(
                    self.line(),
                    format!("',' or '}}' is missing before {}", self.peek().shown()),
                ));
            }
            let key = self.expression()?;
            self.expect(":")?;
            all.push((key, self.expression()?));
            comma = self.mark(",");
        }
        Ok(all)
    }
}
