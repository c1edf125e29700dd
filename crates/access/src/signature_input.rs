//! The headers `Signature-Input` and `Signature`, read strictly. Source: RFC 9421, section 4;
//! RFC 9651 for structured fields.

use primitives::{KeyId, Timestamp};
use sfv::{BareItem, Dictionary, FieldType, InnerList, Item, ListEntry, Parser};

use crate::{
    Headers, Nonce, Refusal,
    base::Component,
    request::{Line, line},
};

const INPUT: &str = "signature-input";
const SIGNATURE: &str = "signature";

/// What a request says of its own signature. Nothing here is proven yet.
pub(crate) struct SignatureInput<'a> {
    /// Covered components in the order of the signature base.
    pub(crate) components: Vec<Component>,
    pub(crate) created: Timestamp,
    pub(crate) expires: Timestamp,
    pub(crate) nonce: Nonce,
    pub(crate) key: KeyId,
    /// The serialised value of `@signature-params`.
    pub(crate) params: &'a str,
    pub(crate) signature: [u8; 64],
}

impl<'a> SignatureInput<'a> {
    pub(crate) fn read(headers: &'a dyn Headers) -> Result<Self, Refusal> {
        // Refusals, cheapest first.
        let (input, signature) = (header(headers, INPUT)?, header(headers, SIGNATURE)?);
        let (label, list) = sole_member(INPUT, input)?;
        let (signature_label, bytes) = sole_member(SIGNATURE, signature)?;
        let (ListEntry::InnerList(list), Some(params)) = (list, value_of(input, &label)) else {
            return malformed(INPUT, "must be a label and a list of covered components");
        };
        let signature = signature_bytes(&bytes)?;
        if label != signature_label {
            return Err(Refusal::LabelMismatch { input: label, signature: signature_label });
        }
        let components = read_components(&list, headers)?;
        let Parameters { created, expires, nonce, key } = Parameters::read(&list)?;
        // From here on it must succeed.
        Ok(Self { components, created, expires, nonce, key, params, signature })
    }
}

fn malformed<T>(header: &'static str, problem: &'static str) -> Result<T, Refusal> {
    Err(Refusal::SignatureMalformed { header, problem })
}

fn header<'a>(headers: &'a dyn Headers, name: &'static str) -> Result<&'a str, Refusal> {
    match line(headers, name) {
        Line::Missing => Err(Refusal::SignatureMissing { header: name }),
        Line::Several(found) => Err(Refusal::SignatureSeveral { header: name, found }),
        Line::Unreadable => malformed(name, "must be 1 to 1024 printable ASCII characters"),
        Line::One(text) => Ok(text),
    }
}

/// The label and value of the only member of a dictionary in its canonical form.
///
/// The parser follows RFC 9651, which takes the last of two equal labels or parameters, blanks
/// here and there, and `+1` or `01`. Another reader might take the first. So only the form that a
/// serialiser writes is accepted: then text and meaning are one, and the text itself can stand in
/// the signature base.
fn sole_member(header: &'static str, text: &str) -> Result<(String, ListEntry), Refusal> {
    let Ok(members) = Parser::new(text).parse::<Dictionary>() else {
        return malformed(header, "is no dictionary of structured fields (RFC 9651)");
    };
    if members.len() > 1 {
        return Err(Refusal::SignatureSeveral { header, found: members.len() });
    }
    if members.serialize().as_deref() != Some(text) {
        return malformed(
            header,
            "is not in canonical form: a duplicate, a superfluous blank or zero, or base64 without padding (RFC 9651)",
        );
    }
    match members.into_iter().next() {
        Some((label, member)) => Ok((label.as_str().to_owned(), member)),
        None => malformed(header, "has no signature"),
    }
}

/// The text behind `label=`; it is the member's own, because the form is canonical.
fn value_of<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    text.strip_prefix(label)?.strip_prefix('=')
}

fn signature_bytes(member: &ListEntry) -> Result<[u8; 64], Refusal> {
    let ListEntry::Item(Item { bare_item, params }) = member else {
        return malformed(SIGNATURE, "must be a label and one byte sequence");
    };
    let bytes = bare_item.as_byte_sequence().and_then(|bytes| bytes.try_into().ok());
    match bytes {
        Some(bytes) if params.is_empty() => Ok(bytes),
        Some(_) | None => malformed(SIGNATURE, "must be a byte sequence of 64 bytes"),
    }
}

/// Everything but `idempotency-key` is always required, and that one if the request has it: a
/// key that is not signed could be exchanged on the way, and the request be executed twice.
fn read_components(list: &InnerList, headers: &dyn Headers) -> Result<Vec<Component>, Refusal> {
    let mut components = Vec::with_capacity(Component::ALL.len());
    for item in &list.items {
        let name = item.bare_item.as_string().filter(|_| item.params.is_empty());
        let component = name.and_then(|name| Component::from_name(name.as_str()));
        let component =
            component.ok_or_else(|| Refusal::ComponentUnknown { component: item.serialize() })?;
        if components.contains(&component) {
            return Err(Refusal::ComponentDuplicate { component: component.name() });
        }
        components.push(component);
    }
    for component in Component::ALL {
        let needed = component != Component::IdempotencyKey
            || !matches!(line(headers, component.name()), Line::Missing);
        if needed && !components.contains(&component) {
            return Err(Refusal::ComponentMissing { component: component.name() });
        }
    }
    Ok(components)
}

struct Parameters {
    created: Timestamp,
    expires: Timestamp,
    nonce: Nonce,
    key: KeyId,
}

impl Parameters {
    const NAMES: [&str; 5] = ["created", "expires", "nonce", "keyid", "alg"];

    fn read(list: &InnerList) -> Result<Self, Refusal> {
        let unknown = list.params.keys().find(|name| !Self::NAMES.contains(&name.as_str()));
        if let Some(unknown) = unknown {
            return Err(Refusal::ParameterUnknown { parameter: unknown.as_str().to_owned() });
        }
        for parameter in Self::NAMES {
            if !list.params.contains_key(parameter) {
                return Err(Refusal::ParameterMissing { parameter });
            }
        }
        let read = Self {
            created: moment(list, "created")?,
            expires: moment(list, "expires")?,
            nonce: Nonce::parse(text(list, "nonce").unwrap_or_default())?,
            key: key(list)?,
        };
        if read.expires <= read.created {
            let expected = "later than created";
            return Err(Refusal::ParameterMalformed { parameter: "expires", expected });
        }
        check_algorithm(list)?;
        Ok(read)
    }
}

fn moment(list: &InnerList, parameter: &'static str) -> Result<Timestamp, Refusal> {
    let seconds = list.params.get(parameter).and_then(BareItem::as_integer);
    let seconds = seconds.and_then(|seconds| u64::try_from(seconds).ok());
    seconds.and_then(|seconds| Timestamp::parse_seconds(seconds).ok()).ok_or(
        Refusal::ParameterMalformed { parameter, expected: "whole seconds since 1970, unquoted" },
    )
}

fn text<'a>(list: &'a InnerList, parameter: &str) -> Option<&'a str> {
    Some(list.params.get(parameter)?.as_string()?.as_str())
}

fn key(list: &InnerList) -> Result<KeyId, Refusal> {
    text(list, "keyid").and_then(|text| text.parse().ok()).ok_or(Refusal::ParameterMalformed {
        parameter: "keyid",
        expected: "a string of key_ and the public key in 64 lower-case hexadecimal digits",
    })
}

fn check_algorithm(list: &InnerList) -> Result<(), Refusal> {
    if text(list, "alg") == Some("ed25519") {
        return Ok(());
    }
    let found = list.params.get("alg").map(|alg| Item::new(alg.clone()).serialize());
    Err(Refusal::AlgorithmWrong { found: found.unwrap_or_default() })
}
