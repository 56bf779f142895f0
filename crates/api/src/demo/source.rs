//! The folder that the archiver takes the sample archive from: media, chats, e-mails and messages, each with a canonical sidecar.

use super::{
    TAMPERED, TRUNCATED,
    media::{CLIPS, Clip, DIALOGUES},
    people::{AGENTS, CUSTOMERS, Dice, TOPICS, VENDORS, telephone},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::{fs, io, path::Path};

/// Years that the sample archive reaches back.
const YEARS: i64 = 6;

/// Writes the folder; files that are there already are left, so that the archiver finds the same again.
pub(super) fn write(folder: &Path, begun_ms: i64, interactions: u32) -> io::Result<()> {
    let begun = Timestamp::from_millisecond(begun_ms).map_err(io::Error::other)?;
    let mut dice = Dice::new(0x0068_6f6c_6466_6173);
    for n in 0..interactions {
        let n = n as usize;
        // Spread over the years, a little denser towards now; each at some minute of a working day.
        let share = n as f64 / f64::from(interactions);
        let back_days = ((1.0 - share).powf(1.3) * (YEARS * 365) as f64) as i64 + 2;
        let minute = 8 * 60 + i64::try_from(dice.below(600)).unwrap_or(0);
        let day = begun - SignedDuration::from_hours(24 * back_days);
        let start = Timestamp::from_millisecond(day.as_millisecond() / 86_400_000 * 86_400_000 + minute * 60_000);
        let start = start.map_err(io::Error::other)?;
        let one = Interaction::invent(n, start, &mut dice);
        one.write(folder, &mut dice)?;
    }
    let special = |id: &str, days: i64| Interaction {
        id: id.into(),
        start: begun - SignedDuration::from_hours(24 * days),
        vendor: "genesys",
        agent: 0,
        customer: 1,
        topic: 0,
        inbound: true,
    };
    special(TAMPERED, 40).voice(folder, &CLIPS[0], 0, |bytes| bytes, &["sample-tampered"])?;
    let cut = |mut bytes: Vec<u8>| {
        bytes.truncate(bytes.len() / 2);
        bytes
    };
    special(TRUNCATED, 41).voice(folder, &CLIPS[0], 0, cut, &["sample-truncated"])
}

/// One invented interaction.
struct Interaction {
    id: String,
    start: Timestamp,
    vendor: &'static str,
    agent: usize,
    customer: usize,
    topic: usize,
    inbound: bool,
}

impl Interaction {
    fn invent(n: usize, start: Timestamp, dice: &mut Dice) -> Self {
        let topic = n % TOPICS.len();
        // The claimant of the sample matter calls the fraud desk (topic 2) again and again.
        let customer = if n % 8 == 2 { 0 } else { 1 + dice.below(CUSTOMERS.len() - 1) };
        Self {
            id: format!("conv-{n:05}"),
            start,
            vendor: dice.pick(&VENDORS),
            agent: dice.below(AGENTS.len()),
            customer,
            topic,
            inbound: dice.below(4) != 0,
        }
    }

    fn write(&self, folder: &Path, dice: &mut Dice) -> io::Result<()> {
        let fitting: Vec<&Clip> = CLIPS.iter().filter(|c| c.dialogue == self.topic && c.media == "voice").collect();
        match dice.below(10) {
            0 => self.text(folder, "chat"),
            1 => self.text(folder, "email"),
            2 => self.text(folder, "message"),
            _ => {
                self.voice(folder, fitting[dice.below(fitting.len())], 0, |bytes| bytes, &[])?;
                match CLIPS.iter().find(|c| c.media == "screen" && c.dialogue == self.topic) {
                    Some(screen) if dice.below(3) == 0 => self.voice(folder, screen, 1, |bytes| bytes, &[]),
                    _ => Ok(()),
                }
            }
        }
    }

    /// A voice or screen recording with its sidecar.
    fn voice(
        &self,
        folder: &Path,
        clip: &Clip,
        nth: usize,
        change: impl FnOnce(Vec<u8>) -> Vec<u8>,
        more_tags: &[&str],
    ) -> io::Result<()> {
        let recording = format!("{}-r{nth}", self.id);
        let mut sidecar = self.sidecar(&recording, clip.media, clip.duration_ms, more_tags);
        sidecar["duration_ms"] = json!(clip.duration_ms);
        sidecar["transcript"] = json!(self.dialogue(clip.dialogue));
        let bytes = change(clip.marked(&recording));
        self.put(folder, &recording, clip.extension, &bytes, &sidecar)
    }

    /// A written contact, saying what the dialogue says.
    fn text(&self, folder: &Path, media: &str) -> io::Result<()> {
        let recording = format!("{}-{media}", self.id);
        let sidecar = self.sidecar(&recording, media, 240_000, &[]);
        let said = self.dialogue(self.topic);
        let (extension, body) = match media {
            "chat" => ("json", self.chat(&said)),
            "email" => ("eml", self.email(&said)),
            _ => ("txt", said),
        };
        self.put(folder, &recording, extension, body.as_bytes(), &sidecar)
    }

    fn dialogue(&self, n: usize) -> String {
        DIALOGUES[n].1.to_owned()
    }

    fn chat(&self, said: &str) -> String {
        let messages: Vec<Value> = said
            .lines()
            .enumerate()
            .map(|(i, line)| {
                let (from, text) = line.split_once(": ").unwrap_or(("Agent", line));
                let at = self.start + SignedDuration::from_secs(40 * i64::try_from(i).unwrap_or(0));
                json!({ "from": from, "time": at.to_string(), "text": text })
            })
            .collect();
        serde_json::to_string_pretty(&json!({ "conversation": self.id, "messages": messages })).unwrap_or_default()
    }

    fn email(&self, said: &str) -> String {
        let date = self.start.strftime("%a, %d %b %Y %H:%M:%S +0000");
        let (agent, customer) = (AGENTS[self.agent], CUSTOMERS[self.customer]);
        let address = customer.to_lowercase().replace(' ', ".");
        format!(
            "From: {customer} <{address}@example.com>\r\nTo: {} <{}@acme.example>\r\nSubject: {} [{}]\r\nDate: {date}\r\nMessage-ID: \
             <{}@example.com>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{}\r\n",
            agent.1,
            agent.0,
            DIALOGUES[self.topic].0,
            self.id,
            self.id,
            said.replace('\n', "\r\n")
        )
    }

    fn sidecar(&self, recording: &str, media: &str, duration_ms: u64, more_tags: &[&str]) -> Value {
        let (queue, tags, wrap_up) = TOPICS[self.topic];
        let (agent, customer) = (AGENTS[self.agent], CUSTOMERS[self.customer]);
        let end = self.start + SignedDuration::from_millis(i64::try_from(duration_ms).unwrap_or(0));
        let tags: Vec<&str> = tags.iter().chain(more_tags).chain(&["sample"]).copied().collect();
        json!({
            "vendor": self.vendor, "organisation": "acme-bank-sample",
            "interaction_id": self.id, "recording_id": recording, "media": media,
            "start": self.start.to_string(), "end": end.to_string(),
            "direction": if self.inbound { "inbound" } else { "outbound" },
            "queue": queue, "tags": tags, "wrap_up_codes": [wrap_up], "language": "en",
            "participants": [
                { "role": "agent", "identifier": agent.0, "display_name": agent.1 },
                { "role": "customer", "identifier": telephone(self.customer), "display_name": customer },
            ],
            "external_ids": { "crm_case": format!("CASE-{}", self.id) },
            "classification": "confidential",
            "notes": "Sample data: everyone in it is invented.",
        })
    }

    /// The media file, then its sidecar. A chat is JSON itself, so its sidecar is named `_metadata.json`.
    fn put(&self, folder: &Path, stem: &str, extension: &str, bytes: &[u8], sidecar: &Value) -> io::Result<()> {
        let folder = folder.join(self.vendor).join(self.start.strftime("%Y-%m").to_string());
        fs::create_dir_all(&folder)?;
        let put = |name: String, bytes: &[u8]| {
            let path = folder.join(name);
            if path.exists() { Ok(()) } else { fs::write(path, bytes) }
        };
        put(format!("{stem}.{extension}"), bytes)?;
        put(format!("{stem}_metadata.json"), serde_json::to_string_pretty(sidecar)?.as_bytes())
    }
}
