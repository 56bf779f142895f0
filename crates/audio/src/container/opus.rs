//! What an Opus packet's first bytes tell (RFC 6716 section 3.1), and the identification header (RFC 7845 section 5.1).

use super::Sound;
use symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;

/// Opus always decodes to this rate here, whatever rate was recorded.
pub(crate) const RATE: u32 = 48_000;
/// What a decoder needs to converge after a seek: 80 ms (RFC 7845 section 4.6).
pub(crate) const PRE_ROLL: i64 = 3_840;

/// Frames at 48 kHz in one packet; 0 where the packet is none.
pub(crate) fn packet_frames(packet: &[u8]) -> u32 {
    let Some(&toc) = packet.first() else { return 0 };
    let one = match toc >> 3 {
        c @ 0..=11 => [480, 960, 1_920, 2_880][usize::from(c & 3)],
        c @ 12..=15 => [480, 960][usize::from(c & 1)],
        c => [120, 240, 480, 960][usize::from(c & 3)],
    };
    let count = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1).copied().unwrap_or(0) & 0x3F),
    };
    // More than 120 ms in one packet is not Opus.
    if one * count <= 5_760 { one * count } else { 0 }
}

/// The sound that an identification header promises, and the frames to skip at its start.
pub(crate) fn head(packet: &[u8]) -> Option<(Sound, u16)> {
    let rest = packet.strip_prefix(b"OpusHead")?;
    let channels = u16::from(*rest.get(1)?);
    let pre_skip = u16::from_le_bytes([*rest.get(2)?, *rest.get(3)?]);
    let sound = Sound::new("opus", RATE, channels.max(1));
    // No extra data for the decoder: it would cut the pre-skip once more, at whatever packet it happens to see first.
    let sound = if (1..=2).contains(&channels) { sound.decodable(CODEC_ID_OPUS, None) } else { sound };
    Some((sound, pre_skip))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packet_lengths_follow_the_table_of_rfc_6716() {
        for (packet, frames) in [
            (&[0x08u8][..], 960),   // SILK 20 ms
            (&[0x18], 2_880),       // SILK 60 ms
            (&[0x78], 960),         // hybrid 20 ms
            (&[0xF8], 960),         // CELT 20 ms
            (&[0xE0], 120),         // CELT 2.5 ms
            (&[0xF9], 1_920),       // two frames
            (&[0xFB, 0x03], 2_880), // three frames
            (&[0xFB, 0x3F], 0),     // 63 frames of 20 ms: too long to be Opus
            (&[], 0),
        ] {
            assert_eq!(packet_frames(packet), frames, "{packet:x?}");
        }
    }
}
