//! Pixels as the bytes of a PNG file (ISO/IEC 15948), compressed by DEFLATE (RFC 1951).
//!
//! Knows no drawings. plotters encodes pictures only into files of its own, and layer 4 touches no
//! disk. Charts are flat areas, for which a match with the pixel before, the row above or the last
//! like place, in the fixed Huffman code, is enough.

use std::sync::LazyLock;

/// Bytes that start every PNG file.
const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Bytes that a match may reach back.
const WINDOW: usize = 32_768;
/// Shortest match that is worth its code.
const SHORTEST: usize = 4;
/// Longest match that DEFLATE can say.
const LONGEST: usize = 258;
/// Bits of the hash that finds the last like place.
const HASH_BITS: u32 = 15;

/// A PNG file from rows of red, green and blue bytes.
pub fn rgb(width: u32, height: u32, pixels: &[u8]) -> Vec<u8> {
    let row = width as usize * 3;
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    // Eight bits a channel, true colour, and the only compression, filter and interlace methods.
    header.extend([8, 2, 0, 0, 0]);
    let filtered: Vec<u8> =
        pixels.chunks_exact(row.max(1)).flat_map(|row| std::iter::once(&0).chain(row)).copied().collect();
    let mut png = SIGNATURE.to_vec();
    chunk(&mut png, b"IHDR", &header);
    chunk(&mut png, b"IDAT", &zlib(&filtered, row + 1));
    chunk(&mut png, b"IEND", &[]);
    png
}

fn chunk(png: &mut Vec<u8>, name: &[u8; 4], body: &[u8]) {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    png.extend(length.to_be_bytes());
    png.extend(name);
    png.extend(body);
    png.extend(crc(name.iter().chain(body)).to_be_bytes());
}

/// CRC-32 of ISO 3309, as PNG wants it.
fn crc<'a>(bytes: impl Iterator<Item = &'a u8>) -> u32 {
    static TABLE: LazyLock<[u32; 256]> = LazyLock::new(|| {
        let step = |value: u32| if value & 1 == 1 { 0xEDB8_8320 ^ (value >> 1) } else { value >> 1 };
        std::array::from_fn(|byte| (0..8).fold(u32::try_from(byte).unwrap_or(0), |value, _| step(value)))
    });
    let table = &*TABLE;
    !bytes.fold(u32::MAX, |crc, byte| {
        let [low, ..] = (crc ^ u32::from(*byte)).to_le_bytes();
        table.get(usize::from(low)).copied().unwrap_or(0) ^ (crc >> 8)
    })
}

/// Adler-32 of RFC 1950.
fn adler(bytes: &[u8]) -> u32 {
    // 5552 is the most bytes whose sums can't overflow 32 bits (RFC 1950's own implementation).
    let (a, b) = bytes.chunks(5_552).fold((1_u32, 0_u32), |(a, b), part| {
        let (a, b) =
            part.iter().fold((a, b), |(a, b), byte| (a + u32::from(*byte), b + a + u32::from(*byte)));
        (a % 65_521, b % 65_521)
    });
    (b << 16) | a
}

/// A zlib stream of one block in the fixed Huffman code.
fn zlib(bytes: &[u8], row: usize) -> Vec<u8> {
    let mut bits = Bits { out: vec![0x78, 0x01], held: 0, count: 0 };
    bits.put(0b011, 3);
    let mut last = vec![usize::MAX; 1 << HASH_BITS];
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let (length, distance) = longest_match(bytes, at, row, &mut last);
        if length >= SHORTEST {
            bits.length(length);
            bits.distance(distance);
            at += length;
        } else {
            bits.symbol(usize::from(*byte));
            at += 1;
        }
    }
    bits.symbol(256);
    let mut out = bits.finish();
    out.extend(adler(bytes).to_be_bytes());
    out
}

/// The longest match at a place among the pixel before, the row above and the last like place.
fn longest_match(bytes: &[u8], at: usize, row: usize, last: &mut [usize]) -> (usize, usize) {
    let Some(&[a, b, c, d]) = bytes.get(at..at + SHORTEST) else { return (0, 0) };
    let hash = u32::from_le_bytes([a, b, c, d]).wrapping_mul(0x9E37_79B1) >> (32 - HASH_BITS);
    let seen = last.get_mut(hash as usize).map_or(usize::MAX, |slot| std::mem::replace(slot, at));
    let like = at.saturating_sub(seen);
    let mut best = (0, 0);
    for distance in [3, row, like] {
        if distance > 0 && distance <= at.min(WINDOW) {
            let length = same(bytes, at, distance);
            if length > best.0 {
                best = (length, distance);
            }
        }
    }
    best
}

fn same(bytes: &[u8], at: usize, distance: usize) -> usize {
    let (Some(here), Some(there)) = (bytes.get(at..), bytes.get(at - distance..)) else { return 0 };
    here.iter().zip(there).take(LONGEST).take_while(|(a, b)| a == b).count()
}

/// Bits in the order in which DEFLATE packs them.
struct Bits {
    out: Vec<u8>,
    held: u64,
    count: u32,
}

impl Bits {
    fn put(&mut self, bits: u32, count: u32) {
        self.held |= u64::from(bits) << self.count;
        self.count += count;
        while self.count >= 8 {
            let [low, ..] = self.held.to_le_bytes();
            self.out.push(low);
            self.held >>= 8;
            self.count -= 8;
        }
    }

    /// Huffman codes go in with their highest bit first.
    fn code(&mut self, code: u32, count: u32) {
        self.put(code.reverse_bits() >> (32 - count), count);
    }

    /// A byte, the end (256) or a length symbol in the fixed code (RFC 1951, 3.2.6).
    fn symbol(&mut self, symbol: usize) {
        let value = u32::try_from(symbol).unwrap_or(0);
        match value {
            0..=143 => self.code(0x30 + value, 8),
            144..=255 => self.code(0x190 + value - 144, 9),
            256..=279 => self.code(value - 256, 7),
            _ => self.code(0xC0 + value - 280, 8),
        }
    }

    /// A match's length: symbols 257 to 285, of which groups of four share a number of extra bits.
    fn length(&mut self, length: usize) {
        if length == LONGEST {
            return self.symbol(285);
        }
        let (group, rest, extra) = split(length - 3, 2);
        self.symbol(257 + group);
        self.put(rest, extra);
    }

    /// How far back a match lies: symbols 0 to 29, of which pairs share a number of extra bits.
    fn distance(&mut self, distance: usize) {
        let (group, rest, extra) = split(distance - 1, 1);
        self.code(u32::try_from(group).unwrap_or(0), 5);
        self.put(rest, extra);
    }

    fn finish(mut self) -> Vec<u8> {
        self.put(0, 7);
        self.out
    }
}

/// The symbol of a value, its offset within the symbol and the bits of that offset, where groups
/// of `2^shift` symbols share a number of extra bits that grows by one from group to group.
fn split(value: usize, shift: u32) -> (usize, u32, u32) {
    let extra = (usize::BITS - value.leading_zeros()).saturating_sub(shift + 1);
    let symbol = ((extra as usize) << shift) + (value >> extra);
    (symbol, u32::try_from(value & ((1 << extra) - 1)).unwrap_or(0), extra)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Undoes a stream of one block in the fixed code, written from RFC 1951's tables.
    fn inflate(zlib: &[u8]) -> Vec<u8> {
        const LENGTHS: [(usize, u32); 29] = [
            (3, 0),
            (4, 0),
            (5, 0),
            (6, 0),
            (7, 0),
            (8, 0),
            (9, 0),
            (10, 0),
            (11, 1),
            (13, 1),
            (15, 1),
            (17, 1),
            (19, 2),
            (23, 2),
            (27, 2),
            (31, 2),
            (35, 3),
            (43, 3),
            (51, 3),
            (59, 3),
            (67, 4),
            (83, 4),
            (99, 4),
            (115, 4),
            (131, 5),
            (163, 5),
            (195, 5),
            (227, 5),
            (258, 0),
        ];
        const DISTANCES: [(usize, u32); 30] = [
            (1, 0),
            (2, 0),
            (3, 0),
            (4, 0),
            (5, 1),
            (7, 1),
            (9, 2),
            (13, 2),
            (17, 3),
            (25, 3),
            (33, 4),
            (49, 4),
            (65, 5),
            (97, 5),
            (129, 6),
            (193, 6),
            (257, 7),
            (385, 7),
            (513, 8),
            (769, 8),
            (1025, 9),
            (1537, 9),
            (2049, 10),
            (3073, 10),
            (4097, 11),
            (6145, 11),
            (8193, 12),
            (12289, 12),
            (16385, 13),
            (24577, 13),
        ];
        let body = &zlib[2..];
        let mut at = 0;
        let mut bit = || {
            at += 1;
            usize::from(body[(at - 1) / 8] >> ((at - 1) % 8) & 1)
        };
        assert_eq!((bit(), bit(), bit()), (1, 1, 0));
        let mut out = Vec::new();
        loop {
            let mut code = (0..7).fold(0, |code, _| code * 2 + bit());
            let symbol = if code < 24 {
                256 + code
            } else {
                code = code * 2 + bit();
                match code {
                    0x30..=0xBF => code - 0x30,
                    0xC0..=0xC7 => 280 + code - 0xC0,
                    _ => 144 + code * 2 + bit() - 0x190,
                }
            };
            match symbol {
                0..=255 => out.push(u8::try_from(symbol).unwrap()),
                256 => return out,
                _ => {
                    let (base, extra) = LENGTHS[symbol - 257];
                    let length = base + (0..extra).map(|i| bit() << i).sum::<usize>();
                    let (base, extra) = DISTANCES[(0..5).fold(0, |code, _| code * 2 + bit())];
                    let distance = base + (0..extra).map(|i| bit() << i).sum::<usize>();
                    for _ in 0..length {
                        out.push(out[out.len() - distance]);
                    }
                }
            }
        }
    }

    /// Bytes with runs, repeated rows and noise, of every length of match.
    fn mixed() -> Vec<u8> {
        let mut state = 7_u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_le_bytes()[3]
        };
        let row: Vec<u8> = (0..600).map(|at| if at % 7 < 4 { 200 } else { noise() }).collect();
        let mut bytes = row.repeat(90);
        for length in 0..700 {
            bytes.push(noise());
            bytes.extend(std::iter::repeat_n(noise(), length));
        }
        bytes
    }

    #[test]
    fn what_is_compressed_comes_back() {
        let bytes = mixed();
        for part in [&bytes[..], &bytes[..0], &bytes[..1], &bytes[..5], &bytes[70_000..70_300]] {
            assert_eq!(inflate(&zlib(part, 600)), part);
        }
        assert!(zlib(&bytes, 600).len() < bytes.len() / 10);
    }

    #[test]
    fn checksums_match_published_values() {
        // The check value of CRC-32 for "123456789" and RFC 1950's Adler-32 of "Wikipedia".
        assert_eq!(crc(b"123456789".iter()), 0xCBF4_3926);
        assert_eq!(adler(b"Wikipedia"), 0x11E6_0398);
    }

    #[test]
    fn the_file_has_its_chunks_in_order() {
        let png = rgb(2, 1, &[255, 0, 0, 0, 255, 0]);
        assert!(png.starts_with(SIGNATURE));
        assert_eq!(&png[12..16], b"IHDR");
        assert_eq!(&png[37..41], b"IDAT");
        assert!(png.ends_with(b"IEND\xAE\x42\x60\x82"));
    }
}
