//! Tree -> typed values through serde, with every problem found on the way.
//!
//! Scalars are handed over as their raw text: `010`, `1e3` or `no` reach the type that reads them
//! as they were written. A problem is recorded where it happens and its node is poisoned; then the
//! tree is read again without it, until nothing new comes up.
//!
//! **Invariant.** A node is reported once: what is poisoned is stepped over, and a key missing only
//! because its value was poisoned is not called missing.

mod access;

use access::{Entries, Items, Variant};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
};

use serde::de::{self, DeserializeOwned, DeserializeSeed, Visitor};

use super::{
    advice,
    fault::{Fault, not_yet, unknown_key},
    places::{empty_above, head, is_one_of, parent, place, poisoned},
    problems::{Found, SHOWN, shown, suggest},
    reserved,
    tree::{Entry, Kind, Node, Span},
};
use crate::problem::near;

/// Reads a value of the tree, or reports everything that is wrong with it and hands back a copy in
/// which misspelt keys are mended and only what was reported is poisoned.
pub(super) fn read<T: DeserializeOwned>(root: &Node, problems: &mut Vec<Found>) -> Result<T, Node> {
    let context = Context::new(root);
    let value = context.read().filter(|_| context.found.borrow().is_empty());
    problems.append(&mut context.found.borrow_mut());
    value.ok_or_else(|| context.mended(root))
}

/// Reads what can be read of such a copy, and reports what is wrong with that.
pub(super) fn read_rest<T: DeserializeOwned>(
    mended: &Node,
    problems: &mut Vec<Found>,
) -> Option<T> {
    let context = Context::new(mended);
    let value = context.read();
    problems.append(&mut context.found.into_inner());
    value
}

/// What all readers of one tree share.
struct Context<'t> {
    root: &'t Node,
    found: RefCell<Vec<Found>>,
    /// What problems were reported of; poisoned is also what holds nothing else.
    bad: RefCell<BTreeSet<*const Node>>,
    /// Values of misspelt keys, with the key that was meant.
    meant: RefCell<Vec<(*const Node, &'static str)>>,
}

impl<'t> Context<'t> {
    fn new(root: &'t Node) -> Self {
        let mut bad = BTreeSet::new();
        poisoned(root, &mut bad);
        let (found, meant) = (RefCell::default(), RefCell::default());
        Self { root, found, bad: RefCell::new(bad), meant }
    }

    /// Reads again and again, each time without what turned out to be wrong.
    fn read<T: DeserializeOwned>(&self) -> Option<T> {
        loop {
            let before = self.found.borrow().len();
            match T::deserialize(Reader { node: self.root, context: self, keep: false }) {
                Ok(value) => return Some(value),
                Err(_) if self.root.poisoned.get() || before >= SHOWN => return None,
                Err(_) => {}
            }
        }
    }

    fn mended(&self, node: &Node) -> Node {
        let kind = match &node.kind {
            Kind::Scalar { .. } => node.kind.clone(),
            Kind::List(items) => Kind::List(items.iter().map(|item| self.mended(item)).collect()),
            Kind::Map(entries) => {
                Kind::Map(entries.iter().map(|e| self.entry(e, entries)).collect())
            }
        };
        let copy = Node::new(kind, node.span);
        copy.poisoned.set(self.bad.borrow().contains(&std::ptr::from_ref(node)));
        copy
    }

    fn entry(&self, entry: &Entry, beside: &[Entry]) -> Entry {
        let mut value = self.mended(&entry.value);
        let meant = self.meant.borrow();
        let meant = meant.iter().find(|(node, _)| std::ptr::eq(*node, &raw const entry.value));
        let free = meant.filter(|(_, key)| beside.iter().all(|e| e.key != **key));
        if free.is_some() {
            value.poisoned = Cell::new(false);
        }
        let key = free.map_or_else(|| entry.key.clone(), |(_, key)| (*key).to_owned());
        Entry { key, key_span: entry.key_span, value }
    }

    /// Records a problem of `node` and poisons it.
    fn report(&self, node: &Node, span: Span, at_key: bool, fault: Fault) {
        node.poisoned.set(true);
        self.bad.borrow_mut().insert(std::ptr::from_ref(node));
        let Fault { code, message, help, .. } = fault;
        let mut found = Found::error(code, span, message);
        let lookalike = node.text().filter(|_| !at_key).and_then(advice::lookalike);
        found.problem.help = lookalike.map(str::to_owned).or(help);
        found.problem.at_key = at_key;
        if let Some((path, key)) = place(self.root, node) {
            if let Some(help) = node.text().and_then(|t| advice::part_of_a_core(&path, t)) {
                found.problem.help = Some(help);
            }
            // A whole block would be a long frame: its key, or its first one, stands for it.
            if !at_key && !matches!(node.kind, Kind::Scalar { .. }) {
                found.span = Some(key.unwrap_or_else(|| head(node)));
            }
            found.problem.path = path;
        }
        self.found.borrow_mut().push(found);
    }

    /// Remembers which key a misspelt one was meant to be.
    fn meant(&self, entry: &Entry, fault: &Fault, known: &[&'static str]) {
        if fault.code == "E-UNKNOWN-KEY"
            && !entry.value.is_null()
            && let Some(meant) = near(&entry.key, known.iter().copied())
        {
            self.meant.borrow_mut().push((&raw const entry.value, meant));
        }
    }

    /// Reports a key that has nothing below it, and with it what was meant to be there.
    fn nothing_below(&self, empty: &Entry, content: &[&Entry]) {
        for entry in content {
            entry.value.poisoned.set(true);
            self.bad.borrow_mut().insert(&raw const entry.value);
        }
        if empty.value.poisoned.get() {
            return;
        }
        let (key, first) = (shown(&empty.key), shown(&content[0].key));
        let message = format!("there is nothing below `{key}`: `{first}` stands beside it");
        let help = format!("indent `{first}`, and what else belongs to `{key}`, further");
        let fault = Fault::new("E-INDENT", message).help(Some(help));
        self.report(&empty.value, empty.key_span, true, fault);
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
    entries.iter().any(|e| {
        e.value.poisoned.get()
            && (near(&e.key, [field]).is_some() || advice::foreign(&e.key, &[field]).is_some())
    })
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
            _ => Err(self.expected("text").help(self.target())),
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
            let fault = self.expected("a list");
            let help = match self.node.text() {
                Some(text) => format!("a list of one is `[{}]`", shown(text)),
                None => "each of its lines begins with `- `; in one line: `[a, b]`".to_owned(),
            };
            let help = fault.help.clone().or(Some(help));
            return self.located(Err(fault.help(help)));
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
            let fault = self.expected("a map (`key: value`)");
            let list = matches!(self.node.kind, Kind::List(_));
            let help = list.then(|| "without `- `: each line is a name and a colon".to_owned());
            let help = fault.help.clone().or(help);
            return self.located(Err(fault.help(help)));
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
            let pair = self.node.text().and_then(|text| advice::pair(text, fields));
            let fault = self.beside(fields).unwrap_or_else(|| self.expected(&what));
            let help = pair
                .or_else(|| fault.help.clone())
                .or_else(|| advice::spelled_out(name, self.node));
            return self.located(Err(fault.help(help)));
        };
        for entry in entries {
            let Entry { key, key_span, value } = entry;
            if value.poisoned.get() || fields.contains(&key.as_str()) {
                continue;
            }
            if let Some(empty) = empty_above(entries, entry) {
                self.context.nothing_below(empty, &[entry]);
                continue;
            }
            let fault = unknown_key(name, key, fields);
            self.context.meant(entry, &fault, fields);
            self.context.report(value, *key_span, true, fault);
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
            _ => {
                let fault = self.beside(variants);
                Err(fault
                    .unwrap_or_else(|| self.expected(&format!("one of {}", variants.join(", ")))))
            }
        }
    }

    /// Advice about a map in place of the text of a target.
    fn target(&self) -> Option<String> {
        let (path, _) = place(self.context.root, self.node)?;
        let one = ["slos[", "expect["].iter().any(|list| path.starts_with(list));
        advice::target(self.node).filter(|_| one)
    }

    /// The complaint about a key with nothing below it, whose content stands beside it.
    fn beside(&self, known: &[&str]) -> Option<Fault> {
        let (entries, at) = parent(self.context.root, self.node).filter(|_| self.node.is_null())?;
        let content: Vec<&Entry> = entries[at + 1..]
            .iter()
            .take_while(|e| known.contains(&e.key.as_str()) && !is_one_of(&e.value, known))
            .collect();
        if content.is_empty() {
            return None;
        }
        self.context.nothing_below(&entries[at], &content);
        Some(Fault::done())
    }

    /// A map with one key, which is the variant's name.
    fn kind_of(
        &self,
        entries: &'t [Entry],
        name: &'static str,
        variants: &'static [&'static str],
    ) -> Result<(&'t str, Option<&'t Node>), Fault> {
        for entry in entries {
            let Entry { key, key_span, value } = entry;
            if value.poisoned.get() || variants.contains(&key.as_str()) {
                continue;
            }
            if let Some(empty) = empty_above(entries, entry) {
                self.context.nothing_below(empty, &[entry]);
                continue;
            }
            let mut fault = unknown_key(name, key, variants);
            if fault.code == "E-UNKNOWN-KEY" && name == "NodeSpec" {
                fault.message = format!("unknown kind of node `{}`", shown(key));
                if is_one_of(value, variants) {
                    let help = "it looks like a node of its own: indent it like the nodes above";
                    fault.help = Some(help.to_owned());
                }
            }
            self.context.meant(entry, &fault, variants);
            self.context.report(value, *key_span, true, fault);
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
