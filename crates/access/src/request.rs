//! A request as it came over the wire, and the values in it that a signature covers.

use crate::{Refusal, base::Component};

/// The headers of a request.
pub trait Headers: Sync {
    /// The value of every header line of this name, in order; the name is in lower case.
    fn values(&self, name: &str) -> Vec<&[u8]>;
}

/// Pairs of name and value; names may have any case.
impl<N: AsRef<str> + Sync, V: AsRef<[u8]> + Sync> Headers for Vec<(N, V)> {
    fn values(&self, name: &str) -> Vec<&[u8]> {
        among(self, name)
    }
}

/// Pairs of name and value; names may have any case.
impl<N: AsRef<str> + Sync, V: AsRef<[u8]> + Sync, const K: usize> Headers for [(N, V); K] {
    fn values(&self, name: &str) -> Vec<&[u8]> {
        among(self, name)
    }
}

fn among<'a, N: AsRef<str>, V: AsRef<[u8]>>(pairs: &'a [(N, V)], name: &str) -> Vec<&'a [u8]> {
    let named = pairs.iter().filter(|(found, _)| found.as_ref().eq_ignore_ascii_case(name));
    named.map(|(_, value)| value.as_ref()).collect()
}

/// A request as it came over the wire. Nothing is decoded: the house must route and parse the
/// very bytes that the customer signed.
#[derive(Clone, Copy)]
pub struct RequestParts<'a> {
    /// The method, such as `POST`; its case counts.
    pub method: &'a str,
    /// The host and port that the client asked for: `Host` in HTTP/1.1, `:authority` in HTTP/2.
    pub authority: &'a str,
    /// The path with its percent-encoding, from the first `/` on, without the query.
    pub path: &'a str,
    /// The query without its `?`, or `None`. No query and an empty one are signed alike.
    pub query: Option<&'a str>,
    /// All headers.
    pub headers: &'a dyn Headers,
    /// The whole body; empty where there is none.
    pub body: &'a [u8],
}

/// Shows what was asked, never the headers or the body.
impl std::fmt::Debug for RequestParts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RequestParts({} {}{})", self.method, self.authority, self.path)
    }
}

/// The values of the covered components of one request, as RFC 9421 section 2 writes them.
pub(crate) struct Covered<'a> {
    method: &'a str,
    authority: String,
    path: &'a str,
    query: String,
    /// What the `content-digest` header says, or should say.
    pub(crate) content_digest: &'a str,
    idempotency_key: Option<&'a str>,
}

impl<'a> Covered<'a> {
    /// Reads the components of `parts`, whose target was checked. The digest is passed in, because the client computes it
    /// where the server reads it.
    pub(crate) fn read(parts: &RequestParts<'a>, content_digest: &'a str) -> Result<Self, Refusal> {
        Ok(Self {
            method: parts.method,
            authority: normal_authority(parts.authority),
            path: parts.path,
            query: format!("?{}", parts.query.unwrap_or_default()),
            content_digest,
            idempotency_key: idempotency_key(parts.headers)?,
        })
    }

    /// The value of `component`, or `None` if the request has none.
    pub(crate) fn value(&self, component: Component) -> Option<&str> {
        match component {
            Component::Method => Some(self.method),
            Component::Authority => Some(&self.authority),
            Component::Path => Some(self.path),
            Component::Query => Some(&self.query),
            Component::ContentDigest => Some(self.content_digest),
            Component::IdempotencyKey => self.idempotency_key,
        }
    }
}

/// A header line's value without blanks around it, or what keeps it from being one.
pub(crate) enum Line<'a> {
    Missing,
    Several(usize),
    /// Empty, longer than [`VALUE_BYTES_MAX`], or with bytes that are not printable ASCII. A line
    /// feed would let one value pass for several lines of the signature base.
    Unreadable,
    One(&'a str),
}

/// The longest value of a covered or signature header, in bytes. A signature with all components
/// and the longest nonce needs about 350.
pub(crate) const VALUE_BYTES_MAX: usize = 1024;

pub(crate) fn line<'a>(headers: &'a dyn Headers, name: &str) -> Line<'a> {
    let values = headers.values(name);
    let [value] = values.as_slice() else {
        return if values.is_empty() { Line::Missing } else { Line::Several(values.len()) };
    };
    let printable = |text: &&str| text.bytes().all(|byte| matches!(byte, 0x20..=0x7e));
    match std::str::from_utf8(value.trim_ascii()).ok().filter(printable) {
        Some(text) if !text.is_empty() && text.len() <= VALUE_BYTES_MAX => Line::One(text),
        Some(_) | None => Line::Unreadable,
    }
}

fn idempotency_key(headers: &dyn Headers) -> Result<Option<&str>, Refusal> {
    let header = Component::IdempotencyKey.name();
    match line(headers, header) {
        Line::Missing => Ok(None),
        Line::One(text) => Ok(Some(text)),
        Line::Several(_) | Line::Unreadable => Err(Refusal::HeaderMalformed {
            header,
            expected: "one line of 1 to 1024 printable ASCII characters",
        }),
    }
}

/// Lower case, without the default port of HTTPS: customers speak HTTPS, whatever stands behind
/// the proxy. Source: RFC 9421, section 2.2.3.
pub(crate) fn normal_authority(authority: &str) -> String {
    authority.strip_suffix(":443").unwrap_or(authority).to_ascii_lowercase()
}

/// Characters as RFC 9110 (method) and RFC 3986 (path, query) allow them, roughly: the parts must
/// fill one line of the signature base each, and not flow into one another.
pub(crate) fn check_target(parts: &RequestParts<'_>) -> Result<(), Refusal> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let graphic = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    let malformed = |part| Err(Refusal::TargetMalformed { part });
    if parts.method.is_empty() || !parts.method.bytes().all(token) {
        return malformed("method");
    }
    if !parts.path.starts_with('/') || !parts.path.bytes().all(|byte| graphic(byte) && byte != b'?')
    {
        return malformed("path");
    }
    if !parts.query.unwrap_or_default().bytes().all(graphic) {
        return malformed("query");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_port_and_the_case_of_a_host_do_not_count() {
        assert_eq!(normal_authority("API.Exchange.example:443"), "api.exchange.example");
        assert_eq!(normal_authority("localhost:8080"), "localhost:8080");
        assert_eq!(normal_authority("[::1]:443"), "[::1]");
    }

    #[test]
    fn a_header_is_found_by_its_name_in_any_case() {
        let headers = [("Idempotency-Key", " a "), ("x", "b"), ("X", "c")];
        assert!(matches!(line(&headers, "idempotency-key"), Line::One("a")));
        assert!(matches!(line(&headers, "x"), Line::Several(2)));
        assert!(matches!(line(&headers, "y"), Line::Missing));
    }

    #[test]
    fn a_value_that_could_fill_two_lines_is_not_read() {
        for value in ["a\nb", "a\r\n b", "\u{e9}", "a\u{0}", "", " "] {
            assert!(matches!(line(&[("x", value)], "x"), Line::Unreadable), "{value:?}");
        }
        assert!(matches!(line(&[("x", "a".repeat(1024))], "x"), Line::One(_)));
        assert!(matches!(line(&[("x", "a".repeat(1025))], "x"), Line::Unreadable));
    }
}
