//! Sentences of a plan, for people.

use super::PlanOption;
use holdfast_model::RehydrationSpeed;
use jiff::Timestamp;

/// The speed as people and scripts call it.
pub(crate) fn speed_word(speed: RehydrationSpeed) -> &'static str {
    match speed {
        RehydrationSpeed::Expedited => "expedited",
        RehydrationSpeed::Standard => "standard",
        RehydrationSpeed::Bulk => "bulk",
    }
}

/// `3 d 4 h`, `12 h`, `5 min`, `40 s`, `300 ms`: the two largest units, rounded up to the second of them.
pub(super) fn human_duration(millis: u64) -> String {
    const UNITS: [(u64, &str); 5] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms")];
    let Some(first) = UNITS.iter().position(|(size, _)| millis >= *size) else { return "0 s".into() };
    let Some(&(small, small_name)) = UNITS.get(first + 1) else { return format!("{millis} ms") };
    let rounded = millis.div_ceil(small).saturating_mul(small);
    let (big, big_name) = UNITS[first];
    match (rounded / big, rounded % big / small) {
        (n, 0) => format!("{n} {big_name}"),
        (n, rest) => format!("{n} {big_name} {rest} {small_name}"),
    }
}

/// How much time is left, as the end of a sentence.
pub(super) fn left(deadline: Timestamp, now: Timestamp) -> String {
    match u64::try_from(deadline.as_millisecond() - now.as_millisecond()) {
        Ok(ms) if ms > 0 => format!("the deadline is in {}", human_duration(ms)),
        _ => "the deadline is past".into(),
    }
}

pub(super) fn no_way(class: &str, dated: &str) -> String {
    format!("There is no way back from {class} that both the store offers and the price list of {dated} knows.")
}

/// The fastest there is, and it is too slow.
pub(super) fn class_too_slow(class: &str, fastest: &PlanOption, deadline: Timestamp, now: Timestamp) -> String {
    format!(
        "The fastest way back from {class} ({}) may take {}; {}.",
        capitalised(speed_word(fastest.speed)),
        human_duration(fastest.worst_ms),
        left(deadline, now)
    )
}

/// Usually in time, but nobody promises it.
pub(super) fn not_promised(class: &str, option: &PlanOption, deadline: Timestamp, now: Timestamp) -> String {
    format!(
        "{} retrieval from {class} usually takes {}, but the provider promises no less than {}; {}.",
        capitalised(speed_word(option.speed)),
        human_duration(option.expected_ms),
        human_duration(option.worst_ms),
        left(deadline, now)
    )
}

/// Another speed would do.
pub(super) fn speed_too_slow(class: &str, option: &PlanOption, deadline: Timestamp, now: Timestamp) -> String {
    format!(
        "{} retrieval from {class} may take {}; {}.",
        capitalised(speed_word(option.speed)),
        human_duration(option.worst_ms),
        left(deadline, now)
    )
}

/// It would do, were it its turn.
pub(super) fn queue_too_long(
    class: &str,
    wait_ms: u64,
    option: &PlanOption,
    deadline: Timestamp,
    now: Timestamp,
) -> String {
    format!(
        "{} retrieval from {class} must wait {} for its turn and may then be there after {}; {}.",
        capitalised(speed_word(option.speed)),
        human_duration(wait_ms),
        human_duration(option.worst_ms),
        left(deadline, now)
    )
}

/// Nothing to bring back.
pub(super) fn missing(class: &str) -> String {
    format!("The storage has no object where this recording was archived ({class}).")
}

pub(super) fn late(worst_ms: u64, deadline: Timestamp, now: Timestamp) -> String {
    format!("It may take {} to reach the desk; {}.", human_duration(worst_ms), left(deadline, now))
}

pub(super) fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_like_words() {
        for (ms, text) in [
            (0, "0 s"),
            (300, "300 ms"),
            (40_000, "40 s"),
            (5 * 60_000, "5 min"),
            (12 * 3_600_000, "12 h"),
            (3_600_000 + 1, "1 h 1 min"),
            (2 * 86_400_000 + 3_600_000, "2 d 1 h"),
        ] {
            assert_eq!(human_duration(ms), text);
        }
    }
}
