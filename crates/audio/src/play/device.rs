//! The sound system.

use super::tap::{Chunk, Shared, Tap};
use crate::AudioError;
use cpal::traits::HostTrait;
use rodio::{DeviceSinkBuilder, MixerDeviceSink};
use std::sync::{
    Arc,
    atomic::Ordering,
    mpsc::{SyncSender, sync_channel},
};

/// Chunks that may wait for the device.
const WAITING: usize = 12;

/// An open device and the way into it.
pub(super) struct Device {
    _sink: MixerDeviceSink,
    pub chunks: SyncSender<Chunk>,
    pub rate: u32,
}

impl Device {
    pub(super) fn open(shared: &Arc<Shared>) -> Result<Self, AudioError> {
        let none = |reason: String| AudioError::NoDevice { reason };
        let device = host().default_output_device().ok_or_else(|| none("the sound system names none".into()))?;
        let lost = shared.clone();
        let builder = DeviceSinkBuilder::from_device(device).map_err(|e| none(explain(&e)))?;
        let mut sink = builder
            .with_error_callback(move |e: cpal::Error| {
                tracing::warn!(error = %e, "the sound device reported a fault");
                if !matches!(e.kind(), cpal::ErrorKind::Xrun) {
                    lost.device_lost.store(true, Ordering::Relaxed);
                }
            })
            .open_stream()
            .map_err(|e| none(explain(&e)))?;
        sink.log_on_drop(false);
        let (chunks, inbox) = sync_channel(WAITING);
        let config = *sink.config();
        let tap = Tap::new(shared.clone(), inbox, config.channel_count(), config.sample_rate());
        sink.mixer().add(tap);
        Ok(Self { _sink: sink, chunks, rate: config.sample_rate().get() })
    }
}

/// PulseAudio (and PipeWire in its place) where a server is named or its socket is there; the system's own otherwise.
fn host() -> cpal::Host {
    #[cfg(target_os = "linux")]
    if let Ok(host) = cpal::host_from_id(cpal::HostId::PulseAudio) {
        return host;
    }
    cpal::default_host()
}

/// An error with what caused it.
fn explain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(e) = cause {
        text = format!("{text}: {e}");
        cause = e.source();
    }
    text
}
