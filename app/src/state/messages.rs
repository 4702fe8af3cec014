//! Short messages to the person at the screen.

/// How serious a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Something was done.
    Info,
    /// Something a person should look at.
    Warning,
    /// Something failed.
    Error,
}

/// A message; errors stay until they are dismissed.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Identity.
    pub id: u64,
    /// How serious.
    pub severity: Severity,
    /// What is said.
    pub text: String,
    /// Seconds of program time at which it was first seen; set by the window.
    pub since_secs: Option<f64>,
}

/// Messages at the screen, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Messages {
    list: Vec<Message>,
    next: u64,
}

/// Messages shown at once.
const MAX_SHOWN: usize = 5;
/// Seconds for which information and warnings stay.
const STAY_SECS: [f64; 2] = [4.0, 12.0];

impl Messages {
    /// Says something; the same words are not said twice at a time.
    pub fn say(&mut self, severity: Severity, text: impl Into<String>) {
        let text = text.into();
        match severity {
            Severity::Info => tracing::info!("{text}"),
            Severity::Warning => tracing::warn!("{text}"),
            Severity::Error => tracing::error!("{text}"),
        }
        self.list.retain(|old| old.text != text);
        self.list.push(Message { id: self.next, severity, text, since_secs: None });
        self.next += 1;
        if self.list.len() > MAX_SHOWN {
            self.list.remove(0);
        }
    }

    /// Says that something failed.
    pub fn error(&mut self, text: impl Into<String>) {
        self.say(Severity::Error, text);
    }

    /// All messages.
    pub fn list(&self) -> &[Message] {
        &self.list
    }

    /// Removes a message.
    pub fn dismiss(&mut self, id: u64) {
        self.list.retain(|message| message.id != id);
    }

    /// Lets old messages go. Returns the seconds until the next one goes.
    pub fn age(&mut self, now_secs: f64) -> Option<f64> {
        let stay = |severity| match severity {
            Severity::Info => Some(STAY_SECS[0]),
            Severity::Warning => Some(STAY_SECS[1]),
            Severity::Error => None,
        };
        for message in &mut self.list {
            message.since_secs.get_or_insert(now_secs);
        }
        let left = |m: &Message| Some(m.since_secs? + stay(m.severity)? - now_secs);
        self.list.retain(|message| left(message).is_none_or(|secs| secs > 0.0));
        self.list.iter().filter_map(left).min_by(f64::total_cmp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn information_goes_and_errors_stay() {
        let mut messages = Messages::default();
        messages.say(Severity::Info, "saved");
        messages.error("disk full");
        assert!(messages.age(100.0).is_some_and(|secs| secs > 3.9));
        assert_eq!(messages.age(104.5), None);
        assert_eq!(messages.list().len(), 1);
        let id = messages.list()[0].id;
        messages.dismiss(id);
        assert!(messages.list().is_empty());
    }
}
