//! Source of every secret: the operating system's generator, through aws-lc.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

use crate::unavailable::Unavailable;

/// Returns `N` unpredictable bytes.
///
/// # Errors
/// [`Unavailable`] when the operating system has no random bytes. There is no weaker fallback.
pub fn bytes<const N: usize>() -> Result<[u8; N], Unavailable> {
    let mut out = [0; N];
    SystemRandom::new()
        .fill(&mut out)
        .map_err(|_| Unavailable::process("the operating system gave no random bytes"))?;
    Ok(out)
}
