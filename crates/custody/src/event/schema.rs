//! The schemas of all events as text: what `schemas/events.txt` holds.

use std::{collections::BTreeMap, fmt::Write, ops::RangeInclusive};

use borsh::{
    BorshSchema,
    schema::{Declaration, Definition, Fields},
};

/// Collects the schema of one event after the other.
#[derive(Default)]
pub(super) struct Schemas {
    kinds: String,
    types: BTreeMap<Declaration, Definition>,
}

impl Schemas {
    pub(super) fn add<T: BorshSchema>(&mut self, kind: u16, version: u16) {
        let mut types = BTreeMap::new();
        T::add_definitions_recursively(&mut types);
        let own = types.remove(&T::declaration());
        let own = own.map_or_else(String::new, |own| definition(&own));
        self.kinds.push_str(&format!("{kind} v{version} {} {own}\n", T::declaration()));
        self.types.append(&mut types);
    }

    /// The events by number, then every type that they use, by name.
    pub(super) fn text(self) -> String {
        let types = self.types.iter();
        let types: String =
            types.map(|(name, own)| format!("{name} = {}\n", definition(own))).collect();
        format!("{}\n{types}", self.kinds)
    }
}

fn definition(definition: &Definition) -> String {
    match definition {
        Definition::Primitive(bytes) => format!("{bytes} bytes"),
        Definition::Sequence { length_width: 0, length_range, elements } => {
            format!("{} of {elements}", range(length_range))
        }
        Definition::Sequence { length_width, elements, .. } => {
            format!("length in {length_width} bytes, then so many of {elements}")
        }
        Definition::Tuple { elements } => format!("({})", elements.join(", ")),
        Definition::Enum { tag_width, variants } => {
            let variants = variants.iter().map(|(tag, name, body)| format!("{tag} {name}: {body}"));
            format!("tag in {tag_width} bytes {{ {} }}", joined(variants))
        }
        Definition::Struct { fields } => match fields {
            Fields::NamedFields(fields) => {
                let fields = fields.iter().map(|(name, body)| format!("{name}: {body}"));
                format!("{{ {} }}", joined(fields))
            }
            Fields::UnnamedFields(fields) => format!("({})", fields.join(", ")),
            Fields::Empty => "nothing".to_owned(),
        },
    }
}

fn range(range: &RangeInclusive<u64>) -> String {
    if range.start() == range.end() {
        range.start().to_string()
    } else {
        format!("{} to {}", range.start(), range.end())
    }
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    let mut text = String::new();
    for part in parts {
        let comma = if text.is_empty() { "" } else { ", " };
        let _never_fails = write!(text, "{comma}{part}");
    }
    text
}
