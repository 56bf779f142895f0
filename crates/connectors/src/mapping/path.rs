//! Paths into metadata: JSON pointers (RFC 6901, and `*` for every element or member), a small subset of XPath, column names.

/// A path that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    /// Begins with `.`: counted from the element that `each` stands at.
    pub(super) relative: bool,
    pub(super) steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// A member, an element's name, or a column.
    Name(String),
    /// Every member or element.
    Any,
    /// Keeps the nth, from 1 (XML; a JSON pointer names elements from 0 by [`Step::Name`]).
    Nth(usize),
    /// Keeps the elements whose attribute has that value.
    With(String, String),
    /// The value of an attribute.
    Attribute(String),
    /// The element's own text, without its children's.
    Text,
}

/// A JSON pointer; `./a` is relative.
pub(super) fn json(text: &str) -> Result<Path, String> {
    let (relative, rest) = split_relative(text);
    if rest.is_empty() {
        return Ok(Path { relative, steps: Vec::new() });
    }
    let Some(rest) = rest.strip_prefix('/') else {
        return Err(format!("{text:?} is no JSON pointer: it must begin with / (or ./ inside a list)"));
    };
    let mut steps = Vec::new();
    for part in rest.split('/') {
        if part.is_empty() {
            return Err(format!("{text:?} is no JSON pointer Holdfast reads: a name is empty"));
        }
        steps.push(if part == "*" { Step::Any } else { Step::Name(part.replace("~1", "/").replace("~0", "~")) });
    }
    Ok(Path { relative, steps })
}

/// The subset `/a/*/b[2][@x='y']/@z`, `/a/text()`; `./a` is relative. Namespaces are left out of account.
pub(super) fn xml(text: &str) -> Result<Path, String> {
    let (relative, rest) = split_relative(text);
    let mut steps = Vec::new();
    let mut rest = rest;
    while !rest.is_empty() {
        rest = rest
            .strip_prefix('/')
            .ok_or_else(|| format!("{text:?} is no path: every step must begin with / (near {rest:?})"))?;
        if steps.iter().any(|s| matches!(s, Step::Attribute(_) | Step::Text)) {
            return Err(format!("{text:?} is no path: nothing can follow an attribute or text()"));
        }
        if let Some(after) = rest.strip_prefix("text()") {
            steps.push(Step::Text);
            rest = after;
        } else if let Some(after) = rest.strip_prefix('@') {
            let (name, after) = name_of(after, text)?;
            steps.push(Step::Attribute(name));
            rest = after;
        } else if let Some(after) = rest.strip_prefix('*') {
            steps.push(Step::Any);
            rest = conditions(after, text, &mut steps)?;
        } else {
            let (name, after) = name_of(rest, text)?;
            steps.push(Step::Name(name));
            rest = conditions(after, text, &mut steps)?;
        }
    }
    if steps.is_empty() && !relative {
        return Err("an empty path leads nowhere".into());
    }
    Ok(Path { relative, steps })
}

fn split_relative(text: &str) -> (bool, &str) {
    match text.strip_prefix('.') {
        Some(rest) => (true, rest),
        None => (false, text),
    }
}

fn name_of<'a>(rest: &'a str, whole: &str) -> Result<(String, &'a str), String> {
    let end = rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':'))).unwrap_or(rest.len());
    if end == 0 {
        return Err(format!("{whole:?} is no path: a name is missing near {rest:?}"));
    }
    let name = rest[..end].rsplit(':').next().unwrap_or_default();
    Ok((name.to_owned(), &rest[end..]))
}

fn conditions<'a>(mut rest: &'a str, whole: &str, steps: &mut Vec<Step>) -> Result<&'a str, String> {
    while let Some(after) = rest.strip_prefix('[') {
        let bad = || format!("{whole:?} is no path: a condition is [3] or [@name='value']");
        if let Some(after) = after.strip_prefix('@') {
            let (name, after) = name_of(after, whole)?;
            let after = after.strip_prefix('=').ok_or_else(bad)?;
            let quote = after.chars().next().filter(|c| matches!(c, '\'' | '"')).ok_or_else(bad)?;
            let (value, after) = after[1..].split_once(quote).ok_or_else(bad)?;
            steps.push(Step::With(name, value.to_owned()));
            rest = after.strip_prefix(']').ok_or_else(bad)?;
        } else {
            let (number, after) = after.split_once(']').ok_or_else(bad)?;
            let n = number.trim().parse::<usize>().ok().filter(|n| *n > 0).ok_or_else(bad)?;
            steps.push(Step::Nth(n));
            rest = after;
        }
    }
    Ok(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pointers_and_paths_are_read() {
        let name = |n: &str| Step::Name(n.into());
        assert_eq!(json("/a~1b/*/0").unwrap().steps, [name("a/b"), Step::Any, name("0")]);
        assert_eq!(json("./x").unwrap(), Path { relative: true, steps: vec![name("x")] });
        assert_eq!(
            xml("/ns:call/*[2]/party[@role=\"agent\"]/@id").unwrap().steps,
            [
                name("call"),
                Step::Any,
                Step::Nth(2),
                name("party"),
                Step::With("role".into(), "agent".into()),
                Step::Attribute("id".into())
            ]
        );
        for bad in ["a", "/a/", "/a[", "/a[0]", "/a[@x]", "/a[@x=y]", "/@a/b", "/a//b", ""] {
            assert!(xml(bad).is_err(), "{bad}");
        }
        for bad in ["a", "/a//b", "/"] {
            assert!(json(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "[./@a-c*\\[\\]'=0-9()é]{0,30}") {
            let _ = (json(&text), xml(&text));
        }
    }
}
