//! Questions to a name server of the tests' own, on loopback, by UDP and TCP.

use super::*;
use proptest::prelude::*;
use simple_dns::ResourceRecord;
use simple_dns::rdata::{A, MX, SRV};
use tokio::net::TcpListener;

/// How a server answers for a name.
type Answers = fn(&str) -> (RCODE, Vec<RData<'static>>);

fn service(target: &'static str, port: u16) -> RData<'static> {
    RData::SRV(SRV { priority: 1, weight: 1, port, target: Name::new_unchecked(target) })
}

fn answer(query: &[u8], answers: Answers) -> Vec<u8> {
    let query = Packet::parse(query).unwrap();
    let name = query.questions[0].qname.to_string();
    let (code, records) = answers(&name);
    let mut reply = Packet::new_reply(query.id());
    *reply.rcode_mut() = code;
    reply.questions = query.questions.clone();
    let record = |data| ResourceRecord::new(query.questions[0].qname.clone(), CLASS::IN, 60, data);
    reply.answers = records.into_iter().map(record).collect();
    reply.build_bytes_vec_compressed().unwrap()
}

/// A server that cuts what is longer than a datagram. Before each answer it sends one to another question.
async fn server(answers: Answers) -> SocketAddr {
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = udp.local_addr().unwrap();
    let tcp = TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move {
        let mut query = vec![0; 4096];
        while let Ok((len, from)) = udp.recv_from(&mut query).await {
            let mut whole = answer(&query[..len], answers);
            if whole.len() > usize::from(DATAGRAM_BYTES) {
                let mut cut = Packet::new_reply(u16::from_be_bytes([whole[0], whole[1]]));
                cut.set_flags(PacketFlag::TRUNCATION);
                whole = cut.build_bytes_vec().unwrap();
            }
            let mut foreign = whole.clone();
            foreign[0] ^= 1;
            udp.send_to(&foreign, from).await.unwrap();
            udp.send_to(&whole, from).await.unwrap();
        }
    });
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = tcp.accept().await {
            let mut query = vec![0; usize::from(stream.read_u16().await.unwrap())];
            stream.read_exact(&mut query).await.unwrap();
            let whole = answer(&query, answers);
            stream.write_u16(whole.len() as u16).await.unwrap();
            stream.write_all(&whole).await.unwrap();
        }
    });
    address
}

fn resolver(servers: &[SocketAddr], search: &[&str]) -> Resolver {
    Resolver {
        servers: servers.to_vec(),
        search: search.iter().map(|domain| (*domain).to_owned()).collect(),
        ndots: 1,
        patience: Duration::from_secs(20),
        attempts: 2,
    }
}

fn host(name: &str, port: Option<u16>) -> Host {
    Host { name: name.to_owned(), port }
}

#[tokio::test]
async fn services_are_hosts_with_ports_and_other_records_are_passed_over() {
    let address = server(|name| match name {
        "_app._tcp.example" => {
            let records = vec![
                service("b.example", 9100),
                service("a.example", 9101),
                RData::A(A { address: 1 }),
                service("a.example", 9101),
            ];
            (RCODE::NoError, records)
        }
        _ => (RCODE::NameError, Vec::new()),
    })
    .await;
    let resolver = resolver(&[address], &[]);
    let hosts = resolver.hosts("_app._tcp.example", Records::Srv).await.unwrap();
    assert_eq!(hosts, [host("a.example", Some(9101)), host("b.example", Some(9100))]);
    assert_eq!(resolver.hosts("_none._tcp.example", Records::Srv).await.unwrap(), []);
    assert_eq!(resolver.hosts("_app._tcp.example", Records::Mx).await.unwrap(), []);
}

#[tokio::test]
async fn mail_exchanges_are_hosts() {
    let exchange = |_: &str| {
        let exchange = MX { preference: 1, exchange: Name::new_unchecked("mail.example") };
        (RCODE::NoError, vec![RData::MX(exchange)])
    };
    let resolver = resolver(&[server(exchange).await], &[]);
    assert_eq!(resolver.hosts("example", Records::Mx).await.unwrap(), [host("mail.example", None)]);
}

#[tokio::test]
async fn what_does_not_fit_a_datagram_comes_by_tcp() {
    let many = |_: &str| (RCODE::NoError, (1..=500).map(|port| service("host.example", port)).collect());
    let resolver = resolver(&[server(many).await], &[]);
    let hosts = resolver.hosts("_app._tcp.example.", Records::Srv).await.unwrap();
    assert_eq!((hosts.len(), hosts[499].clone()), (500, host("host.example", Some(500))));
}

#[tokio::test]
async fn names_are_searched_for_and_a_server_that_fails_is_passed_over() {
    let failing = server(|_| (RCODE::ServerFailure, Vec::new())).await;
    let searched = server(|name| match name {
        "_app.in.example" => (RCODE::NoError, vec![service("a.example", 1)]),
        _ => (RCODE::NameError, Vec::new()),
    })
    .await;
    let both = resolver(&[failing, searched], &["other", "in.example"]);
    assert_eq!(both.hosts("_app", Records::Srv).await.unwrap(), [host("a.example", Some(1))]);
    assert_eq!(both.candidates("_app"), ["_app.other", "_app.in.example", "_app"]);
    assert_eq!(both.candidates("_a.b"), ["_a.b", "_a.b.other", "_a.b.in.example"]);
    assert_eq!(both.candidates("_a.b."), ["_a.b"]);
    let error = resolver(&[failing], &[]).hosts("_app", Records::Srv).await.unwrap_err();
    assert!(error.to_string().contains("ServerFailure"), "{error}");
    let error = both.hosts(&"x".repeat(64), Records::Srv).await.unwrap_err();
    assert!(matches!(error, LookupError::Name(_)), "{error}");
}

proptest! {
    #[test]
    fn hostile_answers_do_not_panic(mut answer in prop::collection::vec(any::<u8>(), 0..200), counts in prop::array::uniform4(0_u8..4)) {
        let _ = read(&answer, Records::Srv);
        // The header's counts in bounds, so that something behind it is read.
        for (index, count) in counts.into_iter().enumerate() {
            if let Some(field) = answer.get_mut(4 + 2 * index..6 + 2 * index) {
                field.copy_from_slice(&[0, count]);
            }
        }
        let _ = read(&answer, Records::Mx);
        let _ = is_answer(&answer, &[0, 0]);
    }
}
