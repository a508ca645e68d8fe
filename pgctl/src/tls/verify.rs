//! What a server must prove, by `sslmode` and the authorities that there are.
//!
//! Invariant: whatever is left out, the server has signed the handshake with the key of the
//! certificate that it has shown, so that the connection is encrypted for whoever has that key.

use std::sync::Arc;

use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::client::{WebPkiServerVerifier, verify_server_name};
use tokio_rustls::rustls::crypto::{
    WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

use super::certificate::{has_signed, is_common_name, is_valid_at, limits_names};

/// Who may vouch for a server.
#[derive(Debug)]
pub(super) struct Authorities {
    /// None: nobody vouches for another one.
    pub(super) chain: Option<Arc<WebPkiServerVerifier>>,
    /// The certificates themselves: a server's own may be among them.
    pub(super) certificates: Vec<CertificateDer<'static>>,
}

/// How far a certificate is looked at.
#[derive(Debug)]
pub(super) enum Demand {
    Nothing,
    Chain(Authorities),
    ChainAndName(Authorities),
}

#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) demand: Demand,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

impl Authorities {
    fn vouch_for(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        // webpki takes no certificate of an authority for one of a server, as self-signed ones
        // usually are, and does not ask whether it is trusted by itself.
        if self.certificates.iter().any(|known| known == shown) {
            return match is_valid_at(shown, now) {
                true => Ok(()),
                false => Err(CertificateError::Expired.into()),
            };
        }
        let Some(chain) = &self.chain else {
            return Err(CertificateError::UnknownIssuer.into());
        };
        let verified = chain.verify_server_cert(shown, intermediates, name, &[], now);
        match verified {
            // The name is the last thing that is looked at.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ))
            | Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn is_for(
    shown: &CertificateDer<'_>,
    mut above: impl Iterator<Item = CertificateDer<'static>>,
    name: &ServerName<'_>,
) -> Result<(), Error> {
    let by_alternative_name = ParsedCertificate::try_from(shown)
        .and_then(|certificate| verify_server_name(&certificate, name));
    // webpki holds common names against no limits of those who have signed.
    by_alternative_name.or_else(|error| {
        match is_common_name(shown, name) && !above.any(|one| limits_names(&one)) {
            true => Ok(()),
            false => Err(error),
        }
    })
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.demand {
            Demand::Nothing => {}
            Demand::Chain(authorities) => authorities.vouch_for(shown, intermediates, name, now)?,
            Demand::ChainAndName(authorities) => {
                authorities.vouch_for(shown, intermediates, name, now)?;
                let above = intermediates
                    .iter()
                    .cloned()
                    .map(CertificateDer::into_owned);
                is_for(
                    shown,
                    above.chain(authorities.certificates.iter().cloned()),
                    name,
                )?;
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verified = verify_tls12_signature(message, shown, signed, &self.algorithms);
        self.or_of_version_1(verified, message, shown, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verified = verify_tls13_signature(message, shown, signed, &self.algorithms);
        self.or_of_version_1(verified, message, shown, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl Verifier {
    /// webpki reads certificates of version 3 only.
    fn or_of_version_1(
        &self,
        verified: Result<HandshakeSignatureValid, Error>,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let error = match verified {
            Ok(valid) => return Ok(valid),
            Err(error) => error,
        };
        let is_unread = ParsedCertificate::try_from(shown).is_err();
        match is_unread && has_signed(shown, message, signed, &self.algorithms) {
            true => Ok(HandshakeSignatureValid::assertion()),
            false => Err(error),
        }
    }
}
