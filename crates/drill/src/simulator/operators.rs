//! Operators of the house and of the signer's host.

use access::{Principal, Scope, Scopes};
use custody::{Command, WithdrawalState, incident::Stop, withdrawal::OperatorId};
use primitives::WithdrawalId;

use super::{
    failure::Check,
    installation::{CUSTOMERS, account, key_id, params_of_run, spare_key},
    signer_host::Act,
    world::World,
};

/// A second key of a customer, which the signer does not list.
fn register_spare_key(customer: u8) -> Command {
    Command::RegisterKey {
        key: key_id(spare_key(customer)),
        principal: Principal::Account(account(customer)),
        scopes: Scopes::NONE.with(Scope::Read).with(Scope::Withdraw),
        expires: None,
    }
}

impl World {
    /// An operator reviews, freezes, thaws, stops or resumes.
    pub(crate) fn operator(&mut self) -> Check {
        let Some(server) = &self.server else { return Ok(()) };
        let by = OperatorId(self.random.count(1, 3));
        let in_review = |state: &WithdrawalState| matches!(state, WithdrawalState::InReview { .. });
        let reviews: Vec<WithdrawalId> = server
            .state
            .withdrawals()
            .filter(|(_, withdrawal)| in_review(&withdrawal.state))
            .map(|(id, _)| *id)
            .collect();
        let stops: Vec<Stop> = server.state.stops().collect();
        let frozen: Vec<u8> = (1..=CUSTOMERS)
            .filter(|customer| {
                server.state.account(account(*customer)).is_ok_and(|account| account.frozen)
            })
            .collect();
        let review = self.random.pick(&reviews).copied();
        let stop = self.random.pick(&stops).copied();
        let thawed = self.random.pick(&frozen).copied();
        let any = u8::try_from(self.random.between(1, u64::from(CUSTOMERS))).unwrap_or(1);
        let command = match (self.random.below(20), review, stop, thawed) {
            (0, Some(withdrawal), _, _) => Command::DenyWithdrawal { withdrawal, by },
            (1..=10, Some(withdrawal), _, _) => Command::ApproveWithdrawal { withdrawal, by },
            (_, _, Some(stop), _) => Command::ResumeReleases { stop, by },
            (_, _, _, Some(customer)) => Command::ThawAccount { account: account(customer), by },
            (0..=2, ..) => Command::FreezeAccount { account: account(any), by },
            (3, ..) => Command::StopReleases { stop: Stop::Operator },
            (4, ..) => Command::Configure { params: Box::new(params_of_run(&mut self.random)?) },
            (5, ..) => Command::OpenAccount { idempotency: None },
            (6 | 7, ..) => register_spare_key(any),
            (8, ..) => Command::RevokeKey { key: key_id(spare_key(any)) },
            _ => Command::Tick,
        };
        self.trace.line(format_args!("operator {}: {}", by.0, command.name()));
        self.tell(command);
        Ok(())
    }

    /// The operator of the signer's host.
    pub(crate) fn signer_host(&mut self) -> Check {
        let act = match self.random.below(12) {
            0 => Act::Halt,
            1..=5 => Act::Resume,
            6 | 7 => Act::AcceptWall,
            _ => Act::Checkpoint,
        };
        self.host_acts(act)
    }

    pub(crate) fn host_acts(&mut self, act: Act) -> Check {
        self.trace.line(format_args!("signer's host: {act:?}"));
        self.signer.act(act, &self.clock, &mut self.random)?;
        self.note_signer();
        Ok(())
    }
}
