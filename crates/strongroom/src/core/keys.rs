//! The API keys for the threads that recognise requests: what is durable, and nothing else.

use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock},
};

use access::ApiKey;
use custody::Event;
use primitives::{KeyId, Timestamp};

/// API keys by id. Only the journal's thread changes them, after an append and before anybody is
/// answered: whoever is told that a key is revoked finds it revoked, and a caller who goes away
/// changes nothing.
#[derive(Debug, Default)]
pub struct Keys(RwLock<BTreeMap<KeyId, ApiKey>>);

impl Keys {
    /// These keys.
    pub(crate) fn new(keys: impl IntoIterator<Item = ApiKey>) -> Self {
        Self(RwLock::new(keys.into_iter().map(|key| (key.id, key)).collect()))
    }

    /// The key with this id.
    #[must_use]
    pub fn find(&self, id: &KeyId) -> Option<ApiKey> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(id).copied()
    }

    /// Takes in events that are durable now.
    pub(crate) fn take_in(&self, events: &[(Timestamp, Event)]) {
        let about_keys = |(_, event): &&(Timestamp, Event)| {
            matches!(event, Event::KeyRegistered(_) | Event::KeyRevoked(_))
        };
        let mut about_keys = events.iter().filter(about_keys).peekable();
        if about_keys.peek().is_none() {
            return;
        }
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (at, event) in about_keys {
            if let Event::KeyRegistered(registered) = event {
                held.insert(registered.key.id, registered.key);
            }
            if let Event::KeyRevoked(revoked) = event
                && let Some(key) = held.get_mut(&revoked.key)
            {
                key.revoke(*at);
            }
        }
    }
}
