//! YAML text -> an owned tree in which every key and value knows where it stands.
//!
//! The subset that is read is small: one document of maps, lists and scalars. What could surprise
//! (anchors, merge keys, tags, several documents, duplicate keys) is refused here, and so is what
//! could exhaust memory or the stack, so that no later stage has to think of it.
//!
//! **Invariant.** A tree has at most [`MAX_DEPTH`] levels and [`MAX_NODES`] nodes, so recursion over
//! it is bounded.

use std::{borrow::Cow, cell::Cell, collections::BTreeMap};

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError};

use super::{
    advice, comma,
    problems::{Found, shown},
};

/// Deepest nesting of maps and lists.
pub const MAX_DEPTH: usize = 64;
/// Most maps, lists, keys and scalars of one file.
pub const MAX_NODES: usize = 1_000_000;
/// Longest text of one file, in bytes.
pub const MAX_BYTES: usize = 8 << 20;

/// A stretch of one of the texts a scenario was read from, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Number of the source.
    pub source: u16,
    /// First byte.
    pub start: u32,
    /// Byte after the last one.
    pub end: u32,
}

/// A value with its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// The value.
    pub kind: Kind,
    /// Where it stands.
    pub span: Span,
    /// A problem was reported here already: later passes step over it.
    pub(super) poisoned: Cell<bool>,
}

/// A scalar, a list or a map.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Raw text; `quoted` when it stood in quotes or was a block scalar.
    Scalar {
        /// The text as it means (escapes resolved), whatever it looks like.
        text: String,
        /// Whether YAML would call it a string in any case.
        quoted: bool,
    },
    /// Items in order.
    List(Vec<Node>),
    /// Entries in the order of the file; keys are distinct.
    Map(Vec<Entry>),
}

/// One entry of a map.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// Its value.
    pub value: Node,
}

impl Entry {
    /// Whether it says no more than that the key is not there.
    pub fn deletes(&self) -> bool {
        self.value.is_none() && !is_said_to_be_none(&self.key)
    }
}

impl Node {
    /// A node.
    pub fn new(kind: Kind, span: Span) -> Self {
        Self { kind, span, poisoned: Cell::new(false) }
    }

    /// An empty map.
    pub fn empty_map(span: Span) -> Self {
        Self::new(Kind::Map(Vec::new()), span)
    }

    /// The value at a key of a map.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Kind::Map(entries) = &self.kind else { return None };
        entries.iter().find(|e| e.key == key).map(|e| &e.value)
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Whether this is the plain scalar `none`, which deletes.
    pub fn is_none(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, quoted: false } if text == "none")
    }

    /// Whether this is a plain scalar that YAML reads as null.
    pub fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, quoted: false } if is_null(text))
    }

    /// What it is, for messages.
    pub fn describe(&self) -> String {
        match &self.kind {
            Kind::Scalar { .. } if self.is_null() => "nothing".to_owned(),
            Kind::Scalar { text, .. } => format!("`{}`", shown(text)),
            Kind::List(_) => "a list".to_owned(),
            Kind::Map(_) => "a map".to_owned(),
        }
    }

    /// Number of nodes, this one included.
    pub fn size(&self) -> usize {
        1 + match &self.kind {
            Kind::Scalar { .. } => 0,
            Kind::List(items) => items.iter().map(Self::size).sum(),
            Kind::Map(entries) => entries.iter().map(|e| e.value.size()).sum(),
        }
    }
}

/// Whether `none` is what a key says, not that it is deleted.
pub fn is_said_to_be_none(key: &str) -> bool {
    ["ack", "growth", "history"].contains(&key)
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// Says that a file is too long; the place is its start.
pub fn too_long(bytes: u64) -> Found {
    let message = format!("the file has {bytes} bytes; the limit is {MAX_BYTES}");
    Found::error("E-LIMIT", Span::default(), message)
        .help("data belongs into CSV files that the scenario names")
}

/// The text of a file, or what is wrong with its bytes. A byte order mark is dropped.
pub fn decode(bytes: &[u8]) -> Result<&str, Found> {
    let at = |offset: usize| Span { source: 0, start: offset as u32, end: offset as u32 };
    if bytes.len() > MAX_BYTES {
        return Err(too_long(bytes.len() as u64));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Found::error("E-ENCODING", at(0), "the file is UTF-16 or UTF-32 (byte 0)")
            .help("save it as UTF-8"));
    }
    let bytes = bytes.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let offset = e.valid_up_to();
        Found::error("E-ENCODING", at(offset), format!("byte {offset} is not valid UTF-8"))
            .help("save the file as UTF-8")
    })?;
    let control = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    match text.char_indices().find(|(_, c)| control(*c)) {
        None => Ok(text),
        Some((offset, c)) => {
            let message = format!("byte {offset} is the control character {}", c.escape_unicode());
            let help = if c == '\0' { "is it a binary or UTF-16 file?" } else { "remove it" };
            Err(Found::error("E-ENCODING", at(offset), message).help(help))
        }
    }
}

/// Reads one document. `base` is where `text` begins in its source. With any problem of severity
/// error the tree must not be used for more than finding further problems.
pub fn parse(text: &str, source: u16, base: usize) -> (Option<Node>, Vec<Found>) {
    let mut reader = Reader {
        places: Places::new(text, source, base),
        problems: Vec::new(),
        open: Vec::new(),
        root: None,
        nodes: 0,
    };
    if let Err(stop) = reader.read(text) {
        reader.problems.push(stop);
        return (None, reader.problems);
    }
    match reader.root {
        Some(root) if !root.is_null() => (Some(root), reader.problems),
        _ if reader.problems.is_empty() => {
            let found = Found::error("E-EMPTY", reader.places.span(0, 0), "there is nothing in it")
                .help("`windtunnel new NAME` writes a scenario to start from");
            (None, vec![found])
        }
        _ => (None, reader.problems),
    }
}

/// Character indices of the parser -> bytes of the source.
struct Places {
    source: u16,
    base: usize,
    /// Byte of each character; empty when all of them are one byte long.
    bytes: Vec<u32>,
    length: usize,
}

impl Places {
    fn new(text: &str, source: u16, base: usize) -> Self {
        let bytes = if text.is_ascii() {
            Vec::new()
        } else {
            text.char_indices().map(|(at, _)| at as u32).collect()
        };
        Self { source, base, bytes, length: text.len() }
    }

    fn byte(&self, index: usize) -> u32 {
        let byte = if self.bytes.is_empty() {
            index.min(self.length)
        } else {
            self.bytes.get(index).map_or(self.length, |b| *b as usize)
        };
        (self.base + byte) as u32
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span { source: self.source, start: self.byte(start), end: self.byte(end.max(start)) }
    }
}

/// A list or map whose end has not come yet.
enum Open {
    List(Vec<Node>, Span, bool),
    Map(OpenMap),
}

struct OpenMap {
    entries: Vec<Entry>,
    /// Keys seen, and where.
    keys: BTreeMap<String, Span>,
    /// The key whose value comes next; `None` inside for a key that is refused.
    key: Option<(Option<String>, Span)>,
    span: Span,
    flow: bool,
}

struct Reader {
    places: Places,
    problems: Vec<Found>,
    open: Vec<Open>,
    root: Option<Node>,
    nodes: usize,
}

impl Reader {
    fn read(&mut self, text: &str) -> Result<(), Found> {
        let mut documents = 0;
        for event in Parser::new_from_str(text).keep_tags(true) {
            let (event, at) = event.map_err(|e| self.syntax(text, &e))?;
            let span = self.places.span(at.start.index(), at.end.index());
            match event {
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents > 1 {
                        if let Some(other) = self.root.as_ref().and_then(advice::other_file) {
                            return Err(other);
                        }
                        return Err(Found::error(
                            "E-YAML-MULTIDOC",
                            span,
                            "a second document begins here; a file holds one scenario",
                        )
                        .help("put each scenario in its own file, or use `variants`"));
                    }
                }
                Event::Alias(_) => {
                    self.problems.push(alias(span, "an alias"));
                    let value = Node::new(Kind::Scalar { text: String::new(), quoted: true }, span);
                    value.poisoned.set(true);
                    self.value(value)?;
                }
                Event::Scalar(text, style, anchor, tag) => {
                    self.properties(anchor, tag.is_some(), span);
                    self.scalar(text, style, span)?;
                }
                Event::SequenceStart(anchor, tag) => {
                    self.properties(anchor, tag.is_some(), span);
                    let flow = text_at(text, &self.places, span).starts_with('[');
                    self.begin(Open::List(Vec::new(), span, flow), span)?;
                }
                Event::MappingStart(anchor, tag) => {
                    self.properties(anchor, tag.is_some(), span);
                    let flow = text_at(text, &self.places, span).starts_with('{');
                    let (entries, keys, key) = (Vec::new(), BTreeMap::new(), None);
                    self.begin(Open::Map(OpenMap { entries, keys, key, span, flow }), span)?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.end(span)?,
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            }
        }
        Ok(())
    }

    fn properties(&mut self, anchor: usize, tag: bool, span: Span) {
        if anchor != 0 {
            self.problems.push(alias(span, "an anchor"));
        }
        if tag {
            let found = Found::error("E-TAG", span, "tags are not part of the language");
            self.problems.push(found.help("write the value without `!…`"));
        }
    }

    fn scalar(&mut self, text: Cow<'_, str>, style: ScalarStyle, span: Span) -> Result<(), Found> {
        let quoted = style != ScalarStyle::Plain;
        if let Some(Open::Map(map)) = self.open.last()
            && map.key.is_none()
        {
            return self.key(text.into_owned(), quoted, span);
        }
        self.value(Node::new(Kind::Scalar { text: text.into_owned(), quoted }, span))
    }

    fn key(&mut self, key: String, quoted: bool, span: Span) -> Result<(), Found> {
        self.count(span)?;
        let Some(Open::Map(map)) = self.open.last_mut() else {
            unreachable!("keys come inside maps only");
        };
        let refused = if !quoted && key == "<<" {
            Some(alias(span, "a merge key"))
        } else if !quoted && is_null(&key) {
            Some(Found::error("E-TYPE", span, "a key must be a name, found nothing"))
        } else if let Some(c) = key.chars().find(|c| is_hidden(*c)) {
            let message = format!(
                "the key `{}` has the invisible character {}",
                shown(&key),
                c.escape_unicode()
            );
            Some(Found::error("E-NAME", span, message).help("remove it"))
        } else if let Some(first) = map.keys.get(&key) {
            let message = format!("the key `{}` is given twice", shown(&key));
            Some(Found::error("E-DUP-KEY", span, message).also(*first, "first given here"))
        } else {
            None
        };
        if refused.is_none() {
            map.keys.insert(key.clone(), span);
        }
        map.key = Some((refused.is_none().then_some(key), span));
        self.problems.extend(refused);
        self.too_many()
    }

    /// A map or list begins.
    fn begin(&mut self, open: Open, span: Span) -> Result<(), Found> {
        if let Some(Open::Map(map)) = self.open.last_mut()
            && map.key.is_none()
        {
            return Err(Found::error("E-TYPE", span, "a key must be a name, found a list or map")
                .help("text with `{` or `[` in it must stand in quotes"));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(span));
        }
        self.open.push(open);
        Ok(())
    }

    fn end(&mut self, span: Span) -> Result<(), Found> {
        let node = match self.open.pop().expect("the parser balances starts and ends") {
            Open::List(mut items, start, flow) => {
                if flow {
                    comma::mend_list(&mut items, &mut self.problems);
                }
                Node::new(Kind::List(items), Span { end: span.end.max(start.end), ..start })
            }
            Open::Map(mut map) => {
                if map.flow {
                    comma::mend_map(&mut map.entries, &mut self.problems);
                }
                let last = map.entries.last().map_or(map.span.end, |e| e.value.span.end);
                let end = if map.flow { span.end } else { last };
                let start = map.entries.first().map_or(map.span.start, |e| {
                    if map.flow { map.span.start } else { e.key_span.start }
                });
                Node::new(Kind::Map(map.entries), Span { start, end: end.max(start), ..map.span })
            }
        };
        self.value(node)
    }

    /// A value is complete.
    fn value(&mut self, node: Node) -> Result<(), Found> {
        self.count(node.span)?;
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List(items, ..)) => items.push(node),
            Some(Open::Map(map)) => match map.key.take() {
                Some((Some(key), key_span)) => {
                    map.entries.push(Entry { key, key_span, value: node });
                }
                Some((None, _)) => {}
                None => map.key = Some((None, node.span)),
            },
        }
        self.too_many()
    }

    fn count(&mut self, span: Span) -> Result<(), Found> {
        self.nodes += 1;
        if self.nodes <= MAX_NODES {
            return Ok(());
        }
        Err(Found::error("E-LIMIT", span, format!("more than {MAX_NODES} keys and values")))
    }

    /// Stops after more problems than anyone reads.
    fn too_many(&mut self) -> Result<(), Found> {
        if self.problems.len() < 100 {
            return Ok(());
        }
        Err(self.problems.pop().expect("there are some"))
    }

    /// What the parser says, in our words.
    fn syntax(&self, text: &str, error: &ScanError) -> Found {
        let index = error.marker().index();
        let span = self.places.span(index, index + 1);
        let info = error.info();
        if info.contains("recursion") {
            return too_deep(span);
        }
        if info.contains("anchor") {
            return alias(span, "an alias");
        }
        let local = (span.start as usize - self.places.base).min(text.len());
        let (at, message, help) = advice::syntax(text, local, info);
        let at = (self.places.base + at) as u32;
        let span = if at == span.start { span } else { Span { start: at, end: at + 1, ..span } };
        Found::error("E-YAML", span, message).help(help)
    }
}

fn text_at<'t>(text: &'t str, places: &Places, span: Span) -> &'t str {
    text.get(span.start as usize - places.base..).unwrap_or("")
}

fn alias(span: Span, what: &str) -> Found {
    Found::error(
        "E-ALIAS",
        span,
        format!("{what}: anchors, aliases and merge keys are not part of the language"),
    )
    .help("`extends` starts from another file; a name that stands for several zones is a region")
}

fn too_deep(span: Span) -> Found {
    Found::error("E-DEPTH", span, format!("lists and maps nest more than {MAX_DEPTH} deep"))
}

/// Characters that change how text looks without being seen: bidirectional controls, zero-width
/// characters, other controls.
pub(super) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
