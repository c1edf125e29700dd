use primitives::{AccountId, Sats};

use super::{Account, Address};
use crate::{
    Custody,
    chain::ChainState,
    descriptor::{HotDescriptor, LOOKAHEAD},
    event::{
        AccountFrozen, AccountOpened, AccountThawed, AddressAssigned, Configured, KeyRegistered,
        KeyRevoked, Watched,
    },
};

impl Custody {
    pub(crate) fn apply_configured(&mut self, event: &Configured) -> Result<(), String> {
        if let Some(before) = &self.params {
            if !before.same_installation(&event.params) || !event.lookahead.is_empty() {
                return Err("these parameters belong to another installation".to_owned());
            }
        } else {
            if u32::try_from(event.lookahead.len()) != Ok(LOOKAHEAD) {
                return Err(format!("{} scripts ahead, not {LOOKAHEAD}", event.lookahead.len()));
            }
            let descriptor = HotDescriptor::parse(&event.params.descriptor);
            self.descriptor = Some(descriptor.map_err(|refusal| refusal.to_string())?);
            self.chain = Some(ChainState::new(event.params.start));
            for script in &event.lookahead {
                self.add_address(script.clone())?;
            }
        }
        self.params = Some(event.params.clone());
        Ok(())
    }

    /// Watches the next script of the external keychain.
    fn add_address(&mut self, script: Vec<u8>) -> Result<(), String> {
        let index = u32::try_from(self.addresses.len()).map_err(|_| "no more indexes")?;
        self.watch(script.clone(), Watched::External(index));
        self.addresses.push(Address { account: None, script });
        Ok(())
    }

    pub(crate) fn apply_account_opened(&mut self, event: &AccountOpened) -> Result<(), String> {
        let number = u64::try_from(self.accounts.len()).ok().and_then(|n| n.checked_add(1));
        if number.and_then(AccountId::from_number) != Some(event.account) {
            return Err(format!("{} is not the next account", event.account));
        }
        self.accounts.push(Account {
            opened_at: self.now,
            addresses: 0,
            frozen: false,
            exposed: Sats::ZERO,
            maturing: Sats::ZERO,
            adrift: 0,
        });
        let made = event.account.number();
        self.idempotency.remember(self.now, event.idempotency.as_ref(), made);
        Ok(())
    }

    pub(crate) fn apply_key_registered(&mut self, event: &KeyRegistered) -> Result<(), String> {
        let id = event.key.id;
        if let Some(account) = event.key.principal.account() {
            self.account_mut(account)?;
        }
        if self.keys.insert(id, event.key).is_some() {
            return Err(format!("{id} is registered already"));
        }
        Ok(())
    }

    pub(crate) fn apply_key_revoked(&mut self, event: &KeyRevoked) -> Result<(), String> {
        let key = self.keys.get_mut(&event.key).ok_or_else(|| format!("no key {}", event.key))?;
        if key.revoked.is_some() {
            return Err(format!("{} is revoked already", event.key));
        }
        key.revoke(self.now);
        Ok(())
    }

    pub(crate) fn apply_address_assigned(&mut self, event: &AddressAssigned) -> Result<(), String> {
        let behind = u32::try_from(self.addresses.len()).ok();
        if event.index != self.next_address || event.index.checked_add(LOOKAHEAD) != behind {
            return Err(format!("address {} is not the next one", event.index));
        }
        let at = usize::try_from(event.index).map_err(|error| error.to_string())?;
        let account = self.account_mut(event.account)?;
        account.addresses = account.addresses.saturating_add(1);
        let address = self.addresses.get_mut(at).ok_or("the address is not watched")?;
        address.account = Some(event.account);
        self.next_address = event.index.checked_add(1).ok_or("no more indexes")?;
        self.add_address(event.lookahead.clone())?;
        let made = u64::from(event.index);
        self.idempotency.remember(self.now, event.idempotency.as_ref(), made);
        Ok(())
    }

    pub(crate) fn apply_account_frozen(&mut self, event: &AccountFrozen) -> Result<(), String> {
        self.set_frozen(event.account, true)
    }

    pub(crate) fn apply_account_thawed(&mut self, event: &AccountThawed) -> Result<(), String> {
        self.set_frozen(event.account, false)
    }

    fn set_frozen(&mut self, id: AccountId, frozen: bool) -> Result<(), String> {
        let before = std::mem::replace(&mut self.account_mut(id)?.frozen, frozen);
        if before == frozen {
            let state = if frozen { "frozen already" } else { "not frozen" };
            return Err(format!("account {id} is {state}"));
        }
        Ok(())
    }
}
