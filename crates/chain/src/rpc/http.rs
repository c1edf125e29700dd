//! As much of HTTP/1.1 as the node's RPC server speaks: a status line, headers, a body of
//! announced length. Chunked bodies are refused: the node sends none.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

use crate::deadline::Deadline;

const HEAD_BYTES_MAX: usize = 16 * 1024;
const HEAD_END: &[u8] = b"\r\n\r\n";
const READ_BYTES: usize = 16 * 1024;

pub(super) struct Response {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    pub(super) keep_alive: bool,
}

/// How an exchange ended before there was a whole answer.
pub(super) enum Broken {
    /// The other side closed the connection: it restarted, or was tired of an idle client.
    Closed(io::Error),
    TimedOut,
    TooLarge,
    NotHttp(String),
    Io(io::Error),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        let closed = [
            ErrorKind::UnexpectedEof,
            ErrorKind::ConnectionReset,
            ErrorKind::ConnectionAborted,
            ErrorKind::BrokenPipe,
        ];
        let timed_out = [ErrorKind::WouldBlock, ErrorKind::TimedOut];
        if closed.contains(&error.kind()) {
            Self::Closed(error)
        } else if timed_out.contains(&error.kind()) {
            Self::TimedOut
        } else {
            Self::Io(error)
        }
    }
}

pub(super) struct Connection {
    stream: TcpStream,
}

impl Connection {
    pub(super) fn open(address: &str, limit: Duration) -> io::Result<Self> {
        let mut last = io::Error::new(ErrorKind::NotFound, "the name has no address");
        for candidate in address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&candidate, limit) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(Self { stream });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Sends `request` and reads the answer to it. After an error the connection is useless.
    pub(super) fn exchange(
        &mut self,
        request: &[u8],
        deadline: &Deadline,
        body_bytes_max: usize,
    ) -> Result<Response, Broken> {
        self.stream.set_write_timeout(Some(deadline.left().ok_or(Broken::TimedOut)?))?;
        self.stream.write_all(request)?;

        let mut head = Vec::new();
        let mut body = loop {
            self.read_more(&mut head, deadline)?;
            if let Some(body) = split_off_body(&mut head) {
                break body;
            }
            if head.len() > HEAD_BYTES_MAX {
                return Err(Broken::NotHttp(format!("a head above {HEAD_BYTES_MAX} bytes")));
            }
        };
        let Head { status, body_bytes, keep_alive } = Head::parse(&head)?;
        if body_bytes > body_bytes_max {
            return Err(Broken::TooLarge);
        }
        while body.len() < body_bytes {
            self.read_more(&mut body, deadline)?;
        }
        if body.len() > body_bytes {
            return Err(Broken::NotHttp("more bytes than it announced".to_owned()));
        }
        Ok(Response { status, body, keep_alive })
    }

    fn read_more(&self, into: &mut Vec<u8>, deadline: &Deadline) -> Result<(), Broken> {
        self.stream.set_read_timeout(Some(deadline.left().ok_or(Broken::TimedOut)?))?;
        let mut chunk = [0; READ_BYTES];
        let count = (&self.stream).read(&mut chunk)?;
        if count == 0 {
            return Err(Broken::Closed(ErrorKind::UnexpectedEof.into()));
        }
        into.extend(chunk.iter().take(count));
        Ok(())
    }
}

/// Cuts `head` behind its empty line and returns what follows, or `None` if there is none yet.
fn split_off_body(head: &mut Vec<u8>) -> Option<Vec<u8>> {
    let end = head.windows(HEAD_END.len()).position(|window| window == HEAD_END)?;
    Some(head.split_off(end.checked_add(HEAD_END.len())?))
}

struct Head {
    status: u16,
    body_bytes: usize,
    keep_alive: bool,
}

impl Head {
    fn parse(head: &[u8]) -> Result<Self, Broken> {
        let wrong = |what: &str| Broken::NotHttp(format!("no HTTP answer: {what}"));
        let text = str::from_utf8(head).map_err(|_| wrong("its head is no text"))?;
        let mut lines = text.lines();
        let status = lines
            .next()
            .filter(|line| line.starts_with("HTTP/1."))
            .and_then(|line| line.split(' ').nth(1)?.parse().ok())
            .ok_or_else(|| wrong("no status line"))?;
        let (mut body_bytes, mut keep_alive) = (None, true);
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
            match name.as_str() {
                "content-length" => {
                    body_bytes = Some(value.parse().map_err(|_| wrong("a length that is none"))?);
                }
                "transfer-encoding" => return Err(wrong("a chunked body")),
                "connection" => keep_alive = !value.eq_ignore_ascii_case("close"),
                _ => {}
            }
        }
        let body_bytes = body_bytes.ok_or_else(|| wrong("no Content-Length"))?;
        Ok(Self { status, body_bytes, keep_alive })
    }
}
