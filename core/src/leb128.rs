//! Numbers of variable length (LEB128), as the embedded table and what is inside it have them.

/// Appends a number.
#[cfg(feature = "encode")]
pub(crate) fn write(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number as u8) | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Reads a number from its bytes.
pub(crate) fn read(mut next: impl FnMut() -> u8) -> u64 {
    let (mut number, mut shift) = (0, 0);
    loop {
        let byte = next();
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return number;
        }
        shift += 7;
    }
}
