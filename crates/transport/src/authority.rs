//! The certificate authority of a cluster: derived from a key and the cluster's name, so that every node
//! which has the key has the same authority and no file but the key need be copied.

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair};
use rcgen::{KeyUsagePurpose, SerialNumber, date_time_ymd};
use ring::hkdf::{HKDF_SHA256, Salt};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use crate::key::KEY_BYTES;

const SALT: &[u8] = b"shoal-key-1";
/// What stands before the 32 bytes of an Ed25519 seed in PKCS #8 (RFC 8410, section 7).
const PKCS8_ED25519: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// A certificate authority that signs the certificates of nodes.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

impl Authority {
    /// Derives the authority of a cluster; the same inputs give the same authority.
    pub(crate) fn derive(key: &[u8; KEY_BYTES], cluster: &str) -> Result<Self, rcgen::Error> {
        let seed = derive_secret(key, &[b"authority", &[0], cluster.as_bytes()]);
        let mut pkcs8 = PKCS8_ED25519.to_vec();
        pkcs8.extend_from_slice(&seed);
        let pair = KeyPair::from_pkcs8_der_and_sign_algo(
            &PrivatePkcs8KeyDer::from(pkcs8.as_slice()),
            &rcgen::PKCS_ED25519,
        )?;
        let mut params = lasting_params("Shoal cluster authority", Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate = params.self_signed(&pair)?.der().clone();
        Ok(Self { issuer: Issuer::new(params, pair), certificate })
    }

    /// The authority's own certificate, to be trusted.
    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }

    /// Signs a certificate for a key.
    pub(crate) fn sign(
        &self,
        params: &CertificateParams,
        pair: &KeyPair,
    ) -> Result<CertificateDer<'static>, rcgen::Error> {
        Ok(params.signed_by(pair, &self.issuer)?.der().clone())
    }
}

/// 32 bytes that follow from a key and a purpose and tell nothing of the key (HKDF-SHA256, RFC 5869).
pub(crate) fn derive_secret(key: &[u8; KEY_BYTES], purpose: &[&[u8]]) -> [u8; 32] {
    let mut secret = [0; 32];
    let pseudorandom = Salt::new(HKDF_SHA256, SALT).extract(key);
    let expanded = pseudorandom.expand(purpose, HKDF_SHA256).and_then(|output| output.fill(&mut secret));
    expanded.expect("32 bytes are within what HKDF-SHA256 can give");
    secret
}

/// Parameters of a certificate whose clock never matters: a node with a wrong date must not be cut off.
pub(crate) fn lasting_params(name: &str, hosts: Vec<String>) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(hosts)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(SerialNumber::from(1_u64));
    params.not_before = date_time_ymd(1970, 1, 1);
    params.not_after = date_time_ymd(4096, 1, 1);
    Ok(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_and_name_give_one_authority() {
        let derive = |key: u8, cluster: &str| {
            Authority::derive(&[key; KEY_BYTES], cluster).unwrap().certificate().to_vec()
        };
        assert_eq!(derive(1, "shoal"), derive(1, "shoal"));
        assert_ne!(derive(1, "shoal"), derive(1, "other"));
        assert_ne!(derive(1, "shoal"), derive(2, "shoal"));
    }

    #[test]
    fn a_secret_depends_on_its_purpose() {
        let key = [7; KEY_BYTES];
        assert_eq!(derive_secret(&key, &[b"a", b"b"]), derive_secret(&key, &[b"a", b"b"]));
        assert_ne!(derive_secret(&key, &[b"a"]), derive_secret(&key, &[b"b"]));
    }
}
