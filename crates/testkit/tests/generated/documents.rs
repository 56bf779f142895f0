//! Names of members in documents that serde writes and reads, by their path in the document and never by the names of Rust's
//! types: `items[].archive_id`, and `state=verified` for a value out of a fixed list.

use crate::{
    serde_attributes::{Options, is_derived, renamed},
    source::{Source, attributes_of, for_tests, package},
};
use std::collections::{BTreeMap, BTreeSet};
use syn::{
    Field, Fields, GenericArgument, Item, PathArguments, Type, UseTree,
    visit::{self, Visit},
};

/// A type that may be part of a document.
struct Definition {
    path: String,
    name: String,
    options: Options,
    shape: Shape,
    /// Of a function that reads a part of a document with it, and never writes it.
    is_reader: bool,
}

#[derive(Clone)]
enum Shape {
    Struct(Fields),
    Enum(Vec<syn::Variant>),
    Alias(Type),
}

/// All types of the sources that serde knows.
#[derive(Default)]
pub(crate) struct Types {
    all: Vec<Definition>,
    /// Where a name in a file comes from: the crate that `use` takes it from.
    imports: BTreeMap<(String, String), String>,
    reached: BTreeSet<usize>,
}

/// Collects the types of one file.
struct Collector<'a> {
    path: &'a str,
    types: &'a mut Types,
    /// Blocks of functions around what is visited.
    blocks: usize,
}

impl Types {
    pub(crate) fn of(sources: &[Source]) -> Self {
        let mut types = Self::default();
        for source in sources {
            Collector { path: &source.path, types: &mut types, blocks: 0 }.visit_file(&source.file);
        }
        types
    }

    /// Names of the members of a document whose root is the type `name` of the crate `package`.
    pub(crate) fn document(&mut self, package_of_root: &str, name: &str) -> Result<BTreeSet<String>, String> {
        let of_root = |d: &&Definition| d.name == name && package(&d.path) == package_of_root;
        let path = match self.all.iter().filter(of_root).map(|d| d.path.clone()).collect::<Vec<_>>().as_slice() {
            [path] => path.clone(),
            [] => return Err(format!("{package_of_root} has no type {name} that serde knows (roots.rs)")),
            several => return Err(format!("{package_of_root} has several types {name} (roots.rs): {several:?}")),
        };
        let root = syn::parse_str(name).map_err(|e| e.to_string())?;
        self.members(&path, &root)
    }

    /// The same for any type as it is written in the file at `path`.
    pub(crate) fn members(&mut self, path: &str, root: &Type) -> Result<BTreeSet<String>, String> {
        let mut walk = Walk { types: self, names: BTreeSet::new(), open: Vec::new() };
        walk.of_type(root, path, "")?;
        Ok(walk.names)
    }

    /// Types that are part of no document that was asked for: crate, name.
    pub(crate) fn unreached(&self) -> BTreeSet<(String, String)> {
        let left = self.all.iter().enumerate().filter(|(i, d)| {
            let is_alias = matches!(d.shape, Shape::Alias(_));
            !is_alias && !d.is_reader && !self.reached.contains(i)
        });
        left.map(|(_, d)| (package(&d.path).to_owned(), d.name.clone())).collect()
    }

    /// The type that a file means by a name: its own, else that of the crate that the file takes it from, else the only one.
    fn find(&self, name: &str, file: &str, qualified: Option<&str>) -> Result<Option<usize>, String> {
        let named: Vec<usize> = (0..self.all.len()).filter(|i| self.all[*i].name == name).collect();
        // An alias is not seen from other files unless they import it.
        let imported = self.imports.get(&(file.to_owned(), name.to_owned())).map(String::as_str);
        let from = qualified.or(imported).unwrap_or_else(|| package(file));
        let own = |i: &&usize| self.all[**i].path == file;
        let near = |i: &&usize| package(&self.all[**i].path) == from;
        for candidates in [
            named.iter().filter(own).collect::<Vec<_>>(),
            named.iter().filter(near).collect(),
            named.iter().filter(|i| !matches!(self.all[**i].shape, Shape::Alias(_))).collect(),
        ] {
            match candidates.as_slice() {
                [] => {}
                [one] => return Ok(Some(**one)),
                _ => return Err(format!("{file} may mean several types by {name}")),
            }
        }
        Ok(None)
    }
}

impl Collector<'_> {
    fn define(&mut self, name: &syn::Ident, options: Options, shape: Shape, is_written: bool) {
        let (path, is_reader) = (self.path.to_owned(), !is_written && self.blocks > 0);
        self.types.all.push(Definition { path, name: name.to_string(), options, shape, is_reader });
    }

    fn item(&mut self, item: &Item, derived: bool, rename_all: Option<&str>) {
        let options = |attributes: &[syn::Attribute]| {
            let options = Options::of(attributes);
            Options { rename_all: options.rename_all.or(rename_all.map(str::to_owned)), ..options }
        };
        let is_written = derived || is_derived(attributes_of(item), "Serialize");
        let is_known = is_written || is_derived(attributes_of(item), "Deserialize");
        match item {
            Item::Struct(i) if is_known => {
                self.define(&i.ident, options(&i.attrs), Shape::Struct(i.fields.clone()), is_written);
            }
            Item::Enum(i) if is_known => {
                let variants = i.variants.iter().cloned().collect();
                self.define(&i.ident, options(&i.attrs), Shape::Enum(variants), is_written);
            }
            Item::Type(i) if i.generics.params.is_empty() => {
                self.define(&i.ident, Options::default(), Shape::Alias((*i.ty).clone()), false);
            }
            _ => {}
        }
    }

    fn import(&mut self, tree: &UseTree, from: &str) {
        match tree {
            UseTree::Path(path) if from.is_empty() => {
                let first = path.ident.to_string();
                let from = first.strip_prefix("holdfast_").map_or(package(self.path).to_owned(), str::to_owned);
                self.import(&path.tree, &from);
            }
            UseTree::Path(path) => self.import(&path.tree, from),
            UseTree::Name(name) => {
                self.types.imports.insert((self.path.to_owned(), name.ident.to_string()), from.to_owned());
            }
            UseTree::Group(group) => group.items.iter().for_each(|t| self.import(t, from)),
            UseTree::Rename(_) | UseTree::Glob(_) => {}
        }
    }
}

impl<'ast> Visit<'ast> for Collector<'_> {
    fn visit_block(&mut self, block: &'ast syn::Block) {
        self.blocks += 1;
        visit::visit_block(self, block);
        self.blocks -= 1;
    }

    fn visit_item(&mut self, item: &'ast Item) {
        if for_tests(attributes_of(item)) {
            return;
        }
        self.item(item, false, None);
        match item {
            Item::Use(i) => self.import(&i.tree, ""),
            // The DTOs: every one of them is derived, in snake case (`crates/api/src/dto/mod.rs`).
            Item::Macro(i) if i.mac.path.is_ident("dto") => {
                let items =
                    i.mac.parse_body::<syn::File>().unwrap_or_else(|e| panic!("{}: dto!: {e}", self.path)).items;
                items.iter().for_each(|item| self.item(item, true, Some("snake_case")));
            }
            _ => visit::visit_item(self, item),
        }
    }
}

struct Walk<'a> {
    types: &'a mut Types,
    names: BTreeSet<String>,
    /// Types that are being gone through, so that one that contains itself ends.
    open: Vec<usize>,
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

impl Walk<'_> {
    fn of_type(&mut self, ty: &Type, file: &str, at: &str) -> Result<(), String> {
        match ty {
            Type::Reference(t) => self.of_type(&t.elem, file, at),
            Type::Paren(t) => self.of_type(&t.elem, file, at),
            Type::Group(t) => self.of_type(&t.elem, file, at),
            Type::Array(t) => self.of_type(&t.elem, file, &format!("{at}[]")),
            Type::Slice(t) => self.of_type(&t.elem, file, &format!("{at}[]")),
            Type::Tuple(t) => t.elems.iter().try_for_each(|t| self.of_type(t, file, &format!("{at}[]"))),
            Type::Path(path) => self.of_path(&path.path, file, at),
            _ => Err(format!("a type in {file} is of a kind that documents.rs does not know")),
        }
    }

    fn of_path(&mut self, path: &syn::Path, file: &str, at: &str) -> Result<(), String> {
        let Some(last) = path.segments.last() else { return Ok(()) };
        let name = last.ident.to_string();
        let first = path.segments.first().map(|s| s.ident.to_string()).unwrap_or_default();
        if let Some(found) = self.types.find(&name, file, first.strip_prefix("holdfast_"))? {
            return self.definition(found, at);
        }
        let PathArguments::AngleBracketed(generics) = &last.arguments else { return Ok(()) };
        let types: Vec<&Type> = generics
            .args
            .iter()
            .filter_map(|a| match a {
                GenericArgument::Type(t) => Some(t),
                _ => None,
            })
            .collect();
        match (name.as_str(), types.as_slice()) {
            ("Vec" | "VecDeque" | "BTreeSet" | "HashSet", [one]) => self.of_type(one, file, &format!("{at}[]")),
            ("BTreeMap" | "HashMap", [key, value]) => {
                let entry = below(at, "{}");
                if at.is_empty() {
                    self.names.insert(entry.clone());
                }
                // Keys out of a fixed list.
                self.of_type(key, file, &entry)?;
                self.of_type(value, file, &entry)
            }
            _ => types.into_iter().try_for_each(|t| self.of_type(t, file, at)),
        }
    }

    fn definition(&mut self, found: usize, at: &str) -> Result<(), String> {
        self.types.reached.insert(found);
        if self.open.contains(&found) {
            return Ok(());
        }
        let definition = &self.types.all[found];
        let (file, options, shape) = (definition.path.clone(), definition.options.clone(), definition.shape.clone());
        if options.converted {
            return Ok(());
        }
        self.open.push(found);
        let done = match &shape {
            Shape::Alias(ty) => self.of_type(ty, &file, at),
            Shape::Struct(fields) => {
                self.names.extend(options.tag.as_deref().map(|tag| below(at, tag)));
                self.fields(fields, &file, at, options.rename_all.as_deref())
            }
            Shape::Enum(variants) => variants.iter().try_for_each(|v| self.variant(v, &options, &file, at)),
        };
        self.open.pop();
        done
    }

    fn fields(&mut self, fields: &Fields, file: &str, at: &str, rule: Option<&str>) -> Result<(), String> {
        let unnamed = fields.iter().filter(|f| f.ident.is_none()).count();
        for field in fields {
            match &field.ident {
                Some(name) => self.field(field, name.to_string().trim_start_matches("r#"), file, at, rule)?,
                None if unnamed == 1 => self.of_type(&field.ty, file, at)?,
                None => self.of_type(&field.ty, file, &format!("{at}[]"))?,
            }
        }
        Ok(())
    }

    fn field(&mut self, field: &Field, name: &str, file: &str, at: &str, rule: Option<&str>) -> Result<(), String> {
        let options = Options::of(&field.attrs);
        if options.skip || for_tests(&field.attrs) {
            return Ok(());
        }
        if options.flatten {
            return self.of_type(&field.ty, file, at);
        }
        let own = options.rename.unwrap_or_else(|| renamed(name, false, rule));
        for name in options.aliases.into_iter().chain([own]) {
            let path = below(at, &name);
            self.names.insert(path.clone());
            if !options.converted {
                self.of_type(&field.ty, file, &path)?;
            }
        }
        Ok(())
    }

    fn variant(&mut self, variant: &syn::Variant, of_enum: &Options, file: &str, at: &str) -> Result<(), String> {
        let options = Options::of(&variant.attrs);
        if options.skip {
            return Ok(());
        }
        let rule = options.rename_all.as_deref().or(of_enum.rename_all_fields.as_deref());
        if of_enum.untagged {
            return self.fields(&variant.fields, file, at, rule);
        }
        let own = options.rename.clone().unwrap_or_else(|| {
            renamed(variant.ident.to_string().trim_start_matches("r#"), true, of_enum.rename_all.as_deref())
        });
        for name in options.aliases.iter().chain([&own]) {
            match (&of_enum.tag, &of_enum.content) {
                (Some(tag), content) => {
                    let tag = below(at, tag);
                    self.names.extend([format!("{tag}={name}"), tag]);
                    let inside = content.as_ref().map_or(at.to_owned(), |content| below(at, content));
                    self.fields(&variant.fields, file, &inside, rule)?;
                }
                (None, _) if matches!(variant.fields, Fields::Unit) => {
                    self.names.insert(format!("{at}={name}"));
                }
                (None, _) => {
                    let path = below(at, name);
                    self.names.insert(path.clone());
                    self.fields(&variant.fields, file, &path, rule)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
        #[derive(Debug, Serialize)]
        struct Root {
            plain: String,
            #[serde(rename = "other", alias = "older")]
            renamed: Option<Vec<Part>>,
            #[serde(flatten)]
            inner: Inner,
            #[serde(skip)]
            gone: Part,
            by_name: BTreeMap<String, Box<Part>>,
            by_size: BTreeMap<Size, u8>,
            id: Id,
            list: List,
            r#type: Kind,
            does: Does,
            boxed: Option<Box<Root>>,
            foreign: Timestamp,
            #[cfg(test)]
            test: u8,
        }
        type List = Vec<(u8, Part)>;
        #[derive(Serialize)] struct Inner { flat: u8 }
        #[derive(Serialize)] #[serde(rename_all = "camelCase")] struct Part { some_size: Wrapped }
        #[derive(Serialize)] struct Wrapped(Deep);
        #[derive(Serialize)] struct Deep { deep: u8 }
        #[derive(Serialize)] #[serde(into = "String")] struct Id { hidden: u8 }
        #[derive(serde::Deserialize)] #[serde(rename_all = "snake_case")] enum Kind { FirstOne, Second(Deep), Third { a: u8 } }
        #[derive(Serialize)] #[serde(tag = "do", rename_all = "snake_case")] enum Does { Open, Close { why: String } }
        #[derive(Serialize)] enum Size { Small }
        #[derive(Serialize)] struct Alone { a: u8 }
        struct Unknown { b: u8 }
        fn f() {
            #[derive(Deserialize)] struct PartOfIt { plain: String }
            #[derive(Serialize)] struct Printed { b: u8 }
        }
        dto! { pub enum Sent { VeryLate } }
        #[cfg(test)] mod tests { #[derive(Serialize)] struct InTests { c: u8 } }
    "#;

    #[test]
    fn members_are_named_by_their_path() {
        let mut types = Types::of(&[Source::parse("crates/x/src/x.rs", TEXT.to_owned())]);
        let found: Vec<String> = types.document("x", "Root").unwrap().into_iter().collect();
        let wanted = [
            "boxed",
            "by_name",
            "by_name.{}.someSize",
            "by_name.{}.someSize.deep",
            "by_size",
            "by_size.{}=Small",
            "does",
            "does.do",
            "does.do=close",
            "does.do=open",
            "does.why",
            "flat",
            "foreign",
            "id",
            "list",
            "list[][].someSize",
            "list[][].someSize.deep",
            "older",
            "older[].someSize",
            "older[].someSize.deep",
            "other",
            "other[].someSize",
            "other[].someSize.deep",
            "plain",
            "type",
            "type.second",
            "type.second.deep",
            "type.third",
            "type.third.a",
            "type=first_one",
        ];
        assert_eq!(found, wanted);
        let left: Vec<String> = types.unreached().into_iter().map(|(_, name)| name).collect();
        assert_eq!(left, ["Alone", "Printed", "Sent"], "types that serde knows and no document has");
        assert_eq!(types.document("x", "Sent").unwrap().into_iter().collect::<Vec<_>>(), ["=very_late"]);
        assert!(types.document("x", "Unknown").is_err() && types.document("y", "Root").is_err());
    }

    #[test]
    fn a_name_that_two_crates_have_is_that_of_the_import() {
        let of = |path: &str, text: &str| Source::parse(path, text.to_owned());
        let sources = [
            of(
                "crates/x/src/a.rs",
                "use holdfast_z::Kept; #[derive(Serialize)] struct Root { kept: Kept, own: holdfast_y::Kept }",
            ),
            of("crates/y/src/b.rs", "#[derive(Serialize)] struct Kept { of_y: u8 }"),
            of("crates/z/src/c.rs", "#[derive(Serialize)] struct Kept { of_z: u8 }"),
            of("crates/v/src/d.rs", "#[derive(Serialize)] struct Lost { kept: Kept }"),
        ];
        let mut types = Types::of(&sources);
        let found: Vec<String> = types.document("x", "Root").unwrap().into_iter().collect();
        assert_eq!(found, ["kept", "kept.of_z", "own", "own.of_y"]);
        assert!(types.document("v", "Lost").unwrap_err().contains("several types by Kept"));
    }
}
