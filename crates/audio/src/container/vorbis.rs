//! Block lengths of Vorbis packets, which decide how many frames each gives (Vorbis I, section 4.3).

use super::Sound;
use symphonia::core::codecs::audio::well_known::CODEC_ID_VORBIS;

/// What is needed to tell a packet's length without decoding it.
#[derive(Debug, Clone)]
pub(crate) struct Modes {
    short: u32,
    long: u32,
    long_block: Vec<bool>,
    bits: u32,
}

impl Modes {
    /// The packet's block length; none where it is no audio packet.
    pub(crate) fn block(&self, packet: &[u8]) -> Option<u32> {
        let first = *packet.first()?;
        if first & 1 != 0 {
            return None;
        }
        let mode = usize::from(first >> 1) & ((1 << self.bits) - 1);
        Some(if *self.long_block.get(mode)? { self.long } else { self.short })
    }

    /// Frames between the middles of two blocks, which is what the second one gives.
    pub(crate) fn frames(before: Option<u32>, block: u32) -> u32 {
        before.map_or(0, |b| (b + block) / 4)
    }

    pub(crate) fn longest(&self) -> u32 {
        self.long
    }
}

/// The sound that the identification and setup headers promise.
pub(crate) fn headers(ident: &[u8], setup: &[u8]) -> Option<(Sound, Modes)> {
    let body = ident.strip_prefix(b"\x01vorbis")?;
    let channels = u16::from(*body.get(4)?);
    let rate = u32::from_le_bytes(body.get(5..9)?.try_into().ok()?);
    let sizes = *body.get(21)?;
    let (short, long) = (1u32 << (sizes & 15), 1u32 << (sizes >> 4));
    if channels == 0 || rate == 0 || !(64..=8_192).contains(&short) || !(short..=8_192).contains(&long) {
        return None;
    }
    let long_block = modes(setup.strip_prefix(b"\x05vorbis")?)?;
    let bits = usize::BITS - (long_block.len() - 1).leading_zeros();
    let extra: Box<[u8]> = [ident, setup].concat().into();
    let sound = Sound::new("vorbis", rate, channels).decodable(CODEC_ID_VORBIS, Some(extra));
    Some((sound, Modes { short, long, long_block, bits }))
}

/// The block flag of each mode. The modes are the last thing in the setup header, behind tables of unknown length, so they
/// are read backwards from the framing bit: each is 41 bits of which 32 are zero, and their count stands before them.
fn modes(setup: &[u8]) -> Option<Vec<bool>> {
    let bit = |i: usize| setup.get(i / 8).is_some_and(|b| b >> (i % 8) & 1 == 1);
    let value = |from: usize, n: usize| (0..n).fold(0u32, |v, i| v | u32::from(bit(from + i)) << i);
    let framing = (0..setup.len() * 8).rfind(|i| bit(*i))?;
    let (mut first, mut flags, mut best) = (framing, Vec::new(), None);
    while first >= 41 + 6 && flags.len() < 64 {
        first -= 41;
        // block flag 1, window type 16, transform type 16, mapping 8: both types must be 0, and there are 64 mappings.
        if value(first + 1, 16) != 0 || value(first + 17, 16) != 0 || value(first + 33, 8) > 63 {
            break;
        }
        flags.push(bit(first));
        if value(first - 6, 6) as usize + 1 == flags.len() {
            best = Some(flags.len());
        }
    }
    flags.truncate(best?);
    flags.reverse();
    Some(flags)
}
