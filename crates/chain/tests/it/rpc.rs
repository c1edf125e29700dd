//! The client against rude servers.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use chain::{
    Fault,
    rpc::{Call, Endpoint, Rpc, RpcError},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::fake_http::{Reply, Request, serve};

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn ok(result: impl Into<Value>) -> Reply {
    Reply::Body(200, json!({ "result": result.into(), "error": null, "id": 0 }).to_string())
}

fn safe() -> Call {
    Call::new("ask", json!([]))
}

/// What one safe call meets where every request is handled so.
fn fault_of(handle: impl FnMut(&Request) -> Reply + Send + 'static) -> Fault {
    let dir = folder();
    Rpc::new(serve(dir.path(), handle)).call::<Value>(&safe()).unwrap_err()
}

#[test]
fn many_calls_share_one_connection() {
    let dir = folder();
    let mut rpc = Rpc::new(serve(dir.path(), |request| ok(request.connection)));
    for _ in 0..5 {
        assert_eq!(rpc.call::<usize>(&safe()).unwrap(), 0);
    }
}

#[test]
fn a_call_that_may_be_repeated_survives_a_closed_connection_once() {
    let dir = folder();
    let mut answered = 0;
    let mut rpc = Rpc::new(serve(dir.path(), move |request| {
        answered += 1;
        // Every second request finds the connection closed.
        if answered % 2 == 0 { Reply::Close } else { ok(request.connection) }
    }));
    assert_eq!(rpc.call::<usize>(&safe()).unwrap(), 0);
    assert_eq!(rpc.call::<usize>(&safe()).unwrap(), 1);
    assert_eq!(rpc.call::<usize>(&safe()).unwrap(), 2);

    let fault = fault_of(|_| Reply::Close);
    assert!(matches!(fault, Fault::Unreachable { .. }), "{fault}");
    assert!(fault.is_transient());
}

#[test]
fn a_call_that_must_not_be_repeated_is_sent_once_on_a_fresh_connection() {
    let dir = folder();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let mut rpc = Rpc::new(serve(dir.path(), move |request| {
        counted.fetch_add(1, Ordering::SeqCst);
        if request.body.contains("pay") { Reply::Close } else { ok(request.connection) }
    }));
    assert_eq!(rpc.call::<usize>(&safe()).unwrap(), 0);
    assert_eq!(rpc.call::<usize>(&Call::once("other", json!([]))).unwrap(), 1);
    let fault = rpc.call::<Value>(&Call::once("pay", json!([]))).unwrap_err();
    assert_eq!(fault.id(), "node-unreachable");
    assert_eq!(count.load(Ordering::SeqCst), 3);
}

#[test]
fn a_new_cookie_is_read_after_401() {
    let dir = folder();
    let cookie = dir.path().join(".cookie");
    let mut accepted = String::new();
    let mut rpc = Rpc::new(serve(dir.path(), move |request| {
        if request.body.contains("restart") {
            // base64 of `__cookie__:second`
            accepted = "Basic X19jb29raWVfXzpzZWNvbmQ=".to_owned();
            fs::write(&cookie, "__cookie__:second\n").unwrap();
        } else if !accepted.is_empty() && request.authorization != accepted {
            return Reply::Body(401, String::new());
        }
        ok(true)
    }));
    assert!(rpc.call::<bool>(&safe()).unwrap());
    assert!(rpc.call::<bool>(&Call::once("restart", json!([]))).unwrap());
    assert!(rpc.call::<bool>(&safe()).unwrap());
}

#[test]
fn credentials_that_stay_wrong_are_a_fault_for_a_person() {
    let fault = fault_of(|_| Reply::Body(401, String::new()));
    assert!(matches!(fault, Fault::Unauthorized { status: 401, .. }), "{fault}");
    assert!(!fault.is_transient());
}

#[test]
fn a_missing_cookie_is_a_node_that_has_not_started() {
    let dir = folder();
    let endpoint = Endpoint::new("127.0.0.1:9", dir.path().join("none"));
    let fault = Rpc::new(endpoint).call::<Value>(&safe()).unwrap_err();
    assert!(matches!(fault, Fault::Credentials { .. }) && fault.is_transient(), "{fault}");
    assert!(fault.to_string().contains("No such file"), "{fault}");
}

#[test]
fn plain_text_of_an_overloaded_node_is_a_typed_fault() {
    for status in [500, 503] {
        let said = "Work queue depth exceeded";
        let fault = fault_of(move |_| Reply::Body(status, said.to_owned()));
        assert!(matches!(&fault, Fault::Busy { said: s, .. } if s == said), "{fault}");
        assert!(fault.is_transient());
    }
    let fault = fault_of(|_| Reply::Body(404, "<html>".to_owned()));
    assert_eq!(fault.id(), "node-not-understood");
}

#[test]
fn the_nodes_own_error_keeps_its_code_whatever_the_status() {
    let error = json!({ "result": null, "error": { "code": -5, "message": "no" }, "id": 0 });
    let body = error.to_string();
    let fault = fault_of(move |_| Reply::Body(500, body.clone()));
    let expected = RpcError { code: RpcError::NOT_FOUND, message: "no".to_owned() };
    assert!(fault.to_string().contains("-5: no"), "what the node said is shown: {fault}");
    assert!(matches!(fault, Fault::Rpc { cause, .. } if cause == expected));
    let warming = json!({ "error": { "code": -28, "message": "Loading" }, "id": 0 }).to_string();
    assert!(fault_of(move |_| Reply::Body(500, warming.clone())).is_transient());
}

#[test]
fn a_silent_node_is_given_up_after_the_limit() {
    let dir = folder();
    let mut endpoint = serve(dir.path(), |_| Reply::Silence);
    endpoint.answer_limit = Duration::from_millis(50);
    let fault = Rpc::new(endpoint).call::<Value>(&safe()).unwrap_err();
    assert!(matches!(fault, Fault::TimedOut { limit_millis: 50, .. }), "{fault}");
    assert!(fault.is_transient());
}

#[test]
fn what_is_no_answer_is_refused() {
    let raw = |text: &str| {
        let bytes = text.as_bytes().to_vec();
        fault_of(move |_| Reply::Raw(bytes.clone())).id()
    };
    let announced = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 65 * 1024 * 1024);
    assert_eq!(raw(&announced), "node-answer-too-large");
    assert_eq!(raw("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{}"), "node-not-understood");
    assert_eq!(raw("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{}"), "node-not-understood");
    assert_eq!(raw("HTTP/1.1 200 OK\r\n\r\n{}"), "node-not-understood");
    assert_eq!(
        raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
        "node-not-understood"
    );
    assert_eq!(raw("SSH-2.0-OpenSSH\r\n\r\n"), "node-not-understood");
    assert_eq!(raw(&"x".repeat(40_000)), "node-not-understood");
    assert_eq!(raw("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{"), "node-unreachable");
    let body = |text: &'static str| fault_of(move |_| Reply::Body(200, text.to_owned())).id();
    assert_eq!(body("{\"result\": 1"), "node-not-understood");
    assert_eq!(body("[]"), "node-not-understood");
    assert_eq!(body("{}"), "node-not-understood");
    assert_eq!(body("{\"error\": null, \"id\": 0}"), "node-not-understood");
    assert_eq!(body(""), "node-not-understood");
}

#[test]
fn a_batch_keeps_its_order_and_its_single_errors() {
    let dir = folder();
    let mut rpc = Rpc::new(serve(dir.path(), |request| {
        let calls: Vec<Value> = serde_json::from_str(&request.body).unwrap();
        let answers: Vec<Value> = calls
            .iter()
            .rev()
            .map(|call| match call["params"][0].as_u64().unwrap() {
                2 => json!({ "error": { "code": -5, "message": "gone" }, "id": call["id"] }),
                n => json!({ "result": n * 10, "error": null, "id": call["id"] }),
            })
            .collect();
        Reply::Body(200, Value::from(answers).to_string())
    }));
    let calls: Vec<Call> = (1..4).map(|n| Call::new("ask", json!([n]))).collect();
    let answers = rpc.batch::<u64>(&calls).unwrap();
    assert_eq!(answers[0], Ok(10));
    assert_eq!(answers[1].as_ref().unwrap_err().code, RpcError::NOT_FOUND);
    assert_eq!(answers[2], Ok(30));
    assert!(rpc.batch::<u64>(&[]).unwrap().is_empty());
}

#[test]
fn a_batch_with_missing_or_foreign_answers_is_refused() {
    for body in [
        r#"[{"result":1,"id":0}]"#,
        r#"[{"result":1,"id":0},{"result":1,"id":0}]"#,
        r#"[{"result":1,"id":0},{"result":1,"id":2}]"#,
        r#"[{"result":1,"id":0},{"result":"x","id":1}]"#,
        r#"[{"result":1,"id":0},[1,null,1]]"#,
        r#"[{"result":1,"id":0},{"id":1}]"#,
        r#"{"result":1,"id":0}"#,
    ] {
        let dir = folder();
        let mut rpc = Rpc::new(serve(dir.path(), |_| Reply::Body(200, body.to_owned())));
        let fault = rpc.batch::<u64>(&[safe(), safe()]).unwrap_err();
        assert_eq!(fault.id(), "node-not-understood", "{body}");
    }
}
