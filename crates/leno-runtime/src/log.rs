//! The process's log, on standard error.

use std::{io, str::FromStr};

use clap::Args;

use tracing_subscriber::{EnvFilter, Registry, fmt, layer::SubscriberExt as _, reload, util::SubscriberInitExt as _};

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// One line of text for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(format!("log format is {text:?}, expected text or json")),
        }
    }
}

/// The flags of every process that logs.
#[derive(Args, Clone, Debug)]
pub struct LogArgs {
    /// What is logged: off, error, warn, info, debug, trace, or a list such as leno_proxy=debug,info
    #[arg(long, env = "LENO_LOG_LEVEL", value_name = "LEVEL", default_value = "info")]
    pub log_level: String,
    /// How it is logged: text or json
    #[arg(long, env = "LENO_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

impl LogArgs {
    /// [`init`](fn@crate::init) as they say.
    ///
    /// # Errors
    /// When the level is no filter directive.
    pub fn init(&self) -> Result<LogLevel, LogError> {
        crate::init(&self.log_level, self.log_format)
    }
}

/// Why the log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The text is no filter directive.
    #[error(
        "log level is {0:?}, expected off, error, warn, info, debug, trace or a list such as leno_proxy=debug,info"
    )]
    Directive(String),
}

/// Changes the log level while the process runs.
#[derive(Clone, Debug)]
pub struct LogLevel {
    handle: Option<reload::Handle<EnvFilter, Registry>>,
}

impl LogLevel {
    /// From now on logs what `directive` says, e.g. `info` or `leno_proxy=debug,info`.
    ///
    /// # Errors
    /// When `directive` is no filter directive; the level stays as it was.
    pub fn set(&self, directive: &str) -> Result<(), LogError> {
        let filter = parse(directive)?;
        if let Some(handle) = &self.handle {
            // Fails only when the subscriber is gone, that is, at the very end of the process.
            drop(handle.reload(filter));
        }
        Ok(())
    }
}

fn parse(directive: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::builder().parse(directive).map_err(|_| LogError::Directive(directive.to_owned()))
}

pub(crate) fn install(directive: &str, format: LogFormat) -> Result<LogLevel, LogError> {
    let (filter, handle) = reload::Layer::new(parse(directive)?);
    let registry = Registry::default().with(filter);
    let installed = match format {
        LogFormat::Text => registry.with(fmt::layer().with_writer(io::stderr).with_ansi(false)).try_init(),
        LogFormat::Json => registry.with(fmt::layer().json().flatten_event(true).with_writer(io::stderr)).try_init(),
    };
    Ok(LogLevel { handle: installed.is_ok().then_some(handle) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_checked() {
        assert!(parse("leno_proxy=debug,info").is_ok());
        let error = parse("=,=").unwrap_err();
        assert!(error.to_string().contains("expected off, error"), "{error}");
    }
}
