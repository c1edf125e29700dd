//! JSON-RPC over one keep-alive connection, by plain sockets.
//!
//! The node speaks no TLS: it listens on loopback or behind a tunnel. Its cookie changes at every
//! start, so the credentials are read again when it answers 401.

mod answer;
mod http;

use std::{fs, io, path::PathBuf, time::Duration};

use bitcoin::base64::{Engine, engine::general_purpose::STANDARD};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub use self::answer::RpcError;
use self::http::{Broken, Connection, Response};
use crate::{Fault, deadline::Deadline};

/// The longest answer that is read. A block is at most 4 MB, thus 8 MB of digits.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Where a node listens and what opens it.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// `host:port`.
    pub address: String,
    /// `/`, or `/wallet/NAME` for the calls of one wallet.
    pub path: String,
    /// The node's `.cookie`, or a file of ours that holds `user:password` on its first line.
    pub credentials_file: PathBuf,
    /// The longest wait for a connection.
    pub connect_limit: Duration,
    /// The longest wait for one whole answer.
    pub answer_limit: Duration,
}

impl Endpoint {
    /// The node at `address`, with 5 s for a connection and 60 s for an answer.
    #[must_use]
    pub fn new(address: impl Into<String>, credentials_file: impl Into<PathBuf>) -> Self {
        Self {
            address: address.into(),
            path: "/".to_owned(),
            credentials_file: credentials_file.into(),
            connect_limit: Duration::from_secs(5),
            answer_limit: Duration::from_mins(1),
        }
    }

    /// The same node, speaking of its wallet `name` (letters and digits).
    #[must_use]
    pub fn wallet(&self, name: &str) -> Self {
        Self { path: format!("/wallet/{name}"), ..self.clone() }
    }
}

/// Whether asking twice does the same as asking once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// It does: sent again, once, when the connection was closed under us.
    Safe,
    /// It does not: always on a fresh connection, never sent again.
    Never,
}

/// One call of the node's interface.
#[derive(Debug, Clone)]
pub struct Call {
    method: &'static str,
    params: Value,
    repeat: Repeat,
}

impl Call {
    /// A call that may be repeated. `params` is an array, or an object of named parameters.
    #[must_use]
    pub const fn new(method: &'static str, params: Value) -> Self {
        Self { method, params, repeat: Repeat::Safe }
    }

    /// A call that must not be sent twice by itself.
    #[must_use]
    pub const fn once(method: &'static str, params: Value) -> Self {
        Self { method, params, repeat: Repeat::Never }
    }

    fn to_json(&self, id: usize) -> Value {
        json!({ "jsonrpc": "1.0", "id": id, "method": self.method, "params": self.params })
    }
}

/// A client with one connection. It opens it when needed, so that making one never fails.
pub struct Rpc {
    endpoint: Endpoint,
    connection: Option<Connection>,
    authorization: Option<String>,
}

impl Rpc {
    /// A client for `endpoint`, not yet connected.
    #[must_use]
    pub const fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, connection: None, authorization: None }
    }

    /// Where it speaks to.
    #[must_use]
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Makes one call.
    ///
    /// # Errors
    ///
    /// [`Fault::Rpc`] where the node said no, [`Fault::NotUnderstood`] where its answer is no `T`,
    /// and every fault of the connection.
    pub fn call<T: DeserializeOwned>(&mut self, call: &Call) -> Result<T, Fault> {
        let body = call.to_json(0).to_string();
        let response = self.post(call.method, body.as_bytes(), call.repeat)?;
        answer::one(call.method, &response)
    }

    /// Makes all `calls` in one request and returns their results in the same order. A call that
    /// the node refuses does not spoil the others.
    ///
    /// # Errors
    ///
    /// As [`Rpc::call`], but for the node's own errors.
    pub fn batch<T: DeserializeOwned>(
        &mut self,
        calls: &[Call],
    ) -> Result<Vec<Result<T, RpcError>>, Fault> {
        let Some(first) = calls.first() else { return Ok(Vec::new()) };
        let all: Vec<Value> = calls.iter().enumerate().map(|(id, call)| call.to_json(id)).collect();
        let safe = calls.iter().all(|call| call.repeat == Repeat::Safe);
        let repeat = if safe { Repeat::Safe } else { Repeat::Never };
        let response = self.post(first.method, Value::from(all).to_string().as_bytes(), repeat)?;
        answer::many(first.method, &response, calls.len())
    }

    /// Sends `body` and returns a JSON answer, whatever it says.
    fn post(&mut self, tried: &str, body: &[u8], repeat: Repeat) -> Result<Vec<u8>, Fault> {
        let mut may_repeat = repeat == Repeat::Safe;
        if !may_repeat {
            // The node closes idle connections. On a used one we could not tell "closed before"
            // from "closed after it acted".
            self.connection = None;
        }
        let mut may_reread = true;
        let deadline = Deadline::after(self.endpoint.answer_limit);
        loop {
            match self.attempt(tried, body, &deadline)? {
                Ok(Response { status: 401, .. }) if may_reread => {
                    may_reread = false;
                    self.authorization = None;
                }
                Ok(response) => return self.accept(tried, response),
                Err(Broken::Closed(_)) if may_repeat => may_repeat = false,
                Err(broken) => return Err(self.fault(tried, broken)),
            }
        }
    }

    /// One exchange. The connection is kept only after a whole answer.
    fn attempt(
        &mut self,
        tried: &str,
        body: &[u8],
        deadline: &Deadline,
    ) -> Result<Result<Response, Broken>, Fault> {
        let request = self.request(body)?;
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(&self.endpoint.address, self.endpoint.connect_limit)
                .map_err(|error| self.fault(tried, Broken::Io(error)))?,
        };
        let exchanged = connection.exchange(&request, deadline, ANSWER_BYTES_MAX);
        if exchanged.as_ref().is_ok_and(|response| response.keep_alive) {
            self.connection = Some(connection);
        }
        Ok(exchanged)
    }

    fn request(&mut self, body: &[u8]) -> Result<Vec<u8>, Fault> {
        let authorization = match &self.authorization {
            Some(known) => known.clone(),
            None => self.read_credentials()?,
        };
        let Endpoint { address, path, .. } = &self.endpoint;
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Basic {authorization}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.authorization = Some(authorization);
        Ok(request)
    }

    fn read_credentials(&self) -> Result<String, Fault> {
        let file = &self.endpoint.credentials_file;
        let fault = |cause| Fault::Credentials { file: file.clone(), cause };
        let text = fs::read_to_string(file).map_err(fault)?;
        match text.lines().next() {
            Some(line) if line.contains(':') => Ok(STANDARD.encode(line)),
            _ => {
                Err(fault(io::Error::new(io::ErrorKind::InvalidData, "no colon in its first line")))
            }
        }
    }

    fn accept(&self, tried: &str, response: Response) -> Result<Vec<u8>, Fault> {
        let Response { status, body, .. } = response;
        let address = self.endpoint.address.clone();
        if matches!(status, 401 | 403) {
            let file = self.endpoint.credentials_file.clone();
            return Err(Fault::Unauthorized { address, status, file });
        }
        // An error of a call comes with status 500 or 404 and a JSON body; JSON decides.
        let is_json = body.iter().find(|byte| !byte.is_ascii_whitespace());
        if is_json.is_some_and(|first| matches!(first, b'{' | b'[')) {
            return Ok(body);
        }
        let said: String = String::from_utf8_lossy(&body).trim().chars().take(200).collect();
        let tried = tried.to_owned();
        if status == 503 || said.to_ascii_lowercase().contains("work queue depth") {
            return Err(Fault::Busy { address, tried, status, said });
        }
        Err(Fault::NotUnderstood { tried, found: format!("status {status} and the text `{said}`") })
    }

    fn fault(&self, tried: &str, broken: Broken) -> Fault {
        let (address, tried) = (self.endpoint.address.clone(), tried.to_owned());
        match broken {
            Broken::Closed(cause) | Broken::Io(cause) => {
                Fault::Unreachable { address, tried, cause }
            }
            Broken::TimedOut => {
                let limit_millis = self.endpoint.answer_limit.as_millis();
                Fault::TimedOut { address, tried, limit_millis }
            }
            Broken::TooLarge => Fault::TooLarge { address, tried, limit_bytes: ANSWER_BYTES_MAX },
            Broken::NotHttp(found) => Fault::NotUnderstood { tried, found },
        }
    }
}
