//! Asks the system's name servers for records that the system's own resolver does not look up: SRV and MX, which name
//! hosts. A question goes to one server after another by UDP, and by TCP where the answer does not fit.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use simple_dns::rdata::{OPT, RData};
use simple_dns::{CLASS, Name, Packet, PacketFlag, Question, RCODE, SimpleDnsError, TYPE};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

const RESOLV_CONF: &str = "/etc/resolv.conf";
const PORT: u16 = 53;
/// What a datagram holds on every path, as resolvers agreed in 2020.
const DATAGRAM_BYTES: u16 = 1232;

/// A host that a record names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Host {
    /// Its name, without a dot at the end.
    pub(super) name: String,
    /// The port, which SRV records tell.
    pub(super) port: Option<u16>,
}

/// Which records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Records {
    Srv,
    Mx,
}

/// Why there is no answer; that there are no such records is one.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookupError {
    #[error("{RESOLV_CONF}: {0}")]
    Config(String),
    #[error("no name of a domain: {0}")]
    Name(SimpleDnsError),
    #[error("{0}: {1}")]
    Server(SocketAddr, BadAnswer),
}

/// What is wrong with a server's answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadAnswer {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("no answer in time")]
    Late,
    #[error("the answer cannot be read: {0}")]
    Malformed(#[from] SimpleDnsError),
    #[error("the server says {0:?}")]
    Refused(RCODE),
}

/// Whom to ask, and how.
#[derive(Clone, Debug)]
pub(super) struct Resolver {
    servers: Vec<SocketAddr>,
    search: Vec<String>,
    ndots: usize,
    patience: Duration,
    attempts: u32,
}

impl Resolver {
    /// As the system's configuration says now.
    pub(super) fn of_system() -> Result<Self, LookupError> {
        let bad = |reason: &dyn fmt::Display| LookupError::Config(reason.to_string());
        let text = match std::fs::read(RESOLV_CONF) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read.map_err(|error| bad(&error))?,
        };
        let mut config = resolv_conf::Config::parse(&text).map_err(|error| bad(&error))?;
        config.glibc_normalize();
        let servers = config.get_nameservers_or_local().into_iter();
        Ok(Self {
            servers: servers.map(|ip| SocketAddr::new(ip.into(), PORT)).collect(),
            search: config.get_last_search_or_domain().cloned().collect(),
            ndots: config.ndots as usize,
            patience: Duration::from_secs(config.timeout.max(1).into()),
            attempts: config.attempts.max(1),
        })
    }

    /// The hosts that a name's records name, in order; none where it has no such records.
    pub(super) async fn hosts(&self, name: &str, records: Records) -> Result<Vec<Host>, LookupError> {
        for candidate in self.candidates(name) {
            let hosts = self.ask(&candidate, records).await?;
            if !hosts.is_empty() {
                return Ok(hosts);
            }
        }
        Ok(Vec::new())
    }

    /// The names that are meant by one, as the system's resolver tries them.
    fn candidates(&self, name: &str) -> Vec<String> {
        if let Some(whole) = name.strip_suffix('.') {
            return vec![whole.to_owned()];
        }
        let mut names: Vec<_> = self.search.iter().map(|domain| format!("{name}.{domain}")).collect();
        let is_whole = name.matches('.').count() >= self.ndots;
        names.insert(if is_whole { 0 } else { names.len() }, name.to_owned());
        names
    }

    /// Asks one server after another, until one answers.
    async fn ask(&self, name: &str, records: Records) -> Result<Vec<Host>, LookupError> {
        let question = Question::new(
            Name::new(name).map_err(LookupError::Name)?,
            records.kind().into(),
            CLASS::IN.into(),
            false,
        );
        let mut last = None;
        for server in self.servers.iter().cycle().take(self.servers.len() * self.attempts as usize) {
            match self.ask_server(*server, &question, records).await {
                Ok(hosts) => return Ok(hosts),
                Err(error) => last = Some(LookupError::Server(*server, error)),
            }
        }
        Err(last.unwrap_or_else(|| LookupError::Config("no name server".to_owned())))
    }

    async fn ask_server(
        &self,
        server: SocketAddr,
        question: &Question<'_>,
        records: Records,
    ) -> Result<Vec<Host>, BadAnswer> {
        let late = |_| BadAnswer::Late;
        let query = query(question)?;
        let mut answer = timeout(self.patience, by_udp(server, &query)).await.map_err(late)??;
        if simple_dns::header_buffer::has_flags(&answer, PacketFlag::TRUNCATION)? {
            answer = timeout(self.patience, by_tcp(server, &query)).await.map_err(late)??;
        }
        read(&answer, records)
    }
}

impl Records {
    fn kind(self) -> TYPE {
        match self {
            Records::Srv => TYPE::SRV,
            Records::Mx => TYPE::MX,
        }
    }
}

/// The bytes of a question.
fn query(question: &Question<'_>) -> Result<Vec<u8>, SimpleDnsError> {
    let mut packet = Packet::new_query(rand::random());
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    packet.questions.push(question.clone());
    *packet.opt_mut() = Some(OPT { opt_codes: Vec::new(), udp_packet_size: DATAGRAM_BYTES, version: 0 });
    packet.build_bytes_vec()
}

/// The answer to a question; what anybody else sends is passed over.
async fn by_udp(server: SocketAddr, query: &[u8]) -> Result<Vec<u8>, BadAnswer> {
    let any: IpAddr =
        if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(query).await?;
    let mut answer = vec![0; usize::from(DATAGRAM_BYTES)];
    loop {
        let len = socket.recv(&mut answer).await?;
        let packet = answer.get(..len).unwrap_or_default();
        if is_answer(packet, query) {
            return Ok(packet.to_vec());
        }
    }
}

async fn by_tcp(server: SocketAddr, query: &[u8]) -> Result<Vec<u8>, BadAnswer> {
    let mut stream = TcpStream::connect(server).await?;
    let len = u16::try_from(query.len()).map_err(|_| SimpleDnsError::InsufficientData)?;
    stream.write_all(&[&len.to_be_bytes(), query].concat()).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

/// Whether a packet answers a query: they begin with the same number.
fn is_answer(packet: &[u8], query: &[u8]) -> bool {
    packet.get(..2) == query.get(..2)
        && simple_dns::header_buffer::has_flags(packet, PacketFlag::RESPONSE).unwrap_or(false)
}

/// The hosts that an answer names.
fn read(answer: &[u8], records: Records) -> Result<Vec<Host>, BadAnswer> {
    let packet = Packet::parse(answer)?;
    if !matches!(packet.rcode(), RCODE::NoError | RCODE::NameError) {
        return Err(BadAnswer::Refused(packet.rcode()));
    }
    let host = |name: &Name<'_>, port| Host { name: name.to_string(), port };
    let hosts = packet.answers.iter().filter_map(|record| match (&record.rdata, records) {
        (RData::SRV(service), Records::Srv) => Some(host(&service.target, Some(service.port))),
        (RData::MX(exchange), Records::Mx) => Some(host(&exchange.exchange, None)),
        _ => None,
    });
    let mut hosts: Vec<_> = hosts.collect();
    hosts.sort();
    hosts.dedup();
    Ok(hosts)
}

#[cfg(test)]
mod tests;
