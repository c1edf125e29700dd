//! The commands that talk to a running signer.

use std::{os::unix::net::UnixStream, path::Path};

use anyhow::{Context, bail};
use serde_json::json;
use signer_protocol::message::decode_body;

use super::{AdminRequest, AdminResponse, StatusView};
use crate::{
    Unreachable,
    cli::{Admin, CustomerKey},
    print,
    socket::{Frame, read_frame, write_frame},
};

/// Asks, and prints the answer.
pub(crate) fn run(command: Admin) -> anyhow::Result<()> {
    let mut as_json = false;
    let (socket, request) = match command {
        Admin::Halt { socket, reason } => (socket, AdminRequest::Halt { reason }),
        Admin::Resume(socket) => (socket, AdminRequest::Resume),
        Admin::AcceptClock(socket) => (socket, AdminRequest::AcceptClock),
        Admin::Status { socket, json } => {
            as_json = json;
            (socket, AdminRequest::Status)
        }
        Admin::AddKey(CustomerKey { socket, account, key }) => {
            (socket, AdminRequest::AddKey { account, key })
        }
        Admin::RemoveKey(CustomerKey { socket, account, key }) => {
            (socket, AdminRequest::RemoveKey { account, key })
        }
    };
    let text = match ask(&socket.admin_socket, &request)? {
        AdminResponse::Done { changed: true } => "done".to_owned(),
        AdminResponse::Done { changed: false } => "nothing to do: it was so already".to_owned(),
        AdminResponse::Status(status) if as_json => status_json(&status),
        AdminResponse::Status(status) => status_text(&status),
        AdminResponse::Denied { detail } => bail!("denied: {detail}"),
    };
    print(&text)
}

fn ask(socket: &Path, request: &AdminRequest) -> anyhow::Result<AdminResponse> {
    let unreachable = |source| Unreachable {
        what: format!("no signer answers at {}: does it run?", socket.display()),
        source,
    };
    let mut stream = UnixStream::connect(socket).map_err(unreachable)?;
    write_frame(&mut stream, request).map_err(unreachable)?;
    let unread = || {
        format!(
            "{} answers, but not as an admin socket does: is it the socket for the server?",
            socket.display()
        )
    };
    match read_frame(&mut stream).map_err(unreachable)? {
        Frame::Body(body) => decode_body(&body).with_context(unread),
        Frame::TooLarge(error) => Err(error).with_context(unread),
        Frame::End => bail!("the signer ended without an answer: look into its log"),
    }
}

fn status_json(status: &StatusView) -> String {
    let description = &status.description;
    let buckets: Vec<_> = description
        .buckets
        .iter()
        .map(|bucket| {
            json!({
                "name": bucket.name,
                "capacity_sat": bucket.capacity.to_sat(),
                "left_sat": bucket.left.to_sat(),
                "refill_sat_per_hour": bucket.refill_per_hour.to_sat(),
            })
        })
        .collect();
    json!({
        "protocol": description.protocol,
        "deployment": description.deployment.to_string(),
        "network": description.network.name(),
        "descriptor": description.descriptor,
        "halted": description.halted,
        "evaluation_grade": description.evaluation_grade,
        "buckets": buckets,
        "signed_total_sat": description.signed_total.to_sat(),
        "signed_transactions": description.signed_transactions,
        "withdrawals": status.withdrawals,
        "customer_keys": status.keys,
        "records": status.records,
        "running_seconds": status.moment.running_millis / 1000,
        "latest_wall_clock": status.moment.wall.to_string(),
    })
    .to_string()
}

fn status_text(status: &StatusView) -> String {
    let description = &status.description;
    let mut lines = vec![
        format!("deployment    {} ({})", description.deployment, description.network),
        format!("descriptor    {}", description.descriptor),
        format!("halted        {}", description.halted.as_deref().unwrap_or("no")),
        format!(
            "signed        {} in {} transactions, {} withdrawals",
            description.signed_total, description.signed_transactions, status.withdrawals
        ),
        format!("customer keys {}", status.keys),
        format!(
            "time          ran {} s, latest wall clock {}",
            status.moment.running_millis / 1000,
            status.moment.wall
        ),
        format!("records       {}", status.records),
    ];
    lines.extend(description.buckets.iter().map(|bucket| {
        format!(
            "bucket        {}: {} left of {}, {} an hour flow back",
            bucket.name, bucket.left, bucket.capacity, bucket.refill_per_hour
        )
    }));
    if description.evaluation_grade {
        lines.push("grade         evaluation only: no witness on another host".to_owned());
    }
    lines.join("\n")
}
