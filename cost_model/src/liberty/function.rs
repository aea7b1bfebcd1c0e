//! A Boolean function of a cell's pins, evaluated on 64 runs at once.
//!
//! Liberty writes `!` or a quote behind for not, `*`, `&` or nothing for and, `+` or `|` for or, `^` for exclusive or.

/// A function as a list of operations on a stack: operands before their operator.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Function {
    code: Vec<Code>,
}

#[derive(Clone, PartialEq, Debug)]
enum Code {
    Pin(String),
    Constant(bool),
    Not,
    And,
    Or,
    Xor,
}

impl Function {
    /// Reads a function.
    pub(super) fn parse(text: &str) -> Result<Function, String> {
        let mut reader = Reader { rest: text.trim(), code: Vec::new() };
        reader.or()?;
        if reader.rest.is_empty() {
            Ok(Function { code: reader.code })
        } else {
            Err(format!("function `{text}` is not legal from `{}`", reader.rest))
        }
    }

    /// Names that it reads, each as often as it stands there.
    pub fn pins(&self) -> impl Iterator<Item = &str> {
        self.code.iter().filter_map(|code| match code {
            Code::Pin(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// The value where `pin` gives that of a name; every bit is a run of its own.
    pub fn eval(&self, pin: impl Fn(&str) -> u64) -> u64 {
        let mut stack: Vec<u64> = Vec::with_capacity(8);
        for code in &self.code {
            let mut pop = || stack.pop().unwrap_or_default();
            let value = match code {
                Code::Pin(name) => pin(name),
                Code::Constant(one) => u64::from(*one).wrapping_neg(),
                Code::Not => !pop(),
                Code::And => pop() & pop(),
                Code::Or => pop() | pop(),
                Code::Xor => pop() ^ pop(),
            };
            stack.push(value);
        }
        stack.pop().unwrap_or_default()
    }

    /// How likely it is to be 1 where `pin` gives that probability of a name; pins are taken as independent.
    pub fn probability(&self, pin: impl Fn(&str) -> f64) -> f64 {
        let mut names: Vec<&str> = self.pins().collect();
        names.sort_unstable();
        names.dedup();
        let likely: Vec<f64> = names.iter().map(|name| pin(name)).collect();
        // A word holds the truth table of six pins; further ones take a word for each of their values.
        let value = |word: usize, name: &str| match names.binary_search(&name) {
            Ok(number) if number < ROWS.len() => ROWS[number],
            Ok(number) => ((word >> (number - ROWS.len()) & 1) as u64).wrapping_neg(),
            Err(_) => 0,
        };
        let inner = names.len().min(ROWS.len());
        let mut sum = 0.0;
        for word in 0..1usize << (names.len() - inner) {
            let table = self.eval(|name| value(word, name));
            for row in (0..1usize << inner).filter(|row| table >> row & 1 == 1) {
                let case = word << inner | row;
                let chances =
                    likely.iter().enumerate().map(|(k, p)| if case >> k & 1 == 1 { *p } else { 1.0 - p });
                sum += chances.product::<f64>();
            }
        }
        sum
    }
}

/// The truth tables of six pins.
const ROWS: [u64; 6] = [
    0xaaaa_aaaa_aaaa_aaaa,
    0xcccc_cccc_cccc_cccc,
    0xf0f0_f0f0_f0f0_f0f0,
    0xff00_ff00_ff00_ff00,
    0xffff_0000_ffff_0000,
    0xffff_ffff_0000_0000,
];

struct Reader<'t> {
    rest: &'t str,
    code: Vec<Code>,
}

impl Reader<'_> {
    fn accept(&mut self, marks: &[char]) -> bool {
        let found = self.rest.starts_with(marks);
        if found {
            self.rest = self.rest[1..].trim_start();
        }
        found
    }

    fn or(&mut self) -> Result<(), String> {
        self.and()?;
        while self.accept(&['+', '|']) {
            self.and()?;
            self.code.push(Code::Or);
        }
        Ok(())
    }

    fn and(&mut self) -> Result<(), String> {
        self.xor()?;
        loop {
            let beside = self.rest.starts_with(|c: char| c == '!' || c == '(' || is_name(c));
            if !(self.accept(&['*', '&']) || beside) {
                return Ok(());
            }
            self.xor()?;
            self.code.push(Code::And);
        }
    }

    fn xor(&mut self) -> Result<(), String> {
        self.atom()?;
        while self.accept(&['^']) {
            self.atom()?;
            self.code.push(Code::Xor);
        }
        Ok(())
    }

    fn atom(&mut self) -> Result<(), String> {
        if self.accept(&['!']) {
            self.atom()?;
            self.code.push(Code::Not);
            return Ok(());
        }
        if self.accept(&['(']) {
            self.or()?;
            if !self.accept(&[')']) {
                return Err("a parenthesis is not closed".to_owned());
            }
        } else {
            let end = self.rest.find(|c: char| !is_name(c)).unwrap_or(self.rest.len());
            let (name, rest) = self.rest.split_at(end);
            self.rest = rest.trim_start();
            self.code.push(match name {
                "" => return Err(format!("a pin is expected before `{}`", self.rest)),
                "0" => Code::Constant(false),
                "1" => Code::Constant(true),
                _ => Code::Pin(name.to_owned()),
            });
        }
        while self.accept(&['\'']) {
            self.code.push(Code::Not);
        }
        Ok(())
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '[' || c == ']'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_read_as_libraries_write_them() {
        let value = |name: &str| match name {
            "A" => 0b1100,
            "B" => 0b1010,
            _ => 0,
        };
        for (text, expected) in [
            ("A", 0b1100),
            ("!(A*B)", 0b0111),
            ("A' B'", 0b0001),
            ("(!A & B) | (A & !B)", 0b0110),
            ("A^B", 0b0110),
            ("A + B * 0", 0b1100),
            ("(A B)'", 0b0111),
            ("1", 0b1111),
        ] {
            let function = Function::parse(text).expect(text);
            assert_eq!(function.eval(value) & 0b1111, expected, "{text}");
            let likely = function.probability(|_| 0.5);
            assert!(
                (likely - f64::from((expected as u32).count_ones()) / 4.0).abs() < 1e-9,
                "{text}: {likely}"
            );
        }
        let seven = Function::parse("A B C D E F G + !A !G").expect("seven pins");
        assert!((seven.probability(|_| 0.5) - (1.0 / 128.0 + 0.25)).abs() < 1e-12);
        for text in ["", "A *", "(A", "A $ B"] {
            assert!(Function::parse(text).is_err(), "{text}");
        }
    }
}
