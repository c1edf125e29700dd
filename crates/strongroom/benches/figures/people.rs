//! Customers and the trading service, who really sign, and the door that recognises them.

use access::{
    ApiKey, Authenticated, Nonce, NonceMemory, Principal, RequestParts, Scope, Scopes, Settings,
    Verifier, sign_intent, sign_request,
};
use custody::WithdrawalRequest;
use ed25519_dalek::SigningKey;
use primitives::{AccountId, KeyId, Network, Sats, Seconds, Timestamp};
use signer_protocol::PayoutIntent;
use strongroom::clock;

use crate::{chain::taproot, house::DEPLOYMENT};

pub const AUTHORITY: &str = "house.example";

/// What every customer holds at the beginning: 1 BTC.
pub const BALANCE: u64 = 100_000_000;
pub const FEE: u64 = 1_000;

/// The key of the account with this number.
pub fn customer_key(number: u64) -> SigningKey {
    let mut seed = [0x5a; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    SigningKey::from_bytes(&seed)
}

pub fn service_key() -> SigningKey {
    SigningKey::from_bytes(&[0xee; 32])
}

pub fn key_id(key: &SigningKey) -> KeyId {
    KeyId(key.verifying_key().to_bytes())
}

pub fn account(number: u64) -> AccountId {
    AccountId::from_number(number).expect("a small number")
}

/// A key as the house has it.
pub fn api_key(key: &SigningKey, principal: Principal) -> ApiKey {
    let scopes = match principal {
        Principal::Account(_) => Scopes::NONE.with(Scope::Read).with(Scope::Withdraw),
        Principal::Service => Scopes::NONE.with(Scope::Settle),
    };
    ApiKey::issue(key_id(key), principal, scopes, Timestamp::EPOCH, None).expect("a good key")
}

/// The door: the verifier and the memory of nonces, as the edge has them.
pub struct Door {
    verifier: Verifier,
    nonces: NonceMemory,
    stamp: u128,
}

impl Door {
    pub fn new() -> Self {
        let settings = Settings::new(vec![AUTHORITY.to_owned()], Timestamp::EPOCH);
        let stamp = u128::from_le_bytes(clock::random().expect("randomness"));
        Self { verifier: Verifier::new(settings), nonces: NonceMemory::new(10_000_000), stamp }
    }

    /// Signs a request, recognises it, and gives what `make` makes of it.
    pub fn recognise<T>(
        &mut self,
        key: &SigningKey,
        principal: Principal,
        needs: Scope,
        make: impl FnOnce() -> T,
    ) -> Authenticated<T> {
        self.stamp = self.stamp.wrapping_add(1);
        let unsigned = RequestParts {
            method: "POST",
            authority: AUTHORITY,
            path: "/v1/benchmark",
            query: None,
            headers: &[("", ""); 0],
            body: b"",
        };
        let now = clock::now();
        let nonce = Nonce::from_random(self.stamp.to_le_bytes());
        let expires = now.saturating_add(Seconds(60));
        let signed = sign_request(key, &unsigned, now, expires, &nonce).expect("it can be signed");
        let headers = signed.into_headers();
        let parts = RequestParts { headers: &headers, ..unsigned };
        let known = api_key(key, principal);
        let verified = self.verifier.verify(&parts, needs, now, |_| Some(known));
        let spent = self.nonces.spend(verified.expect("a good signature"), now);
        spent.expect("a new nonce").map(|_| make())
    }
}

/// An intent of this account to pay 10,000 sat to an address of its own.
pub fn intent(account: AccountId, nonce: [u8; 16]) -> PayoutIntent {
    let mut destination = [0x77; 32];
    destination[..16].copy_from_slice(&nonce);
    PayoutIntent {
        network: Network::Regtest,
        deployment: DEPLOYMENT,
        account,
        amount: Sats::parse(10_000).expect("few"),
        fee: Sats::parse(FEE).expect("few"),
        not_after: clock::now().saturating_add(Seconds(24 * 3600)).to_seconds(),
        nonce,
        script: taproot(&destination),
    }
}

/// The canonical bytes of an intent, and its customer's signature.
pub fn signed_intent(key: &SigningKey, intent: &PayoutIntent) -> (Vec<u8>, [u8; 64]) {
    let hash = intent.hash().expect("a good intent");
    (intent.encode().expect("a good intent"), sign_intent(key, &hash))
}

/// `count` customer-signed withdrawal requests that were recognised, of the accounts with a key in
/// turn. They are prepared by all processors: two signatures are made and two checked for each.
pub fn withdrawals(count: usize, keyed: u64) -> Vec<Authenticated<WithdrawalRequest>> {
    let half = |count: usize| {
        move || {
            let mut door = Door::new();
            let mut made = Vec::with_capacity(count);
            for number in (0..keyed).cycle().take(count) {
                made.push(withdrawal(&mut door, number.saturating_add(2)));
            }
            made
        }
    };
    let other = std::thread::spawn(half(count / 2));
    let mut all = half(count.div_ceil(2))();
    all.extend(other.join().expect("nothing panics there"));
    all
}

fn withdrawal(door: &mut Door, number: u64) -> Authenticated<WithdrawalRequest> {
    let (key, account) = (customer_key(number), account(number));
    let intent = intent(account, clock::random().expect("randomness"));
    let (bytes, signature) = signed_intent(&key, &intent);
    let signed = Some((key_id(&key), signature));
    let request = || WithdrawalRequest::parse(bytes, signed).expect("a good request");
    door.recognise(&key, Principal::Account(account), Scope::Withdraw, request)
}
