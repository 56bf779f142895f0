use super::{NotSent, Notice, NoticeKind, Notifier};
use async_trait::async_trait;

/// The desktop of this machine. That it took a notification is no proof that anybody saw it.
pub(super) struct Desktop {
    channel: String,
}

impl Desktop {
    pub(super) fn new(host: &str) -> Self {
        Self { channel: format!("desktop@{host}") }
    }
}

/// Whether there is a session bus to speak to; without one the client would wait for it.
fn has_session() -> bool {
    let named = std::env::var_os("DBUS_SESSION_BUS_ADDRESS").is_some_and(|v| !v.is_empty());
    let there = || std::env::var_os("XDG_RUNTIME_DIR").is_some_and(|d| std::path::Path::new(&d).join("bus").exists());
    named || there()
}

#[async_trait]
impl Notifier for Desktop {
    fn channel(&self) -> &str {
        &self.channel
    }

    async fn send(&self, _: &str, notice: &Notice) -> Result<(), NotSent> {
        if !has_session() {
            return Err(NotSent::because("nobody is logged in to a desktop of this machine"));
        }
        let mut shown = notify_rust::Notification::new();
        shown.appname("Holdfast").summary(&notice.subject()).body(&notice.body());
        if matches!(notice.kind, NoticeKind::Deadline | NoticeKind::Expiring) {
            shown.urgency(notify_rust::Urgency::Critical);
        }
        shown.show_async().await.map(drop).map_err(|e| NotSent::because(format!("the desktop did not take it: {e}")))
    }
}
