//! The server's side of the signer's socket: one connection, one request at a time.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use signer_protocol::{
    Description, RefusalTag, Request, Response, TreeHead,
    message::{MessageError, body_length, decode_body, encode_frame},
};

/// The longest that the signer may take for one answer: a full batch takes well below a second.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Why the signer gave no usable answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignerFault {
    /// The socket cannot be reached, or the connection broke. What was asked may have happened.
    #[error(
        "signer at {socket}: {source}; is strongroom-signer running, and may this user open its socket?"
    )]
    Unreachable {
        /// Its path.
        socket: PathBuf,
        /// What the operating system says.
        #[source]
        source: std::io::Error,
    },
    /// The request is larger than a frame may be: it was never sent.
    #[error("the request cannot be sent to the signer")]
    NotSent(#[source] MessageError),
    /// The answer cannot be read.
    #[error(
        "the signer's answer cannot be read; is that the socket for the server, and not the admin's?"
    )]
    Unreadable(#[from] MessageError),
    /// The signer said no.
    #[error("{tag}: {detail}")]
    Refused {
        /// The rule that said no.
        tag: RefusalTag,
        /// What was found.
        detail: String,
    },
    /// Something broke inside the signer, or it answered something else than was asked.
    #[error("the signer failed: {detail}")]
    Broken {
        /// What it said.
        detail: String,
    },
}

impl SignerFault {
    /// An answer that does not fit the question.
    #[must_use]
    pub fn unexpected(response: &Response) -> Self {
        match response {
            Response::Refused { tag, detail } => {
                Self::Refused { tag: *tag, detail: detail.clone() }
            }
            Response::Fault { detail } => Self::Broken { detail: detail.clone() },
            Response::Description(_)
            | Response::Witnessed { .. }
            | Response::UsableKeys { .. }
            | Response::Signed(_) => {
                Self::Broken { detail: "its answer does not fit the question".to_owned() }
            }
        }
    }
}

/// A client of one signer. Connects when asked, and again after a broken connection.
pub struct SignerClient {
    socket: PathBuf,
    connection: Mutex<Option<UnixStream>>,
}

impl SignerClient {
    /// A client of the signer that listens at `socket`.
    #[must_use]
    pub fn new(socket: &Path) -> Self {
        Self { socket: socket.to_path_buf(), connection: Mutex::new(None) }
    }

    /// Asks once. A connection that broke while it was idle is made anew, since every request may
    /// be repeated: the signer answers a transaction that it has signed with the same bytes.
    ///
    /// # Errors
    ///
    /// [`SignerFault::NotSent`], [`SignerFault::Unreachable`] and [`SignerFault::Unreadable`]; a
    /// refusal is an answer.
    pub fn ask(&self, request: &Request) -> Result<Response, SignerFault> {
        let frame = encode_frame(request).map_err(SignerFault::NotSent)?;
        let mut held = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stream) = held.as_mut() {
            if let Ok(response) = exchange(stream, &frame) {
                return Ok(response?);
            }
            *held = None;
        }
        let unreachable = |source| SignerFault::Unreachable { socket: self.socket.clone(), source };
        let mut stream = connect(&self.socket).map_err(unreachable)?;
        let response = exchange(&mut stream, &frame).map_err(unreachable)?;
        *held = Some(stream);
        Ok(response?)
    }

    /// Who the signer is and how it stands.
    ///
    /// # Errors
    ///
    /// [`SignerFault`].
    pub fn describe(&self) -> Result<Description, SignerFault> {
        let response = self.ask(&Request::Describe)?;
        let Response::Description(description) = response else {
            return Err(SignerFault::unexpected(&response));
        };
        Ok(description)
    }

    /// The head of this shard's journal that the signer has witnessed last.
    ///
    /// # Errors
    ///
    /// [`SignerFault`].
    pub fn witnessed(&self, shard: u16) -> Result<Option<TreeHead>, SignerFault> {
        let response = self.ask(&Request::WitnessedHead { shard })?;
        let Response::Witnessed { head } = response else {
            return Err(SignerFault::unexpected(&response));
        };
        Ok(head)
    }
}

fn connect(socket: &Path) -> std::io::Result<UnixStream> {
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    Ok(stream)
}

/// The outer error is the connection's, the inner one the message's.
fn exchange(
    stream: &mut UnixStream,
    frame: &[u8],
) -> std::io::Result<Result<Response, MessageError>> {
    stream.write_all(frame)?;
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix)?;
    let length = match body_length(prefix) {
        Ok(length) => length,
        Err(error) => return Ok(Err(error)),
    };
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(decode_body(&body))
}

#[cfg(test)]
mod tests {
    use signer_protocol::{SignRequest, message::FRAME_BYTES_MAX};

    use super::*;

    #[test]
    fn a_request_that_is_larger_than_a_frame_is_never_sent() {
        let request = Request::Sign(SignRequest {
            psbt: vec![0; FRAME_BYTES_MAX],
            evidence: Vec::new(),
            shard: 0,
            journal_seq: 1,
        });
        // Nobody listens there: whoever tried would find that out first.
        let client = SignerClient::new(Path::new("/nonexistent/signer.sock"));
        let fault = client.ask(&request).unwrap_err();
        assert!(matches!(fault, SignerFault::NotSent(MessageError::TooLarge { .. })), "{fault}");
        let fault = client.describe().unwrap_err();
        assert!(matches!(fault, SignerFault::Unreachable { .. }), "{fault}");
    }
}
