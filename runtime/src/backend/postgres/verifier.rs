//! The SCRAM-SHA-256 verifier of a password, as RFC 5803 writes it and PostgreSQL keeps it. `psql` and libpq send it in
//! place of a new password too, so that the password reaches no log of the server.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// As many as PostgreSQL itself makes.
const ITERATIONS: u32 = 4096;

/// The verifier of this password, with a new salt.
pub(super) fn verifier(password: &str) -> String {
    with_salt(password, &rand::random::<[u8; 16]>())
}

fn with_salt(password: &str, salt: &[u8]) -> String {
    // What cannot be prepared is taken as it is, as the server and libpq do.
    let prepared = stringprep::saslprep(password).unwrap_or(password.into());
    let key = prepared.as_bytes();
    // PBKDF2 with one block, which is as long as the key that is wanted.
    let mut round = hmac(key, &[salt, &1_u32.to_be_bytes()]);
    let mut salted = round;
    for _ in 1..ITERATIONS {
        round = hmac(key, &[&round]);
        salted.iter_mut().zip(round).for_each(|(byte, other)| *byte ^= other);
    }
    let stored = Sha256::digest(hmac(&salted, &[b"Client Key"]));
    let server = hmac(&salted, &[b"Server Key"]);
    let [salt, stored, server] = [salt, &stored, &server].map(|bytes| BASE64.encode(bytes));
    format!("SCRAM-SHA-256${ITERATIONS}:{salt}${stored}:{server}")
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of HMAC may have any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Salt and password are those of the example in RFC 7677.
    #[test]
    fn it_is_what_the_server_would_compute() {
        let salt = BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        assert_eq!(
            with_salt("pencil", &salt),
            "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
        );
        assert_ne!(verifier("pencil"), verifier("pencil"));
    }
}
