//! Requests made by hand, so that each part of them can be wrong.

use access::{Nonce, RequestParts, sign_request};
use ed25519_dalek::SigningKey;
use primitives::{Seconds, Timestamp};
use serde_json::Value;
use strongroom::clock;

use super::Stage;

/// A signed request before it is sent.
#[derive(Clone)]
pub(crate) struct Raw {
    pub(crate) base: String,
    pub(crate) method: &'static str,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// When a request is signed, and until when it is valid.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    pub(crate) created: Timestamp,
    pub(crate) expires: Timestamp,
}

impl Times {
    /// From now on, for half a minute.
    pub(crate) fn now() -> Self {
        Self::from(clock::now())
    }

    /// From `created` on, for half a minute.
    pub(crate) fn from(created: Timestamp) -> Self {
        Self { created, expires: created.saturating_add(Seconds(30)) }
    }
}

/// What is asked, before it is signed.
pub(crate) struct Asked<'a> {
    pub(crate) method: &'static str,
    pub(crate) target: &'a str,
    pub(crate) body: &'a [u8],
    pub(crate) idempotency_key: Option<&'a str>,
}

impl<'a> Asked<'a> {
    pub(crate) const fn get(target: &'a str) -> Self {
        Self { method: "GET", target, body: b"", idempotency_key: None }
    }

    pub(crate) const fn post(target: &'a str, body: &'a [u8]) -> Self {
        Self { method: "POST", target, body, idempotency_key: None }
    }

    pub(crate) const fn once(self, key: &'a str) -> Self {
        Self { idempotency_key: Some(key), ..self }
    }
}

/// A nonce that nobody has used.
pub(crate) fn fresh_nonce() -> Nonce {
    Nonce::from_random(clock::random().unwrap())
}

impl Stage {
    /// A request that `key` signs now.
    pub(crate) fn sign(&self, key: &SigningKey, asked: &Asked<'_>) -> Raw {
        self.sign_at(key, asked, Times::now())
    }

    /// A request that `key` signs at another time.
    pub(crate) fn sign_at(&self, key: &SigningKey, asked: &Asked<'_>, times: Times) -> Raw {
        self.sign_by(key, asked, times, &fresh_nonce())
    }

    /// A request that `key` signs now with this nonce.
    pub(crate) fn sign_once(&self, key: &SigningKey, asked: &Asked<'_>, nonce: &Nonce) -> Raw {
        self.sign_by(key, asked, Times::now(), nonce)
    }

    fn sign_by(&self, key: &SigningKey, asked: &Asked<'_>, times: Times, nonce: &Nonce) -> Raw {
        let base = self.url();
        let (path, query) = match asked.target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (asked.target, None),
        };
        let lines: Vec<(&str, &str)> =
            asked.idempotency_key.iter().map(|key| ("idempotency-key", *key)).collect();
        let parts = RequestParts {
            method: asked.method,
            authority: base.strip_prefix("http://").unwrap(),
            path,
            query,
            headers: &lines,
            body: asked.body,
        };
        let signed = sign_request(key, &parts, times.created, times.expires, nonce).unwrap();
        let mut headers: Vec<(String, String)> = vec![];
        headers.extend(lines.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        headers.extend(
            signed.into_headers().into_iter().map(|(name, value)| (name.to_owned(), value)),
        );
        let (method, target) = (asked.method, asked.target.to_owned());
        Raw { base, method, target, headers, body: asked.body.to_vec() }
    }

    /// A request that nobody signs.
    pub(crate) fn unsigned(&self, asked: &Asked<'_>) -> Raw {
        Raw {
            base: self.url(),
            method: asked.method,
            target: asked.target.to_owned(),
            headers: Vec::new(),
            body: asked.body.to_vec(),
        }
    }
}

impl Raw {
    /// Status and body of the answer.
    pub(crate) fn send(&self) -> (u16, Value) {
        let config = ureq::Agent::config_builder().http_status_as_error(false).build();
        let agent: ureq::Agent = config.into();
        let url = format!("{}{}", self.base, self.target);
        let mut request = ureq::http::Request::builder().method(self.method).uri(&url);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let mut answer = agent.run(request.body(self.body.clone()).unwrap()).unwrap();
        let status = answer.status().as_u16();
        let text = answer.body_mut().read_to_string().unwrap();
        if status >= 400 {
            let kind = answer.headers().get("content-type").unwrap();
            assert_eq!(kind, "application/problem+json", "{status} {text}");
        }
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Sends it and expects exactly this refusal.
    pub(crate) fn refused(&self, status: u16, code: &str) {
        let (found, problem) = self.send();
        assert_eq!((found, problem["code"].as_str()), (status, Some(code)), "{problem:#}");
        assert_eq!(problem["status"], status, "{problem:#}");
        assert_eq!(problem["type"], format!("/problems/{code}"), "{problem:#}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.len() > 5), "{problem:#}");
    }
}
