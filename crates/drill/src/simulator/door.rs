//! The door of the shell under test: signed requests are really signed and really verified.

use access::{
    Authenticated, Nonce, NonceMemory, Refusal, RequestParts, Scope, Settings, Verifier,
    sign_request,
};
use custody::Custody;
use ed25519_dalek::SigningKey;
use primitives::{Seconds, Timestamp};

use super::failure::Found;

const AUTHORITY: &str = "api.exchange.example";

/// A signed request on its way, or kept by somebody who wants to use it again.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    path: &'static str,
    needs: Scope,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Letter {
    /// What a customer's client sends.
    pub(crate) fn sign(
        key: &SigningKey,
        (path, needs): (&'static str, Scope),
        body: Vec<u8>,
        created: Timestamp,
        nonce: [u8; 16],
    ) -> Result<Self, Found> {
        let mut letter = Self { path, needs, headers: Vec::new(), body };
        let (expires, nonce) = (created.saturating_add(Seconds(60)), Nonce::from_random(nonce));
        let signed = sign_request(key, &letter.parts(), created, expires, &nonce)
            .map_err(|refusal| Found::simulator(refusal.to_string()))?;
        letter.headers = signed.into_headers().into();
        Ok(letter)
    }

    fn parts(&self) -> RequestParts<'_> {
        RequestParts {
            method: "POST",
            authority: AUTHORITY,
            path: self.path,
            query: None,
            headers: &self.headers,
            body: &self.body,
        }
    }
}

/// Recognises who asks. Its memory of nonces dies with the process.
pub(crate) struct Door {
    verifier: Verifier,
    nonces: NonceMemory,
}

impl Door {
    /// The door of a process that started at `started`.
    pub(crate) fn open(started: Timestamp) -> Self {
        let settings = Settings::new(vec![AUTHORITY.to_owned()], started);
        Self { verifier: Verifier::new(settings), nonces: NonceMemory::new(10_000) }
    }

    /// The body of a letter, with the proof of who signed it.
    pub(crate) fn recognise(
        &mut self,
        state: &Custody,
        letter: &Letter,
        now: Timestamp,
    ) -> Result<Authenticated<Vec<u8>>, Refusal> {
        let parts = letter.parts();
        let verified =
            self.verifier.verify(&parts, letter.needs, now, |key| state.key(key).copied())?;
        let spent = self.nonces.spend(verified, now)?;
        Ok(spent.map(|parts| parts.body.to_vec()))
    }
}
