//! The house at its founding: keys, limits, parameters, and the first events of its journal. Made
//! once per process, since deriving keys costs more than a whole run.

use std::sync::{LazyLock, Mutex, PoisonError};

use access::{Principal, Scope, Scopes};
use bitcoin::ScriptBuf;
use custody::{
    Command, Custody, Params,
    deposit::finality::{ConfirmationTable, FinalityModel},
};
use ed25519_dalek::SigningKey;
use primitives::{AccountId, FeeRate, KeyId, Network, Sats, Seconds};
use signer::{BucketLimits, Keychain, Limits, PerClass, ScriptKind, Settings, SoftKeys, sample};

use super::{convert::sats, failure::Found, journal::Dated, node::first_ref, random::Random};

/// Customers of the house, each with one account and one key.
pub(crate) const CUSTOMERS: u8 = 4;
/// The customer whose key the signer does not list: their withdrawals are server-vouched.
pub(crate) const UNLISTED: u8 = 4;
/// The number of the trading service's key.
const SERVICE: u8 = 77;

/// What every run shares.
pub(crate) struct Installation {
    pub(crate) keys: SoftKeys,
    pub(crate) settings: Settings,
    /// The parameters at the founding; every run puts its own in force at once.
    pub(crate) params: Params,
    /// The founding day in the journal: parameters, accounts, keys.
    pub(crate) founding: Vec<Dated>,
}

static HOUSE: LazyLock<Result<Installation, Found>> = LazyLock::new(Installation::found);

/// The house.
pub(crate) fn house() -> Result<&'static Installation, Found> {
    HOUSE.as_ref().map_err(Clone::clone)
}

/// The account of a customer, counted from 1.
pub(crate) fn account(customer: u8) -> AccountId {
    AccountId::from_number(u64::from(customer)).unwrap_or(AccountId::from_u64(0))
}

/// The signing keys of customers 1 to [`CUSTOMERS`] and of the service: public knowledge.
pub(crate) fn customer_key(customer: u8) -> &'static SigningKey {
    static KEYS: LazyLock<Vec<SigningKey>> =
        LazyLock::new(|| (0..=SERVICE).map(sample::customer_key).collect());
    static SPARE: LazyLock<SigningKey> = LazyLock::new(|| sample::customer_key(u8::MAX));
    KEYS.get(usize::from(customer)).unwrap_or(&SPARE)
}

/// A second key of a customer.
pub(crate) fn spare_key(customer: u8) -> &'static SigningKey {
    customer_key(customer.saturating_add(CUSTOMERS))
}

pub(crate) fn service_key() -> &'static SigningKey {
    customer_key(SERVICE)
}

pub(crate) fn key_id(key: &SigningKey) -> KeyId {
    KeyId(key.verifying_key().to_bytes())
}

/// The script at an index of the internal keychain: derived once per process.
pub(crate) fn change_script(index: u32) -> Result<ScriptBuf, Found> {
    static SCRIPTS: Mutex<Vec<ScriptBuf>> = Mutex::new(Vec::new());
    let missing = || Found::simulator("an index without a script");
    let wanted = usize::try_from(index).map_err(|_| missing())?;
    let mut scripts = SCRIPTS.lock().unwrap_or_else(PoisonError::into_inner);
    while scripts.len() <= wanted {
        let next = u32::try_from(scripts.len()).map_err(|_| missing())?;
        let script = house()?.settings.descriptor.script(Keychain::Internal, next);
        scripts.push(script.ok_or_else(missing)?);
    }
    scripts.get(wanted).cloned().ok_or_else(missing)
}

impl Installation {
    fn found() -> Result<Self, Found> {
        let broken = |error: &dyn std::error::Error| Found::simulator(error.to_string());
        let keys = sample::keys(Network::Regtest, ScriptKind::Taproot).map_err(|e| broken(&e))?;
        let mut settings = sample::settings(&keys).map_err(|e| broken(&e))?;
        settings.limits = limits();
        let params = params(&settings);
        let founding = founding(&params)?;
        Ok(Self { keys, settings, params, founding })
    }
}

/// Small buckets, so that runs meet them.
fn limits() -> Limits {
    let bucket =
        |capacity, refill| BucketLimits { capacity: sats(capacity), refill_per_hour: sats(refill) };
    Limits {
        outer: bucket(1_200_000, 2_400_000),
        classes: PerClass {
            customer_signed: bucket(1_100_000, 2_400_000),
            server_vouched: bucket(500_000, 1_200_000),
        },
        gap_internal: 40,
        key_cool_down: Seconds(0),
        ..Limits::for_capacity(sats(1_200_000))
    }
}

fn params(settings: &Settings) -> Params {
    Params {
        network: settings.network,
        deployment: settings.deployment(),
        descriptor: settings.descriptor.to_string(),
        start: first_ref(),
        gap_external: settings.limits.gap_external,
        confirmations: ConfirmationTable::fixed(1),
        withdrawable_extra: 0,
        final_confirmations: 1,
        reorg_stop_depth: 6,
        adrift_blocks_max: 3,
        deposit_min: sats(5_000),
        withdrawal_min: sats(2_000),
        withdrawal_fee: sats(500),
        withdrawal_fee_max: sats(5_000),
        release_window: Seconds(0),
        cool_down_from: sats(300_000),
        cool_down: Seconds(120),
        review_from: sats(450_000),
        review_approvals: 2,
        batch_outputs_max: 3,
        batch_inputs_max: 4,
        batch_total_max: sats(700_000),
        batch_retry: Seconds(60),
        fee_rate_max: FeeRate::from_sat_per_kwu(10_000),
        fund_share_bps: 2_500,
    }
}

/// More confirmations for more money, within the amounts of a run.
fn by_value_table() -> ConfirmationTable {
    ConfirmationTable::new(&FinalityModel {
        attacker_permille: 300,
        accepted_loss: sats(60_000),
        majority_permille: 2_000,
        block_reward: sats(100_000),
        floor: 1,
    })
}

/// The parameters of one run.
pub(crate) fn params_of_run(random: &mut Random) -> Result<Params, Found> {
    let table = random.count(1, 3);
    let by_value = random.chance(100);
    Ok(Params {
        confirmations: if by_value { by_value_table() } else { ConfirmationTable::fixed(table) },
        withdrawable_extra: random.count(0, 1),
        final_confirmations: random.count(1, 3),
        reorg_stop_depth: random.count(3, 6),
        adrift_blocks_max: random.count(1, 4),
        release_window: Seconds(random.between(0, 90)),
        cool_down: Seconds(random.between(1, 240)),
        cool_down_from: if random.chance(500) { sats(300_000) } else { Sats::MAX },
        review_from: if random.chance(700) { sats(450_000) } else { Sats::MAX },
        batch_outputs_max: random.count(1, 4),
        batch_inputs_max: random.count(2, 5),
        batch_total_max: sats(random.between(200_000, 900_000)),
        batch_retry: Seconds(random.between(20, 120)),
        fund_share_bps: u16::try_from(random.between(0, 10_000)).unwrap_or(0),
        ..house()?.params.clone()
    })
}

/// The events of the founding day, decided by the real domain.
fn founding(params: &Params) -> Result<Vec<Dated>, Found> {
    let mut commands = vec![Command::Configure { params: Box::new(params.clone()) }];
    commands.extend((0..CUSTOMERS).map(|_| Command::OpenAccount { idempotency: None }));
    let customer_scopes = Scopes::NONE.with(Scope::Read).with(Scope::Withdraw);
    let register = |key: &SigningKey, principal, scopes| Command::RegisterKey {
        key: key_id(key),
        principal,
        scopes,
        expires: None,
    };
    commands.extend((1..=CUSTOMERS).map(|customer| {
        let principal = Principal::Account(account(customer));
        register(customer_key(customer), principal, customer_scopes)
    }));
    let settle = Scopes::NONE.with(Scope::Settle);
    commands.push(register(service_key(), Principal::Service, settle));
    let mut state = Custody::default();
    let mut events = Vec::new();
    for command in commands {
        let decided = state.decide(sample::NOON, &command);
        for event in decided.map_err(|refusal| Found::simulator(refusal.to_string()))? {
            let applied = state.apply(sample::NOON, &event);
            applied.map_err(|corrupt| Found::simulator(corrupt.to_string()))?;
            events.push((sample::NOON, event));
        }
    }
    Ok(events)
}
