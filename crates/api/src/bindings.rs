//! The UI's TypeScript, made from the DTOs. `ui/src/bindings.ts` is this text; a test fails when it has drifted.

use std::{any::TypeId, collections::BTreeMap, collections::HashSet};
use ts_rs::{Config, TS, TypeVisitor};

/// Declarations met so far, by name.
#[derive(Default)]
pub(crate) struct Types {
    /// How names and numbers are rendered.
    pub(crate) config: Config,
    seen: HashSet<TypeId>,
    declarations: BTreeMap<String, String>,
}

impl Types {
    /// Adds `T` and everything it is made of.
    pub(crate) fn visit<T: TS + 'static + ?Sized>(&mut self) {
        TypeVisitor::visit::<T>(self);
    }

    /// All declarations in alphabetical order, then `interface`.
    pub(crate) fn render(&self, interface: &str) -> String {
        let mut out = String::from("// Generated from crates/api by `scripts/bindings`. Do not edit.\n\n");
        for text in self.declarations.values() {
            out.push_str(text);
            out.push_str("\n\n");
        }
        out.push_str(interface);
        out
    }
}

impl TypeVisitor for Types {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        if !self.seen.insert(TypeId::of::<T>()) {
            return;
        }
        T::visit_dependencies(self);
        T::visit_generics(self);
        if T::output_path().is_some() {
            let docs = T::docs().unwrap_or_default();
            let text = format!("{docs}export {}", T::decl(&self.config));
            self.declarations.insert(T::name(&self.config), text);
        }
    }
}
