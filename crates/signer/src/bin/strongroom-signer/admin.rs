//! The admin socket: what is done on the signer's own host. Messages of this binary to itself,
//! in the frames of the protocol.

use std::{io, os::unix::net::UnixStream};

use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{AccountId, KeyId};
use signer::{AdminError, Moment, Status};
use signer_protocol::{
    Description,
    message::{MessageError, decode_body},
};

use crate::{
    connection::{House, stop_if_broken},
    socket::{Frame, read_frame, write_frame},
};

pub(crate) mod client;

/// What may be asked.
#[derive(Debug, BorshSerialize, BorshDeserialize)]
pub(crate) enum AdminRequest {
    Halt { reason: String },
    Resume,
    AcceptClock,
    Status,
    AddKey { account: AccountId, key: KeyId },
    RemoveKey { account: AccountId, key: KeyId },
}

/// What is answered.
#[derive(Debug, BorshSerialize, BorshDeserialize)]
pub(crate) enum AdminResponse {
    /// It is durable. `changed` is false where it was so before.
    Done {
        changed: bool,
    },
    Status(Box<StatusView>),
    Denied {
        detail: String,
    },
}

/// [`Status`] on the wire.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub(crate) struct StatusView {
    pub(crate) description: Description,
    pub(crate) moment: Moment,
    pub(crate) records: u64,
    pub(crate) withdrawals: u64,
    pub(crate) keys: u64,
}

impl From<Status> for StatusView {
    fn from(status: Status) -> Self {
        let count = |number| u64::try_from(number).unwrap_or(u64::MAX);
        Self {
            description: status.description,
            moment: status.moment,
            records: status.records,
            withdrawals: count(status.withdrawals),
            keys: count(status.keys),
        }
    }
}

/// Answers the admin's frames.
pub(crate) fn serve_admin(house: &House, mut stream: UnixStream) -> io::Result<()> {
    loop {
        let body = match read_frame(&mut stream)? {
            Frame::Body(body) => body,
            Frame::TooLarge(error) => return write_frame(&mut stream, &denied(&error)),
            Frame::End => return Ok(()),
        };
        let response = match decode_body(&body) {
            Ok(request) => answer(house, request),
            Err(error) => denied(&error),
        };
        write_frame(&mut stream, &response)?;
    }
}

fn denied(error: &MessageError) -> AdminResponse {
    AdminResponse::Denied { detail: error.to_string() }
}

fn answer(house: &House, request: AdminRequest) -> AdminResponse {
    let now = house.clocks.now();
    let mut signer = house.signer();
    if let AdminRequest::Status = request {
        return AdminResponse::Status(Box::new(signer.status(now).into()));
    }
    tracing::info!(?request, "asked on this host");
    let done = match request {
        AdminRequest::Halt { reason } => signer.halt(&reason, now).map(|()| true),
        AdminRequest::Resume => signer.resume(now).map(|()| true),
        AdminRequest::AcceptClock => signer.accept_wall_clock(now).map(|()| true),
        AdminRequest::AddKey { account, key } => signer.add_key(account, key, now),
        AdminRequest::RemoveKey { account, key } => signer.remove_key(account, key, now),
        AdminRequest::Status => Ok(false),
    };
    stop_if_broken(&signer);
    match done {
        Ok(changed) => AdminResponse::Done { changed },
        Err(AdminError::Denied(denied)) => AdminResponse::Denied { detail: denied.to_string() },
        Err(AdminError::Fault(fault)) => AdminResponse::Denied { detail: fault.in_full() },
    }
}
