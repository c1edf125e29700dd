//! Customers, their signed requests and their deposits.

use access::{
    Authenticated, Nonce, Principal, RequestParts, Scope, Scopes, sign_intent, sign_request,
};
use bitcoin::{ScriptBuf, Transaction};
use custody::{Command, Event, Settlement, WithdrawalRequest, event::CustomerTransfer};
use ed25519_dalek::SigningKey;
use primitives::{AccountId, KeyId, Outpoint, Sats, Seconds, Timestamp, WithdrawalId};
use signer_protocol::PayoutIntent;

use super::{House, outpoint_of, params, sats, stranger};

/// Somebody with an account and a key.
#[derive(Debug, Clone)]
pub(crate) struct Customer {
    pub(crate) name: &'static str,
    pub(crate) account: AccountId,
    pub(crate) key: SigningKey,
}

/// The id of a key.
pub(crate) fn key_id(key: &SigningKey) -> KeyId {
    KeyId(key.verifying_key().to_bytes())
}

/// What a customer asks for; a test changes what it is about.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) intent: PayoutIntent,
    pub(crate) signed_by: Option<SigningKey>,
}

impl Ask {
    /// A withdrawal of `amount` to a stranger.
    pub(crate) fn of(house: &mut House, customer: &Customer, amount: Sats) -> Self {
        let nonce = u128::from(house.stamp()).to_le_bytes();
        let intent = PayoutIntent {
            network: params().network,
            deployment: params().deployment,
            account: customer.account,
            amount,
            fee: sats(1_000),
            not_after: house.at.saturating_add(Seconds(24 * 3600)).to_seconds(),
            nonce,
            script: stranger(9).to_bytes(),
        };
        Self { intent, signed_by: Some(customer.key.clone()) }
    }

    /// With another intent.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut PayoutIntent)) -> Self {
        change(&mut self.intent);
        self
    }

    /// The request, whose signature over the intent has been checked.
    pub(crate) fn request(&self) -> WithdrawalRequest {
        let bytes = self.intent.encode().unwrap();
        let hash = self.intent.hash().unwrap();
        let signed = self.signed_by.as_ref().map(|key| (key_id(key), sign_intent(key, &hash)));
        WithdrawalRequest::parse(bytes, signed).unwrap()
    }
}

impl House {
    /// A new customer who may read, trade and withdraw.
    pub(crate) fn a_customer(&mut self, name: &'static str) -> Customer {
        self.ok(Command::OpenAccount { idempotency: None });
        let number = self.state.accounts() as u64;
        let account = AccountId::from_number(number).unwrap();
        let key = SigningKey::from_bytes(&[number as u8; 32]);
        let scopes = Scopes::allowed_for(Principal::Account(account));
        self.register(&key, Principal::Account(account), scopes, None);
        let customer = Customer { name, account, key };
        self.customers.push(customer.clone());
        customer
    }

    pub(crate) fn register(
        &mut self,
        key: &SigningKey,
        principal: Principal,
        scopes: Scopes,
        expires: Option<Timestamp>,
    ) {
        self.ok(Command::RegisterKey { key: key_id(key), principal, scopes, expires });
    }

    pub(crate) fn register_service(&mut self) {
        let service = self.service.clone();
        let scopes = Scopes::allowed_for(Principal::Service);
        self.register(&service, Principal::Service, scopes, None);
    }

    /// `request` as a really signed, verified and spent HTTP request of this key.
    pub(crate) fn signed<T>(&self, key: &SigningKey, needs: Scope, request: T) -> Authenticated<T> {
        let (count, memory) = &mut *self.nonces.borrow_mut();
        *count += 1;
        let nonce = Nonce::from_random(count.to_le_bytes());
        let unsigned: Vec<(&'static str, String)> = Vec::new();
        let parts = RequestParts {
            method: "POST",
            authority: "house.example",
            path: "/v1/test",
            query: None,
            headers: &unsigned,
            body: b"{}",
        };
        let expires = self.at.saturating_add(Seconds(30));
        let headers = sign_request(key, &parts, self.at, expires, &nonce).unwrap();
        let headers = headers.into_headers().to_vec();
        let parts = RequestParts { headers: &headers, ..parts };
        let find = |id: &KeyId| self.state.key(id).copied();
        let verified = self.verifier.verify(&parts, needs, self.at, find).unwrap();
        memory.spend(verified, self.at).unwrap().map(|_| request)
    }

    /// A new deposit address of a customer.
    pub(crate) fn address(&mut self, customer: &Customer) -> ScriptBuf {
        let index = self.state.next_address();
        let asked = self.signed(&customer.key, Scope::Read, None);
        self.ok(Command::AssignAddress { asked });
        ScriptBuf::from_bytes(self.state.address(index).unwrap().script.clone())
    }

    /// A transaction that pays `amount` to a new address of `customer`.
    pub(crate) fn payment(&mut self, customer: &Customer, amount: Sats) -> Transaction {
        let script = self.address(customer);
        self.pay(&[(script, amount)])
    }

    /// A deposit that is credited, matured, and whose coin may be spent.
    pub(crate) fn fund(&mut self, customer: &Customer, amount: Sats) -> Outpoint {
        let transaction = self.payment(customer, amount);
        self.block(std::slice::from_ref(&transaction));
        self.blocks(2);
        outpoint_of(&transaction, 0)
    }

    /// The command that asks for a withdrawal.
    pub(crate) fn requesting(&self, customer: &Customer, ask: &Ask) -> Command {
        let asked = self.signed(&customer.key, Scope::Withdraw, ask.request());
        Command::RequestWithdrawal { asked }
    }

    /// Asks for a withdrawal of `amount` to a stranger.
    pub(crate) fn withdraw(&mut self, customer: &Customer, amount: Sats) -> WithdrawalId {
        let ask = Ask::of(self, customer, amount);
        self.ask(customer, &ask)
    }

    /// Asks for this withdrawal.
    pub(crate) fn ask(&mut self, customer: &Customer, ask: &Ask) -> WithdrawalId {
        let command = self.requesting(customer, ask);
        self.ok(command);
        ask.request().id()
    }

    /// The command that takes a withdrawal back.
    pub(crate) fn cancelling(&self, customer: &Customer, id: WithdrawalId) -> Command {
        Command::CancelWithdrawal { asked: self.signed(&customer.key, Scope::Withdraw, id) }
    }

    /// The command that settles transfers.
    pub(crate) fn settling(&self, id: u8, transfers: &[(&Customer, &Customer, Sats)]) -> Command {
        let transfers = transfers
            .iter()
            .map(|(from, to, amount)| CustomerTransfer {
                from: from.account,
                to: to.account,
                amount: *amount,
            })
            .collect();
        let settlement = Settlement { id: [id; 16], transfers };
        Command::SettleTransfers { asked: self.signed(&self.service, Scope::Settle, settlement) }
    }

    /// Settles one transfer.
    pub(crate) fn settle(
        &mut self,
        id: u8,
        from: &Customer,
        to: &Customer,
        amount: Sats,
    ) -> Vec<Event> {
        let command = self.settling(id, &[(from, to, amount)]);
        self.ok(command)
    }
}
