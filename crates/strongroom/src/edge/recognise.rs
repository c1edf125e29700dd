//! From bytes to a recognised caller.

use access::{Authenticated, Headers, RequestParts, Scope};
use axum::{
    body::{Bytes, to_bytes},
    extract::{FromRequestParts, Path, Request},
    http::{HeaderMap, Method, header, request::Parts, uri::Authority},
};
use custody::idempotency::Idempotency;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::{Edge, Problem};
use crate::clock;

/// The largest body of a customer's request, in bytes.
pub(super) const BODY_MAX: usize = 16 << 10;
/// The largest body of a settlement, in bytes.
pub(super) const SETTLEMENT_MAX: usize = 4 << 20;
/// The longest idempotency key, in characters.
const IDEMPOTENCY_KEY_MAX: usize = 255;

/// A request as it came over the wire: the bytes that were signed are the bytes that are parsed.
pub(super) struct Raw {
    method: Method,
    authority: String,
    path: String,
    query: Option<String>,
    headers: Lines,
    body: Bytes,
}

/// The one parameter in a path. What is no text at all is a problem like any other.
pub(super) struct PathText(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for PathText {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let found = Path::<String>::from_request_parts(parts, state).await;
        let Path(text) = found.map_err(|error| Problem::unreadable(format!("path: {error}")))?;
        Ok(Self(text))
    }
}

struct Lines(HeaderMap);

impl Headers for Lines {
    fn values(&self, name: &str) -> Vec<&[u8]> {
        self.0.get_all(name).iter().map(header::HeaderValue::as_bytes).collect()
    }
}

impl Raw {
    /// Reads a whole request.
    pub(super) async fn read(request: Request, body_max: usize) -> Result<Self, Problem> {
        let (head, body) = request.into_parts();
        let body = to_bytes(body, body_max).await.map_err(|_| {
            Problem::new("body-too-large", 413, format!("at most {body_max} bytes are read"))
        })?;
        let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let authority = head.uri.authority().map(Authority::as_str).or(host);
        Ok(Self {
            method: head.method,
            authority: authority.unwrap_or_default().to_owned(),
            path: head.uri.path().to_owned(),
            query: head.uri.query().map(str::to_owned),
            headers: Lines(head.headers),
            body,
        })
    }

    fn parts(&self) -> RequestParts<'_> {
        RequestParts {
            method: self.method.as_str(),
            authority: &self.authority,
            path: &self.path,
            query: self.query.as_deref(),
            headers: &self.headers,
            body: &self.body,
        }
    }

    /// The body as JSON.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        parse_json(&self.body)
    }

    /// The idempotency key of somebody's request, with what was asked.
    pub(super) fn idempotency(&self, who: &str) -> Result<Option<Idempotency>, Problem> {
        idempotency(&self.parts(), who)
    }

    /// The query string.
    pub(super) fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// The one value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.0.get(name).and_then(|value| value.to_str().ok())
    }
}

/// Reads JSON; the error says where.
pub(super) fn parse_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| Problem::unreadable(format!("body: {error}")))
}

/// The idempotency key of `parts`, scoped to `who`, with the fingerprint of what was asked.
pub(super) fn idempotency(
    parts: &RequestParts<'_>,
    who: &str,
) -> Result<Option<Idempotency>, Problem> {
    let values = parts.headers.values("idempotency-key");
    let key = match values.as_slice() {
        [] => return Ok(None),
        [key] if !key.is_empty() && key.len() <= IDEMPOTENCY_KEY_MAX => *key,
        _ => {
            let wanted = "Idempotency-Key: one line of 1 to 255 characters is needed";
            return Err(Problem::unreadable(wanted));
        }
    };
    let hash = |first: &[u8], second: &[u8]| -> [u8; 32] {
        let length = u64::try_from(first.len()).unwrap_or(u64::MAX).to_le_bytes();
        Sha256::new()
            .chain_update(length)
            .chain_update(first)
            .chain_update(second)
            .finalize()
            .into()
    };
    let asked = format!("{} {}", parts.method, parts.path);
    Ok(Some(Idempotency {
        key: hash(who.as_bytes(), key),
        fingerprint: hash(asked.as_bytes(), parts.body),
    }))
}

impl Edge {
    /// Says who signed this request, spends its nonce, and reads what was asked out of the bytes
    /// that were signed.
    pub(super) fn recognise<T>(
        &self,
        raw: &Raw,
        needs: Scope,
        parse: impl FnOnce(RequestParts<'_>) -> Result<T, Problem>,
    ) -> Result<Authenticated<T>, Problem> {
        let now = clock::now();
        let verified = self.verifier.verify(&raw.parts(), needs, now, |key| self.keys.find(key))?;
        let spent = {
            let mut nonces = self.nonces.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            nonces.spend(verified, clock::now())?
        };
        spent.try_map(parse)
    }
}
