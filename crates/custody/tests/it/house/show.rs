//! What a house looks like, for people and for snapshots.

use std::fmt::Write;

use custody::{
    Event, Refusal, books,
    deposit::{DepositState, Maturity},
    incident::Incident,
};
use primitives::{AccountId, BatchId, Outpoint, Sats};

use super::House;

/// `1.5 BTC` or `1234 sat`, whichever is easier to read.
fn amount(value: Sats) -> String {
    let sats = value.to_sat();
    if sats >= 1_000_000 && sats.is_multiple_of(1_000_000) {
        let text = format!("{}.{:02}", sats / 100_000_000, sats / 1_000_000 % 100);
        format!("{} BTC", text.trim_end_matches('0').trim_end_matches('.'))
    } else {
        format!("{sats} sat")
    }
}

/// What a command led to: events by name, or the rule that refused.
pub(crate) fn outcome(outcome: &Result<Vec<Event>, Refusal>) -> String {
    match outcome {
        Ok(events) if events.is_empty() => "nothing".to_owned(),
        Ok(events) => events.iter().map(Event::name).collect::<Vec<_>>().join(", "),
        Err(refusal) => format!("refused: {}", refusal.id()),
    }
}

impl House {
    /// Everything that a story is about: balances, deposits, withdrawals, batches, books.
    pub(crate) fn show(&self) -> String {
        let mut text = String::new();
        for customer in &self.customers {
            writeln!(text, "{}", self.show_customer(customer.name, customer.account)).unwrap();
        }
        for (number, deposit) in (1..).zip(&self.deposits) {
            writeln!(text, "deposit {number}: {}", self.show_deposit(deposit)).unwrap();
        }
        for (number, id) in (1..).zip(&self.withdrawals) {
            let withdrawal = self.state.withdrawal(*id).unwrap();
            let (state, value) = (withdrawal.state.name(), amount(withdrawal.amount));
            writeln!(text, "withdrawal {number}: {value} {state}").unwrap();
        }
        for (id, batch) in self.state.batches() {
            let (state, total) = (batch.state.name(), amount(batch.total));
            writeln!(text, "batch {}: {total} {state}, network fee {}", id.0, batch.fee).unwrap();
        }
        let books = self.show_books();
        if !books.is_empty() {
            writeln!(text, "books: {books}").unwrap();
        }
        for line in self.show_alarms() {
            writeln!(text, "{line}").unwrap();
        }
        text
    }

    fn show_customer(&self, name: &str, account: AccountId) -> String {
        let balance = |code| self.state.ledger().balance(books::of(account, code));
        let mut text = format!("{name}: {} available", amount(balance(books::AVAILABLE)));
        for (code, word) in
            [(books::HELD, "held"), (books::SUSPENSE, "in suspense"), (books::CLAIM, "owed to us")]
        {
            if !balance(code).is_zero() {
                write!(text, ", {} {word}", amount(balance(code))).unwrap();
            }
        }
        let known = self.state.account(account).unwrap();
        if !known.maturing.is_zero() {
            write!(text, ", {} maturing", amount(known.maturing)).unwrap();
        }
        if known.adrift > 0 {
            write!(text, ", {} adrift", known.adrift).unwrap();
        }
        if known.frozen {
            text.push_str(", frozen");
        }
        text
    }

    fn show_deposit(&self, deposit: &Outpoint) -> String {
        let Some(deposit) = self.state.deposit(deposit) else { return "forgotten".to_owned() };
        let owner = deposit.account.and_then(|account| self.name_of(account)).unwrap_or("nobody");
        let mut text = format!("{} of {owner} {}", amount(deposit.value), deposit.state.name());
        match &deposit.state {
            DepositState::Credited { required, maturity, .. } => {
                let maturity = match maturity {
                    Maturity::Fresh => "",
                    Maturity::Matured => ", matured",
                    Maturity::Again => ", to mature again",
                };
                write!(text, " after {required}{maturity}").unwrap();
            }
            DepositState::Adrift { conflict: Some(_), .. }
            | DepositState::Orphaned { conflict: Some(_) } => text.push_str(", impossible"),
            DepositState::Detected
            | DepositState::Confirming { .. }
            | DepositState::Suspense { .. }
            | DepositState::Adrift { .. }
            | DepositState::Orphaned { .. } => {}
        }
        text
    }

    fn show_books(&self) -> String {
        let balances = books::CHART.iter().filter_map(|(code, name)| {
            let balance = self.book(*code);
            (!balance.is_zero()).then(|| format!("{name} {}", amount(balance)))
        });
        balances.collect::<Vec<_>>().join(", ")
    }

    fn show_alarms(&self) -> Vec<String> {
        let stops = self.state.stops().map(|stop| format!("stopped: {stop}"));
        let incidents = self.state.incidents().iter().map(|(_, incident)| match incident {
            Incident::DepositReversed { value, claim, .. } => {
                format!(
                    "incident: deposit of {} reversed, claim {}",
                    amount(*value),
                    amount(*claim)
                )
            }
            Incident::UnexplainedSpend { value, .. } => {
                format!("incident: unexplained spend of {}", amount(*value))
            }
            Incident::DeepReorg { depth } => format!("incident: reorg of {depth} blocks"),
            Incident::BatchFailed { .. } => "incident: a batch can never confirm".to_owned(),
        });
        stops.chain(incidents).collect()
    }

    fn name_of(&self, account: AccountId) -> Option<&'static str> {
        let customer = self.customers.iter().find(|customer| customer.account == account);
        customer.map(|customer| customer.name)
    }

    /// The name of a batch's state.
    pub(crate) fn batch_state(&self, batch: BatchId) -> &'static str {
        self.state.batch(batch).unwrap().state.name()
    }
}
