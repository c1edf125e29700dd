//! Customers and the trading service: they sign what they ask, ask twice, ask too much, and change
//! their minds.

use access::{Authenticated, Scope};
use bitcoin::ScriptBuf;
use borsh::{BorshDeserialize, BorshSerialize};
use custody::{
    Command, Settlement, WithdrawalRequest, books, event::CustomerTransfer,
    idempotency::Idempotency,
};
use ed25519_dalek::SigningKey;
use primitives::{AccountId, WithdrawalId};
use signer_protocol::PayoutIntent;

use super::{
    convert::sats,
    door::Letter,
    failure::{Check, Found},
    installation::{CUSTOMERS, UNLISTED, account, customer_key, house, service_key, spare_key},
    outsiders,
    world::World,
};

/// Letters that somebody keeps to send them again.
const KEPT: usize = 6;

/// What customers remember.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    asked: Vec<(u8, WithdrawalBody, WithdrawalId)>,
    settled: Vec<SettlementBody>,
    /// Letters that were recognised once.
    letters: Vec<Letter>,
}

#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
struct WithdrawalBody {
    intent: Vec<u8>,
    signature: Option<[u8; 64]>,
}

#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
struct SettlementBody {
    id: [u8; 16],
    transfers: Vec<CustomerTransfer>,
}

const WITHDRAW: (&str, Scope) = ("/v1/withdrawals", Scope::Withdraw);
const CANCEL: (&str, Scope) = ("/v1/withdrawals/cancel", Scope::Withdraw);
const ADDRESS: (&str, Scope) = ("/v1/addresses", Scope::Read);
const SETTLE: (&str, Scope) = ("/v1/settlements", Scope::Settle);

fn parse<T: BorshDeserialize>(asked: Authenticated<Vec<u8>>) -> Result<Authenticated<T>, Found> {
    asked
        .try_map(|body| borsh::from_slice(&body))
        .map_err(|error| Found::simulator(error.to_string()))
}

fn bytes(body: &impl BorshSerialize) -> Result<Vec<u8>, Found> {
    borsh::to_vec(body).map_err(|error| Found::simulator(error.to_string()))
}

impl World {
    /// A customer asks for something, or somebody sends an old letter again.
    pub(crate) fn customer(&mut self) -> Check {
        let customer = u8::try_from(self.random.between(1, u64::from(CUSTOMERS))).unwrap_or(1);
        match self.random.below(20) {
            0..=12 => self.ask_withdrawal(customer),
            13 | 14 => self.ask_again(),
            15..=17 => self.cancel(),
            18 => self.ask_address(customer),
            _ => self.replay(),
        }
    }

    /// A signed request at the door; `None` where the door does not recognise it.
    fn send(
        &mut self,
        key: &SigningKey,
        target: (&'static str, Scope),
        body: Vec<u8>,
    ) -> Result<Option<Authenticated<Vec<u8>>>, Found> {
        let now = self.clock.server();
        let Some(server) = &mut self.server else { return Ok(None) };
        // Customers set their clocks by the server's.
        let letter = Letter::sign(key, target, body, now, self.random.bytes())?;
        match server.door.recognise(&server.state, &letter, now) {
            Ok(asked) => {
                if self.clients.letters.len() < KEPT || self.random.chance(200) {
                    self.clients.letters.truncate(KEPT.saturating_sub(1));
                    self.clients.letters.insert(0, letter);
                }
                Ok(Some(asked))
            }
            Err(refusal) => {
                self.report.count_refusal_of_door(refusal.id());
                Ok(None)
            }
        }
    }

    /// `signature-counts-once`: a letter that was recognised is never recognised again.
    fn replay(&mut self) -> Check {
        let now = self.clock.server();
        let Some(letter) = self.random.pick(&self.clients.letters) else { return Ok(()) };
        let Some(server) = &mut self.server else { return Ok(()) };
        match server.door.recognise(&server.state, letter, now) {
            Ok(_) => Err(Found::new("signature-counts-once", "an old letter was recognised again")),
            Err(refusal) => {
                self.report.count_refusal_of_door(refusal.id());
                Ok(())
            }
        }
    }

    fn ask_withdrawal(&mut self, customer: u8) -> Check {
        let Some((intent, spoiled)) = self.intent(customer)? else { return Ok(()) };
        let hash = intent.hash().map_err(|error| Found::simulator(error.to_string()))?;
        let spare = self.random.chance(60);
        let key = if spare { spare_key(customer) } else { customer_key(customer) };
        // The signer does not list this key: mostly they leave the signature out.
        let signs = (customer != UNLISTED && !spare) || self.random.chance(40);
        let mut signature = signs.then(|| access::sign_intent(key, &hash));
        if spoiled && self.random.chance(300) {
            signature = Some(self.random.bytes());
        }
        let encoded = intent.encode().map_err(|error| Found::simulator(error.to_string()))?;
        let body = WithdrawalBody { intent: encoded, signature };
        let id = WithdrawalId::new(intent.account, hash);
        self.trace.line(format_args!(
            "customer {customer}: withdraw {} to {} bytes as {id}",
            intent.amount,
            intent.script.len()
        ));
        self.clients.asked.push((customer, body.clone(), id));
        self.request(key, &body)
    }

    fn request(&mut self, key: &SigningKey, body: &WithdrawalBody) -> Check {
        let Some(asked) = self.send(key, WITHDRAW, bytes(body)?)? else {
            return Ok(());
        };
        let key = asked.key();
        let asked = parse::<WithdrawalBody>(asked)?.try_map(|body| {
            WithdrawalRequest::parse(body.intent, body.signature.map(|signature| (key, signature)))
        });
        match asked {
            Ok(asked) => self.tell(Command::RequestWithdrawal { asked }),
            Err(refusal) => self.report.count_refusal(refusal.id()),
        }
        Ok(())
    }

    /// What a customer wants, and whether something about it is not as it should be.
    fn intent(&mut self, customer: u8) -> Result<Option<(PayoutIntent, bool)>, Found> {
        let Some(server) = &self.server else { return Ok(None) };
        let ledger = server.state.ledger();
        let available = ledger.balance(books::of(account(customer), books::AVAILABLE)).to_sat();
        let spoiled = self.random.chance(150);
        if available < 5_000 && !spoiled {
            return Ok(None);
        }
        let most = available.saturating_sub(500);
        let amount = match self.random.below(10) {
            0 => most,
            1..=3 => self.random.between(2_000, most.max(2_000)),
            _ => self.random.between(2_000, most.clamp(2_000, 400_000)),
        };
        let hours = self.random.between(20, 71);
        let now = self.clock.server().to_seconds();
        let house = house()?;
        let mut intent = PayoutIntent {
            network: house.settings.network,
            deployment: house.params.deployment,
            account: account(customer),
            amount: sats(amount),
            fee: sats(
                self.random.between(500, 2_000).min(available.saturating_sub(amount).max(500)),
            ),
            not_after: now.saturating_add(hours.saturating_mul(3_600)),
            nonce: self.random.bytes(),
            script: self.destination().to_bytes(),
        };
        if spoiled {
            self.spoil(&mut intent, available);
        }
        Ok(Some((intent, spoiled)))
    }

    /// Mostly a stranger's address, sometimes one of the house itself.
    fn destination(&mut self) -> ScriptBuf {
        let ours = if self.random.chance(120) { self.script_of_house() } else { None };
        ours.unwrap_or_else(|| outsiders::destination(&mut self.random))
    }

    fn spoil(&mut self, intent: &mut PayoutIntent, available: u64) {
        let now = self.clock.server().to_seconds();
        match self.random.below(8) {
            0 | 1 => intent.amount = sats(available.saturating_add(self.random.between(0, 5_000))),
            2 => intent.not_after = now.saturating_sub(self.random.between(0, 100)),
            3 => intent.not_after = now.saturating_add(self.random.between(1, 600)),
            4 => intent.not_after = now.saturating_add(80 * 3600),
            5 => intent.account = AccountId::from_u64(self.random.next()),
            6 => intent.script = vec![0x6a, 1, 1],
            _ => intent.fee = sats(self.random.between(0, 499)),
        }
    }

    /// The same intent in a new request: asking twice is asking once.
    fn ask_again(&mut self) -> Check {
        let Some((customer, body, _)) = self.random.pick(&self.clients.asked).cloned() else {
            return Ok(());
        };
        self.trace.line(format_args!("customer {customer}: asks again"));
        self.request(customer_key(customer), &body)
    }

    fn cancel(&mut self) -> Check {
        let Some((customer, _, id)) = self.random.pick(&self.clients.asked).cloned() else {
            return Ok(());
        };
        // Now and then somebody else's withdrawal.
        let customer = if self.random.chance(50) { 1 } else { customer };
        self.trace.line(format_args!("customer {customer}: cancel {id}"));
        if let Some(asked) = self.send(customer_key(customer), CANCEL, bytes(&id)?)? {
            self.tell(Command::CancelWithdrawal { asked: parse(asked)? });
        }
        Ok(())
    }

    /// A customer wants a new deposit address, sometimes with the idempotency key of another time.
    pub(crate) fn ask_address(&mut self, customer: u8) -> Check {
        let key = self.random.below(20);
        let idempotency: Option<Idempotency> = (key < 4).then(|| {
            let key = u8::try_from(key).unwrap_or(0);
            Idempotency { key: [key; 32], fingerprint: [customer; 32] }
        });
        self.trace.line(format_args!("customer {customer}: new address"));
        let body = bytes(&idempotency)?;
        if let Some(asked) = self.send(customer_key(customer), ADDRESS, body)? {
            self.tell(Command::AssignAddress { asked: parse(asked)? });
        }
        Ok(())
    }

    /// The trading service settles, settles again, or settles something else under an old id.
    pub(crate) fn settle(&mut self) -> Check {
        let old = self.random.pick(&self.clients.settled).cloned();
        let body = match (old, self.random.below(4)) {
            (Some(old), 0) => old,
            (Some(old), 1) => {
                let transfers = self.transfers();
                SettlementBody { transfers, ..old }
            }
            _ => SettlementBody { id: self.random.bytes(), transfers: self.transfers() },
        };
        self.trace.line(format_args!("service: settles {} transfers", body.transfers.len()));
        self.clients.settled.push(body.clone());
        if let Some(asked) = self.send(service_key(), SETTLE, bytes(&body)?)? {
            let asked = parse::<SettlementBody>(asked)?
                .map(|body| Settlement { id: body.id, transfers: body.transfers });
            self.tell(Command::SettleTransfers { asked });
        }
        Ok(())
    }

    fn transfers(&mut self) -> Vec<CustomerTransfer> {
        let mut transfers = Vec::new();
        for _ in 0..self.random.count(1, 3) {
            let mut customer =
                || account(u8::try_from(self.random.between(1, u64::from(CUSTOMERS))).unwrap_or(1));
            let (from, to) = (customer(), customer());
            let amount = sats(self.random.between(1, 60_000));
            transfers.push(CustomerTransfer { from, to, amount });
        }
        transfers
    }
}
