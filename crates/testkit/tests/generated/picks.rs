//! Finds persisted names among the texts of the sources, where [`crate::rules`] says that they are.

use crate::{
    by_hand::BY_HAND,
    literals::{Literals, Text, Value},
    source::package,
};
use std::collections::BTreeSet;

/// Which texts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pick {
    /// The n-th argument of calls of these functions: `step`, or `ApiError::new` with the last two parts of its path. Every such
    /// argument must be known, or be in [`BY_HAND`]; one inside of a function that is in this list is that function's own.
    Call(&'static [&'static str], usize),
    /// As [`Pick::Call`], and passes over arguments that are not known.
    SomeCall(&'static [&'static str], usize),
    /// As [`Pick::Call`] for methods; `details.insert` is that method of something with that name.
    Method(&'static [&'static str], usize),
    /// As [`Pick::Method`], and passes over arguments that are not known.
    SomeMethod(&'static [&'static str], usize),
    /// Everything inside of these functions, constants, types or modules: `path`, or `JobState::as_str`.
    Within(&'static [&'static str]),
    /// Names of members in `json!`.
    Members,
    /// Values of this name in attributes.
    Attribute(&'static str),
    Everywhere,
}

/// Where names of one section are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    pub(crate) section: &'static str,
    /// What the files' paths begin with.
    pub(crate) files: &'static [&'static str],
    pub(crate) pick: Pick,
    /// The names in a text; none where it holds none.
    pub(crate) names: fn(&str) -> Vec<String>,
}

/// What rules yield, and what is wrong with them.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) names: BTreeSet<(String, String)>,
    pub(crate) problems: Vec<String>,
}

pub(crate) fn find(rules: &[Rule], sources: &[Literals]) -> Found {
    let mut found = Found::default();
    for rule in rules {
        let files: Vec<&Literals> =
            sources.iter().filter(|s| rule.files.iter().any(|begin| s.path.starts_with(begin))).collect();
        for begin in rule.files {
            if !files.iter().any(|f| f.path.starts_with(begin)) {
                found.problems.push(format!("{}: there is no file {begin} (rules.rs)", rule.section));
            }
        }
        let mut search = Search { rule, all: sources, found: &mut found };
        match rule.pick {
            Pick::Call(names, at) => search.calls(&files, names, at, false, true),
            Pick::SomeCall(names, at) => search.calls(&files, names, at, false, false),
            Pick::Method(names, at) => search.calls(&files, names, at, true, true),
            Pick::SomeMethod(names, at) => search.calls(&files, names, at, true, false),
            Pick::Within(scopes) => scopes.iter().for_each(|scope| search.within(&files, scope)),
            Pick::Members => search.texts(files.iter().flat_map(|f| &f.members), "a member in json!"),
            Pick::Everywhere => search.texts(files.iter().flat_map(|f| &f.texts), "a text"),
            Pick::Attribute(name) => {
                let values: Vec<&str> =
                    files.iter().flat_map(|f| &f.attributes).filter(|(n, _)| n == name).map(|(_, v)| &**v).collect();
                search.take(values.into_iter(), name);
            }
        }
    }
    by_hand(sources, &mut found);
    found
}

/// Names that no rule can read from the sources. Each must occur in the function that it is listed for, and the function must be
/// there.
fn by_hand(sources: &[Literals], found: &mut Found) {
    for entry in BY_HAND {
        let file = sources.iter().find(|s| s.path == entry.file);
        let calls = file.iter().flat_map(|f| &f.calls);
        if !calls.map(|c| &c.within).any(|within| is_within(within, entry.function)) {
            found.problems.push(format!("by_hand.rs: {} has no function {}", entry.file, entry.function));
        }
        for name in entry.names {
            let is_there = file.is_some_and(|f| {
                f.texts.iter().any(|t| form(&t.value).iter().any(|v| v == name) && is_within(&t.within, entry.function))
            });
            if is_there {
                found.names.insert((entry.section.to_owned(), (*name).to_owned()));
            } else {
                let (file, function) = (entry.file, entry.function);
                found.problems.push(format!("by_hand.rs: {file} has no {name:?} inside of {function}"));
            }
        }
    }
}

struct Search<'a> {
    rule: &'a Rule,
    all: &'a [Literals],
    found: &'a mut Found,
}

impl Search<'_> {
    fn problem(&mut self, problem: &str) {
        self.found.problems.push(format!("{}: {problem}", self.rule.section));
    }

    /// Takes the names in `texts`, which must be there.
    fn take<'t>(&mut self, texts: impl Iterator<Item = &'t str>, what: &str) {
        let names: Vec<String> = texts.flat_map(self.rule.names).collect();
        if names.is_empty() {
            self.problem(&format!("{what} yields nothing in {:?} (rules.rs)", self.rule.files));
        }
        self.found.names.extend(names.into_iter().map(|name| (self.rule.section.to_owned(), name)));
    }

    fn texts<'t>(&mut self, texts: impl Iterator<Item = &'t Text>, what: &str) {
        self.take(texts.map(|t| &*t.value), what);
    }

    fn within(&mut self, files: &[&Literals], scope: &str) {
        let inside = files.iter().flat_map(|f| &f.texts).filter(|t| is_within(&t.within, scope));
        self.texts(inside, scope);
    }

    fn calls(&mut self, files: &[&Literals], names: &[&str], at: usize, methods: bool, all: bool) {
        for wanted in names {
            let mut texts = Vec::new();
            for file in files {
                let (on, name) = match wanted.split_once('.') {
                    Some((on, name)) => (Some(on), name),
                    None => (None, *wanted),
                };
                let is_it = |found: &str| found == name || found.ends_with(&format!("::{name}"));
                let calls = file.calls.iter().filter(|c| c.is_method == methods && is_it(&c.name));
                for call in calls.filter(|c| on.is_none() || c.on.as_deref() == on) {
                    let known = call.arguments.get(at).and_then(Option::as_ref);
                    match known.and_then(|values| self.resolve(file, values)) {
                        Some(found) => texts.extend(found),
                        None if !all || self.is_excused(file, &call.within, names) => {}
                        None => {
                            let rule = format!("{} in {}", call.within.join("::"), file.path);
                            self.problem(&format!("what {wanted}(..) is given can't be read: {rule} (by_hand.rs)"));
                        }
                    }
                }
            }
            self.take(texts.iter().map(String::as_str), wanted);
        }
    }

    /// Whether an argument that is not known is that of a function in the list, or listed by hand.
    fn is_excused(&self, file: &Literals, within: &[String], names: &[&str]) -> bool {
        let own = |name: &&str| within.last().is_some_and(|f| f == name.rsplit(['.', ':']).next().unwrap_or_default());
        let listed = BY_HAND
            .iter()
            .any(|e| e.section == self.rule.section && e.file == file.path && is_within(within, e.function));
        listed || names.iter().any(own)
    }

    /// The texts behind constants: that of the same file, else of the same crate, else the only one.
    fn resolve(&self, file: &Literals, values: &[Value]) -> Option<Vec<String>> {
        let mut out = Vec::new();
        for value in values {
            match value {
                Value::Text(text) => out.push(text.clone()),
                Value::Constant(name) => {
                    let same_crate = |s: &&Literals| package(&s.path) == package(&file.path);
                    let own = file.constants.get(name).into_iter();
                    let near = self.all.iter().filter(same_crate).filter_map(|s| s.constants.get(name));
                    let far = self.all.iter().filter_map(|s| s.constants.get(name));
                    let candidates: [BTreeSet<&Vec<Value>>; 3] = [own.collect(), near.collect(), far.collect()];
                    let chosen = candidates.iter().find(|c| !c.is_empty()).filter(|c| c.len() == 1)?;
                    let texts: Option<Vec<String>> = chosen.first()?.iter().map(plain).collect();
                    out.extend(texts?);
                }
            }
        }
        Some(out)
    }
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Constant(_) => None,
    }
}

/// Whether `scope`, e.g. `JobState::as_str`, is among what is around a text.
fn is_within(within: &[String], scope: &str) -> bool {
    let wanted: Vec<&str> = scope.split("::").collect();
    within.windows(wanted.len()).any(|w| w.iter().eq(wanted.iter()))
}

/// A word: letters, digits, `_`, `-`, `.`.
pub(crate) fn word(text: &str) -> Vec<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let is_word = text.chars().all(allowed) && text.starts_with(|c: char| c == '.' || c.is_ascii_alphanumeric());
    if is_word { vec![text.to_owned()] } else { Vec::new() }
}

/// Any text; of what is filled in only the form, so that a variable can get another name.
pub(crate) fn form(text: &str) -> Vec<String> {
    let (mut out, mut chars) = (String::new(), text.chars().peekable());
    while let Some(c) = chars.next() {
        out.push(c);
        if c == '{' && chars.next_if_eq(&'{').is_none() {
            let inside: String = chars.by_ref().take_while(|c| *c != '}').collect();
            out.extend(inside.find(':').map(|colon| inside[colon..].to_owned()));
            out.push('}');
        } else if c == '}' {
            chars.next_if_eq(&'}');
        }
    }
    if out.trim().is_empty() || out.contains(['\n', '\t']) { Vec::new() } else { vec![out] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;

    fn sources(text: &str) -> Vec<Literals> {
        vec![Literals::of(&Source::parse("crates/x/src/x.rs", text.to_owned()))]
    }

    fn rule(pick: Pick, names: fn(&str) -> Vec<String>) -> Rule {
        Rule { section: "s", files: &["crates/x/"], pick, names }
    }

    /// Names and problems of one rule, without those of the list by hand.
    fn at(pick: Pick, text: &str) -> (Vec<String>, Vec<String>) {
        let found = find(&[rule(pick, word)], &sources(text));
        let names = found.names.into_iter().filter(|(s, _)| s == "s").map(|(_, n)| n).collect();
        (names, found.problems.into_iter().filter(|p| p.starts_with("s: ")).collect())
    }

    #[test]
    fn a_call_that_cannot_be_read_is_a_problem() {
        let text = r#"
            const STEP: &str = "b";
            fn step(name: &str) { hook(name) }
            fn passed(name: &str) { step(name); }
            fn f() { passed("a"); step(STEP); }
        "#;
        assert_eq!(at(Pick::Call(&["step", "passed"], 0), text), (vec!["a".into(), "b".into()], vec![]));
        let (names, problems) = at(Pick::Call(&["step"], 0), text);
        assert_eq!(names, ["b"]);
        assert!(problems.len() == 1 && problems[0].contains("passed in crates/x/src/x.rs"), "{problems:?}");
    }

    #[test]
    fn a_rule_that_yields_nothing_is_a_problem() {
        let text = r#"impl State { fn as_str(self) -> &'static str { "open" } } fn as_str() -> &str { "other" }"#;
        assert_eq!(at(Pick::Within(&["State::as_str"]), text), (vec!["open".into()], vec![]));
        let (names, problems) = at(Pick::Within(&["State::as_str", "Gone::as_str"]), text);
        assert_eq!(names, ["open"]);
        assert!(problems.len() == 1 && problems[0].contains("Gone::as_str"), "{problems:?}");
        assert_eq!(at(Pick::Method(&["detail"], 0), text).1.len(), 1);
    }

    #[test]
    fn a_form_keeps_what_is_fixed() {
        assert_eq!(form("G#{}#R#{first}"), ["G#{}#R#{}"]);
        assert_eq!(form("e#{sequence:020}"), ["e#{:020}"]);
        assert_eq!(form("{{{x}}}"), ["{{}}"]);
        assert_eq!(form(" "), Vec::<String>::new());
        assert_eq!((word("a-b"), word("a b"), word("--")), (vec!["a-b".to_owned()], vec![], vec![]));
    }
}
