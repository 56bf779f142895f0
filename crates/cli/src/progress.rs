//! Progress on a terminal: one bar a task, with an estimate, on standard error.

use holdfast_api::{Holdfast, dto::ApiEvent};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::{collections::HashMap, sync::Arc};
use tokio::sync::broadcast::{Receiver, error::RecvError};

/// Shows bars until dropped.
pub(crate) struct Bars(Option<tokio::task::JoinHandle<()>>);

impl Bars {
    /// Begins to show what `holdfast` reports, where `terminal` says that somebody watches.
    pub(crate) fn show(holdfast: &Arc<Holdfast>, terminal: bool) -> Self {
        if !terminal {
            return Self(None);
        }
        let mut events = holdfast.subscribe();
        Self(Some(tokio::spawn(async move {
            let all = MultiProgress::new();
            let mut bars: HashMap<String, ProgressBar> = HashMap::new();
            while let Some(event) = next(&mut events).await {
                let ApiEvent::Progress { task, stage, done, total, unit, .. } = event else { continue };
                let bar = bars.entry(task).or_insert_with(|| all.add(ProgressBar::new(0)));
                bar.set_style(style(total.is_some(), &unit));
                if let Some(total) = total {
                    bar.set_length(total);
                }
                bar.set_message(stage);
                bar.set_position(done);
                if total == Some(done) {
                    bar.finish_and_clear();
                }
            }
        })))
    }
}

/// The next event; none when there will be no more. What was missed by being too slow is passed over: later events say where
/// things stand.
pub(crate) async fn next<T: Clone>(events: &mut Receiver<T>) -> Option<T> {
    loop {
        match events.recv().await {
            Ok(event) => return Some(event),
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return None,
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.abort();
        }
    }
}

fn style(known: bool, unit: &str) -> ProgressStyle {
    let template = match (known, unit) {
        (true, "bytes") => "{msg:30!} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta} left",
        (true, _) => "{msg:30!} [{bar:30}] {pos}/{len} {per_sec} {eta} left",
        (false, "bytes") => "{msg:30!} {spinner} {bytes} {bytes_per_sec}",
        (false, _) => "{msg:30!} {spinner} {pos} {per_sec}",
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::next;

    #[tokio::test]
    async fn who_was_too_slow_goes_on_with_what_is_left() {
        let (sender, mut events) = tokio::sync::broadcast::channel(2);
        for n in 0..5 {
            sender.send(n).unwrap();
        }
        drop(sender);
        assert_eq!(
            (next(&mut events).await, next(&mut events).await, next(&mut events).await),
            (Some(3), Some(4), None)
        );
    }
}
