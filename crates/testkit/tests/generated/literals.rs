//! The texts in a source file, each with where it is: argument of which call, inside of which function or constant.

use crate::source::{Source, attributes_of, for_tests};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::BTreeMap;
use syn::{
    Block, Expr, Lit, Token,
    parse::Parser as _,
    punctuated::Punctuated,
    visit::{self, Visit},
};

/// What a text is known by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Value {
    Text(String),
    /// A constant's name.
    Constant(String),
}

/// A call of a function or method.
#[derive(Debug)]
pub(crate) struct Call {
    /// `insert`; of a function with a path its last two parts, e.g. `ApiError::new`.
    pub(crate) name: String,
    pub(crate) is_method: bool,
    /// The last name of what a method is called on: `details` for `draft.details.insert(..)`.
    pub(crate) on: Option<String>,
    /// What each argument can be; none where that is more than a text.
    pub(crate) arguments: Vec<Option<Vec<Value>>>,
    /// Modules, types, functions and constants around it, from the outside.
    pub(crate) within: Vec<String>,
}

/// A text, or a member's name in `json!`.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) value: String,
    pub(crate) within: Vec<String>,
}

/// All texts of one file but those of tests and documentation.
#[derive(Debug, Default)]
pub(crate) struct Literals {
    pub(crate) path: String,
    pub(crate) calls: Vec<Call>,
    pub(crate) texts: Vec<Text>,
    /// Names of members in `json!`.
    pub(crate) members: Vec<Text>,
    /// `name = "value"` in attributes.
    pub(crate) attributes: Vec<(String, String)>,
    /// What constants can be, by name, where that is a text.
    pub(crate) constants: BTreeMap<String, Vec<Value>>,
    within: Vec<String>,
}

impl Literals {
    pub(crate) fn of(source: &Source) -> Self {
        let mut all = Self { path: source.path.clone(), ..Self::default() };
        all.visit_file(&source.file);
        all
    }

    fn inside(&mut self, name: String, visit: impl FnOnce(&mut Self)) {
        self.within.push(name);
        visit(self);
        self.within.pop();
    }

    fn text(&mut self, value: String) {
        self.texts.push(Text { value, within: self.within.clone() });
    }

    fn constant(&mut self, name: &syn::Ident, value: &Expr) {
        if let Some(values) = values(value) {
            self.constants.insert(name.to_string(), values);
        }
        self.inside(name.to_string(), |s| s.visit_expr(value));
    }

    /// Reads tokens that are no expressions: texts, calls, and what is in brackets.
    fn tokens(&mut self, tokens: TokenStream) {
        // The name before, and whether it came after a dot.
        let (mut name, mut dot) = (None, false);
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            let named = name.take();
            let was_dot = std::mem::take(&mut dot);
            match token {
                TokenTree::Ident(ident) => name = Some((ident.to_string(), was_dot)),
                TokenTree::Literal(literal) => {
                    if let Some(text) = text_of(&literal) {
                        self.text(text);
                    }
                }
                TokenTree::Punct(mark) => {
                    dot = mark.as_char() == '.';
                    // An attribute.
                    if mark.as_char() == '#' {
                        tokens.next_if(|t| matches!(t, TokenTree::Group(g) if g.delimiter() == Delimiter::Bracket));
                    }
                }
                TokenTree::Group(group) => self.group(named, &group),
            }
        }
    }

    fn group(&mut self, name: Option<(String, bool)>, group: &proc_macro2::Group) {
        match (group.delimiter(), name) {
            (Delimiter::Parenthesis, Some((name, is_method))) => match arguments(group.stream()) {
                Some(arguments) => {
                    let known = arguments.iter().map(values).collect();
                    let within = self.within.clone();
                    self.calls.push(Call { name, is_method, on: None, arguments: known, within });
                    arguments.iter().for_each(|a| self.visit_expr(a));
                }
                None => self.tokens(group.stream()),
            },
            (Delimiter::Brace, _) => match Block::parse_within.parse2(group.stream()) {
                Ok(statements) => statements.iter().for_each(|s| self.visit_stmt(s)),
                Err(_) => self.tokens(group.stream()),
            },
            _ => self.tokens(group.stream()),
        }
    }
}

impl<'ast> Visit<'ast> for Literals {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !for_tests(attributes_of(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.inside(item.ident.to_string(), |s| visit::visit_item_mod(s, item));
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let name = match &*item.self_ty {
            syn::Type::Path(path) => last(&path.path),
            _ => String::new(),
        };
        self.inside(name, |s| visit::visit_item_impl(s, item));
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.inside(item.sig.ident.to_string(), |s| visit::visit_item_fn(s, item));
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !for_tests(&item.attrs) {
            self.inside(item.sig.ident.to_string(), |s| visit::visit_impl_item_fn(s, item));
        }
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.inside(item.sig.ident.to_string(), |s| visit::visit_trait_item_fn(s, item));
    }

    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        self.constant(&item.ident, &item.expr);
    }

    fn visit_impl_item_const(&mut self, item: &'ast syn::ImplItemConst) {
        self.constant(&item.ident, &item.expr);
    }

    fn visit_item_static(&mut self, item: &'ast syn::ItemStatic) {
        self.constant(&item.ident, &item.expr);
    }

    /// What a macro of this workspace is made of is read where it is used.
    fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
        if item.ident.is_none() {
            visit::visit_item_macro(self, item);
        }
    }

    fn visit_macro(&mut self, tokens: &'ast syn::Macro) {
        if last(&tokens.path) == "json" {
            let within = self.within.clone();
            let members = members(tokens.tokens.clone());
            self.members.extend(members.into_iter().map(|value| Text { value, within: within.clone() }));
        }
        match arguments(tokens.tokens.clone()) {
            Some(arguments) => arguments.iter().for_each(|a| self.visit_expr(a)),
            None => self.tokens(tokens.tokens.clone()),
        }
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        if let Expr::Path(function) = &*call.func {
            let parts: Vec<String> = function.path.segments.iter().map(|s| s.ident.to_string()).collect();
            let name = parts[parts.len().saturating_sub(2)..].join("::");
            let arguments = call.args.iter().map(values).collect();
            self.calls.push(Call { name, is_method: false, on: None, arguments, within: self.within.clone() });
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        let arguments = call.args.iter().map(values).collect();
        let (name, on, within) = (call.method.to_string(), last_name(&call.receiver), self.within.clone());
        self.calls.push(Call { name, is_method: true, on, arguments, within });
        visit::visit_expr_method_call(self, call);
    }

    fn visit_lit(&mut self, literal: &'ast Lit) {
        match literal {
            Lit::Str(text) => self.text(text.value()),
            Lit::ByteStr(bytes) => self.text(String::from_utf8_lossy(&bytes.value()).into_owned()),
            _ => {}
        }
    }

    /// Documentation is none of the texts.
    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            let tokens: Vec<TokenTree> = list.tokens.clone().into_iter().collect();
            for three in tokens.windows(3) {
                if let [TokenTree::Ident(name), TokenTree::Punct(mark), TokenTree::Literal(value)] = three
                    && mark.as_char() == '='
                    && let Some(value) = text_of(value)
                {
                    self.attributes.push((name.to_string(), value));
                }
            }
        }
    }
}

fn last(path: &syn::Path) -> String {
    path.segments.last().map(|s| s.ident.to_string()).unwrap_or_default()
}

fn last_name(receiver: &Expr) -> Option<String> {
    match receiver {
        Expr::Path(path) => Some(last(&path.path)),
        Expr::Field(field) => match &field.member {
            syn::Member::Named(name) => Some(name.to_string()),
            syn::Member::Unnamed(_) => None,
        },
        Expr::Reference(inner) => last_name(&inner.expr),
        Expr::Paren(inner) => last_name(&inner.expr),
        _ => None,
    }
}

fn text_of(literal: &proc_macro2::Literal) -> Option<String> {
    match syn::parse_str(&literal.to_string()) {
        Ok(Lit::Str(text)) => Some(text.value()),
        _ => None,
    }
}

/// Tokens as the arguments of a call; none where they are no expressions.
fn arguments(tokens: TokenStream) -> Option<Vec<Expr>> {
    let list = Punctuated::<Expr, Token![,]>::parse_terminated.parse2(tokens).ok()?;
    Some(list.into_iter().collect())
}

/// Texts before a colon, at any depth.
fn members(tokens: TokenStream) -> Vec<String> {
    let (mut all, mut before) = (Vec::new(), None);
    for token in tokens {
        match &token {
            TokenTree::Punct(mark) if mark.as_char() == ':' => all.extend(before.take()),
            TokenTree::Group(group) => all.extend(members(group.stream())),
            _ => {}
        }
        before = match &token {
            TokenTree::Literal(literal) => text_of(literal),
            _ => None,
        };
    }
    all
}

/// Everything that an expression can be, where that is texts alone.
fn values(expression: &Expr) -> Option<Vec<Value>> {
    match expression {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => Some(vec![Value::Text(text.value())]),
            _ => None,
        },
        Expr::Reference(inner) => values(&inner.expr),
        Expr::Paren(inner) => values(&inner.expr),
        Expr::Group(inner) => values(&inner.expr),
        Expr::MethodCall(call) if call.args.is_empty() => {
            let same = ["into", "to_owned", "to_string", "as_str", "clone", "as_bytes"];
            same.iter().any(|name| call.method == name).then(|| values(&call.receiver))?
        }
        Expr::Macro(tokens) if last(&tokens.mac.path) == "format" => {
            values(arguments(tokens.mac.tokens.clone())?.first()?)
        }
        // Constants are in capitals.
        Expr::Path(path) => {
            let name = last(&path.path);
            let capital = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
            name.chars().all(capital).then(|| vec![Value::Constant(name)])
        }
        Expr::If(choice) => {
            let (_, other) = choice.else_branch.as_ref()?;
            Some([of_block(&choice.then_branch)?, values(other)?].concat())
        }
        Expr::Block(block) => of_block(&block.block),
        Expr::Match(choice) => {
            let arms: Option<Vec<_>> = choice.arms.iter().map(|arm| values(&arm.body)).collect();
            arms.map(|all| all.concat())
        }
        _ => None,
    }
}

fn of_block(block: &Block) -> Option<Vec<Value>> {
    match block.stmts.as_slice() {
        [syn::Stmt::Expr(expression, None)] => values(expression),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Literals {
        Literals::of(&Source::parse("crates/x/src/x.rs", text.to_owned()))
    }

    fn texts(values: &[Value]) -> Vec<&str> {
        let texts = values.iter().map(|v| match v {
            Value::Text(text) | Value::Constant(text) => text.as_str(),
        });
        texts.collect()
    }

    #[test]
    fn arguments_are_followed_to_their_texts() {
        let found = of(r#"
            fn f(d: Draft) {
                d.detail(if a { "yes" } else { "no" }, 1).detail(NAME.to_owned(), 2).detail(name, 3);
                tokio::select! { _ = x => { step("in.a.macro"); } }
                odd! { a => b.step("of something"), c }
                draft.details.insert(format!("k{n:02}"), 4);
            }
        "#);
        let arguments = |name: &str| {
            let calls = found.calls.iter().filter(|c| c.name == name);
            let mut all: Vec<_> = calls.map(|c| c.arguments[0].as_deref().map(texts)).collect();
            all.sort();
            all
        };
        assert_eq!(arguments("detail"), [None, Some(vec!["NAME"]), Some(vec!["yes", "no"])]);
        assert_eq!(arguments("step"), [Some(vec!["in.a.macro"]), Some(vec!["of something"])]);
        assert!(found.calls.iter().filter(|c| c.name == "step").any(|c| c.is_method));
        assert_eq!(arguments("insert"), [Some(vec!["k{n:02}"])]);
        assert_eq!(found.calls.iter().find(|c| c.name == "insert").unwrap().on.as_deref(), Some("details"));
    }

    #[test]
    fn what_is_for_tests_and_what_is_said_of_it_does_not_count() {
        let found = of(r#"
            //! "a"
            /// "b"
            const NAME: &str = "name";
            struct Arguments { #[arg(long, env = "HOME_OF_IT")] home: String }
            fn f() -> Value { json!({ "one": { "two": [{ "three": "four" }] } }) }
            #[cfg(test)]
            mod tests { const OTHER: &str = "other"; }
        "#);
        let all: Vec<&str> = found.texts.iter().map(|t| t.value.as_str()).collect();
        assert_eq!(all, ["name", "one", "two", "three", "four"]);
        assert_eq!(found.texts[0].within, ["NAME"]);
        assert_eq!(found.members.iter().map(|t| t.value.as_str()).collect::<Vec<_>>(), ["one", "two", "three"]);
        assert_eq!(found.attributes, [("env".to_owned(), "HOME_OF_IT".to_owned())]);
        assert_eq!(texts(&found.constants["NAME"]), ["name"]);
    }
}
