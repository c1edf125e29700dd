//! `init`: a new key, its settings, an empty state.

use anyhow::{Context, ensure};
use primitives::{Network, Sats, Seconds};
use signer::{HotDescriptor, Limits, ScriptKind, Settings, Signer};

use crate::{
    cli::{Init, Kind},
    file_memory::FileMemory,
    key_file::{self, Seed, WORK_FACTOR_MIN},
    layout::{Layout, create_file, create_folder, sync_folder},
    print,
};

/// Writes the signer's folder and prints what the world may know of it.
pub(crate) fn init(arguments: &Init) -> anyhow::Result<()> {
    if let Some(work_factor) = arguments.scrypt_work_factor {
        ensure!(
            work_factor >= WORK_FACTOR_MIN || arguments.network == Network::Regtest,
            "a scrypt work factor of {work_factor} protects no key: at least {WORK_FACTOR_MIN} \
             outside regtest"
        );
    }
    let passphrase = key_file::read_passphrase(&arguments.passphrase)?;
    let kind = match arguments.descriptor_kind {
        Kind::Tr => ScriptKind::Taproot,
        Kind::Wpkh => ScriptKind::WitnessKeyHash,
    };
    let seed = Seed::draw(arguments.network, kind)?;
    let settings = settings(arguments, seed.keys()?.descriptor())?;
    let sealed = key_file::seal(&seed, passphrase, arguments.scrypt_work_factor)?;

    let layout = Layout(&arguments.dir);
    create_folder(&arguments.dir)?;
    let write = |path: std::path::PathBuf, bytes: &[u8]| {
        create_file(&path, bytes).map(drop).with_context(|| format!("writing {}", path.display()))
    };
    write(layout.key(), &sealed)?;
    write(layout.settings(), settings.to_toml().as_bytes())?;
    let memory = FileMemory::create(&layout.state())?;
    drop(Signer::open(settings.clone(), memory)?);
    sync_folder(&arguments.dir).context("making the folder durable")?;

    print(&format!("descriptor {}\ndeployment {}", settings.descriptor, settings.deployment()))
}

fn settings(arguments: &Init, descriptor: &str) -> anyhow::Result<Settings> {
    let mut limits = Limits::for_capacity(Sats::parse(arguments.capacity_sat)?);
    let set = |field: &mut Sats, value: Option<u64>| -> anyhow::Result<()> {
        if let Some(value) = value {
            *field = Sats::parse(value)?;
        }
        Ok(())
    };
    let vouched = &mut limits.classes.server_vouched;
    set(&mut vouched.capacity, arguments.server_vouched_capacity_sat)?;
    let tenth = vouched.capacity.to_sat().div_euclid(10);
    let tenth = tenth.min(arguments.refill_sat_per_hour.unwrap_or(tenth));
    set(&mut vouched.refill_per_hour, Some(tenth))?;
    set(&mut vouched.refill_per_hour, arguments.server_vouched_refill_sat_per_hour)?;
    set(&mut limits.outer.refill_per_hour, arguments.refill_sat_per_hour)?;
    set(&mut limits.classes.customer_signed.refill_per_hour, arguments.refill_sat_per_hour)?;
    set(&mut limits.fee_max, arguments.fee_sat_max)?;
    if let Some(seconds) = arguments.key_cool_down_seconds {
        limits.key_cool_down = Seconds(seconds);
    }
    let mut root_nonce = [0; 32];
    getrandom::fill(&mut root_nonce).context("drawing the root nonce")?;
    let network = arguments.network;
    let descriptor = HotDescriptor::parse(descriptor, network)?;
    let settings = Settings { network, descriptor, root_nonce, limits };
    // What is written must be what is read at the next start, with the same checks.
    Ok(Settings::parse_toml(&settings.to_toml())?)
}
