//! What is read in a certificate beyond what webpki reads: PostgreSQL's servers often have ones
//! that browsers would not take. Those that its manual makes name the host as their common name
//! only, are their own authority, or are of version 1.

use std::time::Duration;

use ring::digest;
use tokio_rustls::rustls::DigitallySignedStruct;
use tokio_rustls::rustls::crypto::WebPkiSupportedAlgorithms;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use x509_cert::Certificate;
use x509_cert::certificate::Version;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, NameConstraints, SubjectAltName};

fn parse(certificate: &CertificateDer<'_>) -> Option<Certificate> {
    Certificate::from_der(certificate.as_ref()).ok()
}

/// The hash that a login is bound to (RFC 5929): that of the certificate's own signature, but never
/// MD5 or SHA-1. `None` for signatures that name no hash, as Ed25519.
pub(crate) fn endpoint_hash(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let parsed = parse(certificate)?;
    let algorithm = hash_of(parsed.signature_algorithm().oid)?;
    let hash = digest::digest(algorithm, certificate.as_ref());
    Some(hash.as_ref().to_vec())
}

fn hash_of(signature: ObjectIdentifier) -> Option<&'static digest::Algorithm> {
    Some(match signature.to_string().as_str() {
        // RSA with MD5, SHA-1, SHA-256; ECDSA with SHA-1, SHA-256.
        "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.2.840.113549.1.1.11"
        | "1.2.840.10045.4.1"
        | "1.2.840.10045.4.3.2" => &digest::SHA256,
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => &digest::SHA384,
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => &digest::SHA512,
        _ => return None,
    })
}

/// Whether a moment is within what a certificate is valid for.
pub(super) fn is_valid_at(certificate: &CertificateDer<'_>, now: UnixTime) -> bool {
    let Some(parsed) = parse(certificate) else {
        return false;
    };
    let validity = parsed.tbs_certificate().validity();
    let now = Duration::from_secs(now.as_secs());
    let between = validity.not_before.to_unix_duration()..=validity.not_after.to_unix_duration();
    between.contains(&now)
}

/// Whether it can be read at all.
pub(super) fn is_understood(certificate: &CertificateDer<'_>) -> bool {
    parse(certificate).is_some()
}

/// Whether it may vouch for others: one of version 3 says so, one of version 1 had no way to.
pub(super) fn is_authority(certificate: &CertificateDer<'_>, now: UnixTime) -> bool {
    let Some(parsed) = parse(certificate) else {
        return false;
    };
    let tbs = parsed.tbs_certificate();
    let says_so = match tbs.get_extension::<BasicConstraints>() {
        Ok(Some((_, constraints))) => constraints.ca,
        Ok(None) => tbs.version() != Version::V3 && tbs.issuer() == tbs.subject(),
        Err(_) => false,
    };
    says_so && is_valid_at(certificate, now)
}

/// Whether it limits the names of those whom it vouches for.
pub(super) fn limits_names(certificate: &CertificateDer<'_>) -> bool {
    let limits = |parsed: &Certificate| {
        let found = parsed.tbs_certificate().get_extension::<NameConstraints>();
        !matches!(found, Ok(None))
    };
    parse(certificate).as_ref().is_none_or(limits)
}

/// Whether the common name is that of the host. As in libpq it counts only in a certificate that
/// has no alternative names of hosts at all.
pub(super) fn is_common_name(certificate: &CertificateDer<'_>, name: &ServerName<'_>) -> bool {
    let Some(parsed) = parse(certificate) else {
        return false;
    };
    let tbs = parsed.tbs_certificate();
    let names = match tbs.get_extension::<SubjectAltName>() {
        Ok(names) => names.map(|(_, names)| names.0).unwrap_or_default(),
        Err(_) => return false,
    };
    let is_of_host =
        |name: &GeneralName| matches!(name, GeneralName::DnsName(_) | GeneralName::IpAddress(_));
    if names.iter().any(is_of_host) {
        return false;
    }
    let Ok(Some(common)) = tbs.subject().common_name() else {
        return false;
    };
    let host = name.to_str();
    let is_address = matches!(name, ServerName::IpAddress(_));
    covers(&common.value(), &host, is_address)
}

/// Whether a name in a certificate is for a host; `*.` stands for one label.
fn covers(pattern: &str, host: &str, is_address: bool) -> bool {
    if pattern.eq_ignore_ascii_case(host) {
        return true;
    }
    let Some(domain) = pattern.strip_prefix("*.").filter(|_| !is_address) else {
        return false;
    };
    host.split_once('.')
        .is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(domain))
}

/// Whether the holder of a certificate has signed a message, whatever version the certificate is of.
pub(super) fn has_signed(
    certificate: &CertificateDer<'_>,
    message: &[u8],
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> bool {
    let Some(parsed) = parse(certificate) else {
        return false;
    };
    let key = parsed.tbs_certificate().subject_public_key_info();
    let (Ok(kind), Some(bits)) = (key.algorithm.to_der(), key.subject_public_key.as_bytes()) else {
        return false;
    };
    let candidates = algorithms
        .mapping
        .iter()
        .filter(|(scheme, _)| *scheme == signed.scheme)
        .flat_map(|(_, candidates)| *candidates);
    candidates
        // What an algorithm calls its key is without the head of the sequence.
        .filter(|candidate| kind.get(2..) == Some(candidate.public_key_alg_id().as_ref()))
        .any(|candidate| {
            candidate
                .verify_signature(bits, message, signed.signature())
                .is_ok()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_names_cover_hosts_as_in_libpq() {
        assert!(covers("DB1.example.org", "db1.Example.org", false));
        assert!(covers("10.0.0.1", "10.0.0.1", true));
        assert!(covers("*.example.org", "db1.example.org", false));
        assert!(!covers("*.example.org", "a.db1.example.org", false));
        assert!(!covers("*.example.org", "example.org", false));
        assert!(!covers("*.example.org", ".example.org", false));
        assert!(!covers("*.0.0.1", "10.0.0.1", true));
        assert!(!covers("db1", "db10", false));
    }

    #[test]
    fn weak_hashes_are_replaced_and_unknown_ones_are_none() {
        let hash = |oid| hash_of(ObjectIdentifier::new_unwrap(oid)).map(|hash| hash.output_len());
        assert_eq!(hash("1.2.840.113549.1.1.5"), Some(32));
        assert_eq!(hash("1.2.840.10045.4.3.3"), Some(48));
        assert_eq!(hash("1.2.840.113549.1.1.13"), Some(64));
        assert_eq!(hash("1.3.101.112"), None);
    }
}
