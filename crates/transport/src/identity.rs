//! Who a node is to its peers: a certificate that it issues to itself at start from the cluster's key, and
//! the TLS settings which accept such certificates and no others.

use std::sync::Arc;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rcgen::{ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use ring::hmac;
use rustls::RootCertStore;
use rustls::client::{Resumption, verify_server_name};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use shoal_model::NodeId;

use crate::authority::{Authority, derive_secret, lasting_params};
use crate::key::ClusterKeys;

/// The one name that everybody dials, because seeds are addresses whose node is not known before.
pub(crate) const PEER: &str = "peer.shoal";
/// The application protocol; its number changes only with what cannot be told apart in a greeting.
const ALPN: &[u8] = b"shoal/1";

/// A node's certificate with its key, and the authorities that it trusts.
pub(crate) struct Identity {
    certificate: CertificateDer<'static>,
    pair: KeyPair,
    trusted: Arc<RootCertStore>,
    reset: hmac::Key,
}

/// Keys that cannot be turned into a TLS identity: a defect of this program, not of the operator's input.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A certificate could not be made.
    #[error("cannot issue the node's certificate: {0}")]
    Issue(#[from] rcgen::Error),
    /// TLS refused the settings.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// TLS refused the authorities.
    #[error("cannot set up the check of peers' certificates: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
    /// The cipher that QUIC starts with is missing.
    #[error("the TLS library lacks the cipher that QUIC starts with: {0}")]
    Cipher(#[from] quinn::crypto::rustls::NoInitialCipherSuite),
}

impl Identity {
    /// Issues a certificate for a node of a cluster, with a fresh key.
    pub(crate) fn issue(keys: &ClusterKeys, cluster: &str, node: NodeId) -> Result<Self, IdentityError> {
        let mut trusted = RootCertStore::empty();
        for key in keys.iter() {
            trusted.add(Authority::derive(key, cluster)?.certificate())?;
        }
        let pair = KeyPair::generate_for(&rcgen::PKCS_ED25519)?;
        let mut params = lasting_params("Shoal node", vec![PEER.to_owned(), node_host(node)])?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = Authority::derive(keys.issuing(), cluster)?.sign(&params, &pair)?;
        let purpose: [&[u8]; 4] = [b"reset", &[0], &node.0, cluster.as_bytes()];
        let reset = hmac::Key::new(hmac::HMAC_SHA256, &derive_secret(keys.issuing(), &purpose));
        Ok(Self { certificate, pair, trusted: Arc::new(trusted), reset })
    }

    /// The key of stateless resets: the same in each life of a node, so that a restarted node can end its
    /// former life's connections with a packet instead of leaving its peers to their idle timeout.
    pub(crate) fn reset_key(&self) -> hmac::Key {
        self.reset.clone()
    }

    /// How we accept: TLS 1.3 with a certificate asked of the peer, no early data, no resumption.
    pub(crate) fn server(&self) -> Result<QuicServerConfig, IdentityError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(self.trusted.clone(), provider.clone()).build()?;
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![self.certificate.clone()], self.private_key().into())?;
        tls.alpn_protocols = vec![ALPN.to_vec()];
        tls.send_tls13_tickets = 0;
        Ok(QuicServerConfig::try_from(tls)?)
    }

    /// How we dial: as we accept.
    pub(crate) fn client(&self) -> Result<QuicClientConfig, IdentityError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(self.trusted.clone())
            .with_client_auth_cert(vec![self.certificate.clone()], self.private_key().into())?;
        tls.alpn_protocols = vec![ALPN.to_vec()];
        tls.resumption = Resumption::disabled();
        Ok(QuicClientConfig::try_from(tls)?)
    }

    fn private_key(&self) -> PrivatePkcs8KeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.pair.serialize_der())
    }
}

/// Whether the peer at the other end of a connection holds a certificate for this node.
pub(crate) fn vouches_for(connection: &quinn::Connection, node: NodeId) -> bool {
    let Some(identity) = connection.peer_identity() else { return false };
    let Ok(chain) = identity.downcast::<Vec<CertificateDer<'static>>>() else { return false };
    let Some(certificate) = chain.first() else { return false };
    names(certificate, &node_host(node))
}

fn names(certificate: &CertificateDer<'_>, host: &str) -> bool {
    let Ok(host) = ServerName::try_from(host) else { return false };
    ParsedCertificate::try_from(certificate).is_ok_and(|parsed| verify_server_name(&parsed, &host).is_ok())
}

fn node_host(node: NodeId) -> String {
    format!("{node}.{PEER}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_names_its_node_and_no_other() {
        let identity = Identity::issue(&ClusterKeys::development(), "shoal", NodeId([7; 16])).unwrap();
        assert!(names(&identity.certificate, PEER));
        assert!(names(&identity.certificate, &node_host(NodeId([7; 16]))));
        assert!(!names(&identity.certificate, &node_host(NodeId([8; 16]))));
    }
}
