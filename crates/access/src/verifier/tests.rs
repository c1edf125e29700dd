#![allow(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]

use std::fmt::Write;

use expect_test::{Expect, expect};
use primitives::KeyId;

use super::*;
use crate::{
    Nonce, NonceMemory, Scopes, sign_request,
    test_support::{api_key, at, key_id, signing_key},
};

const START: u64 = 1_795_000_000;

/// A good request by a good key, 100 s after the start, to be spoilt by a test.
struct Attempt {
    method: &'static str,
    authority: &'static str,
    path: &'static str,
    query: Option<&'static str>,
    headers: Vec<(String, String)>,
    body: &'static str,
    needs: Scope,
    now: Timestamp,
    key: Option<ApiKey>,
}

fn signed() -> Attempt {
    let mut attempt = Attempt {
        method: "POST",
        authority: "api.exchange.example",
        path: "/v1/withdrawals",
        query: Some("wait=1"),
        headers: vec![("idempotency-key".into(), "order-1".into())],
        body: "{\"amount_sat\":1}",
        needs: Scope::Withdraw,
        now: at(START + 100),
        key: Some(api_key()),
    };
    attempt.sign(START + 100, START + 130);
    attempt
}

impl Attempt {
    fn parts(&self) -> RequestParts<'_> {
        RequestParts {
            method: self.method,
            authority: self.authority,
            path: self.path,
            query: self.query,
            headers: &self.headers,
            body: self.body.as_bytes(),
        }
    }

    fn sign(&mut self, created: u64, expires: u64) {
        let nonce = Nonce::parse("AAAAAAAAAAAAAAAAAAAAAA").unwrap();
        let signed =
            sign_request(&signing_key(), &self.parts(), at(created), at(expires), &nonce).unwrap();
        for (name, value) in signed.into_headers() {
            self.remove(name);
            self.add(name, &value);
        }
    }

    fn add(&mut self, name: &str, value: &str) {
        self.headers.push((name.into(), value.into()));
    }

    fn remove(&mut self, name: &str) {
        self.headers.retain(|(found, _)| found != name);
    }

    fn header(&mut self, name: &str) -> &mut String {
        &mut self.headers.iter_mut().find(|(found, _)| found == name).unwrap().1
    }

    fn replace(&mut self, name: &str, from: &str, to: &str) {
        let value = self.header(name);
        assert!(value.contains(from), "{from} is not in {value}");
        *value = value.replace(from, to);
    }

    fn input(&mut self, from: &str, to: &str) {
        self.replace("signature-input", from, to);
    }

    fn verifier() -> Verifier {
        Verifier::new(Settings::new(vec!["API.exchange.example:443".into()], at(START)))
    }

    fn verify(&self) -> Result<Verified<'_>, Refusal> {
        Self::verifier().verify(&self.parts(), self.needs, self.now, |_| self.key)
    }
}

type Spoil = fn(&mut Attempt);

fn refusals(rows: &[(&str, Spoil)]) -> (String, Vec<&'static str>) {
    let (mut table, mut ids) = (String::new(), Vec::new());
    for (row, spoil) in rows {
        let mut attempt = signed();
        spoil(&mut attempt);
        let refusal = attempt.verify().map(|_| ()).unwrap_err();
        assert!(refusal.to_string().starts_with(&format!("{}: ", refusal.id())));
        writeln!(table, "{row}\n    {refusal}").unwrap();
        ids.push(refusal.id());
    }
    ids.dedup();
    (table, ids)
}

fn check(rows: &[(&str, Spoil)], expected: &Expect) {
    expected.assert_eq(&refusals(rows).0);
}

#[test]
fn a_good_request_is_recognised() {
    let attempt = signed();
    let verified = attempt.verify().unwrap();
    let request = NonceMemory::new(1).spend(verified, attempt.now).unwrap();
    assert_eq!(request.account(), Some(crate::test_support::account()));
    assert_eq!((request.key(), request.scopes()), (key_id(), api_key().scopes));
    let request = request.map(|parts| parts.body.len());
    assert_eq!(*request.request(), 16);
    assert_eq!(request.try_map(|_| Err::<(), _>("no")).unwrap_err(), "no");
}

#[test]
fn every_refusal_of_a_request_has_its_row_in_ladder_order() {
    let (mut ids, mut table) = (Vec::new(), String::new());
    for rows in [HEADER_ROWS, COMPONENT_ROWS, PARAMETER_ROWS, TIME_ROWS, TARGET_ROWS, KEY_ROWS] {
        let (rows, found) = refusals(rows);
        table.push_str(&rows);
        ids.extend(found);
    }
    let attempt = signed();
    let mut spend = |memory: &mut NonceMemory| {
        let spent = memory.spend(attempt.verify().unwrap(), attempt.now);
        ids.extend(spent.err().map(|refusal| refusal.id()));
    };
    let mut memory = NonceMemory::new(1);
    spend(&mut memory);
    spend(&mut memory);
    spend(&mut NonceMemory::new(0));
    assert_eq!(ids, Refusal::IDS[..27], "{table}");
}

const HEADER_ROWS: &[(&str, Spoil)] = &[
    ("no signature-input", |it| it.remove("signature-input")),
    ("no signature", |it| it.remove("signature")),
    ("two lines of signature-input", |it| it.add("Signature-Input", "sig2=()")),
    ("two lines of signature", |it| it.add("Signature", "sig2=:AAAA:")),
    ("two signatures in one line", |it| it.header("signature").push_str(", sig2=:AAAA:")),
    ("signature-input is empty", |it| it.header("signature-input").clear()),
    ("signature-input is no dictionary", |it| it.input("sig1=", "=")),
    ("signature-input is no list", |it| *it.header("signature-input") = "sig1=1".into()),
    ("a label twice", |it| {
        let twice = format!("{0}, {0}", it.header("signature-input"));
        *it.header("signature-input") = twice;
    }),
    ("a parameter twice", |it| it.header("signature-input").push_str(";alg=\"ed25519\"")),
    ("a blank too many", |it| it.input("(\"@method\"", "( \"@method\"")),
    ("a zero too many", |it| it.input("created=", "created=0")),
    ("base64 without its padding", |it| it.replace("signature", "==:", "=:")),
    ("a signature with parameters", |it| it.header("signature").push_str(";a")),
    ("a signature that is a list", |it| *it.header("signature") = "sig1=(1)".into()),
    ("a short signature", |it| *it.header("signature") = "sig1=:AAAA:".into()),
    ("two labels", |it| it.replace("signature", "sig1", "sig2")),
];

#[test]
fn a_request_has_exactly_one_signature_in_canonical_form() {
    check(
        HEADER_ROWS,
        &expect![[r"
        no signature-input
            request-signature-missing: the request has no `signature-input`; sign it with Ed25519 as RFC 9421 says
        no signature
            request-signature-missing: the request has no `signature`; sign it with Ed25519 as RFC 9421 says
        two lines of signature-input
            request-signature-several: `signature-input` carries 2 lines or signatures; send exactly one
        two lines of signature
            request-signature-several: `signature` carries 2 lines or signatures; send exactly one
        two signatures in one line
            request-signature-several: `signature` carries 2 lines or signatures; send exactly one
        signature-input is empty
            request-signature-malformed: `signature-input` must be 1 to 1024 printable ASCII characters
        signature-input is no dictionary
            request-signature-malformed: `signature-input` is no dictionary of structured fields (RFC 9651)
        signature-input is no list
            request-signature-malformed: `signature-input` must be a label and a list of covered components
        a label twice
            request-signature-malformed: `signature-input` is not in canonical form: a duplicate, a superfluous blank or zero, or base64 without padding (RFC 9651)
        a parameter twice
            request-signature-malformed: `signature-input` is not in canonical form: a duplicate, a superfluous blank or zero, or base64 without padding (RFC 9651)
        a blank too many
            request-signature-malformed: `signature-input` is not in canonical form: a duplicate, a superfluous blank or zero, or base64 without padding (RFC 9651)
        a zero too many
            request-signature-malformed: `signature-input` is not in canonical form: a duplicate, a superfluous blank or zero, or base64 without padding (RFC 9651)
        base64 without its padding
            request-signature-malformed: `signature` is not in canonical form: a duplicate, a superfluous blank or zero, or base64 without padding (RFC 9651)
        a signature with parameters
            request-signature-malformed: `signature` must be a byte sequence of 64 bytes
        a signature that is a list
            request-signature-malformed: `signature` must be a label and one byte sequence
        a short signature
            request-signature-malformed: `signature` must be a byte sequence of 64 bytes
        two labels
            request-signature-label-mismatch: `signature-input` is labelled `sig1`, `signature` is labelled `sig2`; use one label
    "]],
    );
}

const COMPONENT_ROWS: &[(&str, Spoil)] = &[
    ("an unknown component", |it| it.input("\"@path\"", "\"@target-uri\"")),
    ("another header", |it| it.input("\"@path\"", "\"@path\" \"date\"")),
    ("a component with a parameter", |it| it.input("\"content-digest\"", "\"content-digest\";bs")),
    ("a component that is a token", |it| it.input("\"content-digest\"", "content-digest")),
    ("a component twice", |it| it.input("\"@path\"", "\"@path\" \"@path\"")),
    ("no method", |it| it.input("\"@method\" ", "")),
    ("no authority", |it| it.input("\"@authority\" ", "")),
    ("no path", |it| it.input("\"@path\" ", "")),
    ("no query", |it| it.input("\"@query\" ", "")),
    ("no digest", |it| it.input("\"content-digest\" ", "")),
    ("no idempotency key", |it| it.input(" \"idempotency-key\"", "")),
];

#[test]
fn all_that_says_what_is_asked_is_covered() {
    check(
        COMPONENT_ROWS,
        &expect![[r#"
        an unknown component
            request-component-unknown: "@target-uri" is covered; cover only @method, @authority, @path, @query, content-digest and idempotency-key, without parameters
        another header
            request-component-unknown: "date" is covered; cover only @method, @authority, @path, @query, content-digest and idempotency-key, without parameters
        a component with a parameter
            request-component-unknown: "content-digest";bs is covered; cover only @method, @authority, @path, @query, content-digest and idempotency-key, without parameters
        a component that is a token
            request-component-unknown: content-digest is covered; cover only @method, @authority, @path, @query, content-digest and idempotency-key, without parameters
        a component twice
            request-component-duplicate: `@path` is covered twice; cover it once
        no method
            request-component-missing: `@method` is not covered; sign it too
        no authority
            request-component-missing: `@authority` is not covered; sign it too
        no path
            request-component-missing: `@path` is not covered; sign it too
        no query
            request-component-missing: `@query` is not covered; sign it too
        no digest
            request-component-missing: `content-digest` is not covered; sign it too
        no idempotency key
            request-component-missing: `idempotency-key` is not covered; sign it too
    "#]],
    );
}

const PARAMETER_ROWS: &[(&str, Spoil)] = &[
    ("an unknown parameter", |it| it.header("signature-input").push_str(";tag=\"a\"")),
    ("no created", |it| it.input(";created=1795000100", "")),
    ("no expires", |it| it.input(";expires=1795000130", "")),
    ("no nonce", |it| it.input(";nonce=\"AAAAAAAAAAAAAAAAAAAAAA\"", "")),
    ("no keyid", |it| it.input(&format!(";keyid=\"{}\"", key_id()), "")),
    ("no alg", |it| it.input(";alg=\"ed25519\"", "")),
    ("created is a string", |it| it.input("=1795000100", "=\"1795000100\"")),
    ("created is before 1970", |it| it.input("=1795000100", "=-1")),
    ("expires is after 9999", |it| it.input("=1795000130", "=253402300800")),
    ("a short nonce", |it| it.input("\"AAAAAAA", "\"")),
    ("a nonce with another character", |it| it.input("\"AAAA", "\"AAA+")),
    ("a nonce that is a token", |it| {
        it.input("\"AAAAAAAAAAAAAAAAAAAAAA\"", "AAAAAAAAAAAAAAAAAAAAAA");
    }),
    ("a key id in upper case", |it| it.input("key_d7", "key_D7")),
    ("expires is not later than created", |it| it.input("=1795000130", "=1795000100")),
    ("another algorithm", |it| it.input("\"ed25519\"", "\"hmac-sha256\"")),
    ("an algorithm that is a token", |it| it.input("\"ed25519\"", "ed25519")),
];

#[test]
fn all_that_says_who_asked_and_when_is_given() {
    check(
        PARAMETER_ROWS,
        &expect![[r#"
        an unknown parameter
            request-parameter-unknown: `tag`; use only created, expires, nonce, keyid and alg
        no created
            request-parameter-missing: `created` is not among the signature's parameters
        no expires
            request-parameter-missing: `expires` is not among the signature's parameters
        no nonce
            request-parameter-missing: `nonce` is not among the signature's parameters
        no keyid
            request-parameter-missing: `keyid` is not among the signature's parameters
        no alg
            request-parameter-missing: `alg` is not among the signature's parameters
        created is a string
            request-parameter-malformed: `created` must be whole seconds since 1970, unquoted
        created is before 1970
            request-parameter-malformed: `created` must be whole seconds since 1970, unquoted
        expires is after 9999
            request-parameter-malformed: `expires` must be whole seconds since 1970, unquoted
        a short nonce
            request-parameter-malformed: `nonce` must be a string of 16 to 64 characters of base64url
        a nonce with another character
            request-parameter-malformed: `nonce` must be a string of 16 to 64 characters of base64url
        a nonce that is a token
            request-parameter-malformed: `nonce` must be a string of 16 to 64 characters of base64url
        a key id in upper case
            request-parameter-malformed: `keyid` must be a string of key_ and the public key in 64 lower-case hexadecimal digits
        expires is not later than created
            request-parameter-malformed: `expires` must be later than created
        another algorithm
            request-algorithm-wrong: alg is "hmac-sha256"; only "ed25519" is accepted
        an algorithm that is a token
            request-algorithm-wrong: alg is ed25519; only "ed25519" is accepted
    "#]],
    );
}

const TIME_ROWS: &[(&str, Spoil)] = &[
    ("created 6 s ahead", |it| it.now = at(START + 94)),
    ("expired this second", |it| it.now = at(START + 130)),
    ("a lifetime of 61 s", |it| it.sign(START + 100, START + 161)),
    ("created before the start", |it| {
        it.sign(START - 1, START + 50);
        it.now = at(START + 1);
    }),
    // An earlier process may have taken this request from a client whose clock was 5 s ahead.
    ("created less than the clock skew after the start", |it| {
        it.sign(START + 4, START + 50);
        it.now = at(START + 5);
    }),
];

#[test]
fn a_request_has_a_short_time_of_its_own() {
    check(
        TIME_ROWS,
        &expect![[r"
        created 6 s ahead
            request-clock-skew: created at 2026-11-18T11:08:20.000Z, more than 5 s ahead of our clock (2026-11-18T11:08:14.000Z); set your clock
        expired this second
            request-expired: it expired at 2026-11-18T11:08:50.000Z, and it is 2026-11-18T11:08:50.000Z; sign it again
        a lifetime of 61 s
            request-lifetime-too-long: 61 s lie between created and expires; at most 60 s are accepted
        created before the start
            request-created-before-start: created at 2026-11-18T11:06:39.000Z, but after our restart only requests created from 2026-11-18T11:06:45.000Z on are accepted; ask what became of the first attempt, then sign again
        created less than the clock skew after the start
            request-created-before-start: created at 2026-11-18T11:06:44.000Z, but after our restart only requests created from 2026-11-18T11:06:45.000Z on are accepted; ask what became of the first attempt, then sign again
    "]],
    );
}

#[test]
fn the_limits_of_time_are_exact() {
    let outcome = |created: u64, expires: u64, now: u64| {
        let mut attempt = signed();
        attempt.sign(created, expires);
        attempt.now = at(now);
        attempt.verify().map(|_| ()).map_err(|refusal| refusal.id())
    };
    assert_eq!(outcome(START + 100, START + 160, START + 95), Ok(()));
    assert_eq!(outcome(START + 100, START + 160, START + 159), Ok(()));
    assert_eq!(outcome(START + 5, START + 6, START + 5), Ok(()));
    assert_eq!(Attempt::verifier().accepted_from(), at(START + 5));
}

const TARGET_ROWS: &[(&str, Spoil)] = &[
    ("no method", |it| it.method = ""),
    ("a line feed in the method", |it| it.method = "POST\n"),
    ("a path without slash", |it| it.path = "v1"),
    ("a query in the path", |it| it.path = "/v1?a"),
    ("a line feed in the path", |it| it.path = "/v1\n\"@query\": ?"),
    ("a blank in the query", |it| it.query = Some("a b")),
    ("a fragment in the query", |it| it.query = Some("a#b")),
    ("another house", |it| it.authority = "api.other.example"),
    ("another port", |it| it.authority = "api.exchange.example:8443"),
    ("no digest", |it| it.remove("content-digest")),
    ("no idempotency key, but it is covered", |it| it.remove("idempotency-key")),
    ("two digests", |it| it.add("content-digest", "sha-256=:AAAA:")),
    ("a digest of another algorithm", |it| it.replace("content-digest", "sha-256", "sha-512")),
    ("two idempotency keys", |it| it.add("idempotency-key", "order-2")),
    ("an idempotency key outside ASCII", |it| *it.header("idempotency-key") = "é".into()),
];

#[test]
fn a_request_is_for_this_house_and_reads_one_way_only() {
    check(
        TARGET_ROWS,
        &expect![[r#"
            no method
                request-target-malformed: the method is not one that HTTP allows; percent-encode it
            a line feed in the method
                request-target-malformed: the method is not one that HTTP allows; percent-encode it
            a path without slash
                request-target-malformed: the path is not one that HTTP allows; percent-encode it
            a query in the path
                request-target-malformed: the path is not one that HTTP allows; percent-encode it
            a line feed in the path
                request-target-malformed: the path is not one that HTTP allows; percent-encode it
            a blank in the query
                request-target-malformed: the query is not one that HTTP allows; percent-encode it
            a fragment in the query
                request-target-malformed: the query is not one that HTTP allows; percent-encode it
            another house
                request-authority-wrong: `api.other.example` is not a name of this server; sign and send to its public name
            another port
                request-authority-wrong: `api.exchange.example:8443` is not a name of this server; sign and send to its public name
            no digest
                request-header-missing: the request has no `content-digest`; send it, it is signed
            no idempotency key, but it is covered
                request-header-missing: the request has no `idempotency-key`; send it, it is signed
            two digests
                request-header-malformed: `content-digest` must be one line `sha-256=:BASE64:` with the padded base64 of 32 bytes and nothing else
            a digest of another algorithm
                request-header-malformed: `content-digest` must be one line `sha-256=:BASE64:` with the padded base64 of 32 bytes and nothing else
            two idempotency keys
                request-header-malformed: `idempotency-key` must be one line of 1 to 1024 printable ASCII characters
            an idempotency key outside ASCII
                request-header-malformed: `idempotency-key` must be one line of 1 to 1024 printable ASCII characters
        "#]],
    );
}

const KEY_ROWS: &[(&str, Spoil)] = &[
    ("an unknown key", |it| it.key = None),
    ("a look-up that answers with another key", |it| it.key.as_mut().unwrap().id = KeyId([1; 32])),
    ("a revoked key", |it| it.key.as_mut().unwrap().revoke(at(START + 99))),
    ("a key that expires this second", |it| it.key.as_mut().unwrap().expires = Some(it.now)),
    ("another body", |it| it.body = "{\"amount_sat\":2}"),
    ("no body", |it| it.body = ""),
    ("another method", |it| it.method = "PUT"),
    ("a method in lower case", |it| it.method = "post"),
    ("another path", |it| it.path = "/v1/withdrawals/"),
    ("another query", |it| it.query = Some("wait=2")),
    ("no query", |it| it.query = None),
    ("another idempotency key", |it| *it.header("idempotency-key") = "order-2".into()),
    ("components in another order", |it| it.input("\"@path\" \"@query\"", "\"@query\" \"@path\"")),
    ("a later expiry", |it| it.input("=1795000130", "=1795000131")),
    ("another nonce", |it| it.input("\"AAAA", "\"AAAB")),
    ("a body and its digest", |it| {
        it.body = "";
        *it.header("content-digest") = content_digest(b"");
    }),
    ("a key that may not withdraw", |it| {
        it.key.as_mut().unwrap().scopes = Scopes::NONE.with(Scope::Read);
    }),
];

#[test]
fn only_a_living_key_with_the_right_speaks_and_only_what_it_signed() {
    check(
        KEY_ROWS,
        &expect![[r"
        an unknown key
            request-key-unknown: key_d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a is not registered here; register it, or check keyid
        a look-up that answers with another key
            request-key-unknown: key_d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a is not registered here; register it, or check keyid
        a revoked key
            request-key-revoked: key_d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a was revoked at 2026-11-18T11:08:19.000Z; sign with another key
        a key that expires this second
            request-key-expired: key_d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a expired at 2026-11-18T11:08:20.000Z; sign with another key
        another body
            request-body-altered: the body has the digest sha-256=:OZLht2S3T1kHjJzWhuO5k3oKw4YxTeQmmnrxuuqXfvg=:, `content-digest` says another; send exactly the bytes that were hashed
        no body
            request-body-altered: the body has the digest sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:, `content-digest` says another; send exactly the bytes that were hashed
        another method
            request-signature-wrong: the signature is not key_d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a's over this request; compare your signature base with the guide
        a method in lower case
            request-signature-wrong: the signature is not key_d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a's over this request; compare your signature base with the guide
        another path
            request-signature-wrong: the signature is not key_d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a's over this request; compare your signature base with the guide
        another query
            request-signature-wrong: the signature is not key_d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a's over this request; compare your signature base with the guide
        no query
            request-signature-wrong: the signature is not key_d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a's over this request; compare your signature base with the guide
        another idempotency key
            request-signature-wrong: the signature is not key_d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a's over this request; compare your signature base with the guide
        components in another order
            request-signature-wrong: the signature is not key_d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a's over this request; compare your signature base with the guide
        a later expiry
            request-signature-wrong: the signature is not key_d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a's over this request; compare your signature base with the guide
        another nonce
            request-signature-wrong: the signature is not key_d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a's over this request; compare your signature base with the guide
        a body and its digest
            request-signature-wrong: the signature is not key_d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a's over this request; compare your signature base with the guide
        a key that may not withdraw
            request-scope-missing: this needs the scope withdraw, the key has: read
    "]],
    );
}

#[test]
fn the_order_of_components_and_parameters_is_the_clients_choice() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use ed25519_dalek::Signer;

    let mut attempt = signed();
    attempt.remove("idempotency-key");
    let params = format!(
        "(\"content-digest\" \"@query\" \"@method\" \"@path\" \"@authority\")\
         ;alg=\"ed25519\";keyid=\"{}\";nonce=\"0123456789abcdef\";expires=1795000101\
         ;created=1795000100",
        key_id()
    );
    let base = format!(
        "\"content-digest\": {}\n\"@query\": ?wait=1\n\"@method\": POST\n\
         \"@path\": /v1/withdrawals\n\"@authority\": api.exchange.example\n\
         \"@signature-params\": {params}",
        content_digest(attempt.body.as_bytes())
    );
    let signature = STANDARD.encode(signing_key().sign(base.as_bytes()).to_bytes());
    *attempt.header("signature-input") = format!("my-label={params}");
    *attempt.header("signature") = format!("my-label=:{signature}:");
    assert!(attempt.verify().is_ok());
}

#[test]
fn a_nonce_is_spent_once() {
    let attempt = signed();
    let mut memory = NonceMemory::new(2);
    let mut spend = |now| {
        let verified = attempt.verify().unwrap();
        memory.spend(verified, at(START + now)).map(|_| ()).map_err(|refusal| refusal.to_string())
    };
    assert_eq!(spend(100), Ok(()));
    let reused = spend(101).unwrap_err();
    expect!["request-nonce-reused: key_d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a has used this nonce before; draw a new one for every request"].assert_eq(&reused);
    // It waited too long between the two steps, and its nonce might be forgotten by now.
    let expired = spend(130).unwrap_err();
    expect!["request-expired: it expired at 2026-11-18T11:08:50.000Z, and it is 2026-11-18T11:08:50.000Z; sign it again"].assert_eq(&expired);
}
