//! A `bitcoind` for tests and the demonstration: found on this machine, or fetched once.
//!
//! Looked for in this order: what `BITCOIND` names, `PATH`, the cache folder. Else it is unpacked
//! from Debian's own packages, with Debian's tools: no root, nothing written outside the cache
//! folder, the archive's signature checked by apt, a smoke test before it counts as there.
//!
//! Nothing but the standard library, so that it works before anything else is built.

use std::{
    env,
    ffi::OsStr,
    fmt,
    fs::{self, File, TryLockError},
    io,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

/// Debian's only suite with a bitcoin node. It keeps only the newest version, so that none is
/// named here: the cache folder pins, and the smoke test decides.
const SUITE: &str = "sid";
const PACKAGE: &str = "bitcoin-knots";
const KEYRINGS: [&str; 2] = [
    "/usr/share/keyrings/debian-archive-keyring.gpg",
    "/usr/share/keyrings/debian-archive-keyring.pgp",
];
const PROGRAMS: [&str; 2] = ["bitcoind", "bitcoin-cli"];
const WAY_OUT: &str =
    "install a bitcoind yourself (Bitcoin Knots or Core, 29 or newer) and name it in BITCOIND";

/// Why there is no `bitcoind`, and what to do.
#[derive(Debug)]
pub(crate) struct NoBitcoind {
    found: String,
}

impl fmt::Display for NoBitcoind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no bitcoind: {}; {WAY_OUT}", self.found)
    }
}

impl std::error::Error for NoBitcoind {}

fn no(found: impl Into<String>) -> NoBitcoind {
    NoBitcoind { found: found.into() }
}

/// The path of a `bitcoind` that runs; installs one into the cache folder if there is none.
/// `say` hears what is going on, a sentence at a time.
///
/// # Errors
///
/// [`NoBitcoind`] where `BITCOIND` names what does not run, and where none can be fetched: no
/// Debian, no mirror, no keyring, no network.
pub(crate) fn find_or_install(say: &mut dyn FnMut(&str)) -> Result<PathBuf, NoBitcoind> {
    if let Some(named) = variable("BITCOIND") {
        return match version(&named) {
            Ok(_) => Ok(named),
            Err(why) => Err(no(format!("BITCOIND names {}, and {why}", named.display()))),
        };
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path).map(|dir| dir.join("bitcoind"));
    if let Some(found) = on_path.filter(|path| path.is_file()).find(|path| version(path).is_ok()) {
        return Ok(found);
    }
    let cache = cache_dir()?;
    if let Some(cached) = cached(&cache) {
        return Ok(cached);
    }
    install(&cache, say)
}

/// `$STRONGROOM_CACHE`, else `$XDG_CACHE_HOME/strongroom`, else `~/.cache/strongroom`. The same
/// rule stands in `chain::regtest::find_bitcoind`.
fn cache_dir() -> Result<PathBuf, NoBitcoind> {
    let dir = variable("STRONGROOM_CACHE")
        .or_else(|| Some(variable("XDG_CACHE_HOME")?.join("strongroom")))
        .or_else(|| Some(variable("HOME")?.join(".cache/strongroom")))
        .ok_or_else(|| no("there is no HOME to keep one in; set STRONGROOM_CACHE to a folder"))?;
    let made = fs::create_dir_all(&dir).and_then(|()| dir.canonicalize());
    made.map_err(|error| no(format!("the cache folder {} cannot be used ({error})", dir.display())))
}

fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn cached(cache: &Path) -> Option<PathBuf> {
    let bitcoind = cache.join("bitcoind/bin/bitcoind");
    version(&bitcoind).is_ok().then_some(bitcoind)
}

/// The first line of `-version`, or why it does not run.
fn version(bitcoind: &Path) -> Result<String, String> {
    match Command::new(bitcoind).arg("-version").stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or("").to_owned())
        }
        Ok(output) => Err(format!("its -version ends with {}", last_words(&output))),
        Err(error) => Err(format!("it does not run ({error})")),
    }
}

fn install(cache: &Path, say: &mut dyn FnMut(&str)) -> Result<PathBuf, NoBitcoind> {
    let _lock = lock(cache, say)?;
    // Whoever held the lock may have brought it.
    if let Some(cached) = cached(cache) {
        return Ok(cached);
    }
    let source = Source::of_this_machine()?;
    // Whatever lies here is of a run that was interrupted.
    let new = cache.join("bitcoind.new");
    let outcome = empty(&new).and_then(|()| build(&new, &source, say));
    if let Err(why) = outcome {
        let _left_for_the_next_run = fs::remove_dir_all(&new);
        return Err(why);
    }
    // A whole one appears at once or not at all: the rename is the last step.
    let place = cache.join("bitcoind");
    let moved = remove(&place).and_then(|()| fs::rename(&new, &place));
    moved.map_err(|error| no(format!("{} cannot be put in place ({error})", place.display())))?;
    cached(cache).ok_or_else(|| no("it was installed and does not run from its place"))
}

fn build(new: &Path, source: &Source, say: &mut dyn FnMut(&str)) -> Result<(), NoBitcoind> {
    let apt = Apt::prepare(&new.join("apt"), source)?;
    say(&format!("asking {} for {PACKAGE} ({SUITE})", source.mirror));
    let packages = apt.fetch(say)?;
    say("unpacking");
    let tree = new.join("tree");
    empty(&tree)?;
    for package in &packages {
        let mut unpack = Command::new("dpkg-deb");
        run(unpack.arg("-x").arg(package).arg(&tree), "unpack a package")?;
    }
    wrap(new, &tree)?;
    record(new, &packages)?;
    empty(&apt.dir).and_then(|()| io_to(&apt.dir, fs::remove_dir(&apt.dir)))?;
    say("trying it: a wallet, 101 blocks, one taken back");
    smoke(new)?;
    let version = version(&new.join("bin/bitcoind")).map_err(no)?;
    say(&format!("have {version}"));
    Ok(())
}

/// Two runs at once would build in the same folder. The lock ends with the process.
fn lock(cache: &Path, say: &mut dyn FnMut(&str)) -> Result<File, NoBitcoind> {
    let path = cache.join("bitcoind.lock");
    let file = io_to(&path, File::create(&path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            say("waiting for another run that is getting a bitcoind");
            io_to(&path, file.lock())?;
        }
        Err(TryLockError::Error(error)) => return io_to(&path, Err(error)),
    }
    Ok(file)
}

/// Where packages come from and what proves them.
struct Source {
    mirror: String,
    keyring: &'static str,
}

impl Source {
    /// The mirror is the one that this machine's apt already uses; no other is contacted.
    fn of_this_machine() -> Result<Self, NoBitcoind> {
        for tool in ["apt-get", "dpkg-deb"] {
            if Command::new(tool).arg("--version").output().is_err() {
                return Err(no(format!("this machine has no {tool}, so it is no Debian")));
            }
        }
        let mirror = apt_lists().iter().find_map(|text| debian_mirror(text)).ok_or_else(|| {
            no("no Debian mirror (an address that ends in /debian) in /etc/apt/sources.list*")
        })?;
        let keyring =
            KEYRINGS.into_iter().find(|path| Path::new(path).is_file()).ok_or_else(|| {
                no("no Debian keyring in /usr/share/keyrings (package debian-archive-keyring)")
            })?;
        Ok(Self { mirror, keyring })
    }
}

fn apt_lists() -> Vec<String> {
    let known = [Some("list"), Some("sources")];
    let is_list = |path: &PathBuf| known.contains(&path.extension().and_then(OsStr::to_str));
    let folder = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = folder.map(|entry| entry.path()).filter(is_list).collect();
    files.sort();
    files.insert(0, PathBuf::from("/etc/apt/sources.list"));
    files.iter().filter_map(|file| fs::read_to_string(file).ok()).collect()
}

/// The first word of a `deb` or `URIs:` line that looks like Debian's main archive.
fn debian_mirror(text: &str) -> Option<String> {
    let lines = text.lines().map(str::trim_start);
    let mut words = lines
        .filter(|line| line.starts_with("deb ") || line.starts_with("URIs:"))
        .flat_map(str::split_whitespace);
    let is_mirror =
        |word: &&str| word.contains("://") && word.trim_end_matches('/').ends_with("/debian");
    words.find(is_mirror).map(str::to_owned)
}

/// An apt with a state of its own.
struct Apt {
    dir: PathBuf,
    conf: PathBuf,
}

impl Apt {
    fn prepare(dir: &Path, source: &Source) -> Result<Self, NoBitcoind> {
        for folder in ["lists/partial", "archives/partial"] {
            io_to(dir, fs::create_dir_all(dir.join(folder)))?;
        }
        let apt = Self { dir: dir.to_owned(), conf: dir.join("apt.conf") };
        let Source { mirror, keyring } = source;
        let list = format!("deb [signed-by={keyring}] {mirror} {SUITE} main\n");
        io_to(dir, fs::write(dir.join("sources.list"), list))?;
        // An empty list of installed packages: then the C library and all the rest come too, and
        // what is unpacked fits together whatever this machine runs.
        io_to(dir, fs::write(dir.join("status"), ""))?;
        io_to(&apt.conf, fs::write(&apt.conf, apt.settings()?))?;
        Ok(apt)
    }

    /// Read after `/etc/apt/apt.conf.d`, whose proxy settings stay in force. The `#clear` lines
    /// switch off hooks that container images bring, which delete what was fetched.
    fn settings(&self) -> Result<String, NoBitcoind> {
        let dir = self.dir.to_str().filter(|dir| !dir.contains('"'));
        let dir = dir.ok_or_else(|| no("the cache folder's name is no plain text for apt"))?;
        Ok(format!(
            r#"#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
Dir::State "{dir}";
Dir::State::Lists "{dir}/lists";
Dir::State::Status "{dir}/status";
Dir::Cache "{dir}";
Dir::Cache::Archives "{dir}/archives";
Dir::Log "{dir}";
Dir::Etc::SourceList "{dir}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
APT::Sandbox::User "";
APT::Install-Recommends "0";
APT::Keep-Downloaded-Packages "1";
APT::Get::AllowUnauthenticated "0";
APT::Update::Error-Mode "any";
Acquire::AllowInsecureRepositories "0";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
Debug::NoLocking "1";
"#
        ))
    }

    fn command(&self) -> Command {
        let mut command = Command::new("apt-get");
        command.arg("-c").arg(&self.conf).args(["-qq", "-y"]);
        command
    }

    /// Fetches the package and all it needs; returns the files.
    fn fetch(&self, say: &mut dyn FnMut(&str)) -> Result<Vec<PathBuf>, NoBitcoind> {
        run(self.command().arg("update"), "read the list of packages")?;
        let plan = self.command().args(["--print-uris", "install", PACKAGE]).output();
        let plan = plan.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        let (count, bytes) = size_of(&plan.unwrap_or_default());
        say(&format!(
            "getting a bitcoind: {count} packages, {} MB to fetch, once",
            bytes.div_ceil(1_000_000)
        ));
        let mut fetch = self.command();
        run(fetch.args(["--download-only", "install", PACKAGE]), "fetch the packages")?;
        let archives = self.dir.join("archives");
        let entries = io_to(&archives, fs::read_dir(&archives))?.flatten();
        let mut packages: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        packages.retain(|path| path.extension() == Some(OsStr::new("deb")));
        packages.sort();
        if packages.is_empty() {
            return Err(no(format!("{SUITE} has no {PACKAGE} for this machine")));
        }
        Ok(packages)
    }
}

/// Packages and bytes of a plan whose lines are `'address' file bytes checksum`.
fn size_of(plan: &str) -> (usize, u64) {
    let sizes = plan.lines().filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok());
    sizes.fold((0, 0), |(count, sum), size| (count.saturating_add(1), sum.saturating_add(size)))
}

/// Writes `bin/bitcoind` and `bin/bitcoin-cli`: scripts that start the program with the loader
/// and the libraries it came with.
fn wrap(new: &Path, tree: &Path) -> Result<(), NoBitcoind> {
    let loader = find_loader(&tree.join("usr/lib"))
        .and_then(|path| path.strip_prefix(tree).ok().map(Path::to_owned))
        .ok_or_else(|| no("no dynamic loader among the packages"))?;
    // Debian keeps the loader in the folder of all libraries of its architecture.
    let libraries = loader.parent().unwrap_or(Path::new("usr/lib"));
    let listed = run(
        Command::new(tree.join(&loader))
            .arg("--library-path")
            .arg(tree.join(libraries))
            .arg("--list")
            .arg(tree.join("usr/bin/bitcoind")),
        "list the libraries of bitcoind",
    )?;
    if let Some(missing) = listed.lines().find(|line| line.contains("not found")) {
        return Err(no(format!("the packages lack a library: {}", missing.trim())));
    }
    let bin = new.join("bin");
    empty(&bin)?;
    for program in PROGRAMS {
        let script = format!(
            "#!/bin/sh\n\
             # exec, so that a signal to this process reaches {program}; found from $0, so that\n\
             # the folder may be moved.\n\
             tree=$(dirname \"$(readlink -f \"$0\")\")/../tree\n\
             exec \"$tree/{}\" --argv0 {program} --library-path \"$tree/{}\" \
             \"$tree/usr/bin/{program}\" \"$@\"\n",
            loader.display(),
            libraries.display(),
        );
        let path = bin.join(program);
        io_to(&path, fs::write(&path, script))?;
        io_to(&path, fs::set_permissions(&path, fs::Permissions::from_mode(0o755)))?;
    }
    Ok(())
}

/// The loader's name differs by architecture (`ld-linux-x86-64.so.2`, `ld-linux-aarch64.so.1`).
fn find_loader(dir: &Path) -> Option<PathBuf> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(dir).ok()?.flatten() {
        let (kind, name) = (entry.file_type().ok()?, entry.file_name());
        let name = name.to_string_lossy();
        if kind.is_file() && name.starts_with("ld-linux") && name.contains(".so") {
            return Some(entry.path());
        }
        if kind.is_dir() {
            folders.push(entry.path());
        }
    }
    folders.sort();
    folders.iter().find_map(|folder| find_loader(folder))
}

/// Leaves a list of what was unpacked, so that somebody can ask later where it came from.
fn record(new: &Path, packages: &[PathBuf]) -> Result<(), NoBitcoind> {
    let mut sums = Command::new("sha256sum");
    sums.args(packages.iter().filter_map(|path| path.file_name()));
    if let Some(folder) = packages.first().and_then(|path| path.parent()) {
        sums.current_dir(folder);
    }
    let sums = run(&mut sums, "sum up the packages")?;
    let path = new.join("SHA256SUMS");
    io_to(&path, fs::write(&path, sums))
}

/// What the tests rely on, rather than a version number.
fn smoke(new: &Path) -> Result<(), NoBitcoind> {
    let dir = new.join("smoke");
    empty(&dir)?;
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let port = io_to(&dir, port)?.port();
    let datadir = format!("-datadir={}", dir.display());
    let common = ["-regtest".to_owned(), datadir, format!("-rpcport={port}")];
    let mut node = Command::new(new.join("bin/bitcoind"));
    node.args(&common).args(["-listen=0", "-printtoconsole=0"]);
    node.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let node = Running(io_to(&dir, node.spawn())?);

    let ask = |words: &[&str]| {
        let mut cli = Command::new(new.join("bin/bitcoin-cli"));
        cli.args(&common).args(["-rpcwait", "-rpcwaittimeout=60"]).args(words);
        run(&mut cli, "try the node").map(|answer| answer.trim().to_owned())
    };
    ask(&["createwallet", "smoke"])?;
    let address = ask(&["getnewaddress"])?;
    ask(&["generatetoaddress", "101", &address])?;
    ask(&["invalidateblock", &ask(&["getbestblockhash"])?])?;
    let height = ask(&["getblockcount"])?;
    if height != "100" {
        return Err(no(format!("after 101 blocks and one taken back it stands at {height}")));
    }
    drop(node);
    io_to(&dir, fs::remove_dir_all(&dir))
}

/// A process that does not outlive its use.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only for a process that is already gone.
        let _killed = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// Runs `command` to its end; its output, or what it said last.
fn run(command: &mut Command, purpose: &str) -> Result<String, NoBitcoind> {
    command.env("LC_ALL", "C").env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    let program = command.get_program().to_string_lossy().into_owned();
    match command.output() {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(output) => Err(no(format!("`{program}` could not {purpose}: {}", last_words(&output)))),
        Err(error) => Err(no(format!("`{program}` could not {purpose} ({error})"))),
    }
}

/// How it ended and the last lines it wrote.
fn last_words(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let (_, last) = lines.split_at(lines.len().saturating_sub(3));
    let said = if last.is_empty() { "without a word".to_owned() } else { last.join(" / ") };
    format!("{}, {said}", output.status)
}

/// An empty folder at `path`.
fn empty(path: &Path) -> Result<(), NoBitcoind> {
    io_to(path, remove(path).and_then(|()| fs::create_dir_all(path)))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn io_to<T>(path: &Path, outcome: io::Result<T>) -> Result<T, NoBitcoind> {
    outcome.map_err(|error| no(format!("{} cannot be used ({error})", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_read_from_both_forms_of_apt_lists() {
        let old = "# deb http://no.example/debian x main\n\
                   deb [arch=amd64] https://one.example/debian/ bookworm main\n";
        assert_eq!(debian_mirror(old).as_deref(), Some("https://one.example/debian/"));
        let new = "Types: deb\nURIs: http://security.example/debian-security \
                   http://two.example/debian\nSuites: bookworm\n";
        assert_eq!(debian_mirror(new).as_deref(), Some("http://two.example/debian"));
        assert_eq!(debian_mirror("deb cdrom:[x]/ bookworm main\nURIs: file:/debian\n"), None);
    }

    #[test]
    fn the_plan_says_how_much_is_to_be_fetched() {
        let plan =
            "'http://a/x.deb' x.deb 1500000 SHA256:ab\nnoise\n'http://a/y.deb' y.deb 2 S:c\n";
        assert_eq!(size_of(plan), (2, 1_500_002));
    }
}
