//! The syntax of Liberty files: nested groups with attributes, nothing else. What they mean stands in
//! [`super::library`].
//!
//! `kind (arguments) { … }` is a group, `name : value ;` a simple attribute, `name (values) ;` a list. Semicolons are
//! optional at the end of a line, a backslash continues one, and quotes may enclose any value.

use super::LibertyError;

/// A group, and what stands in it in the order of the file.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Group {
    pub kind: String,
    pub arguments: Vec<String>,
    pub attributes: Vec<(String, String)>,
    pub lists: Vec<(String, Vec<String>)>,
    pub groups: Vec<Group>,
}

impl Group {
    /// The simple attribute `name`.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The list attribute `name`.
    pub fn list(&self, name: &str) -> Option<&[String]> {
        self.lists.iter().find(|(n, _)| n == name).map(|(_, values)| values.as_slice())
    }

    /// The groups of one kind.
    pub fn children<'g>(&'g self, kind: &'g str) -> impl Iterator<Item = &'g Group> {
        self.groups.iter().filter(move |group| group.kind == kind)
    }

    /// The first argument: the name of what the group describes.
    pub fn name(&self) -> &str {
        self.arguments.first().map_or("", String::as_str)
    }
}

/// The outermost group of a Liberty text.
///
/// # Errors
/// [`LibertyError::Syntax`] with the line and what was expected there.
pub(super) fn parse(text: &str) -> Result<Group, LibertyError> {
    let mut tokens = Tokens { rest: text, line: 1 };
    let (kind, arguments) = match (tokens.next()?, tokens.next()?) {
        (Token::Word(kind), Token::Mark('(')) => (kind.to_owned(), values(&mut tokens)?),
        (found, _) => return Err(tokens.expected("`library (NAME) {`", found)),
    };
    match tokens.next()? {
        Token::Mark('{') => body(&mut tokens, kind, arguments, 0),
        found => Err(tokens.expected("`{` after the library's name", found)),
    }
}

/// Deepest nesting of groups that is followed; a library needs eight.
const DEEPEST: usize = 64;

fn body(
    tokens: &mut Tokens,
    kind: String,
    arguments: Vec<String>,
    depth: usize,
) -> Result<Group, LibertyError> {
    if depth > DEEPEST {
        return Err(LibertyError::Syntax {
            line: tokens.line,
            problem: format!("groups are nested more than {DEEPEST} deep"),
        });
    }
    let mut group = Group { kind, arguments, ..Group::default() };
    loop {
        let name = match tokens.next()? {
            Token::Mark('}') => return Ok(group),
            Token::Mark(';') => continue,
            Token::Word(name) => name.to_owned(),
            found => return Err(tokens.expected("an attribute, a group or `}`", found)),
        };
        match tokens.next()? {
            Token::Mark(':') => {
                let value = tokens.value()?;
                group.attributes.push((name, value));
            }
            Token::Mark('(') => {
                let values = values(tokens)?;
                if tokens.peek() == Some('{') {
                    tokens.next()?;
                    group.groups.push(body(tokens, name, values, depth + 1)?);
                } else {
                    group.lists.push((name, values));
                }
            }
            found => return Err(tokens.expected(&format!("`:` or `(` after `{name}`"), found)),
        }
    }
}

/// Values up to the closing parenthesis; commas and blanks separate them.
fn values(tokens: &mut Tokens) -> Result<Vec<String>, LibertyError> {
    let mut values = Vec::new();
    loop {
        match tokens.next()? {
            Token::Mark(')') => return Ok(values),
            Token::Mark(',') => {}
            Token::Word(value) | Token::Quoted(value) => values.push(value.to_owned()),
            found => return Err(tokens.expected("a value or `)`", found)),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Token<'t> {
    Mark(char),
    Word(&'t str),
    Quoted(&'t str),
    End,
}

struct Tokens<'t> {
    rest: &'t str,
    line: usize,
}

impl<'t> Tokens<'t> {
    fn expected(&self, what: &str, found: Token) -> LibertyError {
        let found = match found {
            Token::Mark(mark) => format!("`{mark}`"),
            Token::Word(word) | Token::Quoted(word) => format!("`{word}`"),
            Token::End => "the end of the file".to_owned(),
        };
        LibertyError::Syntax { line: self.line, problem: format!("{what} is expected, not {found}") }
    }

    fn take(&mut self, bytes: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.line += taken.bytes().filter(|&b| b == b'\n').count();
        self.rest = rest;
        taken
    }

    fn skip_blanks(&mut self) -> Result<(), LibertyError> {
        loop {
            let blanks = self.rest.len()
                - self.rest.trim_start_matches(|c: char| c.is_whitespace() || c == '\\').len();
            self.take(blanks);
            let comment = if self.rest.starts_with("/*") {
                self.rest.find("*/").map(|end| end + 2).ok_or_else(|| LibertyError::Syntax {
                    line: self.line,
                    problem: "a comment is not closed".to_owned(),
                })?
            } else if self.rest.starts_with("//") {
                self.rest.find('\n').unwrap_or(self.rest.len())
            } else {
                return Ok(());
            };
            self.take(comment);
        }
    }

    fn next(&mut self) -> Result<Token<'t>, LibertyError> {
        self.skip_blanks()?;
        let Some(first) = self.rest.chars().next() else { return Ok(Token::End) };
        if first == '"' {
            return self.quoted().map(Token::Quoted);
        }
        if "(){}:;,".contains(first) {
            self.take(1);
            return Ok(Token::Mark(first));
        }
        let end = self.rest.find(|c: char| c.is_whitespace() || "(){}:;,\"\\".contains(c));
        Ok(Token::Word(self.take(end.unwrap_or(self.rest.len()))))
    }

    fn quoted(&mut self) -> Result<&'t str, LibertyError> {
        let line = self.line;
        let Some(end) = self.rest[1..].find('"') else {
            return Err(LibertyError::Syntax { line, problem: "a quote is not closed".to_owned() });
        };
        Ok(&self.take(end + 2)[1..=end])
    }

    /// The value of a simple attribute: quoted, or what stands up to the semicolon or the end of the line.
    fn value(&mut self) -> Result<String, LibertyError> {
        self.skip_blanks()?;
        if self.rest.starts_with('"') {
            return self.quoted().map(str::to_owned);
        }
        let end = self.rest.find([';', '\n', '}']).unwrap_or(self.rest.len());
        Ok(self.take(end).trim().to_owned())
    }

    /// The next character that is no blank.
    fn peek(&self) -> Option<char> {
        self.rest.chars().find(|c| !c.is_whitespace())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_attributes_and_lists_are_told_apart() {
        let group = parse(
            "library (\"l\") {\n /* a\n comment */ time_unit : \"1ns\";\n area : 3.5\n define(x, cell, string);\n \
             cell (a) { values (\"1, 2\", \\\n \"3, 4\"); pin(Y) { function : \"!(A)\"; } }\n}\n",
        )
        .expect("a legal text");
        assert_eq!((group.kind.as_str(), group.name()), ("library", "l"));
        assert_eq!((group.attribute("time_unit"), group.attribute("area")), (Some("1ns"), Some("3.5")));
        let cell = group.children("cell").next().expect("the cell");
        assert_eq!(cell.list("values").expect("the list"), ["1, 2", "3, 4"]);
        assert_eq!(cell.groups[0].attribute("function"), Some("!(A)"));
        assert_eq!(group.list("define").expect("the list").len(), 3);
    }

    #[test]
    fn what_is_not_liberty_is_refused_with_its_line() {
        for (text, message) in [
            ("", "line 1: `library (NAME) {` is expected, not the end of the file"),
            (
                "library (l) {\n cell (a) {\n",
                "line 3: an attribute, a group or `}` is expected, not the end of the file",
            ),
            ("library (l) {\n area 3;\n}", "line 2: `:` or `(` after `area` is expected, not `3`"),
            ("library (l) { /* open", "line 1: a comment is not closed"),
            ("library (l) { a : \"open", "line 1: a quote is not closed"),
        ] {
            assert_eq!(parse(text).expect_err(text).to_string(), message);
        }
    }
}
