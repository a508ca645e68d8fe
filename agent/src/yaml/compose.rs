//! From parser events to a tree: anchors, merge keys, duplicates and limits.
//!
//! The stack of open lists and maps is a vector, so a deep text cannot
//! overflow ours; the limits bound memory before anything is copied.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::indent::Indented;
use super::json::key_text;
use super::resolve::{self, Resolved};
use super::{Document, Duplicate, Entry, Node, Place, SyntaxError, Value};

/// More nesting than any configuration has.
const MAX_DEPTH: usize = 64;
/// More values than any configuration has, copies made by aliases included.
const MAX_NODES: usize = 100_000;

const YAML_TAGS: &str = "tag:yaml.org,2002:";

/// Reads the events of one document.
pub(super) struct Composer<'a> {
    origin: &'a Arc<str>,
    text: Indented,
    open: Vec<Frame>,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
    duplicates: Vec<Duplicate>,
    root: Option<Node>,
}

/// A list or map that has begun and not ended.
struct Frame {
    anchor: usize,
    place: Place,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map {
        own: Vec<Entry>,
        merged: Vec<Entry>,
        pending: Pending,
    },
}

/// What the next node of a map is.
enum Pending {
    Key,
    ValueOf(Node),
    Merge,
}

impl<'a> Composer<'a> {
    pub(super) fn new(origin: &'a Arc<str>) -> Self {
        Self {
            origin,
            text: Indented::new(""),
            open: Vec::new(),
            anchors: BTreeMap::new(),
            nodes: 0,
            duplicates: Vec::new(),
            root: None,
        }
    }

    pub(super) fn document(mut self, text: &str) -> Result<Document, SyntaxError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        self.refuse_unprintable(text)?;
        self.text = Indented::new(text);
        let content = self.text.text.clone();
        let text = content.as_str();
        let mut parser = Parser::new_from_str(text);
        let mut is_first = true;
        let end = text.chars().count();
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| SyntaxError {
                place: self.at(error.marker().line(), error.marker().col()),
                message: format!("this is not valid YAML: {}", error.info()),
            })?;
            let place = self.place(span);
            let event = without_added_line_end(event, text, span.end.index() >= end);
            let is_document = matches!(event, Event::DocumentStart(_));
            if is_document && !mem::take(&mut is_first) {
                let message = "there is a second document, only one is allowed";
                return Err(error(place, message));
            }
            self.event(event, place)?;
        }
        let root = self
            .root
            .unwrap_or_else(|| Node::new(Value::Null, Place::Whole(Arc::clone(self.origin))));
        Ok(Document {
            root,
            duplicates: self.duplicates,
        })
    }

    fn event(&mut self, event: Event<'_>, place: Place) -> Result<(), SyntaxError> {
        match event {
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
            Event::Alias(anchor) => self.alias(anchor, place),
            Event::Scalar(text, style, anchor, tag) => {
                self.scalar(&text, style, anchor, tag.as_deref(), place)
            }
            Event::SequenceStart(anchor, tag) => {
                check_collection_tag(tag.as_deref(), "seq", &place)?;
                self.begin(anchor, place, Content::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                check_collection_tag(tag.as_deref(), "map", &place)?;
                let content = Content::Map {
                    own: Vec::new(),
                    merged: Vec::new(),
                    pending: Pending::Key,
                };
                self.begin(anchor, place, content)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
        }
    }

    fn begin(&mut self, anchor: usize, place: Place, content: Content) -> Result<(), SyntaxError> {
        if self.open.len() == MAX_DEPTH {
            return Err(error(place, "the nesting is too deep"));
        }
        self.open.push(Frame {
            anchor,
            place,
            content,
        });
        Ok(())
    }

    fn end(&mut self) -> Result<(), SyntaxError> {
        let Some(frame) = self.open.pop() else {
            return Ok(());
        };
        let value = match frame.content {
            Content::List(items) => Value::List(items),
            Content::Map { own, merged, .. } => {
                let path = self.path();
                let inherited = without_duplicates(merged, |_, _| {});
                let duplicates = &mut self.duplicates;
                let own = without_duplicates(own, |first, used| {
                    duplicates.push(Duplicate {
                        path: joined(&path, &key_text(&used.key)),
                        first: first.key.place.clone(),
                        used: used.key.place.clone(),
                    });
                });
                let all = inherited.into_iter().chain(own).collect();
                Value::Map(without_duplicates(all, |_, _| {}))
            }
        };
        self.add(Node::new(value, frame.place), frame.anchor)
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        place: Place,
    ) -> Result<(), SyntaxError> {
        let is_plain = style == ScalarStyle::Plain;
        let resolved = match tag.map(yaml_tag) {
            None if is_plain => resolve::plain(text),
            None => Ok(Resolved::Value(Value::Text(text.to_owned()))),
            // PyYAML takes a lone `!` for "resolve it as if it were plain".
            Some(YamlTag::NonSpecific) => resolve::plain(text),
            Some(YamlTag::Standard(tag)) => resolve::tagged(tag, text).map(Resolved::Value),
            Some(YamlTag::Other(tag)) => Err(format!("the tag `{tag}` is not supported")),
        };
        let value = match resolved.map_err(|message| error(place.clone(), &message))? {
            Resolved::Value(value) => value,
            Resolved::Merge if self.expects_key() => return self.expect_merge(),
            Resolved::Equals if self.expects_key() => Value::Text(text.to_owned()),
            Resolved::Merge | Resolved::Equals => {
                let message = format!("`{text}` has no meaning here; put it in quotes");
                return Err(error(place, &message));
            }
        };
        let mut node = Node::new(value, place);
        node.source = is_plain.then(|| text.to_owned());
        self.add(node, anchor)
    }

    fn alias(&mut self, anchor: usize, place: Place) -> Result<(), SyntaxError> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(error(place, "this alias stands inside of what it names"));
        };
        let size = size(node);
        if self.nodes + size > MAX_NODES {
            return Err(error(place, "the aliases expand to too many values"));
        }
        let node = node.clone();
        self.nodes += size - 1;
        self.add(node, 0)
    }

    fn expects_key(&self) -> bool {
        matches!(
            self.open.last(),
            Some(Frame {
                content: Content::Map {
                    pending: Pending::Key,
                    ..
                },
                ..
            })
        )
    }

    fn expect_merge(&mut self) -> Result<(), SyntaxError> {
        if let Some(Frame {
            content: Content::Map { pending, .. },
            ..
        }) = self.open.last_mut()
        {
            *pending = Pending::Merge;
        }
        Ok(())
    }

    /// Puts a finished node where it belongs.
    fn add(&mut self, node: Node, anchor: usize) -> Result<(), SyntaxError> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(error(node.place, "there are too many values"));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
            self.nodes += size(&node);
        }
        let Some(frame) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        let (own, merged, pending) = match &mut frame.content {
            Content::List(items) => {
                items.push(node);
                return Ok(());
            }
            Content::Map {
                own,
                merged,
                pending,
            } => (own, merged, pending),
        };
        match mem::replace(pending, Pending::Key) {
            Pending::Key => {
                if matches!(node.value, Value::List(_) | Value::Map(_)) {
                    return Err(error(node.place, "a key must not be a list or a map"));
                }
                *pending = Pending::ValueOf(node);
            }
            Pending::ValueOf(key) => own.push(Entry { key, value: node }),
            Pending::Merge => merged.extend(to_merge(node)?),
        }
        Ok(())
    }

    /// The dotted path of the map that is open now.
    fn path(&self) -> String {
        let mut path = String::new();
        for frame in &self.open {
            path = match &frame.content {
                Content::List(items) => format!("{path}[{}]", items.len()),
                Content::Map { pending, .. } => match pending {
                    Pending::ValueOf(key) => joined(&path, &key_text(key)),
                    Pending::Merge => joined(&path, "<<"),
                    Pending::Key => path,
                },
            };
        }
        path
    }

    fn refuse_unprintable(&self, text: &str) -> Result<(), SyntaxError> {
        for (index, line) in text.split('\n').enumerate() {
            if let Some(column) = line.chars().position(|c| !is_printable(c)) {
                let place = self.at(index + 1, column);
                return Err(error(place, "this character is not allowed in YAML"));
            }
        }
        Ok(())
    }

    fn place(&self, span: Span) -> Place {
        self.at(span.start.line(), span.start.col())
    }

    fn at(&self, line: usize, column: usize) -> Place {
        Place::Text {
            origin: Arc::clone(self.origin),
            line,
            column: self.text.written_column(line, column) + 1,
        }
    }
}

/// The parser ends a block text with a line end even when the text that it
/// read has none; PyYAML does not.
fn without_added_line_end<'a>(event: Event<'a>, text: &str, is_last: bool) -> Event<'a> {
    let Event::Scalar(content, style, anchor, tag) = event else {
        return event;
    };
    let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
    let content = match content.strip_suffix('\n') {
        Some(shorter) if is_block && is_last && !text.ends_with(['\n', '\r']) => {
            Cow::Owned(shorter.to_owned())
        }
        Some(_) | None => content,
    };
    Event::Scalar(content, style, anchor, tag)
}

enum YamlTag<'a> {
    NonSpecific,
    Standard(&'a str),
    Other(String),
}

fn yaml_tag(tag: &Tag) -> YamlTag<'_> {
    if tag.handle == YAML_TAGS {
        return YamlTag::Standard(&tag.suffix);
    }
    if let Some(name) = tag.suffix.strip_prefix(YAML_TAGS) {
        return YamlTag::Standard(name);
    }
    match (tag.handle.as_str(), tag.suffix.as_str()) {
        ("" | "!", "") | ("", "!") => YamlTag::NonSpecific,
        (handle, suffix) => YamlTag::Other(format!("{handle}{suffix}")),
    }
}

fn check_collection_tag(tag: Option<&Tag>, own: &str, place: &Place) -> Result<(), SyntaxError> {
    let message = match tag.map(yaml_tag) {
        None | Some(YamlTag::NonSpecific) => return Ok(()),
        Some(YamlTag::Standard(name)) if name == own => return Ok(()),
        Some(YamlTag::Standard(name)) => format!("the tag `!!{name}` is not supported here"),
        Some(YamlTag::Other(name)) => format!("the tag `{name}` is not supported"),
    };
    Err(error(place.clone(), &message))
}

/// The entries that a merge key brings. Of several maps the first wins, and
/// entries that come later in the result win: so the order is turned round.
fn to_merge(node: Node) -> Result<Vec<Entry>, SyntaxError> {
    const EXPECTED: &str = "`<<` takes a map or a list of maps";
    match node.value {
        Value::Map(entries) => Ok(entries),
        Value::List(items) => {
            let mut all = Vec::new();
            for item in items.into_iter().rev() {
                let Value::Map(entries) = item.value else {
                    return Err(error(item.place, EXPECTED));
                };
                all.extend(entries);
            }
            Ok(all)
        }
        Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Float(_) | Value::Text(_) => {
            Err(error(node.place, EXPECTED))
        }
    }
}

/// Keeps the last value of every key, at the position of its first.
fn without_duplicates(
    entries: Vec<Entry>,
    mut on_duplicate: impl FnMut(&Entry, &Entry),
) -> Vec<Entry> {
    let mut positions: BTreeMap<String, usize> = BTreeMap::new();
    let mut kept: Vec<Entry> = Vec::new();
    for entry in entries {
        match positions.get(&identity(&entry.key)) {
            Some(&position) => {
                on_duplicate(&kept[position], &entry);
                kept[position].value = entry.value;
            }
            None => {
                positions.insert(identity(&entry.key), kept.len());
                kept.push(entry);
            }
        }
    }
    kept
}

/// Equal for keys that Python takes for the same: `1`, `1.0` and `true`.
fn identity(key: &Node) -> String {
    match &key.value {
        Value::Bool(truth) => format!("number {}", u8::from(*truth)),
        Value::Integer(number) => format!("number {number}"),
        Value::Float(number) => format!("number {number}"),
        Value::Null => "null".to_owned(),
        Value::Text(text) => format!("text {text}"),
        Value::List(_) | Value::Map(_) => String::new(),
    }
}

fn size(node: &Node) -> usize {
    1 + match &node.value {
        Value::List(items) => items.iter().map(size).sum(),
        Value::Map(entries) => entries.iter().map(|entry| 1 + size(&entry.value)).sum(),
        Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Float(_) | Value::Text(_) => 0,
    }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

fn is_printable(c: char) -> bool {
    matches!(c, '\t' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..)
}

fn error(place: Place, message: &str) -> SyntaxError {
    SyntaxError {
        place,
        message: message.to_owned(),
    }
}
