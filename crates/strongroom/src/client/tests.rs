use serde_json::{Value, json};

use super::*;

#[test]
fn a_server_address_that_cannot_be_spoken_to_says_what_to_write_instead() {
    for good in ["http://127.0.0.1:8080", "http://house.internal:8080/", "http://[::1]:8080"] {
        check_base(good).unwrap();
    }
    for (bad, said) in [
        ("https://api.exchange.example/v1", "--authority api.exchange.example"),
        ("https://api.exchange.example", "plain HTTP"),
        ("127.0.0.1:8080", "begins with http://"),
        ("http://", "host and port"),
        ("http://127.0.0.1:8080/v1", "host and port"),
    ] {
        let fault = check_base(bad).unwrap_err().to_string();
        assert!(fault.contains(said) && fault.contains(bad), "{bad}: {fault}");
    }
}

#[test]
fn who_answers_as_no_house_does_is_called_a_stranger() {
    let judged = |status, value: Value| judge("http://x/v1/account", "/v1/account", status, value);
    for (status, said) in [
        (404, Value::String(String::new())),
        (404, json!({ "detail": "Not Found" })),
        (200, Value::String("<html>".to_owned())),
        (405, Value::String("JSONRPC server handles only POST requests".to_owned())),
    ] {
        let fault = judged(status, said).unwrap_err();
        assert!(matches!(fault, ClientFault::Stranger { .. }), "{fault}");
        assert!(fault.to_string().contains("http.listen"), "{fault}");
    }
    assert!(judged(200, json!({})).is_ok());
    // The monitor has pages of another kind.
    let ready = json!({ "ready": false });
    let monitor = judge("http://x/readyz", "/readyz", 503, ready).unwrap_err();
    assert!(matches!(monitor, ClientFault::Refused { .. }), "{monitor}");
}

#[test]
fn a_refusal_names_its_rule_once() {
    let problem = json!({ "code": "key-revoked", "detail": "key-revoked: the key was revoked" });
    assert_eq!(refused(401, &problem).to_string(), "key-revoked (401): the key was revoked");
    let other = json!({ "code": "busy", "detail": "try again" });
    assert_eq!(refused(503, &other).to_string(), "busy (503): try again");
}

#[test]
fn a_key_is_never_written_over_and_what_is_no_key_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alice.key");
    let key = new_key().unwrap();
    write_key(&path, &key).unwrap();
    assert_eq!(read_key(&path).unwrap().to_bytes(), key.to_bytes());
    let again = write_key(&path, &new_key().unwrap()).unwrap_err().to_string();
    assert!(again.contains("alice.key exists"), "{again}");
    assert_eq!(read_key(&path).unwrap().to_bytes(), key.to_bytes());
    let nowhere = write_key(&folder.path().join("no/alice.key"), &key).unwrap_err().to_string();
    assert!(nowhere.contains("no/alice.key"), "{nowhere}");
    std::fs::write(&path, "-----BEGIN PRIVATE KEY-----\n").unwrap();
    let fault = read_key(&path).unwrap_err().to_string();
    assert!(fault.contains("PEM") && fault.contains("docs/request-signing.md"), "{fault}");
}
