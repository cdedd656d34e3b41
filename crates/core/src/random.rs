//! Secrets come from one place: the operating system's generator, through aws-lc.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

use crate::unavailable::Unavailable;

/// `N` bytes that nobody can guess.
///
/// # Errors
/// The operating system gave none. No secret is made then.
pub fn bytes<const N: usize>() -> Result<[u8; N], Unavailable> {
    let mut out = [0; N];
    SystemRandom::new()
        .fill(&mut out)
        .map_err(|_| Unavailable::store("the operating system gave no random bytes"))?;
    Ok(out)
}
