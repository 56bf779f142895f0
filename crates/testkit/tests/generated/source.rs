//! The sources of everything that is shipped.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// One file. What `#[cfg(test)]` marks is in it and is skipped by whoever reads the tree.
pub(crate) struct Source {
    /// From the workspace's root, e.g. `crates/model/src/id.rs`.
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) file: syn::File,
}

/// Files of tests, and suites that are run by tests alone.
const FOR_TESTS: [&str; 2] = ["tests.rs", "conformance.rs"];

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All files of the crates' `src` folders and of the window, without files of tests, in the order of their paths.
pub(crate) fn shipped() -> Vec<Source> {
    let root = root();
    let mut files = Vec::new();
    for entry in fs::read_dir(root.join("crates")).unwrap() {
        let folder = entry.unwrap().path();
        let src = folder.join("src");
        if src.is_dir() && !folder.ends_with("testkit") {
            files_below(&src, &mut files);
        }
    }
    files_below(&root.join("src-tauri"), &mut files);
    files.sort();
    files.iter().map(|file| read(&root, file)).collect()
}

fn files_below(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && name != "tests" {
            files_below(&path, out);
        } else if name.ends_with(".rs") && !FOR_TESTS.contains(&name) {
            out.push(path);
        }
    }
}

fn read(root: &Path, file: &Path) -> Source {
    let path = file.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
    Source::parse(&path, fs::read_to_string(file).unwrap())
}

impl Source {
    pub(crate) fn parse(path: &str, text: String) -> Self {
        let file = syn::parse_file(&text).unwrap_or_else(|e| panic!("{path} can't be parsed: {e}"));
        Self { path: path.to_owned(), text, file }
    }
}

/// The crate that a file belongs to: `model` for `crates/model/src/id.rs`, `app` for the window.
pub(crate) fn package(path: &str) -> &str {
    path.strip_prefix("crates/").and_then(|rest| rest.split('/').next()).unwrap_or("app")
}

/// Whether attributes say that something is compiled for tests only.
pub(crate) fn for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|a| {
        let is_test = |path: syn::Result<syn::Path>| path.is_ok_and(|p| p.is_ident("test"));
        a.path().is_ident("cfg") && is_test(a.parse_args())
    })
}

/// Attributes of an item, as far as it can be for tests only.
pub(crate) fn attributes_of(item: &syn::Item) -> &[syn::Attribute] {
    use syn::Item;
    match item {
        Item::Const(i) => &i.attrs,
        Item::Enum(i) => &i.attrs,
        Item::Fn(i) => &i.attrs,
        Item::Impl(i) => &i.attrs,
        Item::Macro(i) => &i.attrs,
        Item::Mod(i) => &i.attrs,
        Item::Static(i) => &i.attrs,
        Item::Struct(i) => &i.attrs,
        Item::Trait(i) => &i.attrs,
        Item::Type(i) => &i.attrs,
        Item::Use(i) => &i.attrs,
        _ => &[],
    }
}
