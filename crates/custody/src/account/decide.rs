use access::{ApiKey, Authenticated, Principal, Scope, Scopes};
use primitives::{AccountId, KeyId, Timestamp};

use super::ADDRESSES_MAX;
use crate::{
    Custody, Event, Params, Refusal,
    descriptor::{HotDescriptor, LOOKAHEAD},
    event::{
        AccountFrozen, AccountOpened, AccountThawed, AddressAssigned, Configured, KeyRegistered,
        KeyRevoked, Watched,
    },
    idempotency::Idempotency,
    withdrawal::OperatorId,
};

impl Custody {
    pub(crate) fn configure(&self, params: &Params) -> Result<Vec<Event>, Refusal> {
        // Refusals, cheapest first.
        if let Some(reason) = params.fault() {
            return Err(Refusal::ParametersWrong { reason });
        }
        if let Some(before) = &self.params {
            if before == params {
                return Ok(Vec::new());
            }
            if !before.same_installation(params) {
                return Err(Refusal::AnotherInstallation);
            }
            return Ok(vec![Configured { params: params.clone(), lookahead: Vec::new() }.into()]);
        }
        let descriptor = HotDescriptor::parse(&params.descriptor)?;
        let scripts = (0..LOOKAHEAD).map(|index| descriptor.script(Watched::External(index)));
        let lookahead: Option<Vec<_>> =
            scripts.map(|script| script.map(|script| script.to_bytes())).collect();
        let lookahead = lookahead.ok_or(Refusal::NumbersExhausted { what: "addresses" })?;
        Ok(vec![Configured { params: params.clone(), lookahead }.into()])
    }

    pub(crate) fn open_account(
        &self,
        idempotency: Option<Idempotency>,
    ) -> Result<Vec<Event>, Refusal> {
        self.params()?;
        if self.idempotency.look_up(idempotency.as_ref())?.is_some() {
            return Ok(Vec::new());
        }
        let number = u64::try_from(self.accounts.len()).ok().and_then(|n| n.checked_add(1));
        let account = number
            .and_then(AccountId::from_number)
            .ok_or(Refusal::NumbersExhausted { what: "accounts" })?;
        Ok(vec![AccountOpened { account, idempotency }.into()])
    }

    pub(crate) fn register_key(
        &self,
        now: Timestamp,
        key: KeyId,
        principal: Principal,
        scopes: Scopes,
        expires: Option<Timestamp>,
    ) -> Result<Vec<Event>, Refusal> {
        self.params()?;
        if let Some(account) = principal.account() {
            self.account(account)?;
        }
        if let Some(known) = self.keys.get(&key) {
            let same = known.principal == principal
                && known.scopes == scopes
                && known.expires == expires
                && known.revoked.is_none();
            return if same { Ok(Vec::new()) } else { Err(Refusal::KeyKnown { key }) };
        }
        let key = ApiKey::issue(key, principal, scopes, now, expires)
            .map_err(|refusal| Refusal::KeyUnusable { reason: refusal.to_string() })?;
        Ok(vec![KeyRegistered { key }.into()])
    }

    /// A key may be revoked between the recognition of a request and the decision: asked once more.
    pub(crate) fn check_key(&self, now: Timestamp, key: KeyId) -> Result<(), Refusal> {
        let known = self.keys.get(&key);
        let alive = known.is_some_and(|known| {
            known.revoked.is_none() && known.expires.is_none_or(|expires| expires > now)
        });
        if alive { Ok(()) } else { Err(Refusal::KeyRevoked { key }) }
    }

    pub(crate) fn revoke_key(&self, key: KeyId) -> Result<Vec<Event>, Refusal> {
        let known = self.keys.get(&key).ok_or(Refusal::KeyUnknown { key })?;
        if known.revoked.is_some() {
            return Ok(Vec::new());
        }
        Ok(vec![KeyRevoked { key }.into()])
    }

    pub(crate) fn assign_address(
        &self,
        now: Timestamp,
        asked: &Authenticated<Option<Idempotency>>,
    ) -> Result<Vec<Event>, Refusal> {
        let account = asked.principal().account().ok_or(Refusal::ScopeMissing { scope: "read" })?;
        // Refusals, cheapest first.
        if !asked.scopes().contains(Scope::Read) {
            return Err(Refusal::ScopeMissing { scope: "read" });
        }
        self.check_key(now, asked.key())?;
        let addresses = self.account(account)?.addresses;
        let idempotency = *asked.request();
        if self.idempotency.look_up(idempotency.as_ref())?.is_some() {
            return Ok(Vec::new());
        }
        if addresses >= ADDRESSES_MAX {
            return Err(Refusal::AddressesEnough { account, max: ADDRESSES_MAX });
        }
        let exhausted = Refusal::NumbersExhausted { what: "addresses" };
        let index = self.next_address;
        let end = self.external_end(self.params()?);
        if index >= end {
            return Err(Refusal::AddressGap { index, end });
        }
        let ahead = index.checked_add(LOOKAHEAD).ok_or_else(|| exhausted.clone())?;
        let script = self.descriptor()?.script(Watched::External(ahead)).ok_or(exhausted)?;
        let lookahead = script.to_bytes();
        Ok(vec![AddressAssigned { account, index, lookahead, idempotency }.into()])
    }

    pub(crate) fn freeze_account(
        &self,
        account: AccountId,
        by: OperatorId,
    ) -> Result<Vec<Event>, Refusal> {
        if self.account(account)?.frozen {
            return Ok(Vec::new());
        }
        Ok(vec![AccountFrozen { account, by }.into()])
    }

    pub(crate) fn thaw_account(
        &self,
        account: AccountId,
        by: OperatorId,
    ) -> Result<Vec<Event>, Refusal> {
        if !self.account(account)?.frozen {
            return Err(Refusal::AccountNotFrozen { account });
        }
        Ok(vec![AccountThawed { account, by }.into()])
    }
}
