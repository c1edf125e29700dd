//! One house in which everything happens: its journal has every kind of event.

use std::sync::Arc;

use custody::{
    Command, STATE_VERSION,
    event::{RefusalRecorded, SnapshotTaken},
    incident::Stop,
    withdrawal::OperatorId,
};
use primitives::KeyId;

use super::{Customer, House, btc, cents, outpoint_of, stranger};

const BY: OperatorId = OperatorId(1);
const ALSO_BY: OperatorId = OperatorId(2);

impl House {
    /// A house in which everything has happened.
    pub(crate) fn with_everything() -> Self {
        let mut house = Self::new();
        let (alice, bob) = (house.a_customer("alice"), house.a_customer("bob"));
        house.configure(|params| params.batch_outputs_max = 4);
        house.money_comes(&alice, &bob);
        house.people_decide(&alice);
        house.a_payout_settles(&alice);
        house.a_pin_lives_and_dies(&alice, &bob);
        house.a_deposit_vanishes(&bob);
        let key = Some(KeyId(alice.key.verifying_key().to_bytes()));
        let (command, rule) = ("cancel-withdrawal".to_owned(), "withdrawal-state".to_owned());
        house.fold(&[RefusalRecorded { key, command, rule }.into()]);
        house.is_saved();
        house
    }

    fn is_saved(&mut self) {
        let (seq, digest) = (self.state.seq(), self.state.digest().unwrap());
        let taken = SnapshotTaken { seq, state_version: STATE_VERSION, digest };
        self.ok(Command::RecordSnapshot { taken });
    }

    fn money_comes(&mut self, alice: &Customer, bob: &Customer) {
        let payment = self.payment(alice, btc(20));
        let see = || Command::SeeTransaction { transaction: Arc::new(payment.clone()) };
        self.ok(see());
        self.ok(Command::ForgetTransaction { txid: outpoint_of(&payment, 0).txid });
        self.ok(see());
        self.block(&[payment]);
        self.blocks(2);
        self.fund(alice, cents(190));
        self.settle(1, alice, bob, btc(1));
    }

    fn people_decide(&mut self, alice: &Customer) {
        let large = [btc(5), btc(5)].map(|amount| self.withdraw(alice, amount));
        let cancelled = self.withdraw(alice, btc(3));
        let command = self.cancelling(alice, cancelled);
        self.ok(command);
        self.pass(3 * 3600);
        self.ok(Command::FreezeAccount { account: alice.account, by: BY });
        self.ok(Command::ThawAccount { account: alice.account, by: BY });
        for by in [BY, ALSO_BY] {
            self.ok(Command::ApproveWithdrawal { withdrawal: large[0], by });
        }
        self.ok(Command::DenyWithdrawal { withdrawal: large[1], by: BY });
        self.ok(Command::StopReleases { stop: Stop::Operator });
        self.ok(Command::ResumeReleases { stop: Stop::Operator, by: BY });
        let spare = ed25519_dalek::SigningKey::from_bytes(&[0x33; 32]);
        let scopes = access::Scopes::NONE.with(access::Scope::Read);
        self.register(&spare, access::Principal::Account(alice.account), scopes, None);
        self.ok(Command::RevokeKey { key: KeyId(spare.verifying_key().to_bytes()) });
    }

    fn a_payout_settles(&mut self, alice: &Customer) {
        self.withdraw(alice, btc(1));
        self.pass(600);
        let refused = self.assemble();
        self.refuse(refused);
        self.pass(60);
        for _ in 0..2 {
            let batch = self.assemble();
            let paid = self.send(batch);
            self.block(&[paid]);
            self.blocks(2);
        }
    }

    /// A batch loses its second coin; its withdrawal keeps its pin, and fails when that is spent.
    fn a_pin_lives_and_dies(&mut self, alice: &Customer, bob: &Customer) {
        self.configure(|params| params.cool_down_from = btc(100));
        self.configure(|params| params.review_from = btc(100));
        self.withdraw(alice, cents(1_450));
        let (batch, _) = self.pay_out();
        let lost = self.state.batch(batch).unwrap().inputs[1];
        self.block(&[Self::spending(&[lost], &[(stranger(66), btc(1))])]);
        self.blocks(2);
        self.ok(Command::ResumeReleases { stop: Stop::UnexplainedSpend, by: BY });
        self.pass(25 * 3600);
        self.withdraw(bob, cents(10));
        let (_, paid) = self.pay_out();
        self.block(&[paid]);
        self.blocks(2);
    }

    fn a_deposit_vanishes(&mut self, bob: &Customer) {
        let payment = self.payment(bob, btc(2));
        self.block(std::slice::from_ref(&payment));
        self.blocks(2);
        self.withdraw(bob, cents(200));
        self.rewind(3);
        self.block(&[Self::instead_of(&payment, &[(stranger(66), btc(2))])]);
        self.blocks(3);
    }
}
