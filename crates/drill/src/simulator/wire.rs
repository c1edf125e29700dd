//! The connection between the server and the signer's host, and what its two ends do with what
//! arrives.

use std::collections::VecDeque;

use custody::{
    Command,
    planted::{self, Bug},
};
use signer_protocol::{RefusalTag, Response, message::decode_body};

use super::{
    failure::{Check, Found},
    signer_host::body,
    worker::Ask,
    world::World,
};

/// The connection between the two processes: in order, and whatever is in it may be lost when it
/// breaks. The signer never reads a connection that was given up once a newer one exists.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    number: u64,
    pub(crate) to_signer: VecDeque<(u64, Vec<u8>)>,
    pub(crate) to_server: VecDeque<(u64, Vec<u8>)>,
}

impl Wire {
    /// Sends a request, and says its number.
    pub(crate) fn send(&mut self, frame: Vec<u8>) -> u64 {
        self.number = self.number.saturating_add(1);
        self.to_signer.push_back((self.number, frame));
        self.number
    }

    /// How many requests were ever sent.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }
}

impl World {
    /// The signer's host reads the next request. A request may arrive twice, one copy right behind
    /// the other; the second answer finds nobody waiting.
    pub(crate) fn deliver_request(&mut self) -> Check {
        let Some((number, frame)) = self.wire.to_signer.pop_front() else { return Ok(()) };
        let copies = if self.random.chance(self.profile.duplicates) { 2 } else { 1 };
        for _ in 0..copies {
            let answer = self.signer.answer(&frame, &self.clock, &mut self.random)?;
            let down = answer.is_none();
            self.note_signer();
            self.trace.line(format_args!("signer: request {number}, answered {}", !down));
            self.wire.to_server.extend(answer.map(|answer| (number, answer)));
        }
        Ok(())
    }

    /// The server reads the next answer.
    pub(crate) fn deliver_answer(&mut self) -> Check {
        let Some((number, frame)) = self.wire.to_server.pop_front() else { return Ok(()) };
        let Some(server) = &mut self.server else { return Ok(()) };
        let Some((_, ask)) = server.worker.asked.filter(|(asked, _)| *asked == number) else {
            return Ok(());
        };
        server.worker.asked = None;
        let response: Response =
            decode_body(body(&frame)?).map_err(|e| Found::simulator(e.to_string()))?;
        match response {
            Response::Description(description) => {
                let outer = description.buckets.first().map(|bucket| bucket.left);
                server.worker.left = outer.filter(|_| description.halted.is_none());
                Ok(())
            }
            Response::Witnessed { head } => {
                server.worker.witnessed = Some(head.map_or(0, |head| head.size));
                Ok(())
            }
            Response::Signed(signed) => self.signed(ask, signed.transaction),
            Response::Refused { tag, detail } => self.refused(ask, tag, &detail),
            Response::Fault { detail } => Err(Found::simulator(detail)),
            Response::UsableKeys { .. } => {
                Err(Found::simulator("nobody asked for keys".to_owned()))
            }
        }
    }

    fn signed(&mut self, ask: Ask, transaction: Vec<u8>) -> Check {
        let Ask::Sign(batch) = ask else { return Err(Found::simulator("signed unasked")) };
        self.trace.line(format_args!("worker: {batch} is signed"));
        if planted::active(Bug::BroadcastBeforeJournal) {
            self.broadcast_bytes(batch, &transaction)?;
        }
        if let Some(server) = &mut self.server {
            server.waiting.push_back(Command::RecordSigned { batch, transaction });
        }
        Ok(())
    }

    fn refused(&mut self, ask: Ask, tag: RefusalTag, detail: &str) -> Check {
        self.trace.line(format_args!("worker: {ask:?} refused: {tag}: {detail}"));
        self.report.count_refusal_of_signer(tag.id());
        let Some(server) = &mut self.server else { return Ok(()) };
        match (ask, tag) {
            (_, RefusalTag::JournalShrunk | RefusalTag::JournalForked) => {
                Err(Found::new("acknowledged-survives", format!("{tag}: {detail}")))
            }
            (_, RefusalTag::JournalNotWitnessed) => {
                server.worker.witnessed = None;
                Ok(())
            }
            (Ask::Sign(batch), tag) if tag.proves_unsigned() => {
                server.waiting.push_back(Command::RecordRefused { batch, tag });
                Ok(())
            }
            // A halt: asked again later.
            (Ask::Sign(_) | Ask::Describe | Ask::Witnessed | Ask::Witness(_), _) => Ok(()),
        }
    }

    /// The worker gives up waiting: the connection is dropped with what is in it. What the signer
    /// had not read yet it reads now or never.
    pub(crate) fn give_up(&mut self) -> Check {
        let Some(server) = &mut self.server else { return Ok(()) };
        let Some((_, ask)) = server.worker.asked.take() else { return Ok(()) };
        self.trace.line(format_args!("worker: gives up waiting for {ask:?}"));
        // The signer may have witnessed the head all the same: ask where it stands.
        server.worker.witnessed = None;
        if planted::active(Bug::DissolvedUnasked)
            && let Ask::Sign(batch) = ask
        {
            let tag = RefusalTag::Tranche;
            server.waiting.push_back(Command::RecordRefused { batch, tag });
        }
        self.drop_connection()
    }

    /// The connection breaks. Bytes that were sent may still be acted upon, at once or never.
    pub(crate) fn drop_connection(&mut self) -> Check {
        while !self.wire.to_signer.is_empty() {
            if self.random.chance(500) {
                self.deliver_request()?;
            } else {
                self.wire.to_signer.pop_front();
            }
        }
        self.wire.to_server.clear();
        Ok(())
    }
}
