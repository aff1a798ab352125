//! The QUIC endpoint: one UDP socket that dials and accepts, and the settings of its connections.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use quinn::udp::{UdpSockRef, UdpSocketState};
use quinn::{ConnectionId, ConnectionIdGenerator, Endpoint, EndpointConfig, TransportConfig, VarInt};
use ring::rand::{SecureRandom, SystemRandom};

use crate::identity::{Identity, IdentityError};

/// Of a connection on which nothing arrives. Cuts shorter than this heal through it, longer ones by a new
/// dial; at ten seconds those of eight healed slowly, for the back-off of retransmission was far out by then.
const IDLE: Duration = Duration::from_secs(4);
const KEEP_ALIVE: Duration = Duration::from_secs(1);
/// First guess: a lost first packet is sent again after three times this, and a dial has two seconds in all.
const INITIAL_RTT: Duration = Duration::from_millis(100);
/// Gossip messages in flight that need a stream each, and the three long-lived streams.
const STREAMS_MAX: u32 = 64;
/// Bytes in flight of one class: 40 ms at 100 MB/s.
const STREAM_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// Bytes in flight of one connection: room for urgent classes beside a full one.
const CONNECTION_WINDOW_BYTES: u32 = 12 * 1024 * 1024;
const DATAGRAM_BUFFER_BYTES: usize = 256 * 1024;
/// Kernel buffers: bursts of many peers fit; the kernel may grant less.
const SOCKET_BUFFER_BYTES: usize = 4 * 1024 * 1024;
const CONNECTION_ID_BYTES: usize = 8;

/// Opens the socket; must be called inside a tokio runtime.
pub(crate) fn open(bind: SocketAddr, identity: &Identity) -> Result<Endpoint, OpenError> {
    let transport = Arc::new(transport_config());
    let mut server = quinn::ServerConfig::with_crypto(Arc::new(identity.server()?));
    server.transport_config(transport.clone());
    let mut client = quinn::ClientConfig::new(Arc::new(identity.client()?));
    client.transport_config(transport);
    let mut config = EndpointConfig::new(Arc::new(identity.reset_key()));
    config.cid_generator(|| Box::new(RandomIds(SystemRandom::new())));
    let socket = UdpSocket::bind(bind)?;
    enlarge_buffers(&socket)?;
    let mut endpoint = Endpoint::new(config, Some(server), socket, Arc::new(quinn::TokioRuntime))?;
    endpoint.set_default_client_config(client);
    Ok(endpoint)
}

/// Why a socket could not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Socket(#[from] io::Error),
}

fn transport_config() -> TransportConfig {
    let mut config = TransportConfig::default();
    config
        .max_idle_timeout(Some(IDLE.try_into().expect("four seconds fit the field")))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .initial_rtt(INITIAL_RTT)
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(STREAMS_MAX))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW_BYTES))
        .send_window(u64::from(CONNECTION_WINDOW_BYTES))
        .datagram_receive_buffer_size(Some(DATAGRAM_BUFFER_BYTES))
        .datagram_send_buffer_size(DATAGRAM_BUFFER_BYTES);
    config
}

fn enlarge_buffers(socket: &UdpSocket) -> io::Result<()> {
    let state = UdpSocketState::new(UdpSockRef::from(socket))?;
    let sizes = state
        .set_recv_buffer_size(UdpSockRef::from(socket), SOCKET_BUFFER_BYTES)
        .and_then(|()| state.set_send_buffer_size(UdpSockRef::from(socket), SOCKET_BUFFER_BYTES));
    if let Err(error) = sizes {
        tracing::debug!(%error, "the socket keeps its default buffers");
    }
    Ok(())
}

/// Connection ids that carry no check of their own: the default ones are checked with a key of this life
/// only, so a restarted node would ignore its former life's packets instead of resetting their connections.
struct RandomIds(SystemRandom);

impl ConnectionIdGenerator for RandomIds {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut id = [0; CONNECTION_ID_BYTES];
        self.0.fill(&mut id).expect("the system has a source of randomness");
        ConnectionId::new(&id)
    }

    fn cid_len(&self) -> usize {
        CONNECTION_ID_BYTES
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}
