//! Batches, and a signer that signs whatever it is shown: the real one is tested elsewhere.

use bitcoin::{Transaction, Witness, consensus::encode};
use custody::{Command, Event, payout::Assembly};
use primitives::{BatchId, FeeRate, Sats};
use signer_protocol::RefusalTag;

use super::House;

/// What the shell brings: 4 sat/vB, and a signer that could release everything.
pub(crate) fn assembly() -> Assembly {
    Assembly {
        fee_rate: FeeRate::from_sat_per_vb(4).unwrap(),
        signer_left: Sats::MAX,
        seed: [3; 32],
    }
}

/// The transaction of a batch with something in each witness.
pub(crate) fn signed(bytes: &[u8]) -> Transaction {
    let mut transaction: Transaction = encode::deserialize(bytes).unwrap();
    for input in &mut transaction.input {
        input.witness = Witness::from_slice(&[[5_u8; 64]]);
    }
    transaction
}

impl House {
    /// Assembles a batch of what is ready.
    #[track_caller]
    pub(crate) fn assemble(&mut self) -> BatchId {
        self.ok(Command::AssembleBatch { assembly: assembly() });
        *self.state.batches().last().unwrap().0
    }

    /// The transaction of a batch as the signer would sign it.
    pub(crate) fn transaction(&self, batch: BatchId) -> Transaction {
        signed(&self.state.batch(batch).unwrap().transaction)
    }

    /// The signer signs.
    pub(crate) fn sign(&mut self, batch: BatchId) -> Transaction {
        let transaction = self.transaction(batch);
        let bytes = encode::serialize(&transaction);
        self.ok(Command::RecordSigned { batch, transaction: bytes });
        transaction
    }

    /// The signer signs and the node takes it.
    pub(crate) fn send(&mut self, batch: BatchId) -> Transaction {
        let transaction = self.sign(batch);
        self.ok(Command::RecordBroadcast { batch });
        transaction
    }

    /// The signer refuses.
    pub(crate) fn refuse(&mut self, batch: BatchId) -> Vec<Event> {
        self.ok(Command::RecordRefused { batch, tag: RefusalTag::Tranche })
    }

    /// Waits for the release window, assembles, signs and broadcasts.
    pub(crate) fn pay_out(&mut self) -> (BatchId, Transaction) {
        self.pass(600);
        let batch = self.assemble();
        let transaction = self.send(batch);
        (batch, transaction)
    }
}
