//! A client that costs little: one blocking connection, bytes that were made before.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

/// Sends one request after the other over one connection, and says how long each answer took.
pub fn ask_all(address: SocketAddr, requests: &[Vec<u8>]) -> Vec<Duration> {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.set_nodelay(true).expect("a TCP socket");
    let mut answers = BufReader::new(stream.try_clone().expect("a second handle"));
    let mut took = Vec::with_capacity(requests.len());
    for request in requests {
        let begun = Instant::now();
        stream.write_all(request).expect("the server reads");
        read_answer(&mut answers);
        took.push(begun.elapsed());
    }
    took
}

fn read_answer(answers: &mut BufReader<TcpStream>) {
    let mut line = String::new();
    answers.read_line(&mut line).expect("the server answers");
    let accepted = line.starts_with("HTTP/1.1 202");
    let mut length = 0;
    loop {
        line.clear();
        answers.read_line(&mut line).expect("the answer has headers");
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().expect("a length");
        }
    }
    let mut body = vec![0; length];
    answers.read_exact(&mut body).expect("the answer has a body");
    assert!(accepted, "{}", String::from_utf8_lossy(&body));
}
