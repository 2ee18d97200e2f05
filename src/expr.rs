//! The little expressions inside YAML strings: `name(argument key=value; part)`.
//!
//! One parser for every mini-language (laws, arrivals, keys, policies, backoffs), so that they are
//! all written and refused alike.
//!
//! **Invariant.** Parsing never panics and never allocates more than its text.

use std::{borrow::Cow, str::FromStr};

pub use crate::units::clip;
use crate::{
    problem::near,
    units::{ValueError, number},
};

/// A parsed expression: a bare word (a value with its unit, a name), or a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// The word, or the called name.
    pub name: String,
    /// Arguments; `None`: a bare word.
    pub args: Option<Args>,
}

/// Arguments of a call: parts separated by `;`, each a list of arguments.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Args {
    /// The parts; a call without `;` has one.
    pub parts: Vec<Vec<Arg>>,
}

/// One argument: `key=value` or a value alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Arg {
    /// The key, if there is one.
    pub key: Option<String>,
    /// The value.
    pub value: Expr,
}

/// Longest expression, in bytes.
pub const MAX_LENGTH: usize = 4096;
/// What is said of a longer one.
pub const TOO_LONG: &str = "the expression is longer than 4096 characters";

/// How deeply calls nest.
const DEPTH: usize = 16;

impl Expr {
    /// Parses a whole text.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        if text.len() > MAX_LENGTH {
            return Err(ValueError::new("E-LIMIT", TOO_LONG));
        }
        let mut p = Parser { text, at: 0 };
        let expr = p.expr(0)?;
        p.blanks();
        if p.at < text.len() {
            let comma = p.rest().starts_with(',') && text.starts_with(|c: char| c.is_ascii_digit());
            if let Some(error) = comma.then(|| number(text).err()).flatten() {
                return Err(error);
            }
            return Err(p.trap(format!("unexpected `{}` after the expression", clip(p.rest()))));
        }
        Ok(expr)
    }

    /// The expression as a value; a call is handed on as it was written.
    pub fn read<T: FromStr<Err = ValueError>>(&self) -> Result<T, ValueError> {
        match self.word() {
            Some(word) => word.parse(),
            None => self.to_string().parse(),
        }
    }

    /// The bare word it has to be, such as a file's name.
    pub fn need_word(&self) -> Result<&str, ValueError> {
        self.word().ok_or_else(|| {
            ValueError::new(
                "E-TYPE",
                format!("expected a word, found `{}`", clip(&self.to_string())),
            )
        })
    }

    /// The bare word, if it is one.
    pub fn word(&self) -> Option<&str> {
        self.args.is_none().then_some(self.name.as_str())
    }
}

impl std::fmt::Display for Expr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&quoted(&self.name))?;
        let Some(args) = &self.args else { return Ok(()) };
        f.write_str("(")?;
        for (i, part) in args.parts.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { "; " })?;
            for (j, arg) in part.iter().enumerate() {
                f.write_str(if j == 0 { "" } else { " " })?;
                if let Some(key) = &arg.key {
                    write!(f, "{}=", quoted(key))?;
                }
                write!(f, "{}", arg.value)?;
            }
        }
        f.write_str(")")
    }
}

/// A word as it is written in an expression: in quotes if it would not read back without them.
pub fn quoted(word: &str) -> Cow<'_, str> {
    let plain = !word.is_empty()
        && !word.starts_with(['"', '\''])
        && !word.contains(|c: char| c.is_whitespace() || "()=;,".contains(c));
    match () {
        () if plain => Cow::Borrowed(word),
        () if word.contains('"') => Cow::Owned(format!("'{word}'")),
        () => Cow::Owned(format!("\"{word}\"")),
    }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Parser<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn eat(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        if found {
            self.at += c.len_utf8();
        }
        found
    }

    /// An error; unbalanced parentheses get the explanation of the comma trap.
    fn trap(&self, message: String) -> ValueError {
        let open = self.text.matches('(').count();
        let close = self.text.matches(')').count();
        let error = ValueError::new("E-EXPR", message);
        if open == close {
            return error;
        }
        error.help(
            "inside `{ }` or `[ ]` a comma ends the YAML value: part arguments by blanks, as in \
             `exponential(base=50ms max=1s)`",
        )
    }

    fn word(&mut self) -> Result<String, ValueError> {
        if let Some(quote @ ('"' | '\'')) = self.peek() {
            self.at += 1;
            let Some(end) = self.rest().find(quote) else {
                return Err(ValueError::new("E-EXPR", "a quoted word is not closed"));
            };
            let word = self.rest()[..end].to_owned();
            self.at += end + 1;
            return Ok(word);
        }
        let end = self
            .rest()
            .find(|c: char| c.is_whitespace() || "()=;,".contains(c))
            .unwrap_or(self.rest().len());
        if end == 0 {
            let found =
                self.peek().map_or("the end".to_owned(), |c| format!("`{}`", c.escape_default()));
            return Err(self.trap(format!("expected a value or a name, found {found}")));
        }
        let word = self.rest()[..end].to_owned();
        self.at += end;
        Ok(word)
    }

    fn expr(&mut self, depth: usize) -> Result<Expr, ValueError> {
        if depth > DEPTH {
            return Err(ValueError::new("E-DEPTH", "the expression nests too deeply"));
        }
        self.blanks();
        let name = self.word()?;
        if !self.eat('(') {
            return Ok(Expr { name, args: None });
        }
        let mut args = Args { parts: vec![Vec::new()] };
        loop {
            self.blanks();
            if self.eat(')') {
                return Ok(Expr { name, args: Some(args) });
            }
            if self.eat(';') {
                args.parts.push(Vec::new());
                continue;
            }
            if self.eat(',') {
                continue;
            }
            if self.at >= self.text.len() {
                return Err(self.trap(format!("`{name}(` is not closed")));
            }
            let arg = self.arg(depth)?;
            args.parts.last_mut().expect("there is a part").push(arg);
        }
    }

    fn arg(&mut self, depth: usize) -> Result<Arg, ValueError> {
        let value = self.expr(depth + 1)?;
        self.blanks();
        if value.args.is_none() && self.peek() == Some('=') {
            let key = value.name;
            self.at += 1;
            // A sign by itself is a value, as in `separator=;`: nothing else can follow `=` here.
            if let Some(sign @ (';' | ',')) = self.peek() {
                self.at += 1;
                let value = Expr { name: sign.to_string(), args: None };
                return Ok(Arg { key: Some(key), value });
            }
            return Ok(Arg { key: Some(key), value: self.expr(depth + 1)? });
        }
        Ok(Arg { key: None, value })
    }
}

/// Takes the arguments of one call one by one and complains about those left over.
#[derive(Debug)]
pub struct Taker<'e> {
    function: &'e str,
    usage: &'static str,
    args: Vec<Option<&'e Arg>>,
    taken: Vec<&'e str>,
}

impl<'e> Taker<'e> {
    /// A taker over the only part of a call; `usage` is shown in errors, such as
    /// `zipf(n=1M s=0.99)`.
    pub fn new(expr: &'e Expr, usage: &'static str) -> Result<Self, ValueError> {
        let parts = expr.args.as_ref().map_or(&[] as &[_], |a| a.parts.as_slice());
        if parts.len() > 1 {
            return Err(ValueError::new("E-EXPR", format!("`{}` has no parts", expr.name))
                .help(format!("write `{usage}`")));
        }
        let args = parts.iter().flatten().map(Some).collect();
        Ok(Self { function: &expr.name, usage, args, taken: Vec::new() })
    }

    /// A taker over one part of a call with several.
    pub fn of_part(function: &'e str, part: &'e [Arg], usage: &'static str) -> Self {
        Self { function, usage, args: part.iter().map(Some).collect(), taken: Vec::new() }
    }

    /// An error that shows the usage.
    pub fn error(&self, message: impl Into<String>) -> ValueError {
        ValueError::new("E-EXPR", message).help(format!("write `{}`", self.usage))
    }

    /// The argument with this key, if it was given.
    pub fn key(&mut self, key: &str) -> Option<&'e Expr> {
        let at = self.args.iter().position(|a| a.is_some_and(|a| a.key.as_deref() == Some(key)))?;
        let arg = self.args[at].take()?;
        self.taken.extend(arg.key.as_deref());
        Some(&arg.value)
    }

    /// The value of the argument with this key, if it was given.
    pub fn read<T: FromStr<Err = ValueError>>(
        &mut self,
        key: &str,
    ) -> Result<Option<T>, ValueError> {
        self.key(key).map(Expr::read).transpose()
    }

    /// The value of the argument with this key.
    pub fn need_read<T: FromStr<Err = ValueError>>(&mut self, key: &str) -> Result<T, ValueError> {
        self.need(key)?.read()
    }

    /// The argument with this key.
    pub fn need(&mut self, key: &str) -> Result<&'e Expr, ValueError> {
        self.key(key).ok_or_else(|| self.error(format!("`{}` needs `{key}=`", self.function)))
    }

    /// The next argument without a key, if there is one.
    pub fn plain(&mut self) -> Option<&'e Expr> {
        let at = self.args.iter().position(|a| a.is_some_and(|a| a.key.is_none()))?;
        self.args[at].take().map(|a| &a.value)
    }

    /// The next argument without a key.
    pub fn need_plain(&mut self) -> Result<&'e Expr, ValueError> {
        if let Some(found) = self.plain() {
            return Ok(found);
        }
        let named = self.args.iter().flatten().find_map(|arg| arg.key.as_deref());
        Err(self.error(match named {
            None => format!("`{}` needs another argument", self.function),
            Some(key) => {
                format!("`{}` takes its argument without a name, not `{key}=`", self.function)
            }
        }))
    }

    /// Complains about arguments nobody took.
    pub fn finish(self) -> Result<(), ValueError> {
        match self.args.iter().flatten().next() {
            None => Ok(()),
            Some(Arg { key: Some(key), .. }) if self.taken.contains(&key.as_str()) => {
                Err(self.error(format!("`{}` is given `{}` twice", self.function, clip(key))))
            }
            Some(Arg { key: Some(key), .. }) => {
                Err(self.error(format!("`{}` has no argument `{}`", self.function, clip(key))))
            }
            Some(Arg { value, .. }) => Err(self.error(format!(
                "`{}` has no place for `{}`",
                self.function,
                clip(&value.to_string())
            ))),
        }
    }
}

/// An error about an unknown name, with the known ones and the closest.
pub fn unknown(what: &str, found: &str, known: &[&str]) -> ValueError {
    let names = known.iter().map(|k| k.split('(').next().unwrap_or_default());
    let help = match near(found, names) {
        Some(name) => {
            let whole = known.iter().find(|k| k.split('(').next() == Some(name)).unwrap_or(&name);
            format!("did you mean `{whole}`? known: {}", known.join(", "))
        }
        None => format!("known: {}", known.join(", ")),
    };
    let error = ValueError::new("E-ENUM", format!("unknown {what} `{}`", clip(found))).help(help);
    ValueError { known: known.iter().map(|known| (*known).to_owned()).collect(), ..error }
}

/// The quantile of `p50` .. `p999`, the digits after the point, and of `p99.99`, a percentage.
pub fn percentile(name: &str) -> Option<f64> {
    let digits = name.strip_prefix('p')?;
    if let Some((whole, part)) = digits.split_once('.') {
        let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let known = whole.len() == 2 && all_digits(whole) && all_digits(part) && part.len() <= 9;
        // As `0.9999` is read, not 99.99 divided by 100, which is another double.
        let quantile: f64 = format!("0.{whole}{part}").parse().ok().filter(|_| known)?;
        return (0.5..1.0).contains(&quantile).then_some(quantile);
    }
    if !(2..=5).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let quantile: f64 = format!("0.{digits}").parse().ok()?;
    (0.5..1.0).contains(&quantile).then_some(quantile)
}

/// The points of an instance on a ring: `vnodes`, 100 when absent.
pub fn vnodes(t: &mut Taker<'_>) -> Result<u32, ValueError> {
    let Some(n) = t.read::<crate::units::Count>("vnodes")? else { return Ok(100) };
    u32::try_from(n.0).ok().filter(|n| (1..=10_000).contains(n)).ok_or_else(|| {
        ValueError::new("E-SHARD", format!("`vnodes` must be in 1..=10000, not {}", n.0))
    })
}

/// An argument that is `true` or `false`; `false` when absent.
pub fn flag(t: &mut Taker<'_>, key: &str) -> Result<bool, ValueError> {
    match t.key(key).map(ToString::to_string).as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(unknown("truth value", other, &["true", "false"])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_nest_and_print_as_they_were_written() {
        for text in [
            "5ms",
            "exp(mean=5ms)",
            "mix(95% lognormal(median=3ms p99=20ms); 5% 250ms)",
            "uniform(1ms 9ms)",
            "trace(file=a.csv.gz column=t unit=s speed=2)",
        ] {
            assert_eq!(Expr::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Expr::parse("f(a=1, b=2)").unwrap().to_string(), "f(a=1 b=2)");
        assert_eq!(Expr::parse("f(s=; t=,)").unwrap().to_string(), "f(s=\";\" t=\",\")");
        assert_eq!(
            Expr::parse("f(c=\"a b\")").unwrap().args.unwrap().parts[0][0].value.name,
            "a b"
        );
    }

    #[test]
    fn the_comma_trap_is_explained() {
        let error = Expr::parse("exponential(base=50ms").unwrap_err();
        assert!(error.help.unwrap().contains("comma"));
        assert!(Expr::parse("max=1s)").is_err());
        assert!(Expr::parse("").is_err());
    }

    #[test]
    fn arguments_are_taken_once_and_all() {
        let expr = Expr::parse("zipf(n=1M n=2M)").unwrap();
        let mut args = Taker::new(&expr, "zipf(n=1M s=0.99)").unwrap();
        assert!(args.need("n").is_ok());
        assert!(args.need("s").unwrap_err().message.contains("needs `s=`"));
        let error = args.finish().unwrap_err();
        assert_eq!(error.message, "`zipf` is given `n` twice");
        assert_eq!(error.help.unwrap(), "write `zipf(n=1M s=0.99)`");
        let expr = Expr::parse("f(1; 2)").unwrap();
        assert!(Taker::new(&expr, "f(1)").is_err());
        assert!(Expr::parse(&"f(".repeat(100)).is_err_and(|e| e.code == "E-DEPTH"));
    }

    #[test]
    fn words_are_quoted_where_they_must_be() {
        for word in ["a", "a b", "a=b", "", "(", "it's", "say \"x\" ", "latency (ms)", "µ;"] {
            let expr = Expr { name: word.to_owned(), args: None };
            assert_eq!(Expr::parse(&expr.to_string()).unwrap(), expr, "{word}");
        }
    }

    #[test]
    fn the_closest_name_is_offered() {
        let error = unknown("policy", "power_of_e", &["random", "power_of_d(d=2)"]);
        assert!(error.help.unwrap().starts_with("did you mean `power_of_d(d=2)`?"));
        assert!(!unknown("policy", "magic", &["random"]).help.unwrap().contains("did you"));
    }
}
