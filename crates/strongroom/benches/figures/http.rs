//! `http-withdrawals`: requests over HTTP with their signatures checked, the load made by the same
//! machine. Signed beforehand; connections stay open.

mod client;

use std::{
    hint::black_box,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
    thread,
    time::Instant,
};

use access::{
    Nonce, NonceMemory, Principal, RequestParts, Scope, Settings, Verifier, sign_request,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use custody::WithdrawalRequest;
use primitives::{Network, Seconds};
use strongroom::{
    clock,
    core::{Core, Keys},
    edge::{self, Edge},
    replica::Replica,
    signer_client::SignerClient,
    status::Status,
};

use crate::{
    house::{House, Size},
    load::Watch,
    people,
    report::{Lab, median},
};

const ROUNDS: usize = 3;
const CONNECTIONS: usize = 32;
const REQUESTS: usize = 24_000;

pub fn measure(lab: &mut Lab) {
    let house = House::build(&lab.path("http"), Size::SMALL);
    let opened = house.open();
    let (running, replica) = opened.run(&house.options).expect("views can be made");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let edge = edge(running.core(), replica, running.keys(), address);
    let router = edge::router(edge);
    runtime.spawn(async move { axum::serve(listener, router).await });
    run(lab, address);
    runtime.shutdown_background();
    costs(lab);
    running.stop();
}

fn edge(core: Core, replica: Arc<Replica>, keys: Arc<Keys>, address: SocketAddr) -> Arc<Edge> {
    Arc::new(Edge {
        core,
        replica,
        keys,
        verifier: Verifier::new(settings(&address.to_string())),
        nonces: Mutex::new(NonceMemory::new(1_000_000)),
        operator_token: Edge::token_hash("nobody asks as an operator here"),
        // Nothing on the way of a withdrawal request asks the signer.
        signer: Arc::new(SignerClient::new(Path::new("/nonexistent"))),
        status: Arc::new(Status::default()),
        network: Network::Regtest,
    })
}

fn settings(authority: &str) -> Settings {
    Settings::new(vec![authority.to_owned()], primitives::Timestamp::EPOCH)
}

fn run(lab: &Lab, address: SocketAddr) {
    let (mut took, mut rates) = (Vec::new(), Vec::new());
    let watch = Watch::begin();
    for _ in 0..ROUNDS {
        // Signatures are good for a minute, so that each round signs its own.
        let requests = requests(&address.to_string());
        let begun = Instant::now();
        let clients = requests
            .into_iter()
            .map(|requests| thread::spawn(move || client::ask_all(address, &requests)));
        let clients: Vec<_> = clients.collect();
        for client in clients {
            took.extend(client.join().expect("every request is accepted"));
        }
        rates.push(REQUESTS as f64 / begun.elapsed().as_secs_f64());
    }
    let conditions = format!(
        "{CONNECTIONS} connections, {REQUESTS} x {ROUNDS} requests, {} accounts; request and intent signature checked, answered when durable, views follow; load made by the same machine; no signer, no node",
        Size::SMALL.accounts
    );
    lab.figure(&watch, "http-withdrawals", (median(rates), "requests/s"), &conditions);
    let what = "processor time of one request: server, clients, and the signing before each round";
    lab.processor(&watch, "http-withdrawals", REQUESTS * ROUNDS, what);
    lab.latencies(&watch, "http-withdrawals", &mut took, &conditions);
}

/// The bytes of all requests, by connection.
fn requests(authority: &str) -> Vec<Vec<Vec<u8>>> {
    let makers = (0..2_u64).map(|maker| {
        let authority = authority.to_owned();
        thread::spawn(move || {
            let customers = (2..Size::SMALL.accounts).skip(maker as usize).step_by(2).cycle();
            let made = customers.take(REQUESTS / 2).map(|number| request(&authority, number));
            made.collect::<Vec<_>>()
        })
    });
    let makers: Vec<_> = makers.collect();
    let made = makers.into_iter().flat_map(|maker| maker.join().expect("nothing panics there"));
    let mut by_connection = vec![Vec::new(); CONNECTIONS];
    for (number, request) in made.enumerate() {
        by_connection[number % CONNECTIONS].push(request);
    }
    by_connection
}

/// One customer's signed request for a withdrawal, as bytes of HTTP/1.1.
fn request(authority: &str, number: u64) -> Vec<u8> {
    let (body, headers) = signed(authority, number);
    let mut text = format!(
        "POST /v1/withdrawals HTTP/1.1\r\nhost: {authority}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        text.extend([name, ": ", &value, "\r\n"]);
    }
    text.push_str("\r\n");
    text.push_str(&body);
    text.into_bytes()
}

fn signed(authority: &str, number: u64) -> (String, [(&'static str, String); 3]) {
    let key = people::customer_key(number);
    let random = || clock::random().expect("randomness");
    let intent = people::intent(people::account(number), random());
    let (intent, signature) = people::signed_intent(&key, &intent);
    let body = serde_json::json!({
        "intent": STANDARD.encode(intent), "intent_signature": STANDARD.encode(signature),
    });
    let body = body.to_string();
    let now = clock::now();
    let expires = now.saturating_add(Seconds(60));
    let nonce = Nonce::from_random(random());
    let signed = sign_request(&key, &parts(authority, &body), now, expires, &nonce);
    let headers = signed.expect("it can be signed").into_headers();
    (body, headers)
}

fn parts<'a>(authority: &'a str, body: &'a str) -> RequestParts<'a> {
    let (method, path, query) = ("POST", "/v1/withdrawals", None);
    RequestParts { method, authority, path, query, headers: &[("", ""); 0], body: body.as_bytes() }
}

/// What the two signature checks of one request cost on one processor.
fn costs(lab: &Lab) {
    let (authority, number) = ("house.example", 2);
    let (body, headers) = signed(authority, number);
    let verifier = Verifier::new(settings(authority));
    let key = people::customer_key(number);
    let known = people::api_key(&key, Principal::Account(people::account(number)));
    let intent = people::intent(people::account(number), [1; 16]);
    let (bytes, signature) = people::signed_intent(&key, &intent);
    let watch = Watch::begin();
    let each = |begun: Instant| (begun.elapsed().as_secs_f64() * 1e6 / 2000.0, "us");
    let begun = Instant::now();
    for _ in 0..2000 {
        let parts = RequestParts { headers: &headers, ..parts(authority, &body) };
        let checked = verifier.verify(&parts, Scope::Withdraw, clock::now(), |_| Some(known));
        let _verified = black_box(checked).expect("a good signature");
    }
    let what = "the check of one signed request (RFC 9421, Ed25519), one processor";
    lab.figure(&watch, "http-withdrawals/cost-request", each(begun), what);
    let begun = Instant::now();
    for _ in 0..2000 {
        let parsed = WithdrawalRequest::parse(bytes.clone(), Some((known.id, signature)));
        drop(black_box(parsed).expect("a good intent"));
    }
    let what = "the check of one signed intent (Ed25519), one processor";
    lab.figure(&watch, "http-withdrawals/cost-intent", each(begun), what);
}
