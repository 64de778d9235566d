//! Spoils bytes: good input of the real writers becomes input that is nearly good, which is where readers go wrong.

use fastrand::Rng;

/// Numbers at which something ends: bytes, words, signs, the eleven octal digits of tar.
const NUMBERS: [u64; 14] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    (1 << 33) - 1,
    1 << 33,
    i64::MAX as u64,
    1 << 63,
    u64::MAX,
];

/// Changes `bytes` in one to eight places; once in a while not at all, so that what is good is tried too.
///
/// `words` are what the format is made of; `others` are good inputs to take pieces from.
pub fn mutate(bytes: &mut Vec<u8>, words: &[&[u8]], others: &[Vec<u8>], rng: &mut Rng) {
    if rng.u8(..) < 4 {
        return;
    }
    for _ in 0..1 + rng.usize(..8).min(rng.usize(..8)) {
        once(bytes, words, others, rng);
    }
}

fn once(bytes: &mut Vec<u8>, words: &[&[u8]], others: &[Vec<u8>], rng: &mut Rng) {
    let at = rng.usize(..=bytes.len());
    let length = some_length(bytes.len() - at, 12, rng);
    match rng.u8(..11) {
        0 if at < bytes.len() => bytes[at] ^= 1 << rng.u32(..8),
        1 if at < bytes.len() => bytes[at] = rng.u8(..),
        2 => drop(bytes.drain(at..at + length)),
        3 => drop(bytes.splice(at..at, bytes[at..at + length].to_vec())),
        4 if !words.is_empty() => {
            let word = words[rng.usize(..words.len())];
            let replaced = if rng.bool() { word.len().min(bytes.len() - at) } else { 0 };
            bytes.splice(at..at + replaced, word.iter().copied());
        }
        5 => {
            let number = NUMBERS[rng.usize(..NUMBERS.len())].to_le_bytes();
            let width = (1 << rng.u32(..4)).min(bytes.len() - at);
            bytes[at..at + width].copy_from_slice(&number[..width]);
        }
        6 | 7 => replace_number(bytes, at, rng),
        8 if !others.is_empty() => {
            let other = &others[rng.usize(..others.len())];
            let from = rng.usize(..=other.len());
            let to = from + some_length(other.len() - from, 14, rng);
            bytes.splice(at..at + length, other[from..to].iter().copied());
        }
        9 => bytes.truncate(at),
        _ => {
            let to = rng.usize(..=bytes.len());
            let piece: Vec<u8> = bytes.drain(at..at + length).collect();
            let to = to.min(bytes.len());
            bytes.splice(to..to, piece);
        }
    }
}

/// Short pieces as often as long ones: at most `available`, and below two to the power of `bits`.
fn some_length(available: usize, bits: u32, rng: &mut Rng) -> usize {
    let most = 1 << rng.u32(..bits);
    rng.usize(..=available.min(most))
}

/// Writes another decimal number over the first one behind `at`.
fn replace_number(bytes: &mut Vec<u8>, at: usize, rng: &mut Rng) {
    let is_digit = |byte: &u8| byte.is_ascii_digit();
    let Some(start) = bytes[at..].iter().position(is_digit).map(|distance| at + distance) else { return };
    let end =
        bytes[start..].iter().position(|byte| !is_digit(byte)).map_or(bytes.len(), |length| start + length);
    let number = NUMBERS[rng.usize(..NUMBERS.len())];
    let text = match rng.u8(..4) {
        0 => format!("-{number}"),
        1 => format!("{number}0"),
        _ => number.to_string(),
    };
    bytes.splice(start..end, text.into_bytes());
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_same_seed_spoils_alike_and_another_otherwise() {
        let spoiled = |seed: u64| {
            let mut bytes = b"{\"size\": 17}".to_vec();
            mutate(&mut bytes, &[b"../"], &[b"other".to_vec()], &mut Rng::with_seed(seed));
            bytes
        };
        let all: BTreeSet<Vec<u8>> = (0..1000).map(spoiled).collect();
        assert!(all.len() > 800, "{}", all.len());
        assert_eq!(spoiled(7), spoiled(7));
        assert!(all.contains(b"{\"size\": 17}".as_slice()), "good input is tried too");
        let has =
            |text: &[u8]| all.iter().any(|bytes| bytes.windows(text.len()).any(|window| window == text));
        assert!(has(b"../") && has(b"18446744073709551615") && has(b"other"));
    }

    #[test]
    fn nothing_is_too_short_to_be_spoiled() {
        for seed in 0..2000 {
            mutate(&mut Vec::new(), &[], &[], &mut Rng::with_seed(seed));
            mutate(&mut vec![1], &[b"x"], &[Vec::new()], &mut Rng::with_seed(seed));
        }
    }
}
