use std::{env, path::PathBuf};

/// A `bitcoind` on this machine: the one that `BITCOIND` names, else one on `PATH`, else the one
/// that `cargo xtask` put into the cache folder. `None` where there is none; a `BITCOIND` that
/// names no file is `None` too, because the wish was plain.
#[must_use]
pub fn find_bitcoind() -> Option<PathBuf> {
    if let Some(named) = non_empty("BITCOIND") {
        return Some(named).filter(|path| path.is_file());
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path).map(|dir| dir.join("bitcoind"));
    let cached = cache_dir().map(|dir| dir.join("bitcoind/bin/bitcoind"));
    on_path.chain(cached).find(|candidate| candidate.is_file())
}

/// `$STRONGROOM_CACHE`, else `$XDG_CACHE_HOME/strongroom`, else `~/.cache/strongroom`. The same
/// rule stands in `xtask/src/bitcoind.rs`, which uses nothing but the standard library.
fn cache_dir() -> Option<PathBuf> {
    non_empty("STRONGROOM_CACHE")
        .or_else(|| Some(non_empty("XDG_CACHE_HOME")?.join("strongroom")))
        .or_else(|| Some(non_empty("HOME")?.join(".cache/strongroom")))
}

fn non_empty(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}
