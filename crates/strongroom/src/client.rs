//! A small client of `/v1` and `/ops/v1` for the command line, the demo and the tests: signs
//! requests and intents as customers do.

use std::{path::Path, thread, time::Duration};

use access::{Nonce, RequestParts, sign_intent, sign_request};
use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::SigningKey;
use primitives::{
    AccountId, DeploymentId, KeyId, Network, Sats, Seconds, Timestamp, WithdrawalId, from_hex,
    to_hex,
};
use serde_json::{Value, json};
use signer_protocol::PayoutIntent;

use crate::clock;

/// How long a request of ours is valid.
const LIFETIME: Seconds = Seconds(30);
/// How long a server that has just started is waited for.
const START_PATIENCE: u32 = 100;

/// As much of a stranger's answer as is shown.
const SAID_CHARS_MAX: usize = 60;

/// Why a request had no success.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientFault {
    /// No answer.
    #[error("{url}: {source}; is `strongroom serve` running there?")]
    Unreachable {
        /// What was asked.
        url: String,
        /// What went wrong.
        #[source]
        source: Box<ureq::Error>,
    },
    /// The server said no.
    #[error("{code} ({status}): {detail}")]
    Refused {
        /// The rule that said no.
        code: String,
        /// The HTTP status.
        status: u16,
        /// What was found and what to do.
        detail: String,
    },
    /// Something answered that is not the house.
    #[error(
        "{url} was answered {status} with `{said}`, as no strongroom does: is this the address of \
         its customers' listener (`http.listen`)?"
    )]
    Stranger {
        /// What was asked.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The first words of the answer.
        said: String,
    },
    /// Something on our side.
    #[error("{what}")]
    Local {
        /// What is wrong.
        what: String,
    },
}

impl ClientFault {
    /// The rule that said no, if the server did.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            Self::Unreachable { .. } | Self::Stranger { .. } | Self::Local { .. } => None,
        }
    }

    fn local(error: &dyn std::fmt::Display) -> Self {
        Self::Local { what: error.to_string() }
    }
}

/// Who asks.
pub enum Caller {
    /// A customer or the trading service, by key.
    Key(SigningKey),
    /// An operator, by the temporary token.
    Operator(String),
    /// Nobody in particular.
    Anyone,
}

/// A client of one server.
pub struct Client {
    base: String,
    /// The name that is signed and sent as `Host`.
    authority: String,
    caller: Caller,
    agent: ureq::Agent,
}

/// What a withdrawal is asked with.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The installation and network, from `GET /v1/deployment`.
    pub network: Network,
    /// The installation.
    pub deployment: DeploymentId,
    /// Whose money.
    pub account: AccountId,
    /// The script that is paid.
    pub script: Vec<u8>,
    /// What it receives.
    pub amount: Sats,
    /// What the customer pays.
    pub fee: Sats,
    /// The last second at which it may be signed.
    pub not_after: u64,
    /// Sixteen random bytes.
    pub nonce: [u8; 16],
}

impl Ask {
    /// The payout intent.
    #[must_use]
    pub fn intent(&self) -> PayoutIntent {
        PayoutIntent {
            network: self.network,
            deployment: self.deployment,
            account: self.account,
            amount: self.amount,
            fee: self.fee,
            not_after: self.not_after,
            nonce: self.nonce,
            script: self.script.clone(),
        }
    }
}

impl Client {
    /// A client of the server at `base`, such as `http://127.0.0.1:8080`.
    #[must_use]
    pub fn new(base: &str, caller: Caller) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(30)))
            .build();
        let base = base.trim_end_matches('/').to_owned();
        let authority = base.split_once("://").map_or(base.as_str(), |(_, rest)| rest).to_owned();
        Self { base, authority, caller, agent: config.into() }
    }

    /// The same, for a server that customers reach by another name than this connection: requests
    /// are signed for `authority` and carry it as `Host`.
    #[must_use]
    pub fn with_authority(mut self, authority: &str) -> Self {
        authority.clone_into(&mut self.authority);
        self
    }

    /// Asks for `target`, a path with or without a query.
    ///
    /// # Errors
    ///
    /// [`ClientFault`].
    pub fn get(&self, target: &str) -> Result<Value, ClientFault> {
        self.request("GET", target, b"", None)
    }

    /// Sends `body` to `path`.
    ///
    /// # Errors
    ///
    /// [`ClientFault`].
    pub fn post(&self, path: &str, body: &Value) -> Result<Value, ClientFault> {
        self.request("POST", path, body.to_string().as_bytes(), None)
    }

    /// Sends nothing to `path`, under an idempotency key.
    ///
    /// # Errors
    ///
    /// [`ClientFault`].
    pub fn post_once(&self, path: &str, idempotency_key: &str) -> Result<Value, ClientFault> {
        self.request("POST", path, b"", Some(idempotency_key))
    }

    /// A new deposit address.
    ///
    /// # Errors
    ///
    /// [`ClientFault`].
    pub fn new_address(&self, idempotency_key: &str) -> Result<String, ClientFault> {
        let answer = self.post_once("/v1/deposit-addresses", idempotency_key)?;
        text(&answer, "address")
    }

    /// Signs an intent and asks for its withdrawal.
    ///
    /// # Errors
    ///
    /// [`ClientFault`].
    pub fn withdraw(&self, ask: &Ask) -> Result<Value, ClientFault> {
        let Caller::Key(key) = &self.caller else {
            return Err(ClientFault::Local { what: "only a key asks for withdrawals".to_owned() });
        };
        let intent = ask.intent();
        let bytes = intent.encode().map_err(|error| ClientFault::local(&error))?;
        let hash = intent.hash().map_err(|error| ClientFault::local(&error))?;
        let signature = sign_intent(key, &hash);
        let body = json!({
            "intent": STANDARD.encode(bytes),
            "intent_signature": STANDARD.encode(signature),
        });
        self.post("/v1/withdrawals", &body)
    }

    /// One request. A server that has just started refuses what was signed before its start: it is
    /// asked again, signed anew.
    fn request(
        &self,
        method: &str,
        target: &str,
        body: &[u8],
        idempotency_key: Option<&str>,
    ) -> Result<Value, ClientFault> {
        let mut tries = START_PATIENCE;
        loop {
            let answer = self.request_once(method, target, body, idempotency_key);
            let early = answer.as_ref().err().and_then(ClientFault::code)
                == Some("request-created-before-start");
            tries = tries.saturating_sub(1);
            if !early || tries == 0 {
                return answer;
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn request_once(
        &self,
        method: &str,
        target: &str,
        body: &[u8],
        idempotency_key: Option<&str>,
    ) -> Result<Value, ClientFault> {
        let url = format!("{}{target}", self.base);
        let mut request = ureq::http::Request::builder().method(method).uri(&url);
        request = request.header("host", &self.authority);
        request = request.header("content-type", "application/json");
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", key);
        }
        for (name, value) in self.credentials(method, target, body, idempotency_key)? {
            request = request.header(name, value);
        }
        let request = request.body(body.to_vec()).map_err(|error| ClientFault::local(&error))?;
        let unreachable =
            |source| ClientFault::Unreachable { url: url.clone(), source: Box::new(source) };
        let mut answer = self.agent.run(request).map_err(unreachable)?;
        let status = answer.status().as_u16();
        let text = answer.body_mut().read_to_string().map_err(unreachable)?;
        let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        judge(&url, target, status, value)
    }

    fn credentials(
        &self,
        method: &str,
        target: &str,
        body: &[u8],
        idempotency_key: Option<&str>,
    ) -> Result<Vec<(&'static str, String)>, ClientFault> {
        let key = match &self.caller {
            Caller::Anyone => return Ok(Vec::new()),
            Caller::Operator(token) => {
                return Ok(vec![("authorization", format!("Bearer {token}"))]);
            }
            Caller::Key(key) => key,
        };
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        let authority = &self.authority;
        let headers: Vec<(&str, &str)> =
            idempotency_key.iter().map(|key| ("idempotency-key", *key)).collect();
        let parts = RequestParts { method, authority, path, query, headers: &headers, body };
        let now = clock::now();
        let nonce = clock::random().map_err(|error| ClientFault::local(&error))?;
        let signed = sign_request(
            key,
            &parts,
            now,
            now.saturating_add(LIFETIME),
            &Nonce::from_random(nonce),
        );
        let signed = signed.map_err(|error| ClientFault::local(&error))?;
        Ok(signed.into_headers().into())
    }
}

/// An answer, or why it is none. The monitor's own pages have no code and need not be JSON.
fn judge(url: &str, target: &str, status: u16, value: Value) -> Result<Value, ClientFault> {
    let done = (200..300).contains(&status);
    let ours = target.starts_with("/v1/") || target.starts_with("/ops/");
    let readable = if done { value.is_object() } else { value.get("code").is_some() };
    if ours && !readable {
        let said = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let said = said.chars().take(SAID_CHARS_MAX).collect::<String>().trim().to_owned();
        return Err(ClientFault::Stranger { url: url.to_owned(), status, said });
    }
    if done { Ok(value) } else { Err(refused(status, &value)) }
}

fn refused(status: u16, value: &Value) -> ClientFault {
    let field = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let code = field("code").unwrap_or_else(|| "unknown".to_owned());
    let detail = field("detail").unwrap_or_else(|| value.to_string());
    // Texts of refusals begin with their name, which stands in front already.
    let detail = match detail.strip_prefix(&format!("{code}: ")) {
        Some(rest) => rest.to_owned(),
        None => detail,
    };
    ClientFault::Refused { code, status, detail }
}

/// Whether `base` is an address that this client can speak to.
///
/// # Errors
///
/// [`ClientFault::Local`] with what to write instead.
pub fn check_base(base: &str) -> Result<(), ClientFault> {
    let wrong = |what: String| Err(ClientFault::Local { what });
    if let Some(name) = base.strip_prefix("https://") {
        let name = name.split('/').next().unwrap_or_default();
        return wrong(format!(
            "--server {base}: this client speaks plain HTTP only; run it beside the server, with \
             --server http://127.0.0.1:PORT --authority {name}"
        ));
    }
    let Some(host) = base.strip_prefix("http://") else {
        return wrong(format!(
            "--server {base}: it begins with http://, as in http://127.0.0.1:8080"
        ));
    };
    let host = host.strip_suffix('/').unwrap_or(host);
    if host.is_empty() || host.contains(['/', '?', '#', '@', ' ']) {
        return wrong(format!(
            "--server {base}: host and port alone are needed, as in http://127.0.0.1:8080"
        ));
    }
    Ok(())
}

/// A text field of an answer.
///
/// # Errors
///
/// [`ClientFault::Local`] where it is missing.
pub fn text(value: &Value, field: &str) -> Result<String, ClientFault> {
    let found = value.get(field).and_then(Value::as_str).map(str::to_owned);
    found.ok_or_else(|| ClientFault::Local { what: format!("no `{field}` in {value}") })
}

/// A new signing key, from the operating system's randomness.
///
/// # Errors
///
/// Where it has none to give.
pub fn new_key() -> Result<SigningKey, ClientFault> {
    let seed: [u8; 32] = clock::random().map_err(|error| ClientFault::local(&error))?;
    Ok(SigningKey::from_bytes(&seed))
}

/// The id of a signing key.
#[must_use]
pub fn key_id(key: &SigningKey) -> KeyId {
    KeyId(key.verifying_key().to_bytes())
}

/// Writes a signing key to a new file that nobody else may read: 64 hexadecimal digits.
///
/// # Errors
///
/// [`ClientFault::Local`] where the file exists or cannot be written.
pub fn write_key(path: &Path, key: &SigningKey) -> Result<(), ClientFault> {
    use std::{io, io::Write, os::unix::fs::OpenOptionsExt};
    let write = || -> io::Result<()> {
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
        writeln!(file, "{}", to_hex(&key.to_bytes()))?;
        file.sync_all()
    };
    write().map_err(|error| {
        let path = path.display();
        let what = if error.kind() == io::ErrorKind::AlreadyExists {
            format!("{path} exists, and a key is never written over: choose another name")
        } else {
            format!("{path} cannot be written: {error}")
        };
        ClientFault::Local { what }
    })
}

/// Reads a signing key from its file.
///
/// # Errors
///
/// [`ClientFault::Local`] where it cannot be read or is no key.
pub fn read_key(path: &Path) -> Result<SigningKey, ClientFault> {
    let wrong = |error: &dyn std::fmt::Display| ClientFault::Local {
        what: format!("{}: {error}", path.display()),
    };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
    if text.contains("-----BEGIN") {
        return Err(wrong(
            &"this is PEM, but the 64 hexadecimal digits of the secret key are needed; \
              docs/request-signing.md says how to make one of the other",
        ));
    }
    let seed = from_hex(text.trim()).map_err(|error| wrong(&error))?;
    Ok(SigningKey::from_bytes(&seed))
}

/// The id of the withdrawal that `ask` asks for.
///
/// # Errors
///
/// [`ClientFault::Local`] for a script that cannot be paid.
pub fn withdrawal_id(ask: &Ask) -> Result<WithdrawalId, ClientFault> {
    ask.intent().withdrawal_id().map_err(|error| ClientFault::local(&error))
}

/// The last second of an intent that is valid for `seconds` from now.
#[must_use]
pub fn not_after(seconds: u64) -> u64 {
    let end: Timestamp = clock::now().saturating_add(Seconds(seconds));
    end.to_seconds()
}

#[cfg(test)]
mod tests;
