//! The one error that crosses the process boundary (CNI spec 1.1.0, section 5 "Error").

use std::fmt;

/// The `code` of an error: the spec's well-known values, plus the plugin-specific ones (100 and above).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// 1: the configuration's version is not ours.
    IncompatibleVersion,
    /// 2: a key is known but this value cannot be served; the message names key and value.
    UnsupportedField,
    /// 3: the container is unknown, nothing to delete.
    UnknownContainer,
    /// 4: a `CNI_*` variable is missing or invalid.
    InvalidEnvironment,
    /// 5: reading or writing failed.
    Io,
    /// 6: the input is not what a decoder expects.
    Decoding,
    /// 7: the network configuration is wrong.
    InvalidConfig,
    /// 8: the network namespace is unusable.
    InvalidNetns,
    /// 11: a transient condition; the runtime should try again.
    TryAgain,
    /// 50: STATUS: the plugin cannot serve ADD.
    NotAvailable,
    /// 51: STATUS: as 50, and existing containers may have limited connectivity.
    LimitedConnectivity,
    /// 999: internal.
    Internal,
    /// Any other number, as a delegate reported it or as the plugin defines it.
    Other(u32),
}

impl Code {
    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::IncompatibleVersion => 1,
            Self::UnsupportedField => 2,
            Self::UnknownContainer => 3,
            Self::InvalidEnvironment => 4,
            Self::Io => 5,
            Self::Decoding => 6,
            Self::InvalidConfig => 7,
            Self::InvalidNetns => 8,
            Self::TryAgain => 11,
            Self::NotAvailable => 50,
            Self::LimitedConnectivity => 51,
            Self::Internal => 999,
            Self::Other(number) => number,
        }
    }
}

impl From<u32> for Code {
    fn from(number: u32) -> Self {
        match number {
            1 => Self::IncompatibleVersion,
            2 => Self::UnsupportedField,
            3 => Self::UnknownContainer,
            4 => Self::InvalidEnvironment,
            5 => Self::Io,
            6 => Self::Decoding,
            7 => Self::InvalidConfig,
            8 => Self::InvalidNetns,
            11 => Self::TryAgain,
            50 => Self::NotAvailable,
            51 => Self::LimitedConnectivity,
            999 => Self::Internal,
            other => Self::Other(other),
        }
    }
}

/// An error as the runtime sees it: `{"code":7,"msg":"…","details":"…"}` on stdout and exit status 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What kind of failure it is.
    pub code: Code,
    /// One sentence: what is wrong, and with which object or JSON path and value.
    pub msg: String,
    /// How to mend it, or the second failure; empty when there is nothing to add.
    pub details: String,
}

impl Error {
    /// An error without details.
    #[must_use]
    pub fn new(code: Code, msg: impl Into<String>) -> Self {
        Self { code, msg: msg.into(), details: String::new() }
    }

    /// Code 7, the commonest: the configuration is wrong.
    #[must_use]
    pub fn config(msg: impl Into<String>) -> Self {
        Self::new(Code::InvalidConfig, msg)
    }

    /// Code 999.
    #[must_use]
    pub fn internal(msg: impl Into<String>) -> Self {
        Self::new(Code::Internal, msg)
    }

    /// The same error with `details`.
    #[must_use]
    pub fn with_details(mut self, details: impl Into<String>) -> Self {
        self.details = details.into();
        self
    }

    /// The same error with `context: ` in front of the message; code and details stay.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.msg = format!("{context}: {}", self.msg);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.details.is_empty() { write!(f, "{}", self.msg) } else { write!(f, "{}; {}", self.msg, self.details) }
    }
}

impl std::error::Error for Error {}
