//! Metadata in memory, and the values that a path leads to.

use super::{
    Row,
    path::{Path, Step},
};
use crate::{Problem, input, reason};
use serde_json::Value;

/// More nodes than this are refused: an 8 MiB file could hold millions, each of them many times its size in memory.
const XML_NODES: u32 = 500_000;
/// A path with several `*` could lead to more values than anyone means.
const MOST_VALUES: usize = 10_000;

pub(super) enum Document<'a> {
    Json { text: &'a str, root: Value },
    Xml(roxmltree::Document<'a>),
    Row(&'a Row),
}

/// Where `each` stands.
#[derive(Debug, Clone)]
pub(super) enum Place {
    Json(Vec<String>),
    Xml(roxmltree::NodeId),
}

/// A value that a path led to.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) text: String,
    pub(super) origin: Origin,
}

/// Where a value lies; turned into line and column only where a problem needs them.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    Nowhere,
    Json(Vec<String>),
    Xml(usize),
    Line(u64),
}

impl<'a> Document<'a> {
    pub(super) fn json(text: &'a str) -> Result<Self, Problem> {
        let root = Value::Object(crate::sidecar::parse_object(text)?);
        Ok(Self::Json { text, root })
    }

    pub(super) fn xml(text: &'a str) -> Result<Self, Problem> {
        // No DTD, so no entities of one's own: neither bombs nor files read from elsewhere.
        let options = roxmltree::ParsingOptions { allow_dtd: false, nodes_limit: XML_NODES, ..Default::default() };
        roxmltree::Document::parse_with_options(text, options).map(Self::Xml).map_err(|e| {
            let at = e.pos();
            Problem::new(reason::METADATA_MALFORMED, format!("the metadata is not XML that Holdfast reads: {e}"))
                .at(Some((at.row.into(), at.col.into())))
        })
    }

    pub(super) fn line_column(&self, origin: &Origin) -> Option<(u64, u64)> {
        match (self, origin) {
            (Self::Json { text, .. }, Origin::Json(path)) => input::locate_json(text, path),
            (Self::Xml(document), Origin::Xml(offset)) => {
                let at = document.text_pos_at(*offset);
                Some((at.row.into(), at.col.into()))
            }
            (Self::Row(_), Origin::Line(line)) => Some((*line, 1)),
            _ => None,
        }
    }

    /// The places that a path of `each` leads to.
    pub(super) fn places(&self, path: &Path) -> Vec<Place> {
        match self {
            Self::Json { root, .. } => {
                json(root, Vec::new(), path).into_iter().map(|(at, _)| Place::Json(at)).collect()
            }
            Self::Xml(document) => xml(document.root(), path).into_iter().map(|n| Place::Xml(n.id())).collect(),
            Self::Row(_) => Vec::new(),
        }
    }

    /// The values that a path leads to; from `base` where it is relative.
    pub(super) fn find(&self, path: &Path, base: Option<&Place>) -> Vec<Found> {
        match (self, base.filter(|_| path.relative)) {
            (Self::Json { root, .. }, base) => {
                let start = match base {
                    Some(Place::Json(at)) => at.clone(),
                    _ => Vec::new(),
                };
                let here = start.iter().try_fold(root, |v, step| child(v, step));
                let found = here.map(|v| json(v, start, path)).unwrap_or_default();
                found.into_iter().flat_map(|(at, v)| scalars(at, v)).take(MOST_VALUES).collect()
            }
            (Self::Xml(document), base) => {
                let start = match base {
                    Some(Place::Xml(id)) => document.get_node(*id),
                    _ => Some(document.root()),
                };
                start.map(|n| xml_values(n, path)).unwrap_or_default()
            }
            (Self::Row(row), _) => row_values(row, path),
        }
    }
}

fn child<'v>(value: &'v Value, step: &str) -> Option<&'v Value> {
    match value {
        Value::Object(map) => map.get(step),
        Value::Array(list) => list.get(step.parse::<usize>().ok()?),
        _ => None,
    }
}

fn json<'v>(from: &'v Value, at: Vec<String>, path: &Path) -> Vec<(Vec<String>, &'v Value)> {
    let mut here = vec![(at, from)];
    for step in &path.steps {
        let mut next = Vec::new();
        for (at, value) in here {
            let mut push = |name: String, v: &'v Value| {
                if next.len() < MOST_VALUES {
                    let mut at = at.clone();
                    at.push(name);
                    next.push((at, v));
                }
            };
            match (step, value) {
                (Step::Any, Value::Array(list)) => list.iter().enumerate().for_each(|(i, v)| push(i.to_string(), v)),
                (Step::Any, Value::Object(map)) => map.iter().for_each(|(k, v)| push(k.clone(), v)),
                (Step::Name(name), value) => {
                    if let Some(v) = child(value, name) {
                        push(name.clone(), v);
                    }
                }
                _ => {}
            }
        }
        here = next;
    }
    here
}

/// Text of a value: numbers and booleans as written, every element of a list, nothing for null, JSON for an object.
fn scalars(at: Vec<String>, value: &Value) -> Vec<Found> {
    let found = |at: Vec<String>, text: String| Found { text, origin: Origin::Json(at) };
    match value {
        Value::Null => Vec::new(),
        Value::String(s) => vec![found(at, s.clone())],
        Value::Array(list) => {
            let inner = |(i, v): (usize, &Value)| {
                let mut at = at.clone();
                at.push(i.to_string());
                match v {
                    Value::Null => None,
                    Value::String(s) => Some(found(at, s.clone())),
                    other => Some(found(at, other.to_string())),
                }
            };
            list.iter().enumerate().filter_map(inner).collect()
        }
        other => vec![found(at, other.to_string())],
    }
}

type Node<'n> = roxmltree::Node<'n, 'n>;

fn xml<'n>(from: Node<'n>, path: &Path) -> Vec<Node<'n>> {
    let mut here = vec![from];
    for step in &path.steps {
        here = match step {
            Step::Name(name) => children(&here, |n| n.tag_name().name() == name),
            Step::Any => children(&here, |_| true),
            Step::Nth(n) => nth(&here, *n),
            Step::With(name, value) => {
                here.retain(|node| attribute(*node, name).is_some_and(|a| a.value() == value));
                here
            }
            Step::Attribute(_) | Step::Text => break,
        };
    }
    here
}

fn children<'n>(of: &[Node<'n>], keep: impl Fn(&Node<'n>) -> bool) -> Vec<Node<'n>> {
    let all = of.iter().flat_map(|n| n.children());
    all.filter(|n| n.is_element()).filter(|n| keep(n)).take(MOST_VALUES).collect()
}

/// The nth of each parent's children that were kept so far, as in XPath.
fn nth<'n>(nodes: &[Node<'n>], n: usize) -> Vec<Node<'n>> {
    let mut out = Vec::new();
    let (mut parent, mut count) = (None, 0);
    for node in nodes {
        let own = node.parent().map(|p| p.id());
        count = if own == parent { count + 1 } else { 1 };
        parent = own;
        if count == n {
            out.push(*node);
        }
    }
    out
}

fn attribute<'n>(node: Node<'n>, name: &str) -> Option<roxmltree::Attribute<'n, 'n>> {
    node.attributes().find(|a| a.name() == name)
}

fn xml_values(from: Node<'_>, path: &Path) -> Vec<Found> {
    let nodes = xml(from, path);
    let value = |node: Node<'_>| match path.steps.last() {
        Some(Step::Attribute(name)) => {
            attribute(node, name).map(|a| Found { text: a.value().to_owned(), origin: Origin::Xml(a.range().start) })
        }
        Some(Step::Text) => {
            let own = node.children().filter(|c| c.is_text()).filter_map(|c| c.text()).collect::<String>();
            Some(Found { text: own, origin: Origin::Xml(node.range().start) })
        }
        _ => {
            let all = node.descendants().filter(|c| c.is_text()).filter_map(|c| c.text()).collect::<String>();
            Some(Found { text: all, origin: Origin::Xml(node.range().start) })
        }
    };
    nodes.into_iter().filter_map(value).collect()
}

fn row_values(row: &Row, path: &Path) -> Vec<Found> {
    let Some(Step::Name(column)) = path.steps.first() else { return Vec::new() };
    let index = row.heading.iter().position(|h| h == column);
    let cell = index.and_then(|i| row.cells.get(i));
    cell.map(|text| Found { text: text.clone(), origin: Origin::Line(row.line) }).into_iter().collect()
}
