//! Operators of the house and of the signer's host.

use custody::{
    Command, WithdrawalState,
    incident::Stop,
    withdrawal::OperatorId,
};
use primitives::WithdrawalId;

use super::{
    failure::Check,
    installation::{CUSTOMERS, account},
    signer_host::Act,
    world::World,
};

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
            1..=4 => Act::Resume,
            5 => Act::AcceptWall,
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
