//! The log of a node: to stderr, as text or JSON, filtered as the operator asks; the filter can be changed while the
//! node runs.

use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use crate::config::LogFormat;

/// What a node does, and little else.
const FILTER: &str = "info";

/// A text that is no filter. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[error("{text:?} is no filter such as debug or info,shoal=debug: {source}")]
pub struct BadFilter {
    text: String,
    source: ParseError,
}

/// The filter of this process' log.
#[derive(Clone)]
pub struct LogFilter {
    handle: reload::Handle<EnvFilter, Registry>,
    text: Arc<Mutex<String>>,
}

impl LogFilter {
    /// Starts the log of this process.
    pub(crate) fn start(filter: Option<&str>, format: LogFormat) -> Result<Self, BadFilter> {
        let text = filter.unwrap_or(FILTER).to_owned();
        let (layer, handle) = reload::Layer::new(parse(&text)?);
        let lines = fmt::layer().with_writer(std::io::stderr);
        let lines: Box<dyn Layer<_> + Send + Sync> = match format {
            LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
            LogFormat::Json => lines.json().flatten_event(true).boxed(),
        };
        tracing_subscriber::registry().with(layer).with(lines).init();
        Ok(Self { handle, text: Arc::new(Mutex::new(text)) })
    }

    /// The filter now.
    pub fn text(&self) -> String {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Filters by `text` from now on, until the process ends.
    pub fn change(&self, text: &str) -> Result<(), BadFilter> {
        let filter = parse(text)?;
        let mut known = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = self.handle.reload(filter) {
            // It is this process' only subscriber, which lasts as long as the process.
            tracing::error!(%error, "the log's filter cannot be changed");
            return Ok(());
        }
        tracing::info!(before = *known, now = text, "the log's filter was changed");
        text.clone_into(&mut known);
        Ok(())
    }
}

fn parse(text: &str) -> Result<EnvFilter, BadFilter> {
    EnvFilter::try_new(text).map_err(|source| BadFilter { text: text.to_owned(), source })
}
