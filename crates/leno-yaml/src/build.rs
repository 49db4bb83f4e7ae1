//! Builds trees from the parser's events.

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};

use crate::{Content, Document, Entry, Mark, Node, SyntaxError, node::key_path, scalar};

/// The deepest nesting.
const MAX_DEPTH: usize = 64;
/// The most nodes of a document, those that aliases stand for included.
const MAX_NODES: usize = 500_000;

/// What is being built.
enum Frame {
    List { mark: Mark, anchor: usize, items: Vec<Node> },
    Map { mark: Mark, anchor: usize, entries: Vec<Entry>, seen: HashMap<String, u32>, key: Option<(String, Mark)> },
}

/// Builds trees from the parser's events.
pub(super) struct Builder {
    lines_before: u32,
    pub(super) documents: Vec<Document>,
    errors: Vec<SyntaxError>,
    frames: Vec<Frame>,
    root: Option<Node>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
}

impl Builder {
    pub(super) fn new(lines_before: u32) -> Self {
        Self {
            lines_before,
            documents: Vec::new(),
            errors: Vec::new(),
            frames: Vec::new(),
            root: None,
            anchors: HashMap::new(),
            nodes: 0,
        }
    }

    pub(super) fn run(&mut self, text: &str) -> Result<(), SyntaxError> {
        let mut parser = Parser::new_from_str(text);
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| self.scan_error(&error))?;
            self.event(event, span)?;
        }
        Ok(())
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), SyntaxError> {
        let mark = self.mark(span.start);
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd => Ok(()),
            Event::DocumentStart(_) => {
                self.anchors.clear();
                self.nodes = 0;
                Ok(())
            }
            Event::DocumentEnd => {
                self.end_document();
                Ok(())
            }
            Event::Alias(anchor) => self.alias(anchor, mark),
            Event::Scalar(text, style, anchor, tag) => {
                self.count(1, mark)?;
                let content = self.scalar(&text, style, tag.as_deref(), mark)?;
                self.finish(Node { mark, content }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.open(Frame::List { mark, anchor, items: Vec::new() }, tag.as_deref(), "seq", mark)
            }
            Event::MappingStart(anchor, tag) => {
                let frame = Frame::Map { mark, anchor, entries: Vec::new(), seen: HashMap::new(), key: None };
                self.open(frame, tag.as_deref(), "map", mark)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
        }
    }

    fn end_document(&mut self) {
        let errors = std::mem::take(&mut self.errors);
        let root = self.root.take().filter(|root| root.content != Content::Null);
        if root.is_some() || !errors.is_empty() {
            self.documents.push(Document { root, errors });
        }
    }

    fn alias(&mut self, anchor: usize, mark: Mark) -> Result<(), SyntaxError> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(self.error(mark, "an alias of nothing", "the name of an anchor that stands before it"));
        };
        if self.frames.len() + node.depth() > MAX_DEPTH {
            return Err(self.too_deep(mark));
        }
        let size = node.size();
        let node = node.clone();
        self.count(size, mark)?;
        self.add(node)
    }

    fn close(&mut self) -> Result<(), SyntaxError> {
        match self.frames.pop() {
            Some(Frame::List { mark, anchor, items }) => {
                self.finish(Node { mark, content: Content::List(items) }, anchor)
            }
            Some(Frame::Map { mark, anchor, entries, .. }) => {
                let entries = self.merged(entries)?;
                self.finish(Node { mark, content: Content::Map(entries) }, anchor)
            }
            None => Ok(()),
        }
    }

    fn too_deep(&self, mark: Mark) -> SyntaxError {
        self.error(mark, "nested too deeply", &format!("at most {MAX_DEPTH} levels"))
    }

    fn open(&mut self, frame: Frame, tag: Option<&Tag>, plain: &str, mark: Mark) -> Result<(), SyntaxError> {
        self.count(1, mark)?;
        if let Some(tag) = tag.filter(|tag| !(tag.is_yaml_core_schema() && tag.suffix == plain)) {
            return Err(self.error(mark, &format!("the tag {tag}"), "no tag"));
        }
        if self.frames.len() >= MAX_DEPTH {
            return Err(self.too_deep(mark));
        }
        self.frames.push(frame);
        Ok(())
    }

    fn count(&mut self, more: usize, mark: Mark) -> Result<(), SyntaxError> {
        self.nodes = self.nodes.saturating_add(more);
        if self.nodes > MAX_NODES {
            return Err(self.error(mark, "too large", &format!("at most {MAX_NODES} values, aliases counted in full")));
        }
        Ok(())
    }

    fn scalar(&self, text: &str, style: ScalarStyle, tag: Option<&Tag>, mark: Mark) -> Result<Content, SyntaxError> {
        if let Some(tag) = tag {
            return match (tag.is_yaml_core_schema(), tag.suffix.as_str()) {
                (true, "str") => Ok(Content::String(text.to_owned())),
                (true, "int" | "float" | "bool" | "null") => Ok(scalar::resolve(text)),
                // `!` alone says that it is a text.
                (false, "") if tag.handle == "!" => Ok(Content::String(text.to_owned())),
                (_, _) => Err(self.error(mark, &format!("the tag {tag}"), "no tag")),
            };
        }
        Ok(match style {
            ScalarStyle::Plain => scalar::resolve(text),
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted | ScalarStyle::Literal | ScalarStyle::Folded => {
                Content::String(text.to_owned())
            }
        })
    }

    /// A node is complete: remembers it for aliases and puts it where it belongs.
    fn finish(&mut self, node: Node, anchor: usize) -> Result<(), SyntaxError> {
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        self.add(node)
    }

    fn add(&mut self, node: Node) -> Result<(), SyntaxError> {
        match self.frames.last_mut() {
            None => self.root = Some(node),
            Some(Frame::List { items, .. }) => items.push(node),
            Some(Frame::Map { entries, seen, key, .. }) => match key.take() {
                None => match key_text(&node) {
                    Some(text) => *key = Some((text, node.mark)),
                    None => {
                        return Err(self.error(node.mark, &format!("{} as a key", node.shown()), "a text as the key"));
                    }
                },
                Some((text, mark)) => match seen.insert(text.clone(), mark.line) {
                    None => entries.push(Entry { key: text, mark, value: node }),
                    Some(first) => {
                        let field = key_path(&self.field(), &text);
                        let found = format!("given again after line {first}");
                        self.errors.push(SyntaxError { mark, field, found, expected: "each key once".into() });
                    }
                },
            },
        }
        Ok(())
    }

    /// The path of what is being built.
    fn field(&self) -> String {
        self.frames.iter().fold(String::new(), |path, frame| match frame {
            Frame::List { items, .. } => format!("{path}[{}]", items.len()),
            Frame::Map { key: Some((key, _)), .. } => key_path(&path, key),
            Frame::Map { key: None, .. } => path,
        })
    }

    /// The entries with those that `<<` brings in; an entry's own key wins.
    fn merged(&self, mut entries: Vec<Entry>) -> Result<Vec<Entry>, SyntaxError> {
        let Some(place) = entries.iter().position(|entry| entry.key == "<<") else {
            return Ok(entries);
        };
        let merge = entries.remove(place);
        let mut own: HashSet<String> = entries.iter().map(|entry| entry.key.clone()).collect();
        let sources = match merge.value.content {
            Content::List(items) => items,
            content => vec![Node { mark: merge.value.mark, content }],
        };
        for source in sources {
            let Content::Map(more) = source.content else {
                return Err(self.error(source.mark, "no map to merge", "a map, or a list of maps, after <<"));
            };
            for entry in more {
                if own.insert(entry.key.clone()) {
                    entries.push(entry);
                }
            }
        }
        Ok(entries)
    }

    fn mark(&self, marker: saphyr_parser::Marker) -> Mark {
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        Mark {
            line: number(marker.line()).saturating_add(self.lines_before),
            column: number(marker.col()).saturating_add(1),
        }
    }

    fn error(&self, mark: Mark, found: &str, expected: &str) -> SyntaxError {
        SyntaxError { mark, field: self.field(), found: found.to_owned(), expected: expected.to_owned() }
    }

    fn scan_error(&self, error: &ScanError) -> SyntaxError {
        let found = format!("not readable ({})", error.info());
        self.error(self.mark(*error.marker()), &found, "YAML or JSON")
    }
}

/// A key as text: `8080: x` has the key `8080`, as `kubectl` reads it.
fn key_text(node: &Node) -> Option<String> {
    match &node.content {
        Content::Bool(_, text) | Content::Int(_, text) | Content::Float(_, text) | Content::String(text) => {
            Some(text.clone())
        }
        Content::Null | Content::List(_) | Content::Map(_) => None,
    }
}
