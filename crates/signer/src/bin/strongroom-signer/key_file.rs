//! The key file: the seed, encrypted with age under a passphrase (scrypt).
//!
//! The plain text is one line, `strongroom-signer-seed-v1 NETWORK KIND 64-HEX-DIGITS`, so that the
//! seed can be restored with any age program and any BIP-32 wallet.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use age::secrecy::SecretString;
use anyhow::{Context, bail, ensure};
use primitives::{Network, from_hex, to_hex};
use signer::{ScriptKind, SoftKeys};
use zeroize::Zeroizing;

use crate::cli::Passphrase;

/// Names the passphrase's file where the command line does not.
const PASSPHRASE_FILE: &str = "STRONGROOM_SIGNER_PASSPHRASE_FILE";
/// The shortest passphrase. Length is the only thing about it that can be judged here.
const PASSPHRASE_CHARS_MIN: usize = 12;
/// The first word of the plain text.
const FORMAT: &str = "strongroom-signer-seed-v1";
/// The most work of scrypt that is accepted; more would be a way to stall the start.
const WORK_FACTOR_MAX: u8 = 22;
/// The least work of scrypt outside the regression-test network.
pub(crate) const WORK_FACTOR_MIN: u8 = 15;

/// The seed with what it is for.
pub(crate) struct Seed {
    pub(crate) network: Network,
    pub(crate) kind: ScriptKind,
    pub(crate) bytes: Zeroizing<[u8; 32]>,
}

impl Seed {
    /// A new seed from the operating system's randomness.
    pub(crate) fn draw(network: Network, kind: ScriptKind) -> anyhow::Result<Self> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut_slice()).context("drawing the seed")?;
        Ok(Self { network, kind, bytes })
    }

    pub(crate) fn keys(&self) -> anyhow::Result<SoftKeys> {
        Ok(SoftKeys::from_seed(self.network, self.kind, self.bytes.as_slice())?)
    }

    fn to_line(&self) -> Zeroizing<String> {
        let digits = Zeroizing::new(to_hex(self.bytes.as_slice()));
        let (network, kind) = (self.network, self.kind.name());
        Zeroizing::new(format!("{FORMAT} {network} {kind} {}\n", digits.as_str()))
    }

    fn parse_line(line: &str) -> Option<Self> {
        let mut words = line.strip_suffix('\n')?.split(' ');
        let format = words.next()?;
        let network = words.next()?.parse().ok()?;
        let kind = [ScriptKind::Taproot, ScriptKind::WitnessKeyHash];
        let name = words.next()?;
        let kind = kind.into_iter().find(|kind| kind.name() == name)?;
        let bytes = Zeroizing::new(from_hex(words.next()?).ok()?);
        (format == FORMAT && words.next().is_none()).then_some(Self { network, kind, bytes })
    }
}

/// The encrypted bytes of a seed. `work_factor` is the exponent of scrypt's N.
pub(crate) fn seal(
    seed: &Seed,
    passphrase: SecretString,
    work_factor: Option<u8>,
) -> anyhow::Result<Vec<u8>> {
    let mut recipient = age::scrypt::Recipient::new(passphrase);
    if let Some(work_factor) = work_factor {
        recipient.set_work_factor(work_factor);
    }
    age::encrypt(&recipient, seed.to_line().as_bytes()).context("encrypting the seed")
}

/// The seed in a key file.
pub(crate) fn open(path: &Path, passphrase: SecretString) -> anyhow::Result<Seed> {
    let sealed = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let mut identity = age::scrypt::Identity::new(passphrase);
    identity.set_max_work_factor(WORK_FACTOR_MAX);
    let plain = age::decrypt(&identity, &sealed).with_context(|| {
        format!("{} cannot be decrypted: is it the right passphrase?", path.display())
    })?;
    let plain = Zeroizing::new(plain);
    std::str::from_utf8(&plain)
        .ok()
        .and_then(Seed::parse_line)
        .with_context(|| format!("{} holds no seed of this program", path.display()))
}

/// Reads the passphrase from the file that the command line or the environment names.
pub(crate) fn read_passphrase(arguments: &Passphrase) -> anyhow::Result<SecretString> {
    let named = arguments.passphrase_file.clone();
    let Some(path) = named.or_else(|| env::var_os(PASSPHRASE_FILE).map(PathBuf::from)) else {
        bail!("no passphrase: name its file by --passphrase-file or {PASSPHRASE_FILE}");
    };
    let about = || format!("reading the passphrase file {}", path.display());
    let mode = fs::metadata(&path).with_context(about)?.permissions().mode();
    ensure!(
        mode.trailing_zeros() >= 6,
        "the passphrase file {} is open to other users (mode {:o}): chmod 600 it",
        path.display(),
        mode & 0o777
    );
    let text = Zeroizing::new(fs::read_to_string(&path).with_context(about)?);
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    ensure!(
        line.chars().count() >= PASSPHRASE_CHARS_MIN,
        "the passphrase has fewer than {PASSPHRASE_CHARS_MIN} characters: take a longer one"
    );
    Ok(SecretString::from(line.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passphrase(text: &str) -> SecretString {
        SecretString::from(text.to_owned())
    }

    #[test]
    fn a_seed_survives_its_file_and_only_with_its_passphrase() {
        let seed = Seed::draw(Network::Signet, ScriptKind::WitnessKeyHash).unwrap();
        let sealed = seal(&seed, passphrase("correct horse battery"), Some(2)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.age");
        fs::write(&path, &sealed).unwrap();
        let opened = open(&path, passphrase("correct horse battery")).unwrap();
        assert_eq!(opened.bytes, seed.bytes);
        assert_eq!((opened.network, opened.kind), (seed.network, seed.kind));
        assert!(open(&path, passphrase("correct horse batteri")).is_err());
        let digits = to_hex(seed.bytes.as_slice());
        assert!(!String::from_utf8_lossy(&sealed).contains(&digits));
    }

    #[test]
    fn a_line_that_is_no_seed_is_refused() {
        let seed = Seed::draw(Network::Regtest, ScriptKind::Taproot).unwrap();
        let good = seed.to_line();
        assert!(Seed::parse_line(&good).is_some());
        for bad in [
            good.replace("v1", "v2"),
            good.replace("regtest", "moon"),
            good.replace(" tr ", " pkh "),
            good.replace('\n', ""),
            good.replace('\n', " 0\n"),
        ] {
            assert!(Seed::parse_line(&bad).is_none(), "{bad}");
        }
    }
}
