//! Recordings with a length in time: each container's head, a walk over its packets, and what is missing.

use super::{Defect, Draft, Found, unrecognised};
use crate::{
    AudioError,
    bytes::Bytes,
    container::{
        Container, Demux as _, Sound, flac::Flac, mp3::Mp3, mp4, mp4_boxes::AacConfig, ogg, other, wav::Wav, webm,
    },
};

pub(super) fn probe(bytes: Bytes, container: Container) -> Result<Draft, AudioError> {
    match container {
        Container::Wav => wav(bytes),
        Container::Mp3 => Ok(match Mp3::open_whole(bytes)? {
            Some(mp3) => bare_mp3(mp3)?,
            None => unrecognised(),
        }),
        Container::Ogg => ogg(bytes),
        Container::Webm => webm(bytes),
        Container::Mp4 => mp4(bytes),
        Container::Flac => flac(bytes),
        Container::Amr => amr(bytes),
        Container::Adts => adts(bytes),
        Container::Aiff => Ok(by_name("aiff", "audio/aiff")),
        Container::Caf => Ok(by_name("caf", "audio/x-caf")),
    }
}

/// Milliseconds of so many frames.
fn ms(frames: u64, rate: u32) -> u64 {
    mp4::rescale(frames, rate, 1_000)
}

fn fill(draft: &mut Draft, sound: &Sound) {
    let p = &mut draft.outcome.probe;
    p.codec = Some(sound.codec.clone());
    p.channels = Some(sound.channels).filter(|n| *n > 0);
    p.sample_rate_hz = Some(sound.rate).filter(|n| *n > 0);
    p.decodable = sound.params.is_some();
    if !p.decodable {
        draft.remark(format!("{} is decoded by ffmpeg, where there is one", sound.codec));
    }
}

fn by_name(container: &str, media_type: &str) -> Draft {
    let mut draft = Draft::new(container, media_type, Found::Sound);
    draft.outcome.probe.codec = Some("unknown".into());
    draft.remark("recognised by its first bytes only; it is decoded by ffmpeg, where there is one");
    draft
}

fn wav(mut bytes: Bytes) -> Result<Draft, AudioError> {
    let mut draft = Draft::new("wav", "audio/wav", Found::Sound);
    let wav = match Wav::parse(&mut bytes)? {
        Ok(wav) => wav,
        Err(defect) => {
            draft.outcome.defects.push(defect);
            return Ok(draft);
        }
    };
    let mut sound = wav.sound();
    draft.outcome.probe.measured_duration_ms = sound.frames.map(|n| ms(n, sound.rate));
    let mut frames_here = wav.pcm.is_some() || wav.codec.starts_with("adpcm_");
    if wav.codec == "mp3" || wav.codec == "mp2" {
        let end = wav.data_start + wav.data_len;
        if let Some(mut mp3) = Mp3::open(bytes.window(64 << 10), wav.data_start, end)? {
            let count = mp3.count()?;
            draft.outcome.probe.measured_duration_ms = Some(ms(mp3.heard(count.packets), mp3.first.rate));
            (frames_here, sound.rate, sound.channels) = (true, mp3.first.rate, mp3.first.channels);
        }
    }
    fill(&mut draft, &sound);
    draft.outcome.probe.remarks.clear();
    draft.outcome.probe.decodable = frames_here && sound.channels > 0 && sound.rate > 0;
    if !draft.outcome.probe.decodable {
        draft.outcome.probe.duration_from_header = draft.outcome.probe.measured_duration_ms.is_some();
        draft.remark(format!("{} is decoded by ffmpeg, where there is one; the length is by the header", wav.codec));
    }
    for remark in wav.remarks {
        draft.remark(remark);
    }
    draft.outcome.defects = wav.defects;
    Ok(draft)
}

fn bare_mp3(mut mp3: Mp3) -> Result<Draft, AudioError> {
    let mut draft = Draft::new("mp3", "audio/mpeg", Found::Sound);
    fill(&mut draft, &mp3.sound().clone());
    let count = mp3.count()?;
    let heard = mp3.heard(count.packets);
    draft.outcome.probe.measured_duration_ms = Some(ms(heard, mp3.first.rate));
    if let Some(says) = mp3.info.packets.filter(|says| count.packets + 1 < *says) {
        let found = format!("{} packets", count.packets);
        draft.outcome.defects.push(Defect::truncated(format!("{says} packets"), found));
    } else if count.cut_short && mp3.info.packets.is_none_or(|says| count.packets < says) {
        draft.outcome.defects.push(Defect::truncated("a whole last packet", "a part of it"));
    }
    if count.junk > 0 {
        draft.remark(format!("{} bytes between the packets are no sound", count.junk));
    }
    if !count.steady {
        draft.remark("variable bit rate");
    }
    Ok(draft)
}

fn ogg(mut bytes: Bytes) -> Result<Draft, AudioError> {
    let mut draft = Draft::new("ogg", "audio/ogg", Found::Sound);
    let Some(heads) = ogg::heads(&mut bytes)? else {
        draft.outcome.defects.push(Defect::malformed("the Ogg headers are damaged or announce no sound"));
        return Ok(draft);
    };
    if heads.others.contains(&"video") {
        draft.found = Some(Found::Video);
        draft.outcome.media_type = "video/ogg".into();
        draft.outcome.probe.video_codec = Some("theora".into());
    }
    fill(&mut draft, &heads.sound);
    let mut walk = PageWalk::default();
    walk.run(&mut bytes, &heads)?;
    let decodable = heads.sound.params.is_some();
    let frames = match ogg::Ogg::open(bytes)? {
        Ok(stream) if decodable => stream.sound().frames,
        _ => u64::try_from(walk.granule).ok(),
    };
    draft.outcome.probe.measured_duration_ms = frames.map(|n| ms(n, heads.sound.rate));
    draft.outcome.probe.duration_from_header = !decodable && frames.is_some();
    if let Some(missing) = walk.cut {
        draft.outcome.defects.push(Defect::truncated("a whole last page", format!("{missing} bytes fewer")));
    } else if !walk.ended {
        draft.outcome.defects.push(Defect::truncated("a page that ends the stream", "none"));
    }
    if walk.gaps > 0 {
        let what = format!("{} pages are missing or damaged inside the recording", walk.gaps);
        draft.outcome.defects.push(Defect::malformed(what));
    }
    if walk.chained {
        draft.remark("another recording is chained behind this one; it is neither measured nor played");
    }
    Ok(draft)
}

#[derive(Default)]
struct PageWalk {
    granule: i64,
    ended: bool,
    /// Bytes missing from the last page.
    cut: Option<u64>,
    gaps: u64,
    chained: bool,
}

impl PageWalk {
    fn run(&mut self, b: &mut Bytes, heads: &ogg::Heads) -> Result<(), AudioError> {
        let (mut pos, mut sequence) = (heads.start, None);
        while pos < b.len() {
            let Some(page) = ogg::Page::read(b, pos)? else {
                self.gaps += 1;
                match ogg::Page::find(b, pos + 1, u64::MAX, None)? {
                    Some(p) => pos = p.pos,
                    None => break,
                }
                continue;
            };
            if page.end > b.len() {
                self.cut = Some(page.end - b.len());
                break;
            }
            if page.first {
                self.chained = true;
                break;
            }
            pos = page.end;
            if page.serial == heads.serial {
                self.gaps += u64::from(sequence.is_some_and(|s: u32| s.wrapping_add(1) != page.sequence));
                sequence = Some(page.sequence);
                self.granule = self.granule.max(page.granule);
                self.ended |= page.last;
            }
        }
        Ok(())
    }
}

fn webm(bytes: Bytes) -> Result<Draft, AudioError> {
    let mut draft = Draft::new("webm", "audio/webm", Found::Sound);
    let Some(mut webm) = webm::Webm::open(bytes)? else {
        draft.outcome.defects.push(Defect::truncated("a track list", "none"));
        return Ok(draft);
    };
    if webm.doc_type != "webm" {
        draft.outcome.probe.container = "matroska".into();
        draft.outcome.media_type = "audio/matroska".into();
    }
    if let Some(video) = webm.video.clone() {
        draft.found = Some(Found::Video);
        draft.outcome.media_type = draft.outcome.media_type.replace("audio", "video");
        draft.outcome.probe.video_codec = Some(video);
    }
    if webm.has_sound() {
        fill(&mut draft, &webm.sound().clone());
    }
    let (mut heard, mut ticks) = (0i64, 0i64);
    while let Some(block) = webm.next_block()? {
        ticks = ticks.max(block.ticks.saturating_add_unsigned(block.duration.unwrap_or(0)));
        if webm.is_sound(&block) {
            let (at, frames) = webm.measure(&block)?;
            heard = heard.max(at.saturating_add(i64::from(frames)).saturating_sub(webm.discarded(&block)));
        }
    }
    let tick_ms = |t: f64| (t * webm.tick_ns as f64 / 1e6).clamp(0.0, 1e15) as u64;
    let by_sound = ms(u64::try_from(heard).unwrap_or(0), webm.sound().rate);
    let by_blocks = tick_ms(ticks as f64);
    let measured = by_sound.max(if webm.video.is_some() || by_sound == 0 { by_blocks } else { 0 });
    draft.outcome.probe.measured_duration_ms = Some(measured);
    let says = webm.duration.map(tick_ms);
    // A last video frame lasts up to a second on a still screen; anything above is missing.
    let missing = says.is_some_and(|s| s > measured + 1_500);
    let stop = webm.stop()?;
    let segment_end = webm.segment_end;
    let len = webm.bytes().len();
    if let Some(end) = stop.or(segment_end.filter(|e| *e > len)) {
        draft.outcome.defects.push(Defect::truncated(format!("{end} bytes"), format!("{len} bytes")));
    } else if missing {
        let says = says.unwrap_or(0);
        draft.outcome.defects.push(Defect::truncated(format!("{says} ms"), format!("{measured} ms")));
    } else if measured == 0 {
        draft.outcome.defects.push(Defect::Empty);
    }
    Ok(draft)
}

fn flac(bytes: Bytes) -> Result<Draft, AudioError> {
    let mut draft = Draft::new("flac", "audio/flac", Found::Sound);
    let Some(mut flac) = Flac::open(bytes)? else {
        draft.outcome.defects.push(Defect::malformed("the FLAC header is damaged"));
        return Ok(draft);
    };
    fill(&mut draft, &flac.sound().clone());
    let (samples, whole) = flac.count()?;
    draft.outcome.probe.measured_duration_ms = Some(ms(samples, flac.info().rate));
    match flac.info().total {
        Some(total) if samples < total => {
            draft.outcome.defects.push(Defect::truncated(format!("{total} samples"), format!("{samples} samples")));
        }
        None if !whole => draft.outcome.defects.push(Defect::truncated("a whole last frame", "a part of it")),
        _ => {}
    }
    Ok(draft)
}

fn mp4(mut bytes: Bytes) -> Result<Draft, AudioError> {
    let mut draft = Draft::new("mp4", "audio/mp4", Found::Sound);
    let layout = mp4::layout(&mut bytes)?;
    let len = bytes.len();
    if let Some((kind, end)) = layout.overrun {
        let kind = String::from_utf8_lossy(&kind).into_owned();
        draft.outcome.defects.push(Defect::truncated(format!("{end} bytes (box {kind})"), format!("{len} bytes")));
    }
    let Some(movie) = layout.movie.filter(|m| !m.tracks.is_empty()) else {
        if draft.outcome.defects.is_empty() {
            draft.outcome.defects.push(Defect::truncated("a table of contents (moov)", "none"));
        }
        return Ok(draft);
    };
    let mut measured = 0;
    for track in movie.tracks.iter().filter(|t| t.timescale > 0) {
        let is_sound = &track.handler == b"soun" && draft.outcome.probe.codec.is_none();
        if is_sound {
            let (sound, aac) = mp4::sound(track);
            fill(&mut draft, &sound);
            high_efficiency(&mut draft, aac);
        } else if &track.handler == b"vide" {
            draft.found = Some(Found::Video);
            draft.outcome.media_type = "video/mp4".into();
            draft.outcome.probe.video_codec.get_or_insert_with(|| video_name(&track.entry.kind));
        } else {
            continue;
        }
        let walk = walk(&bytes, &movie, track, layout.first_fragment)?;
        measured = measured.max(walk.heard_ms);
        if let Some(end) = walk.overrun.filter(|_| draft.outcome.defects.is_empty()) {
            draft.outcome.defects.push(Defect::truncated(format!("{end} bytes of samples"), format!("{len} bytes")));
        }
    }
    draft.outcome.probe.measured_duration_ms = Some(measured);
    if &layout.brand == b"qt  " {
        draft.outcome.media_type = "video/quicktime".into();
    }
    if measured == 0 && draft.outcome.defects.is_empty() {
        draft.outcome.defects.push(Defect::Empty);
    }
    Ok(draft)
}

fn high_efficiency(draft: &mut Draft, aac: Option<AacConfig>) {
    let Some(aac) = aac.filter(|a| a.sbr || a.ps) else { return };
    draft.outcome.probe.sample_rate_hz = Some(aac.rate.saturating_mul(2));
    if aac.ps {
        draft.outcome.probe.channels = Some(2);
    }
    let name = if aac.ps { "HE-AAC v2 (SBR and PS)" } else { "HE-AAC (SBR)" };
    draft.remark(format!("{name}: decoded whole by ffmpeg where there is one, otherwise its core only (duller sound)"));
}

fn video_name(kind: &[u8; 4]) -> String {
    match kind {
        b"avc1" | b"avc3" => "h264".into(),
        b"hvc1" | b"hev1" => "h265".into(),
        b"av01" => "av1".into(),
        b"vp09" => "vp9".into(),
        b"vp08" => "vp8".into(),
        b"mp4v" => "mpeg4".into(),
        other => String::from_utf8_lossy(other).trim().to_ascii_lowercase(),
    }
}

struct TrackWalk {
    heard_ms: u64,
    /// Where a sample ends that ends behind the file.
    overrun: Option<u64>,
}

/// Adds up the samples that are really there.
fn walk(
    bytes: &Bytes,
    movie: &crate::container::mp4_boxes::Movie,
    track: &crate::container::mp4_boxes::Track,
    first_fragment: Option<u64>,
) -> Result<TrackWalk, AudioError> {
    let mut samples = mp4::Samples::new(bytes, movie, track, first_fragment);
    let (mut reached, mut overrun) = (0u64, None);
    while let Some(s) = samples.next()? {
        let end = s.offset.saturating_add(u64::from(s.size));
        if end > bytes.len() {
            overrun = overrun.max(Some(end));
        } else {
            reached = reached.max(s.time.saturating_add(u64::from(s.duration)));
        }
    }
    let trim = mp4::trim(track).unwrap_or_default();
    let samples_ms = mp4::rescale(reached.saturating_sub(trim.start), track.timescale, 1_000);
    let by_edit = mp4::rescale(trim.length, movie.timescale, 1_000);
    let heard = if by_edit > 0 { samples_ms.min(by_edit) } else { samples_ms };
    let heard_ms = heard.saturating_add(mp4::rescale(trim.delay, movie.timescale, 1_000));
    Ok(TrackWalk { heard_ms, overrun })
}

fn framed(container: &str, media_type: &str, codec: &str, walk: &other::Walk) -> Draft {
    let mut draft = Draft::new(container, media_type, Found::Sound);
    fill(&mut draft, &Sound::new(codec, walk.rate, walk.channels));
    draft.outcome.probe.measured_duration_ms = Some(walk.ms);
    draft.outcome.probe.duration_from_header = true;
    if walk.cut_short {
        draft.outcome.defects.push(Defect::truncated("a whole last frame", "a part of it"));
    }
    draft
}

fn amr(mut bytes: Bytes) -> Result<Draft, AudioError> {
    let (codec, walk) = other::walk_amr(&mut bytes)?;
    Ok(framed("amr", if codec == "amr_wb" { "audio/AMR-WB" } else { "audio/AMR" }, codec, &walk))
}

fn adts(mut bytes: Bytes) -> Result<Draft, AudioError> {
    let walk = other::walk_adts(&mut bytes)?;
    Ok(framed("adts", "audio/aac", "aac", &walk))
}
