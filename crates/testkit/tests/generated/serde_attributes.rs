//! What serde's attributes say, as far as they change names. An attribute that is not known here stops the test: it could hide one.

use syn::{Attribute, LitStr, Token, meta::ParseNestedMeta};

/// Attributes of one type, variant or field.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    pub(crate) rename: Option<String>,
    /// Other names under which it is read.
    pub(crate) aliases: Vec<String>,
    pub(crate) rename_all: Option<String>,
    pub(crate) rename_all_fields: Option<String>,
    pub(crate) tag: Option<String>,
    pub(crate) content: Option<String>,
    pub(crate) untagged: bool,
    pub(crate) transparent: bool,
    pub(crate) flatten: bool,
    pub(crate) skip: bool,
    /// Written or read as something else, so that its fields are none of the document's.
    pub(crate) converted: bool,
}

impl Options {
    pub(crate) fn of(attributes: &[Attribute]) -> Self {
        let mut options = Self::default();
        for attribute in attributes.iter().filter(|a| a.path().is_ident("serde")) {
            attribute.parse_nested_meta(|meta| options.take(&meta)).unwrap_or_else(|e| panic!("#[serde(..)]: {e}"));
        }
        options
    }

    fn take(&mut self, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
        let name = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
        let text = || meta.value()?.parse::<LitStr>().map(|t| t.value());
        match name.as_str() {
            "rename" => self.rename = Some(text()?),
            "alias" => self.aliases.push(text()?),
            "rename_all" => self.rename_all = Some(text()?),
            "rename_all_fields" => self.rename_all_fields = Some(text()?),
            "tag" => self.tag = Some(text()?),
            "content" => self.content = Some(text()?),
            "untagged" => self.untagged = true,
            "transparent" => self.transparent = true,
            "flatten" => self.flatten = true,
            "skip" => self.skip = true,
            "into" | "from" | "try_from" | "with" | "serialize_with" | "deserialize_with" => {
                text()?;
                self.converted = true;
            }
            "deny_unknown_fields" => {}
            "default" | "skip_serializing_if" | "bound" | "crate" if meta.input.peek(Token![=]) => drop(text()?),
            "default" => {}
            other => return Err(meta.error(format!("`{other}` is not known to serde_attributes.rs"))),
        }
        Ok(())
    }
}

/// Whether a type is written (`Serialize`) or read (`Deserialize`) by serde through a derive.
pub(crate) fn is_derived(attributes: &[Attribute], name: &str) -> bool {
    let mut found = false;
    for attribute in attributes.iter().filter(|a| a.path().is_ident("derive")) {
        let _ = attribute.parse_nested_meta(|meta| {
            found |= meta.path.segments.last().is_some_and(|s| s.ident == name);
            Ok(())
        });
    }
    found
}

/// A field's or variant's name under `rename_all`.
pub(crate) fn renamed(name: &str, is_variant: bool, rule: Option<&str>) -> String {
    let words = if is_variant { words_of_variant(name) } else { name.split('_').map(str::to_owned).collect() };
    let capital = |word: &String| {
        let mut chars = word.chars();
        chars.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(chars).collect::<String>()
    };
    match rule {
        None => name.to_owned(),
        Some("lowercase") => name.to_ascii_lowercase(),
        Some("UPPERCASE") => name.to_ascii_uppercase(),
        Some("snake_case") => words.join("_"),
        Some("SCREAMING_SNAKE_CASE") => words.join("_").to_ascii_uppercase(),
        Some("kebab-case") => words.join("-"),
        Some("SCREAMING-KEBAB-CASE") => words.join("-").to_ascii_uppercase(),
        Some("PascalCase") => words.iter().map(capital).collect(),
        Some("camelCase") => {
            let pascal: String = words.iter().map(capital).collect();
            pascal[..1].to_ascii_lowercase() + &pascal[1..]
        }
        Some(other) => panic!("rename_all = {other:?} is not known to serde_attributes.rs"),
    }
}

/// serde begins a word at every capital.
fn words_of_variant(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for c in name.chars() {
        match words.last_mut() {
            Some(word) if !c.is_ascii_uppercase() => word.push(c),
            _ => words.push(c.to_ascii_lowercase().to_string()),
        }
    }
    words
}

#[test]
fn names_are_renamed_as_serde_does() {
    let variant = |rule| renamed("VeryTasty", true, Some(rule));
    let field = |rule| renamed("very_tasty", false, Some(rule));
    for (rule, of_variant, of_field) in [
        ("lowercase", "verytasty", "very_tasty"),
        ("UPPERCASE", "VERYTASTY", "VERY_TASTY"),
        ("snake_case", "very_tasty", "very_tasty"),
        ("SCREAMING_SNAKE_CASE", "VERY_TASTY", "VERY_TASTY"),
        ("kebab-case", "very-tasty", "very-tasty"),
        ("SCREAMING-KEBAB-CASE", "VERY-TASTY", "VERY-TASTY"),
        ("PascalCase", "VeryTasty", "VeryTasty"),
        ("camelCase", "veryTasty", "veryTasty"),
    ] {
        assert_eq!((variant(rule), field(rule)), (of_variant.to_owned(), of_field.to_owned()), "{rule}");
    }
    assert_eq!(renamed("Fixity2B", true, Some("snake_case")), "fixity2_b");
}
