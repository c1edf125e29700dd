//! The smallest HTTP server that can play a node, also a rude one.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex},
    thread,
};

use chain::rpc::Endpoint;

/// What the server does with one request.
pub enum Reply {
    /// A whole answer with this status.
    Body(u16, String),
    /// These bytes as they are, then the connection is closed.
    Raw(Vec<u8>),
    /// Closes the connection without a word.
    Close,
    /// Never answers.
    Silence,
}

pub struct Request {
    pub authorization: String,
    pub body: String,
    /// Which connection it came on, counted from 0.
    pub connection: usize,
}

/// Serves until the test ends. The credentials are in `dir/.cookie`.
pub fn serve(dir: &Path, handle: impl FnMut(&Request) -> Reply + Send + 'static) -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let cookie = dir.join(".cookie");
    std::fs::write(&cookie, "__cookie__:first").unwrap();
    let handle = Arc::new(Mutex::new(handle));
    thread::spawn(move || {
        for (connection, stream) in listener.incoming().enumerate() {
            let handle = Arc::clone(&handle);
            thread::spawn(move || talk(&stream.unwrap(), connection, &handle));
        }
    });
    Endpoint::new(address, cookie)
}

fn talk(
    mut stream: &TcpStream,
    connection: usize,
    handle: &Mutex<impl FnMut(&Request) -> Reply>,
) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let request = read_request(&mut reader, connection)?;
        let reply = handle.lock().unwrap()(&request);
        match reply {
            Reply::Body(status, body) => {
                let length = body.len();
                let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n");
                // At once: two writes would wait for each other's acknowledgement.
                stream.write_all((head + &body).as_bytes()).ok()?;
            }
            Reply::Raw(bytes) => {
                stream.write_all(&bytes).ok()?;
                return stream.shutdown(std::net::Shutdown::Both).ok();
            }
            Reply::Close => return stream.shutdown(std::net::Shutdown::Both).ok(),
            Reply::Silence => {
                // Until the client gives up and closes.
                let _end = reader.read(&mut [0]);
                return None;
            }
        }
    }
}

fn read_request(reader: &mut BufReader<&TcpStream>, connection: usize) -> Option<Request> {
    let (mut length, mut authorization) = (0, String::new());
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        if let Some((name, value)) = line.trim().split_once(": ") {
            match name {
                "Content-Length" => length = value.parse().unwrap(),
                "Authorization" => authorization.push_str(value),
                _ => {}
            }
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { authorization, body: String::from_utf8(body).unwrap(), connection })
}
