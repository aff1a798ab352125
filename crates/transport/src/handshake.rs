//! The exchange of greetings on a fresh connection, on one stream that the dialler opens:
//!
//! ```text
//!   dialler                     acceptor
//!      │── greeting ───────────────►│  judges
//!   judges │◄──────────── greeting ─│
//!      │── end of stream ──────────►│  both may send
//! ```
//!
//! With TLS 1.3 the dialler is connected before the acceptor has seen its certificate, so the acceptor's
//! greeting is also the first proof that it was accepted.

use quinn::{Connection, ConnectionError, ReadExactError, RecvStream, SendStream};

use crate::greeting::{Greeting, HEAD_BYTES, Head};
use crate::identity::vouches_for;
use crate::refusal::Refusal;

/// Why a connection did not come about.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    /// We refused; the connection was closed with the reason.
    #[error("{0}")]
    Refused(Refusal),
    /// The peer refused, and said why.
    #[error("refused by the peer: {0}")]
    RefusedByPeer(Refusal),
    /// TLS ended it, here or there.
    #[error("not of this cluster: {0}")]
    Certificate(ConnectionError),
    /// The address cannot be dialled from this socket.
    #[error("cannot dial: {0}")]
    Dial(#[from] quinn::ConnectError),
    /// The connection broke before it was ready.
    #[error("connection lost: {0}")]
    Lost(ConnectionError),
    /// Nobody answered.
    #[error("no answer in time")]
    TimedOut,
}

/// Greets as the one who dialled.
pub(crate) async fn greet(connection: &Connection, ours: &Greeting) -> Result<Greeting, HandshakeError> {
    let (mut send, mut receive) = connection.open_bi().await?;
    say(&mut send, ours).await?;
    let theirs = hear(connection, &mut receive, ours).await?;
    // The end of the stream says that we accept.
    let _ = send.finish();
    Ok(theirs)
}

/// Greets as the one who was dialled.
pub(crate) async fn answer(connection: &Connection, ours: &Greeting) -> Result<Greeting, HandshakeError> {
    let (mut send, mut receive) = connection.accept_bi().await?;
    let theirs = hear(connection, &mut receive, ours).await?;
    say(&mut send, ours).await?;
    let _ = send.finish();
    match receive.read_chunk(1, true).await {
        Ok(None) => Ok(theirs),
        Ok(Some(_)) => Err(refuse(connection, Refusal::Malformed)),
        Err(quinn::ReadError::ConnectionLost(error)) => Err(error.into()),
        Err(_) => Err(refuse(connection, Refusal::Malformed)),
    }
}

async fn say(send: &mut SendStream, ours: &Greeting) -> Result<(), HandshakeError> {
    match send.write_all(&ours.encode()).await {
        Ok(()) => Ok(()),
        Err(quinn::WriteError::ConnectionLost(error)) => Err(error.into()),
        Err(_) => Err(HandshakeError::Refused(Refusal::Malformed)),
    }
}

async fn hear(
    connection: &Connection,
    receive: &mut RecvStream,
    ours: &Greeting,
) -> Result<Greeting, HandshakeError> {
    let mut head = [0; HEAD_BYTES];
    read(connection, receive, &mut head).await?;
    let head = Head::decode(head, ours.versions).map_err(|refusal| refuse(connection, refusal))?;
    let mut body = vec![0; head.body_bytes];
    read(connection, receive, &mut body).await?;
    let theirs = Greeting::decode(head, &body).map_err(|refusal| refuse(connection, refusal))?;
    ours.judge(&theirs).map_err(|refusal| refuse(connection, refusal))?;
    if !vouches_for(connection, theirs.hello.node) {
        return Err(refuse(connection, Refusal::Identity));
    }
    Ok(theirs)
}

async fn read(
    connection: &Connection,
    receive: &mut RecvStream,
    bytes: &mut [u8],
) -> Result<(), HandshakeError> {
    match receive.read_exact(bytes).await {
        Ok(()) => Ok(()),
        Err(ReadExactError::ReadError(quinn::ReadError::ConnectionLost(error))) => Err(error.into()),
        Err(_) => Err(refuse(connection, Refusal::Malformed)),
    }
}

fn refuse(connection: &Connection, refusal: Refusal) -> HandshakeError {
    connection.close(refusal.close_code(), refusal.reason().as_bytes());
    HandshakeError::Refused(refusal)
}

impl From<ConnectionError> for HandshakeError {
    fn from(error: ConnectionError) -> Self {
        /// QUIC carries TLS alerts as the codes from here to `0x1ff` (RFC 9001, section 4.8).
        const ALERTS: u64 = 0x100;
        let code = match &error {
            ConnectionError::ApplicationClosed(close) => {
                return Refusal::from_close_code(close.error_code)
                    .map_or(HandshakeError::Lost(error.clone()), HandshakeError::RefusedByPeer);
            }
            ConnectionError::TransportError(end) => u64::from(end.code),
            ConnectionError::ConnectionClosed(close) => u64::from(close.error_code),
            ConnectionError::TimedOut => return HandshakeError::TimedOut,
            _ => 0,
        };
        let alert = code & !0xff == ALERTS;
        if alert { HandshakeError::Certificate(error) } else { HandshakeError::Lost(error) }
    }
}
