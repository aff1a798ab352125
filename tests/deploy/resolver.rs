//! A DNS server that knows one name, which stands for as many addresses as the test has told it.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};

/// A name server on a loopback address.
pub struct Resolver {
    addresses: Arc<Mutex<Vec<Ipv4Addr>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

/// Bytes of the head of a message.
const HEAD: usize = 12;

impl Resolver {
    /// Answers on port 53, which only root may take, until the test ends.
    pub fn start(at: Ipv4Addr, name: &'static str) -> Self {
        let socket = UdpSocket::bind(SocketAddr::from((at, 53))).expect("port 53 is free");
        let (addresses, asked) =
            (Arc::<Mutex<Vec<Ipv4Addr>>>::default(), Arc::<Mutex<Vec<String>>>::default());
        let (known, questions) = (addresses.clone(), asked.clone());
        std::thread::spawn(move || {
            let mut bytes = [0; 512];
            while let Ok((count, from)) = socket.recv_from(&mut bytes) {
                let Some(question) = Question::read(&bytes[..count]) else { continue };
                let known = if question.name == name { known.lock().unwrap().clone() } else { Vec::new() };
                questions.lock().unwrap().push(question.name.clone());
                let _ = socket.send_to(&question.answer(&known), from);
            }
        });
        Self { addresses, asked }
    }

    /// Makes the name stand for these addresses from now on.
    pub fn tell(&self, addresses: &[Ipv4Addr]) {
        *self.addresses.lock().unwrap() = addresses.to_vec();
    }

    /// Whether it was asked for anything yet.
    pub fn was_asked(&self) -> bool {
        !self.asked.lock().unwrap().is_empty()
    }
}

/// The only question of a message.
struct Question {
    message: Vec<u8>,
    name: String,
    wants_ipv4: bool,
}

impl Question {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.get(HEAD..)?;
        let mut name = Vec::new();
        loop {
            let (&length, after) = rest.split_first()?;
            if length == 0 {
                let message = bytes[..bytes.len() - after.len() + 4].to_vec();
                let wants_ipv4 = after.get(..4)? == [0, 1, 0, 1];
                return Some(Self { message, name: name.join("."), wants_ipv4 });
            }
            name.push(String::from_utf8(after.get(..length.into())?.to_vec()).ok()?);
            rest = &after[length.into()..];
        }
    }

    /// The question again, marked as answered, and an address a record.
    fn answer(&self, addresses: &[Ipv4Addr]) -> Vec<u8> {
        let addresses = if self.wants_ipv4 { addresses } else { &[] };
        let mut answer = self.message.clone();
        answer[2..HEAD].copy_from_slice(&[0x81, 0x80, 0, 1, 0, addresses.len() as u8, 0, 0, 0, 0]);
        for address in addresses {
            // The name of byte 12, an IPv4 address of the internet, for a second, of four bytes.
            answer.extend([0xc0, HEAD as u8, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
            answer.extend(address.octets());
        }
        answer
    }
}
