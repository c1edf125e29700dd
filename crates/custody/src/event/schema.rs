//! The schemas of all events as text: what `schemas/events.txt` holds.

use std::collections::BTreeMap;

use borsh::{
    BorshSchema,
    schema::{Declaration, Definition, Fields},
};

const HEAD: &str = "\
Kind, version, name and fields of every event, then the types. The encoding is Borsh: fields in
order, without padding; integers little endian; String and Vec begin with their length as u32;
Option begins with a byte, 0 for none; an enum begins with the byte that stands before its variant.

";

/// Longer lists of fields have a line for each, so that a change of one is seen.
const LINE_MAX: usize = 150;

/// Collects the schema of one event after the other.
#[derive(Default)]
pub(super) struct Schemas {
    kinds: Vec<String>,
    types: BTreeMap<Declaration, Definition>,
}

impl Schemas {
    pub(super) fn add<T: BorshSchema>(&mut self, kind: u16, version: u16) {
        let mut types = BTreeMap::new();
        T::add_definitions_recursively(&mut types);
        let name = T::declaration();
        let own = types.remove(&name).map_or_else(String::new, |own| body(&own, &types));
        self.kinds.push(format!("{kind} v{version} {name}{own}\n"));
        self.types.append(&mut types);
    }

    /// The events by number, then every type that is ours, by name.
    pub(super) fn text(self) -> String {
        let ours = |name: &str| {
            let variant = name.contains("__");
            let first = name.chars().next();
            let made = name.contains(['<', '[']) || name == "String";
            !variant && !made && first.is_some_and(|first| first.is_ascii_uppercase())
        };
        let types = self.types.iter().filter(|(name, _)| ours(name));
        let types = types.map(|(name, own)| format!("{name}{}\n", body(own, &self.types)));
        format!("{HEAD}{}\n{}", self.kinds.concat(), types.collect::<String>())
    }
}

fn body(definition: &Definition, types: &BTreeMap<Declaration, Definition>) -> String {
    match definition {
        Definition::Struct { fields } => fields_text(fields),
        Definition::Enum { variants, .. } => {
            let variants = variants.iter().map(|(tag, name, own)| {
                let own = types.get(own).map_or_else(String::new, |own| body(own, types));
                format!("\n    {tag} {name}{own}")
            });
            variants.collect()
        }
        // None of ours is one of these; should one be, it is shown as Borsh shows it.
        Definition::Primitive(_) | Definition::Sequence { .. } | Definition::Tuple { .. } => {
            format!(" = {definition:?}")
        }
    }
}

fn fields_text(fields: &Fields) -> String {
    match fields {
        Fields::NamedFields(fields) => {
            let fields: Vec<_> =
                fields.iter().map(|(name, own)| format!("{name}: {own}")).collect();
            let line = format!(" {{ {} }}", fields.join(", "));
            if line.len() < LINE_MAX { line } else { format!("\n    {}", fields.join("\n    ")) }
        }
        Fields::UnnamedFields(fields) => format!("({})", fields.join(", ")),
        Fields::Empty => String::new(),
    }
}
