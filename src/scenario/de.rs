//! Tree -> typed values through serde, with every problem found on the way.
//!
//! Scalars are handed over as their raw text: `010`, `1e3` or `no` reach the type that reads them
//! as they were written. A problem is recorded where it happens and its node is poisoned; then the
//! tree is read again without it, until nothing new comes up.
//!
//! **Invariant.** A node is reported once: what is poisoned is stepped over, and a key missing only
//! because its value was poisoned is not called missing.

use std::{cell::RefCell, fmt};

use serde::de::{
    self, DeserializeOwned, DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

use super::{
    problems::{Found, SHOWN, closest, shown, suggest},
    reserved,
    tree::{Entry, Kind, Node, Span},
};

/// Reads a value of the tree, or reports everything that is wrong with it.
pub(super) fn read<T: DeserializeOwned>(root: &Node, problems: &mut Vec<Found>) -> Option<T> {
    let context = Context { root, found: RefCell::new(Vec::new()) };
    let value = loop {
        let before = context.found.borrow().len();
        match T::deserialize(Reader { node: root, context: &context, keep: false }) {
            Ok(value) if context.found.borrow().is_empty() => break Some(value),
            Ok(_) => break None,
            Err(_) if root.poisoned.get() || before >= SHOWN => break None,
            Err(_) => {}
        }
    };
    problems.append(&mut context.found.into_inner());
    value
}

/// What all readers of one tree share.
struct Context<'t> {
    root: &'t Node,
    found: RefCell<Vec<Found>>,
}

impl Context<'_> {
    /// Records a problem of `node` and poisons it.
    fn report(&self, node: &Node, span: Span, at_key: bool, fault: Fault) {
        node.poisoned.set(true);
        let Fault { code, message, help, .. } = fault;
        let mut found = Found::error(code, span, message);
        found.problem.help = help;
        found.problem.at_key = at_key;
        if let Some((path, key)) = place(self.root, node) {
            // A whole block would be a long frame: its key, or its first one, stands for it.
            if !at_key && !matches!(node.kind, Kind::Scalar { .. }) {
                found.span = Some(key.unwrap_or_else(|| head(node)));
            }
            found.problem.path = path;
        }
        self.found.borrow_mut().push(found);
    }

    /// Gives an error its place, if it has none yet.
    fn at<T>(&self, node: &Node, result: Result<T, Fault>) -> Result<T, Fault> {
        result.map_err(|fault| {
            if fault.reported {
                return fault;
            }
            if let Some(field) = fault.missing
                && reported(node, field)
            {
                node.poisoned.set(true);
                return Fault::done();
            }
            self.report(node, node.span, false, fault);
            Fault::done()
        })
    }
}

/// Whether a problem with this field, or with a key that was meant to be it, is known already.
fn reported(map: &Node, field: &str) -> bool {
    let Kind::Map(entries) = &map.kind else { return false };
    entries.iter().any(|e| e.value.poisoned.get() && closest(&e.key, [field]).is_some())
}

/// The path of a node of the tree, and where its key stands, if it has one.
fn place(root: &Node, target: &Node) -> Option<(String, Option<Span>)> {
    if std::ptr::eq(root, target) {
        return Some((String::new(), None));
    }
    match &root.kind {
        Kind::Scalar { .. } => None,
        Kind::List(items) => items.iter().enumerate().find_map(|(index, item)| {
            let (rest, key) = place(item, target)?;
            Some((format!("[{index}]{}", joined(&rest)), key))
        }),
        Kind::Map(entries) => entries.iter().find_map(|entry| {
            let (rest, key) = place(&entry.value, target)?;
            let key = if rest.is_empty() { Some(entry.key_span) } else { key };
            Some((format!("{}{}", quoted(&entry.key), joined(&rest)), key))
        }),
    }
}

/// The first key of a map, or the beginning of a list.
pub(super) fn head(node: &Node) -> Span {
    match &node.kind {
        Kind::Scalar { .. } => node.span,
        Kind::List(_) => Span { end: node.span.start + 1, ..node.span },
        Kind::Map(entries) => entries.first().map_or(node.span, |e| e.key_span),
    }
}

fn joined(rest: &str) -> String {
    if rest.is_empty() || rest.starts_with('[') { rest.to_owned() } else { format!(".{rest}") }
}

/// A key as it stands in a path.
pub(super) fn quoted(key: &str) -> String {
    let plain = !key.is_empty() && !key.contains(['.', '[', ']', '"']);
    if plain { shown(key) } else { format!("\"{}\"", shown(key)) }
}

/// An error on its way up.
#[derive(Debug)]
struct Fault {
    code: &'static str,
    message: String,
    help: Option<String>,
    /// The field that is missing, when that is the error.
    missing: Option<&'static str>,
    /// Recorded already; it only has to end this pass.
    reported: bool,
}

impl Fault {
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: None, missing: None, reported: false }
    }

    fn help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }

    fn done() -> Self {
        Self { reported: true, ..Self::new("", "") }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

/// Codes a value's type may put in front of its message.
const CODES: &[&str] = &[
    "E-CLAIM",
    "E-COMMA",
    "E-CONFLICT",
    "E-DEPTH",
    "E-DIST",
    "E-ENUM",
    "E-EXPR",
    "E-LIMIT",
    "E-MISSING",
    "E-NAME",
    "E-NONFINITE",
    "E-NUM-FORM",
    "E-OVERFLOW",
    "E-RANGE",
    "E-REF",
    "E-RESOLUTION",
    "E-SEED",
    "E-SHARD",
    "E-TRACE",
    "E-TYPE",
    "E-UNIT",
    "E-UNSUPPORTED",
    "E-VERSION",
];

impl de::Error for Fault {
    /// Text of the form `[CODE] message`, then advice after a unit separator (`ValueError`).
    fn custom<T: fmt::Display>(message: T) -> Self {
        let text = message.to_string();
        let (text, help) = match text.split_once('\u{1f}') {
            Some((text, help)) => (text, Some(help.to_owned())),
            None => (text.as_str(), None),
        };
        let coded = text.strip_prefix('[').and_then(|rest| rest.split_once("] "));
        match coded.and_then(|(code, text)| Some((CODES.iter().find(|c| **c == code)?, text))) {
            Some((code, text)) => Self::new(code, text).help(help),
            None => Self::new("E-TYPE", text).help(help),
        }
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let found = match found {
            de::Unexpected::Str(text) => format!("`{}`", shown(text)),
            de::Unexpected::Map => "a map".to_owned(),
            de::Unexpected::Seq => "a list".to_owned(),
            other => other.to_string(),
        };
        Self::new("E-TYPE", format!("expected {expected}, found {found}"))
    }

    fn invalid_value(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        unknown_key(reserved::owner(expected), field, expected)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::new("E-ENUM", format!("unknown value `{}`", shown(variant)))
            .help(suggest(variant, expected.iter().copied()))
    }

    fn missing_field(field: &'static str) -> Self {
        let mut fault = Self::new("E-MISSING", format!("`{field}` is missing"));
        fault.missing = Some(field);
        fault
    }
}

/// A key that the type `owner` does not have.
fn unknown_key(owner: &str, key: &str, fields: &'static [&'static str]) -> Fault {
    if reserved::is_reserved(owner, key) {
        return not_yet(key);
    }
    let fault = Fault::new("E-UNKNOWN-KEY", format!("unknown key `{}`", shown(key)));
    if fields.is_empty() {
        return fault.help(Some("nothing is known here".to_owned()));
    }
    fault.help(suggest(key, fields.iter().copied()))
}

fn not_yet(word: &str) -> Fault {
    Fault::new("E-UNSUPPORTED", format!("`{}` is not supported yet", shown(word)))
}

/// Reads one node.
#[derive(Clone, Copy)]
struct Reader<'t> {
    node: &'t Node,
    context: &'t Context<'t>,
    /// Below `variants`, where `none` is a value to be kept.
    keep: bool,
}

impl<'t> Reader<'t> {
    /// Reads a value. An error raised after the text was handed over, by the type that parses it,
    /// has no place yet: it is this node's.
    fn feed<S: DeserializeSeed<'t>>(self, seed: S) -> Result<S::Value, Fault> {
        self.context.at(self.node, seed.deserialize(self))
    }

    fn located<T>(&self, result: Result<T, Fault>) -> Result<T, Fault> {
        self.context.at(self.node, result)
    }

    fn items(&self, items: &'t [Node]) -> Items<'t> {
        Items { items: items.iter(), context: self.context, keep: self.keep }
    }

    fn entries(&self, entries: &'t [Entry]) -> Entries<'t> {
        let root = std::ptr::eq(self.node, self.context.root);
        Entries {
            entries: entries.iter(),
            value: None,
            context: self.context,
            keep: self.keep,
            root,
        }
    }

    /// The complaint about a key without a value.
    fn no_value(&self) -> Fault {
        Fault::new("E-TYPE", "there is no value here").help(Some(
            "write a value, leave the key out, or write `none` to switch it off".to_owned(),
        ))
    }

    fn expected(&self, what: &str) -> Fault {
        if self.node.is_null() {
            return self.no_value();
        }
        Fault::new("E-TYPE", format!("expected {what}, found {}", self.node.describe()))
    }

    fn any<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Fault> {
        let result = match &self.node.kind {
            Kind::Scalar { .. } if self.node.is_null() => Err(self.no_value()),
            Kind::Scalar { text, quoted: true } if is_number(text) => {
                Err(Fault::new("E-TYPE", format!("`\"{}\"` in quotes is text", shown(text)))
                    .help(Some(format!("without quotes: `{}`", shown(text)))))
            }
            Kind::Scalar { text, .. } => visitor.visit_str(text),
            Kind::List(items) => visitor.visit_seq(self.items(items)),
            Kind::Map(entries) => visitor.visit_map(self.entries(entries)),
        };
        self.located(result)
    }

    fn boolean(&self) -> Result<bool, Fault> {
        let hint = |word: &str| Some(format!("write `{word}`"));
        match &self.node.kind {
            Kind::Scalar { text, quoted: false } => match text.to_ascii_lowercase().as_str() {
                "true" if text == "true" => Ok(true),
                "false" if text == "false" => Ok(false),
                "true" | "yes" | "on" | "y" => {
                    Err(self.expected("`true` or `false`").help(hint("true")))
                }
                "false" | "no" | "off" | "n" => {
                    Err(self.expected("`true` or `false`").help(hint("false")))
                }
                _ => Err(self.expected("`true` or `false`")),
            },
            _ => Err(self.expected("`true` or `false`, without quotes")),
        }
    }

    fn parsed<T: std::str::FromStr>(&self, what: &str) -> Result<T, Fault> {
        match &self.node.kind {
            Kind::Scalar { text, quoted: false } => text.parse().map_err(|_| self.expected(what)),
            _ => Err(self.expected(what)),
        }
    }
}

/// What looks like a number, for the complaint about `"3"`.
fn is_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit()) && text.parse::<f64>().is_ok()
}

macro_rules! numbers {
    ($($method:ident $visit:ident $what:literal),*) => {$(
        fn $method<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Fault> {
            self.located(self.parsed($what).and_then(|value| visitor.$visit(value)))
        }
    )*};
}

impl<'t> de::Deserializer<'t> for Reader<'t> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.any(visitor)
    }

    numbers! {
        deserialize_i8 visit_i8 "a whole number", deserialize_i16 visit_i16 "a whole number",
        deserialize_i32 visit_i32 "a whole number", deserialize_i64 visit_i64 "a whole number",
        deserialize_u8 visit_u8 "a whole number", deserialize_u16 visit_u16 "a whole number",
        deserialize_u32 visit_u32 "a whole number", deserialize_u64 visit_u64 "a whole number",
        deserialize_f32 visit_f32 "a number", deserialize_f64 visit_f64 "a number",
        deserialize_char visit_char "one character"
    }

    fn deserialize_bool<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.located(self.boolean().and_then(|value| visitor.visit_bool(value)))
    }

    fn deserialize_str<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Fault> {
        let result = match &self.node.kind {
            Kind::Scalar { text, .. } if !self.node.is_null() => visitor.visit_str(text),
            _ => Err(self.expected("text")),
        };
        self.located(result)
    }

    fn deserialize_string<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_unit<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.located(if self.node.is_null() {
            visitor.visit_unit()
        } else {
            Err(self.expected("nothing"))
        })
    }

    fn deserialize_unit_struct<V: Visitor<'t>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'t>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Fault> {
        let Kind::List(items) = &self.node.kind else {
            return self.located(Err(self.expected("a list")));
        };
        self.located(visitor.visit_seq(self.items(items)))
    }

    fn deserialize_tuple<V: Visitor<'t>>(self, _len: usize, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'t>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Fault> {
        let Kind::Map(entries) = &self.node.kind else {
            return self.located(Err(self.expected("a map (`key: value`)")));
        };
        self.located(visitor.visit_map(self.entries(entries)))
    }

    fn deserialize_struct<V: Visitor<'t>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let Kind::Map(entries) = &self.node.kind else {
            let some: Vec<String> = fields.iter().take(4).map(|f| format!("`{f}`")).collect();
            let what = format!("a map with keys such as {}", some.join(", "));
            return self.located(Err(self.expected(&what)));
        };
        for Entry { key, key_span, value } in entries {
            if !value.poisoned.get() && !fields.contains(&key.as_str()) {
                self.context.report(value, *key_span, true, unknown_key(name, key, fields));
            }
        }
        self.located(visitor.visit_map(self.entries(entries)))
    }

    fn deserialize_enum<V: Visitor<'t>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let result = self.variant(name, variants).and_then(|(tag, value)| {
            visitor.visit_enum(Variant { tag, value, context: self.context })
        });
        self.located(result)
    }

    fn deserialize_ignored_any<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }
}

impl<'t> Reader<'t> {
    /// Which variant this is, and its content.
    fn variant(
        &self,
        name: &'static str,
        variants: &'static [&'static str],
    ) -> Result<(&'t str, Option<&'t Node>), Fault> {
        match &self.node.kind {
            Kind::Scalar { text, .. } if !self.node.is_null() => {
                if variants.contains(&text.as_str()) {
                    return Ok((text, None));
                }
                if reserved::is_reserved(name, text) {
                    return Err(not_yet(text));
                }
                Err(Fault::new("E-ENUM", format!("unknown value `{}`", shown(text)))
                    .help(suggest(text, variants.iter().copied())))
            }
            Kind::Map(entries) => self.kind_of(entries, name, variants),
            _ => Err(self.expected(&format!("one of {}", variants.join(", ")))),
        }
    }

    /// A map with one key, which is the variant's name.
    fn kind_of(
        &self,
        entries: &'t [Entry],
        name: &'static str,
        variants: &'static [&'static str],
    ) -> Result<(&'t str, Option<&'t Node>), Fault> {
        for Entry { key, key_span, value } in entries {
            if !value.poisoned.get() && !variants.contains(&key.as_str()) {
                let mut fault = unknown_key(name, key, variants);
                if fault.code == "E-UNKNOWN-KEY" && name == "NodeSpec" {
                    fault.message = format!("unknown kind of node `{}`", shown(key));
                    fault.help = suggest(key, reserved::kinds(variants));
                }
                self.context.report(value, *key_span, true, fault);
            }
        }
        let mut known = entries.iter().filter(|e| !e.value.poisoned.get() && !e.value.is_none());
        match (known.next(), known.next()) {
            (Some(Entry { key, value, .. }), None) => Ok((key, Some(value))),
            (None, _) if !entries.is_empty() => {
                self.node.poisoned.set(true);
                Err(Fault::done())
            }
            (None, _) => Err(self.expected(&format!("one of {}", variants.join(", ")))),
            (Some(first), Some(second)) => Err(Fault::new(
                "E-CONFLICT",
                format!("`{}` and `{}` exclude each other", shown(&first.key), shown(&second.key)),
            )
            .help(Some("keep one of them".to_owned()))),
        }
    }
}

/// The items of a list that are not poisoned.
struct Items<'t> {
    items: std::slice::Iter<'t, Node>,
    context: &'t Context<'t>,
    keep: bool,
}

impl<'t> SeqAccess<'t> for Items<'t> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'t>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        match self.items.find(|item| !item.poisoned.get()) {
            None => Ok(None),
            Some(node) => {
                let (context, keep) = (self.context, self.keep);
                Reader { node, context, keep }.feed(seed).map(Some)
            }
        }
    }
}

/// The entries of a map that are not poisoned and not switched off by `none`.
struct Entries<'t> {
    entries: std::slice::Iter<'t, Entry>,
    value: Option<(&'t str, &'t Node)>,
    context: &'t Context<'t>,
    keep: bool,
    root: bool,
}

impl<'t> MapAccess<'t> for Entries<'t> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'t>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        let keep = self.keep;
        let counts = |e: &&Entry| !e.value.poisoned.get() && (keep || !e.value.is_none());
        let Some(entry) = self.entries.find(counts) else { return Ok(None) };
        self.value = Some((&entry.key, &entry.value));
        match seed.deserialize(entry.key.as_str().into_deserializer()) {
            Ok(key) => Ok(Some(key)),
            Err(fault) => {
                self.context.report(&entry.value, entry.key_span, true, fault);
                Err(Fault::done())
            }
        }
    }

    fn next_value_seed<V: DeserializeSeed<'t>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let (key, node) = self.value.take().expect("serde asks for a key first");
        let keep = self.keep || (self.root && key == "variants");
        Reader { node, context: self.context, keep }.feed(seed)
    }
}

/// A variant of an enum: its name, and its content if it has any.
struct Variant<'t> {
    tag: &'t str,
    value: Option<&'t Node>,
    context: &'t Context<'t>,
}

impl<'t> EnumAccess<'t> for Variant<'t> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'t>>(self, seed: V) -> Result<(V::Value, Self), Fault> {
        Ok((seed.deserialize(self.tag.into_deserializer())?, self))
    }
}

impl<'t> Variant<'t> {
    fn content(&self) -> Result<Reader<'t>, Fault> {
        match self.value {
            Some(node) => Ok(Reader { node, context: self.context, keep: false }),
            None => Err(Fault::new("E-TYPE", format!("`{}` needs a value", shown(self.tag)))
                .help(Some(format!("write `{}: …`", shown(self.tag))))),
        }
    }
}

impl<'t> VariantAccess<'t> for Variant<'t> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        match self.value {
            None => Ok(()),
            Some(_) => Err(Fault::new("E-TYPE", format!("`{}` takes no value", shown(self.tag)))),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'t>>(self, seed: T) -> Result<T::Value, Fault> {
        self.content()?.feed(seed)
    }

    fn tuple_variant<V: Visitor<'t>>(self, len: usize, visitor: V) -> Result<V::Value, Fault> {
        de::Deserializer::deserialize_tuple(self.content()?, len, visitor)
    }

    fn struct_variant<V: Visitor<'t>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        de::Deserializer::deserialize_struct(self.content()?, "", fields, visitor)
    }
}
