//! Unix sockets: listening, and frames with deadlines.

use std::{
    fs, io,
    io::{Read, Write},
    os::unix::{
        fs::{FileTypeExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use borsh::BorshSerialize;
use signer_protocol::message::{MessageError, body_length, encode_frame};

use crate::clocks::instant;

/// How long a connection may wait before its next frame begins.
pub(crate) const IDLE_MAX: Duration = Duration::from_mins(1);
/// How long a frame that has begun may take, and an answer.
pub(crate) const FRAME_MAX: Duration = Duration::from_secs(10);

/// Listens at `path` with file mode `mode`. The socket appears under its name only when its mode
/// is right, so that nobody slips in before.
pub(crate) fn listen(path: &Path, mode: u32) -> anyhow::Result<UnixListener> {
    if let Ok(there) = fs::symlink_metadata(path) {
        ensure!(there.file_type().is_socket(), "{} is there and no socket", path.display());
        ensure!(
            UnixStream::connect(path).is_err(),
            "another process listens at {}: stop it first",
            path.display()
        );
    }
    let name = path.file_name().context("a socket needs a name")?.to_string_lossy();
    let fresh = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let bind = || -> io::Result<UnixListener> {
        // Left behind only by a process that was killed between the next two lines.
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(&fresh)?;
        fs::set_permissions(&fresh, fs::Permissions::from_mode(mode))?;
        fs::rename(&fresh, path)?;
        Ok(listener)
    };
    bind().with_context(|| format!("listening at {}", path.display()))
}

/// What came over a connection.
pub(crate) enum Frame {
    /// The body of a frame.
    Body(Vec<u8>),
    /// A frame that is larger than the signer takes; nothing of it was read.
    TooLarge(MessageError),
    /// The other side is done.
    End,
}

/// Reads one frame. A frame that has begun must be complete in [`FRAME_MAX`].
pub(crate) fn read_frame(stream: &mut UnixStream) -> io::Result<Frame> {
    stream.set_read_timeout(Some(IDLE_MAX))?;
    let mut first = [0; 1];
    if stream.read(&mut first)? == 0 {
        return Ok(Frame::End);
    }
    let deadline = instant().checked_add(FRAME_MAX);
    let mut rest = [0; 3];
    read_exact_by(stream, &mut rest, deadline)?;
    let ([a], [b, c, d]) = (first, rest);
    let length = match body_length([a, b, c, d]) {
        Ok(length) => length,
        Err(error) => return Ok(Frame::TooLarge(error)),
    };
    // Memory grows with what really came, not with what was announced.
    let mut body = Vec::new();
    let mut chunk = [0; 16 << 10];
    while body.len() < length {
        let missing = length.saturating_sub(body.len()).min(chunk.len());
        let (part, _) = chunk.split_at_mut(missing);
        read_exact_by(stream, part, deadline)?;
        body.extend_from_slice(part);
    }
    Ok(Frame::Body(body))
}

fn read_exact_by(
    stream: &mut UnixStream,
    mut rest: &mut [u8],
    deadline: Option<Instant>,
) -> io::Result<()> {
    while !rest.is_empty() {
        let left = deadline.and_then(|deadline| deadline.checked_duration_since(instant()));
        let left = left.filter(|left| !left.is_zero());
        let left = left.ok_or_else(|| io::Error::new(io::ErrorKind::TimedOut, "a slow frame"))?;
        stream.set_read_timeout(Some(left))?;
        match stream.read(rest) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => rest = rest.get_mut(read..).unwrap_or(&mut []),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Writes one frame.
pub(crate) fn write_frame<M: BorshSerialize>(
    stream: &mut UnixStream,
    message: &M,
) -> io::Result<()> {
    let frame = encode_frame(message).map_err(io::Error::other)?;
    stream.set_write_timeout(Some(FRAME_MAX))?;
    stream.write_all(&frame)
}
