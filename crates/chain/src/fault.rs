use std::{io, path::PathBuf};

use primitives::BlockRef;

use crate::{check::Refusal, rpc::RpcError};

/// Something broke between us and the node, or the node said what cannot be.
///
/// The text begins with [`Fault::id`] and says what was tried, what was found and what to do. It is
/// whole: logs and `/readyz` show it without a chain of sources, so that causes stand in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// No connection, or it broke.
    #[error(
        "node-unreachable: {tried} at {address}: {cause}; see that the node runs and that this is its RPC \
         address"
    )]
    Unreachable {
        /// Host and port.
        address: String,
        /// The call.
        tried: String,
        /// What the socket said.
        cause: io::Error,
    },
    /// The node accepted the call and did not answer in time. Whether it acted is unknown.
    #[error("node-silent: {tried} at {address} had no whole answer within {limit_millis} ms")]
    TimedOut {
        /// Host and port.
        address: String,
        /// The call.
        tried: String,
        /// How long we waited.
        limit_millis: u128,
    },
    /// The node is overloaded and said so in plain text ("work queue depth exceeded").
    #[error(
        "node-busy: {tried} at {address} was answered with status {status} and `{said}`; if this \
         lasts, raise the node's -rpcthreads and -rpcworkqueue"
    )]
    Busy {
        /// Host and port.
        address: String,
        /// The call.
        tried: String,
        /// HTTP status.
        status: u16,
        /// The first words of the answer.
        said: String,
    },
    /// The file with the node's cookie or password is not there or not `user:password`.
    #[error(
        "node-credentials: {} does not hold `user:password`: {cause}; a cookie appears when the \
         node starts", file.display()
    )]
    Credentials {
        /// The file.
        file: PathBuf,
        /// What reading it said.
        cause: io::Error,
    },
    /// The node refuses what the file holds, even after reading it again.
    #[error(
        "node-unauthorized: {address} answered {status} to the credentials in {}; compare them \
         with the node's, and its -rpcallowip", file.display()
    )]
    Unauthorized {
        /// Host and port.
        address: String,
        /// HTTP status, 401 or 403.
        status: u16,
        /// The file.
        file: PathBuf,
    },
    /// The answer is longer than we are ready to hold.
    #[error("node-answer-too-large: {tried} at {address} is above {limit_bytes} bytes")]
    TooLarge {
        /// Host and port.
        address: String,
        /// The call.
        tried: String,
        /// [`crate::rpc::ANSWER_BYTES_MAX`].
        limit_bytes: usize,
    },
    /// The answer is no HTTP, no JSON, or not of the shape that this call has.
    #[error("node-not-understood: {tried} was answered with {found}")]
    NotUnderstood {
        /// The call.
        tried: String,
        /// What is wrong with the answer.
        found: String,
    },
    /// The node understood and said no.
    #[error("node-said-no: {tried}: {cause}")]
    Rpc {
        /// The call.
        tried: String,
        /// Its code and message.
        cause: RpcError,
    },
    /// The node follows another network than the one we are configured for.
    #[error(
        "wrong-network: we are configured for {configured}, the node follows {found}; nothing of \
         it is used"
    )]
    WrongNetwork {
        /// Ours.
        configured: bitcoin::Network,
        /// Its name, or the hash of its first block.
        found: String,
    },
    /// The node gave a block or header that breaks a rule it claims to enforce.
    #[error(
        "block-refused: block {at} from the node breaks a rule of the network: {cause}; stop the \
         node and compare it with another one"
    )]
    BlockRefused {
        /// The block that was asked for.
        at: BlockRef,
        /// The rule.
        cause: Refusal,
    },
    /// Two answers of the node, or an answer and our cursor, cannot both be true.
    #[error("node-contradiction: {tried} should give {expected}, the node says {found}")]
    Contradiction {
        /// The call.
        tried: String,
        /// What we know.
        expected: String,
        /// What it said.
        found: String,
    },
    /// The node has less of the chain than we have seen, and does not say that ours is invalid:
    /// it is catching up after a crash, or was replaced. Nothing is disconnected for that. (After
    /// a `kill -9` Knots 29.4 had forgotten every block since it last wrote to disk.)
    #[error(
        "node-behind: the node's best block {node_height} has less work than our tip {tip}; wait \
         until it has caught up"
    )]
    Behind {
        /// Our cursor.
        tip: BlockRef,
        /// Height of the node's best block.
        node_height: u32,
    },
    /// The throw-away node of tests and demonstrations did not do what it was told.
    #[error("regtest-node: {tried}: {found}")]
    Harness {
        /// What was tried.
        tried: String,
        /// What was found.
        found: String,
    },
}

impl Fault {
    /// Every id, in the order of the variants.
    pub const IDS: [&'static str; 13] = [
        "node-unreachable",
        "node-silent",
        "node-busy",
        "node-credentials",
        "node-unauthorized",
        "node-answer-too-large",
        "node-not-understood",
        "node-said-no",
        "wrong-network",
        "block-refused",
        "node-contradiction",
        "node-behind",
        "regtest-node",
    ];

    /// The stable name, kebab-case.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "node-unreachable",
            Self::TimedOut { .. } => "node-silent",
            Self::Busy { .. } => "node-busy",
            Self::Credentials { .. } => "node-credentials",
            Self::Unauthorized { .. } => "node-unauthorized",
            Self::TooLarge { .. } => "node-answer-too-large",
            Self::NotUnderstood { .. } => "node-not-understood",
            Self::Rpc { .. } => "node-said-no",
            Self::WrongNetwork { .. } => "wrong-network",
            Self::BlockRefused { .. } => "block-refused",
            Self::Contradiction { .. } => "node-contradiction",
            Self::Behind { .. } => "node-behind",
            Self::Harness { .. } => "regtest-node",
        }
    }

    /// Whether time alone may cure it (the node is starting, restarting, busy or catching up), so
    /// that the same call should be tried again. Everything else wants a person.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Busy { .. }
            | Self::Credentials { .. }
            | Self::Behind { .. } => true,
            Self::Rpc { cause, .. } => cause.code == RpcError::WARMING_UP,
            Self::Unauthorized { .. }
            | Self::TooLarge { .. }
            | Self::NotUnderstood { .. }
            | Self::WrongNetwork { .. }
            | Self::BlockRefused { .. }
            | Self::Contradiction { .. }
            | Self::Harness { .. } => false,
        }
    }
}
