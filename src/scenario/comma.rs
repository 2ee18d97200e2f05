//! The comma trap: inside `{ }` and `[ ]` a comma ends a YAML value, so that
//! `{backoff: exponential(base=50ms, max=1s)}` has the value `exponential(base=50ms` and the stray
//! key `max=1s)`.
//!
//! **Invariant.** A trap is reported once, with the right spelling, and mended in the tree, so that
//! it hides no other problem and causes none.

use super::{
    problems::{Found, shown},
    tree::{Entry, Kind, Node, Span},
};

/// Reports and mends the traps of a flow map.
pub(super) fn mend_map(entries: &mut Vec<Entry>, problems: &mut Vec<Found>) {
    if !entries.iter().any(|e| opens(&e.value).is_some()) {
        return;
    }
    let mut mended: Vec<Entry> = Vec::with_capacity(entries.len());
    let mut trap: Option<Trap> = None;
    for entry in entries.drain(..) {
        if let Some(open) = &mut trap {
            let last = mended.last_mut().expect("a trap begins with an entry");
            let piece = piece(&entry);
            if let Some((text, end)) = piece
                && open.add(&text, end)
            {
                if open.depth == 0 {
                    close(trap.take(), &mut last.value, problems);
                }
                continue;
            }
            close(trap.take(), &mut last.value, problems);
        }
        trap = Trap::begin(&entry.value);
        mended.push(entry);
    }
    if let Some(last) = mended.last_mut() {
        close(trap, &mut last.value, problems);
    }
    *entries = mended;
}

/// Reports and mends the traps of a flow list.
pub(super) fn mend_list(items: &mut Vec<Node>, problems: &mut Vec<Found>) {
    if !items.iter().any(|i| opens(i).is_some()) {
        return;
    }
    let mut mended: Vec<Node> = Vec::with_capacity(items.len());
    let mut trap: Option<Trap> = None;
    for item in items.drain(..) {
        if let Some(open) = &mut trap {
            let last = mended.last_mut().expect("a trap begins with an item");
            if let Some(text) = plain(&item)
                && open.add(text, item.span)
            {
                if open.depth == 0 {
                    close(trap.take(), last, problems);
                }
                continue;
            }
            close(trap.take(), last, problems);
        }
        trap = Trap::begin(&item);
        mended.push(item);
    }
    if let Some(last) = mended.last_mut() {
        close(trap, last, problems);
    }
    *items = mended;
}

/// A scalar whose parentheses are not balanced, and the pieces that followed it.
struct Trap {
    text: String,
    span: Span,
    depth: i64,
}

impl Trap {
    fn begin(value: &Node) -> Option<Self> {
        let depth = opens(value)?;
        Some(Self { text: value.text()?.to_owned(), span: value.span, depth })
    }

    /// Takes a piece unless it closes more than is open.
    fn add(&mut self, text: &str, at: Span) -> bool {
        let depth = self.depth + balance(text);
        if depth < 0 {
            return false;
        }
        self.depth = depth;
        self.text.push(' ');
        self.text.push_str(text);
        self.span.end = self.span.end.max(at.end);
        true
    }
}

/// Text of an entry that is really the rest of the value before it: `max=1s)`, or `a: b)` from
/// `f(x, a: b)`.
fn piece(entry: &Entry) -> Option<(String, Span)> {
    if entry.value.is_null() {
        return Some((entry.key.clone(), entry.key_span));
    }
    let value = plain(&entry.value)?;
    let unbalanced = balance(&entry.key) + balance(value) != 0;
    unbalanced.then(|| (format!("{}: {value}", entry.key), entry.value.span))
}

fn close(trap: Option<Trap>, value: &mut Node, problems: &mut Vec<Found>) {
    let Some(trap) = trap else { return };
    let found = Found::error(
        "E-COMMA",
        trap.span,
        "a comma inside `{ }` or `[ ]` ends the value, and its parenthesis is not closed",
    );
    if trap.depth == 0 {
        problems.push(found.help(format!("part the arguments by blanks: `{}`", shown(&trap.text))));
    } else {
        problems.push(found.help(format!("close it: `{})`", shown(&trap.text))));
    }
    // Reported: nothing more is said about this value.
    value.poisoned.set(true);
}

/// How many parentheses a call leaves open: `exponential(base=50ms` leaves one.
fn opens(value: &Node) -> Option<i64> {
    let text = plain(value)?;
    let name = &text[..text.find('(')?];
    let is_call = !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_ =%.:;>-".contains(c));
    Some(balance(text)).filter(|depth| is_call && *depth > 0)
}

fn plain(node: &Node) -> Option<&str> {
    match &node.kind {
        Kind::Scalar { text, quoted: false } => Some(text),
        _ => None,
    }
}

fn balance(text: &str) -> i64 {
    text.chars().fold(0, |depth, c| depth + i64::from(c == '(') - i64::from(c == ')'))
}
